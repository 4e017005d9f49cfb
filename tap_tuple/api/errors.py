"""Errors of a request: for each status and exception the cause, the remedy, and whether to retry."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests
from requests import exceptions
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from tap_tuple.exceptions import NO_DATA_LOST, ApiError, FailureType, RetriableError, TapTupleError


class Problem(NamedTuple):
    """A row of a table. The texts may contain the names of `_error`'s details, e.g. `{api_url}`."""

    cause: str
    remedy: str = NO_DATA_LOST
    retry: bool = False
    failure_type: FailureType = "config_error"


HOSTS = {"app.tuple.app", "production.tuple.app"}
"""Tuple documents both; over https they are one API."""
GONE = {404, 410}
"""Statuses of a page that does not exist, or no longer exists."""
TOO_DEEP = GONE | {400, 416, 422}
"""Statuses of a page number that the API does not serve: some APIs limit it."""
RATE_LIMITED = 429
RETRY_AFTER = Retry(retry_after_max=10**9)

AUTH_HELP = (
    "Set `auth_token` to a valid token. Owners and managers create tokens in Tuple's team settings, under \"API "
    'tokens". If that page is missing, ask Tuple support to enable the usage API for your team.'
)
ADDRESS_HELP = "Check `api_url`. Tuple documents https://app.tuple.app/api/v2, the default, and https://production.tuple.app/api/v2."
CA_HELP = "Check `api_url`, or set {bundle} to a PEM file with your own certificates."
PROXY_HELP = "Check the proxy URL in {proxy}."
LOGIN_HELP = "Add the user and the password to the proxy URL in {proxy}."
SOCKS_HELP = 'Install it with `pip install "requests[socks]"`, or set {proxy} to an HTTP proxy.'
TIMEOUT_HELP = f"{NO_DATA_LOST} If it persists, raise `request_timeout`. {ADDRESS_HELP}"
WINDOW_HELP = "Check `start_date`, `end_date` and the bookmark in the state."

STATUSES = {
    401: Problem("Authentication failed (401): the API rejected `auth_token`", AUTH_HELP),
    403: Problem("Permission denied (403): the token has no access to the usage API", AUTH_HELP),
    404: Problem("Not found (404): no usage API at {api_url}", ADDRESS_HELP),
    407: Problem("Proxy authentication required (407)", LOGIN_HELP),
    408: Problem("Request timeout (408)", retry=True),
    422: Problem("The API rejected the time range {query} (422)", WINDOW_HELP),
    RATE_LIMITED: Problem("Rate limit exceeded (429)", retry=True),
}
"""Tuple documents 401, 422 and 429."""
STATUS_CLASSES = {
    1: Problem("Unexpected status {status}", retry=True),
    2: Problem("Unexpected status {status}", retry=True),
    3: Problem("The API redirects to {location} ({status}), which is not followed", ADDRESS_HELP),
    4: Problem("The API rejected the request ({status})", ADDRESS_HELP, failure_type="system_error"),
    5: Problem("Server error ({status})", retry=True),
}
"""Any other status, by its first digit."""
UNKNOWN_STATUS = Problem("Invalid status {status} from {api_url}", ADDRESS_HELP, failure_type="system_error")
NO_CERTIFICATES = Problem("Cannot read the TLS certificates in {bundle}", CA_HELP)
PROXY_REFUSED = Problem("The proxy refused the connection to {api_url} (403)", PROXY_HELP)
INVALID_URL = Problem("Invalid API, redirect or proxy URL", f"{ADDRESS_HELP} {PROXY_HELP}")
NO_CONNECTION = Problem("Cannot connect to {api_url}", f"{NO_DATA_LOST} {ADDRESS_HELP}", retry=True)
EXCEPTIONS: tuple[tuple[type[Exception], str, Problem], ...] = (
    (ssl.SSLCertVerificationError, "", Problem("TLS certificate verification failed for {api_url}: {reason}", CA_HELP)),
    (exceptions.ConnectionError, "Tunnel connection failed: 407", STATUSES[407]),
    (exceptions.ConnectionError, "Tunnel connection failed: 403", PROXY_REFUSED),
    (exceptions.InvalidProxyURL, "", Problem("Invalid proxy URL", PROXY_HELP)),
    (exceptions.InvalidSchema, "SOCKS", Problem("SOCKS support for the proxy in {proxy} is not installed", SOCKS_HELP)),
    (exceptions.InvalidURL, "", INVALID_URL),
    (exceptions.Timeout, "", Problem("Request to {api_url} timed out", TIMEOUT_HELP, retry=True)),
    (exceptions.ProxyError, "", Problem("Cannot connect to the proxy", f"{NO_DATA_LOST} {PROXY_HELP}", retry=True)),
    (exceptions.SSLError, "[X509", NO_CERTIFICATES),
    (exceptions.SSLError, "", NO_CONNECTION._replace(cause="TLS connection to {api_url} failed")),
    (exceptions.ContentDecodingError, "", Problem("The response could not be decompressed", retry=True)),
    (exceptions.ChunkedEncodingError, "", Problem("Connection closed before the response was complete", retry=True)),
    (exceptions.ConnectionError, "", NO_CONNECTION),
    (exceptions.RequestException, "", NO_CONNECTION._replace(cause="Invalid response from {api_url}")),
    (OSError, "", NO_CERTIFICATES),
    (ValueError, "", INVALID_URL),
)
"""Exceptions of a request by type, and by what their text contains; the first row that matches counts."""


def from_status(response: requests.Response, api_url: str) -> TapTupleError:
    """Return the error for a response whose status is not 200."""
    status = response.status_code
    query = dict(parse_qsl(urlsplit(response.url).query))
    error = _error(
        STATUSES.get(status) or STATUS_CLASSES.get(status // 100) or UNKNOWN_STATUS,
        status=status,
        api_url=api_url,
        location=_location(response),
        query=" ".join(f"{name}={query[name]}" for name in ("since", "until") if name in query),
    )
    if isinstance(error, RetriableError):
        error.retry_after_seconds = _retry_after_seconds(response)
        error.rate_limited = status == RATE_LIMITED
    elif isinstance(error, ApiError):
        error.status = status
    return error


def from_exception(error: Exception, api_url: str) -> Exception:
    """Return the error for an exception that a request ended with; an unknown exception is returned as it is."""
    for kind, part, problem in EXCEPTIONS:
        # Only a certificate error is searched for among the causes, as `requests` wraps it.
        candidates = _causes(error) if kind is ssl.SSLCertVerificationError else [error]
        for found in candidates:
            if isinstance(found, kind) and part in str(error):
                return _error(problem, api_url=api_url, reason=getattr(found, "verify_message", "") or "unknown reason")
    return error


def _error(problem: Problem, **details: object) -> TapTupleError:
    scheme = "HTTPS" if str(details["api_url"]).startswith("https") else "HTTP"
    details["proxy"] = _variable(f"{scheme}_PROXY", f"{scheme.lower()}_proxy", "ALL_PROXY", "all_proxy")
    details["bundle"] = _variable("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    cause, remedy = (text.format_map(details) for text in problem[:2])
    if problem.retry:
        return RetriableError(cause, remedy)
    return ApiError(f"{cause}. {remedy}", failure_type=problem.failure_type)


def _variable(*names: str) -> str:
    """Return the first environment variable that is set, or else the first one."""
    return next((name for name in names if os.environ.get(name)), names[0])


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def moved_endpoint(response: requests.Response, endpoint: str) -> str | None:
    """Return where a request to the endpoint is redirected, if that is the same path on Tuple's other host."""
    source, target = urlsplit(endpoint), urlsplit(_redirect_url(response) if response.is_redirect else "")
    if not response.url.startswith(endpoint) or {source.netloc.lower(), target.netloc} != HOSTS:
        return None
    moved = target._replace(query="", fragment="")
    return moved.geturl() if moved == source._replace(netloc=target.netloc) and target.scheme == "https" else None


def _redirect_url(response: requests.Response) -> str:
    try:
        return urljoin(response.url, response.headers.get("Location", ""))
    except ValueError:
        return ""


def _location(response: requests.Response) -> str:
    """Return where a redirect points, without what may hold a secret: its user, its query, an unusual path."""
    target = urlsplit(_redirect_url(response))
    path = target.path if re.fullmatch("(/[a-z0-9_.]{0,20})*", target.path) else "/…"
    return f"{target.scheme}://{target.netloc.rpartition('@')[2]}{path}" if target.netloc else "an invalid URL"


def _retry_after_seconds(response: requests.Response) -> float | None:
    """Return the delay of a `Retry-After` header in seconds (RFC 9110, 10.2.3); None if it is missing or invalid."""
    try:
        seconds = RETRY_AFTER.parse_retry_after(response.headers.get("Retry-After", ""))
    except (InvalidHeader, OverflowError, ValueError):
        return None
    return seconds if seconds > 0 else None
