"""The client: sends requests within the rate limit, retries them, and returns pages."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from concurrent import futures
from urllib.parse import urlencode

import backoff
import requests
from backoff.types import Details
from requests.exceptions import Timeout
from singer_sdk.authenticators import BearerTokenAuthenticator
from typing_extensions import override

from tap_tuple.api import errors
from tap_tuple.api.calls import CallDecoder, Calls, Page
from tap_tuple.api.rate_limit import RateLimiter
from tap_tuple.api.retries import RUN_LIMITS, Retries, RetryLimits
from tap_tuple.exceptions import ApiError, RetriableError
from tap_tuple.timestamps import Window

ENDPOINT = "/call_usage"
OK, NO_CONTENT = 200, 204
LONGEST_TIMEOUT_SECONDS = 86_400.0
LOGGED_WAIT_SECONDS = 1.0
"""A longer wait for the rate limit is logged."""

logger = logging.getLogger("tap-tuple")


class TokenAuthenticator(BearerTokenAuthenticator):
    """Adds the token to a request. The SDK's own class would also drop parameters without a value from the URL."""

    @override
    def authenticate_request(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self.auth_headers)
        return request


class UsageClient:
    """Client of `GET /call_usage`.

    Args:
        api_url: The base URL, for example `https://app.tuple.app/api/v2`.
        token: The API token.
        user_agent: The value of the User-Agent header.
        timeout_seconds: How long one request may take as a whole.
        requests_per_minute: The rate limit.
        limits: How long a request is retried.
        on_request: Called after each request, with the response, or None if there was none.
        on_rate_limit: Called when the rate limit is about to delay a request, with the delay in seconds.
    """

    def __init__(  # noqa: PLR0913 - each has a name
        self,
        *,
        api_url: str,
        token: str,
        user_agent: str,
        timeout_seconds: float,
        requests_per_minute: int,
        limits: RetryLimits = RUN_LIMITS,
        on_request: Callable[[requests.Response | None], None] = lambda _response: None,
        on_rate_limit: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self._api_url = api_url
        self._configured = self._endpoint = f"{api_url.rstrip('/')}{ENDPOINT}"
        self._authenticator = TokenAuthenticator(token=token)
        self._timeout_seconds = min(timeout_seconds, LONGEST_TIMEOUT_SECONDS)
        self._limits = limits.fitting(self._timeout_seconds)
        self._on_request = on_request
        self._on_rate_limit = on_rate_limit
        self._rate_limiter = RateLimiter(requests_per_minute)
        self._decoder = CallDecoder()
        self.requests_sent = 0
        """Number of requests sent, including retries."""
        self._session = requests.Session()
        self._session.headers.update({"Accept": "application/json", "User-Agent": user_agent})

    def get_page(self, window: Window, page: int, per_page: int) -> Page:
        """Request a page of a window and wait for it; see `start`. If it is too deep, one call of the first page."""
        try:
            return self.start(urlencode({**window.parameters, "page": page, "per_page": per_page}))()
        except ApiError as error:
            if page == 1 or error.status not in errors.TOO_DEEP:
                raise
            return self.get_page(window, 1, 1)

    def start(self, query: str) -> Callable[[], Page]:
        """Request a page in the background, as soon as the rate limit allows.

        Args:
            query: The query string, for example `since=2026-03-15T14%3A30%3A00.000Z&per_page=1000`.

        Returns:
            A function that waits for the page, and retries the request where that may help. It raises a
            `TapTupleError` if the page cannot be retrieved; the message says why and what to do.
        """
        first = self._send(query, min(self._timeout_seconds, self._limits.failure_seconds))
        return lambda: self._wait(query, first)

    def _wait(self, query: str, first: PendingResponse) -> Page:
        retries = Retries(self._limits)
        pending = [first]

        def attempt() -> Page:
            timeout_seconds = min(self._timeout_seconds, retries.left_seconds())
            response = self._receive(pending.pop() if pending else self._send(query, timeout_seconds))
            if moved := errors.moved_endpoint(response, self._configured):
                self._follow(moved)
                response = self._receive(self._send(query, timeout_seconds))
            return self._page(response)

        # `_on_retry` logs each retry.
        retry = backoff.on_exception(
            retries.waits, RetriableError, jitter=backoff.random_jitter, on_backoff=self._on_retry, logger=None
        )
        return retry(attempt)()

    def _follow(self, endpoint: str) -> None:
        if endpoint != self._endpoint:
            self._endpoint = endpoint
            url = endpoint.removesuffix(ENDPOINT)
            logger.info("%s redirects to %s. Set `api_url` to %s to save a request", self._api_url, url, url)

    def _send(self, query: str, timeout_seconds: float) -> PendingResponse:
        self.requests_sent += 1
        delay_seconds = self._rate_limiter.delay_seconds()
        if delay_seconds > LOGGED_WAIT_SECONDS:
            logger.info("Next request in %.0f s, to stay within `requests_per_minute`", delay_seconds)
        return PendingResponse(lambda: self._request(query, timeout_seconds), delay_seconds, timeout_seconds)

    def _request(self, query: str, timeout_seconds: float) -> requests.Response:
        try:
            # A redirect is not followed here: it could lead the token to another host.
            return self._session.get(
                f"{self._endpoint}?{query}", auth=self._authenticator, timeout=timeout_seconds, allow_redirects=False
            )
        finally:
            self._rate_limiter.count()

    def _receive(self, pending: PendingResponse) -> requests.Response:
        if pending.delay_left_seconds > LOGGED_WAIT_SECONDS:
            self._on_rate_limit(pending.delay_left_seconds)
        try:
            response = pending.result()
        except Exception as error:  # noqa: BLE001 - the table of errors decides
            self._on_request(None)
            raise errors.from_exception(error, self._api_url) from None
        self._on_request(response)
        return response

    def _page(self, response: requests.Response) -> Page:
        if response.status_code not in {OK, NO_CONTENT}:
            raise errors.from_status(response, self._api_url)
        calls = self._decoder.decode(response.content) if response.status_code == OK else Calls([], [])
        total = response.headers.get("X-Total-Count", "").strip()
        return Page(calls, int(total) if re.fullmatch("[0-9]{1,15}", total) else None, response)

    def _on_retry(self, details: Details) -> None:
        error = details["exception"]
        if isinstance(error, RetriableError):
            logger.warning("%s. Retrying in %.0f s", error.cause, details["wait"])
            if error.rate_limited:
                self._on_rate_limit(details["wait"])


class PendingResponse:
    """One request in a thread of its own, so that a page is written while the next one is requested.

    The thread is a daemon: it delays neither the exit of the process nor a signal, which only the main thread receives.
    `timeout_seconds` limits the whole response, as the socket's timeouts start again with each byte.
    """

    def __init__(self, send: Callable[[], requests.Response], delay_seconds: float, timeout_seconds: float) -> None:
        self._send = send
        self._delay_seconds = delay_seconds
        self._starts_at = time.monotonic() + delay_seconds
        self._due_at = self._starts_at + timeout_seconds
        self._outcome: futures.Future[requests.Response] = futures.Future()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            time.sleep(self._delay_seconds)
            self._outcome.set_result(self._send())
        except BaseException as error:  # noqa: BLE001 - it is raised in the main thread
            self._outcome.set_exception(error)

    @property
    def delay_left_seconds(self) -> float:
        """How much longer it waits before sending, in seconds."""
        return self._starts_at - time.monotonic()

    def result(self) -> requests.Response:
        """Wait for the response.

        Raises:
            requests.exceptions.RequestException: The request failed, or took too long.
        """
        try:
            return self._outcome.result(max(0.0, self._due_at - time.monotonic()))
        except futures.TimeoutError:
            raise Timeout("no complete response in time") from None
