"""What may go wrong with a request: for each status and exception whether to ask again, the cause, the remedy."""

from __future__ import annotations

import math
import re
import ssl
import time
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple, NoReturn
from urllib.parse import parse_qs, urljoin, urlsplit

from requests import exceptions

from tap_tuple.exceptions import ApiError, RetriableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

    from tap_tuple.exceptions import FailureType


class Fault(NamedTuple):
    """One row of the table. `cause` and `remedy` may name `{status}`, `{api_url}`, `{location}`, `{window}`."""

    retry: bool
    cause: str
    remedy: str
    failure_type: FailureType = "system_error"


WHO_GIVES_TOKENS = (
    "Set auth_token to a valid token; whoever manages your Tuple team can make a new one, and Tuple's "
    "support opens the API to a team."
)
LATER = "Run again later: nothing is lost, the next run goes on from the last bookmark."
OTHER_ADDRESS = "Set api_url to the API's present address; the default is https://app.tuple.app/api/v2."
RATE_LIMITED = 429
RETRY, FAIL = True, False

STATUSES: dict[int, Fault] = {
    401: Fault(FAIL, "The API does not know the token (401)", WHO_GIVES_TOKENS, "config_error"),
    403: Fault(FAIL, "The API does not let the token read calls (403)", WHO_GIVES_TOKENS, "config_error"),
    404: Fault(FAIL, "There is no usage API at {api_url} (404)", OTHER_ADDRESS, "config_error"),
    407: Fault(FAIL, "The proxy asks for a login (407)", "Put one into the variable HTTPS_PROXY.", "config_error"),
    408: Fault(RETRY, "The API waited too long for the request (408)", LATER),
    422: Fault(
        FAIL,
        "The API does not accept the window {window} (422)",
        "Check start_date, end_date and the bookmark in the state.",
        "config_error",
    ),
    RATE_LIMITED: Fault(RETRY, "The team's rate limit is used up (429)", LATER),
}
"""What a status means. https://docs.tuple.app/team-management/usage-api-alpha documents 401, 422 and 429."""

STATUS_CLASSES: dict[int, Fault] = {
    2: Fault(RETRY, "The API answered with status {status} in place of calls", LATER),
    3: Fault(
        FAIL,
        "The API redirects to {location} ({status}), which is not followed",
        OTHER_ADDRESS,
        "config_error",
    ),
    4: Fault(FAIL, "The API refused the request ({status})", "Check api_url, {api_url}."),
    5: Fault(RETRY, "The API failed ({status})", LATER),
    1: Fault(RETRY, "The API answered with status {status} in place of calls", LATER),
}
"""What any other status means, by its first digit."""

UNKNOWN_STATUS = Fault(FAIL, "{api_url} answered with status {status}", "Check that api_url names Tuple's API.")

EXCEPTIONS: tuple[tuple[type[Exception], Fault], ...] = (
    (
        ssl.SSLCertVerificationError,
        Fault(
            FAIL,
            "{api_url} has no certificate that is trusted here",
            "Check api_url, or name your own certificates in the variable REQUESTS_CA_BUNDLE.",
            "config_error",
        ),
    ),
    (
        exceptions.Timeout,
        Fault(RETRY, "{api_url} did not answer in time", f"{LATER} Or raise request_timeout."),
    ),
    (exceptions.ProxyError, Fault(RETRY, "The proxy cannot be reached", "Check the variable HTTPS_PROXY.")),
    (
        exceptions.SSLError,
        Fault(RETRY, "There is no trusted connection to {api_url}", f"{LATER} Or check api_url."),
    ),
    (exceptions.ContentDecodingError, Fault(RETRY, "The API's answer cannot be decompressed", LATER)),
    (exceptions.ChunkedEncodingError, Fault(RETRY, "The API's answer broke off", LATER)),
    (exceptions.ConnectionError, Fault(RETRY, "{api_url} cannot be reached", f"{LATER} Or check api_url.")),
    (
        exceptions.RequestException,
        Fault(RETRY, "The answer of {api_url} cannot be read", f"{LATER} Or check api_url."),
    ),
    (
        OSError,
        Fault(FAIL, "The certificates cannot be read", "Check the variable REQUESTS_CA_BUNDLE.", "config_error"),
    ),
    (ValueError, Fault(FAIL, "{api_url} cannot be asked, or not be understood", OTHER_ADDRESS, "config_error")),
)
"""What a failed request means; the first row that fits counts."""


def raise_for_status(response: requests.Response, api_url: str) -> None:
    """Raises what the table says of the response's status.

    Raises:
        RetriableError: Asking again may help.
        ApiError: It would not.
    """
    status = response.status_code
    if status == 200:  # noqa: PLR2004 - the one status that carries calls
        return
    fault = STATUSES.get(status) or STATUS_CLASSES.get(status // 100) or UNKNOWN_STATUS
    query = parse_qs(urlsplit(response.url).query)
    details = {
        "status": str(status),
        "api_url": api_url,
        "location": _location(response),
        "window": " to ".join(query[name][0] for name in ("since", "until") if name in query),
    }
    _raise(fault, details, response)


def raise_for_exception(error: Exception, api_url: str) -> NoReturn:
    """Raises what the table says of an exception that a request ended with; any other goes on as it is."""
    for kind, fault in EXCEPTIONS:
        if any(isinstance(cause, kind) for cause in _causes(error, kind)):
            _raise(fault, {"api_url": api_url}, None)
    raise error


def _causes(error: BaseException | None, kind: type[Exception]) -> Iterator[BaseException]:
    """The error; for a certificate, which `requests` wraps several times over, also what lies beneath."""
    while error is not None:
        yield error
        error = (error.__cause__ or error.__context__) if issubclass(kind, ssl.SSLError) else None


def _raise(fault: Fault, details: dict[str, str], response: requests.Response | None) -> NoReturn:
    cause, remedy = fault.cause.format_map(details), fault.remedy.format_map(details)
    if not fault.retry:
        raise ApiError(f"{cause}. {remedy}", failure_type=fault.failure_type)
    raise RetriableError(
        cause,
        remedy,
        response=response,
        retry_after_seconds=None if response is None else retry_after_seconds(response),
        rate_limited=response is not None and response.status_code == RATE_LIMITED,
    )


def _location(response: requests.Response) -> str:
    """Where a redirect points, without what may hold a secret: its user, its query, a path that is no plain one."""
    try:
        target = urlsplit(urljoin(response.url, response.headers.get("Location", "")))
    except ValueError:
        return "an address that cannot be read"
    path = target.path if re.fullmatch("(/[a-z0-9_.]{0,20})*", target.path) else "/…"
    return f"{target.scheme}://{target.netloc.rpartition('@')[2]}{path}"


def retry_after_seconds(response: requests.Response) -> float | None:
    """Reads `Retry-After` (RFC 9110, 10.2.3): a number of seconds, or a date.

    Returns:
        How long to wait from now, in seconds; None where there is nothing to be read, or it is past.
    """
    header = response.headers.get("Retry-After", "").strip()
    if header.isascii() and header.isdigit():
        seconds = float(header)
    else:
        try:
            date = parsedate_to_datetime(header)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        if date.tzinfo is None:
            date = date.replace(tzinfo=timezone.utc)
        seconds = (date - datetime.now(timezone.utc)).total_seconds()
    return seconds if seconds > 0 and math.isfinite(seconds) else None


def at(seconds_from_now: float) -> str:
    """Names a time of today in UTC, or of a later day, for a message."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time.time() + min(seconds_from_now, 1e9)))
