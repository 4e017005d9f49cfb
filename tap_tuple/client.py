"""How the API is asked: the request, its pace and its retries."""

from __future__ import annotations

import logging
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

import backoff
from singer_sdk import RESTStream, metrics
from singer_sdk.streams.rest import HTTPRequest, PageContext
from typing_extensions import override

from tap_tuple import faults, page
from tap_tuple.attempt import Answer, Attempt
from tap_tuple.auth import TupleAuthenticator
from tap_tuple.exceptions import RetriableError
from tap_tuple.pagination import LinkPaginator
from tap_tuple.retries import (
    REFUSAL_SECONDS,
    TEST_REFUSAL_SECONDS,
    TEST_TROUBLE_SECONDS,
    TROUBLE_SECONDS,
    Patience,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    import requests
    from backoff.types import Details
    from singer_sdk.helpers.types import RequestFunc

    from tap_tuple.page import Page
    from tap_tuple.tap import TapTuple
    from tap_tuple.window import Window

BODY_CHUNK_BYTES = 1 << 20
LONGEST_TIMEOUT_SECONDS = 86_400.0
SLOW_PACE_SECONDS = 1.0
"""A wait for the pace that is longer than this is worth a line in the log."""
PLAIN_NAME = re.compile(r"[A-Za-z0-9_.]{1,80}")


class TupleStream(RESTStream[str]):
    """A stream over Tuple's usage API, which has one endpoint."""

    path = "/call_usage"
    # A redirect could lead the token astray; the table of faults says where it pointed.
    allow_redirects = False

    request_counter: metrics.Counter

    def __init__(self, tap: TapTuple) -> None:
        super().__init__(tap)
        self.tap = tap

    @override
    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:
        # The SDK announces each failure without its reason; the command says it once, with its remedy.
        super().log(message, *args, level=logging.DEBUG if level == logging.ERROR else level, **kwargs)

    @property
    @override
    def url_base(self) -> str:
        return str(self.config["api_url"]).rstrip("/")

    @cached_property
    @override
    def authenticator(self) -> TupleAuthenticator:
        return TupleAuthenticator(self.config["auth_token"])

    @property
    @override
    def timeout(self) -> float:  # type: ignore[override]  # requests takes parts of a second as well
        return min(float(self.config["request_timeout"]), LONGEST_TIMEOUT_SECONDS)

    @cached_property
    @override
    def user_agent(self) -> str:
        return str(self.config.get("user_agent") or f"{self.tap.name}/{self.tap.plugin_version}")

    @property
    def testing(self) -> bool:
        """Whether this is a dry run, such as `--test`, which takes a few records and is waited for."""
        return self.ABORT_AT_RECORD_COUNT is not None

    @override
    def get_new_paginator(self, window: Window, page_size: int) -> LinkPaginator:  # type: ignore[override]
        """Starts a chain of pages over a window."""
        return LinkPaginator(self.get_url(None), window, page_size)

    @override
    def get_http_request(self, *, page: PageContext[str]) -> HTTPRequest:
        return HTTPRequest(url=page.next_page_token or "", headers={"Accept": "application/json"})

    def ask(self, url: str) -> Callable[[], Page]:
        """Asks for a page in the background, as soon as the pace allows.

        Args:
            url: The page's URL, query included.

        Returns:
            What waits for the page, and asks again where that may help. It raises a `TapTupleError` if
            the page cannot be had; the message says why, and what to do.
        """
        under_way = [self._attempt(url, min(self.timeout, self._trouble_seconds))]

        def wait() -> Page:
            refusal_seconds = TEST_REFUSAL_SECONDS if self.testing else REFUSAL_SECONDS
            self._patience = patience = Patience(self._trouble_seconds, refusal_seconds)

            def answer() -> Page:
                if under_way:
                    return self._received(under_way.pop())
                return self._received(self._attempt(url, min(self.timeout, patience.left_seconds())))

            # The SDK types the decorator for a request function of its own.
            retried: Callable[[], Page] = self.request_decorator(answer)  # type: ignore[arg-type,assignment]
            answered = retried()
            self.request_counter.increment()
            return answered

        return wait

    @property
    def _trouble_seconds(self) -> float:
        return TEST_TROUBLE_SECONDS if self.testing else max(TROUBLE_SECONDS, self.timeout)

    def _attempt(self, url: str, timeout_seconds: float) -> Attempt:
        context: PageContext[str] = PageContext(stream_context=None, next_page_token=url)
        request = self.get_http_request(page=context)
        prepared = self.build_prepared_request(method=request.method, url=request.url, headers=request.headers)
        delay_seconds = self.tap.pacer.delay_seconds()
        if delay_seconds > SLOW_PACE_SECONDS:
            self.log("Next request in %.0f s, to stay within the rate limit (requests_per_minute)", delay_seconds)
        return Attempt(
            lambda: self._send(prepared, timeout_seconds),
            delay_seconds=delay_seconds,
            timeout_seconds=timeout_seconds,
        )

    @cached_property
    def _environment(self) -> Mapping[str, Any]:
        # `Session.send` alone leaves out REQUESTS_CA_BUNDLE.
        return self.requests_session.merge_environment_settings(self.get_url(None), {}, True, None, None)  # noqa: FBT003 - to stream

    def _send(self, request: requests.PreparedRequest, timeout_seconds: float) -> Answer:
        try:
            response = self.requests_session.send(
                request, timeout=timeout_seconds, allow_redirects=self.allow_redirects, **self._environment
            )
            return Answer(response, b"".join(response.iter_content(BODY_CHUNK_BYTES)))
        finally:
            self.tap.pacer.answered()

    def _received(self, attempt: Attempt) -> Page:
        if attempt.held_back_seconds > SLOW_PACE_SECONDS:
            self.tap.message_writer.rate_limited(attempt.held_back_seconds)
        try:
            response, body = attempt.answer()
        except Exception as error:  # noqa: BLE001 - the table knows which
            faults.raise_for_exception(error, self.config["api_url"])
        self._log_duration(response)
        self.validate_response(response)
        return page.read(response, body, self._report_unknown_field)

    @override
    def validate_response(self, response: requests.Response) -> None:
        faults.raise_for_status(response, self.config["api_url"])

    @override
    def request_decorator(self, func: RequestFunc) -> RequestFunc:
        return backoff.on_exception(
            self.backoff_wait_generator,
            RetriableError,
            jitter=self.backoff_jitter,
            on_backoff=self.backoff_handler,
            # The SDK's own decorator logs each wait and each failure once more.
            logger=None,
        )(func)

    @override
    def backoff_wait_generator(self) -> Generator[float, Any, None]:
        return self._patience.waits()

    @override
    def backoff_handler(self, details: Details) -> None:
        error = details["exception"]
        if isinstance(error, RetriableError):
            self.log("%s. Asking again in %.0f s", error.cause, details["wait"], level=logging.WARNING)
            if error.rate_limited:
                self.tap.message_writer.rate_limited(details["wait"])

    @cached_property
    def _unknown_fields(self) -> set[str]:
        return set()

    def _report_unknown_field(self, name: str) -> None:
        if name not in self._unknown_fields:
            self._unknown_fields.add(name)
            name = name if PLAIN_NAME.fullmatch(name) else "one with an unusual name"
            self.log("The API has a field that this version does not know, and leaves out: %s", name)

    def _log_duration(self, response: requests.Response) -> None:
        tags: dict[str, Any] = {
            metrics.Tag.STREAM: self.name,
            metrics.Tag.ENDPOINT: self.path,
            metrics.Tag.HTTP_STATUS_CODE: response.status_code,
            metrics.Tag.STATUS: metrics.Status.SUCCEEDED if response.ok else metrics.Status.FAILED,
        }
        duration = metrics.Metric.HTTP_REQUEST_DURATION
        metrics.log(self.metrics_logger, metrics.Point("timer", duration, response.elapsed.total_seconds(), tags))
