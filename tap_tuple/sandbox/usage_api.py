"""Implements `GET /api/v2/call_usage` without sockets: maps a request to a response."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

from tap_tuple.sandbox.http_server import Received, Response
from tap_tuple.sandbox.iso8601 import parse_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tap_tuple.sandbox.call_store import CallDict, CallStore

API_PATH = "/api/v2"
_CALL_USAGE_PATH = f"{API_PATH}/call_usage"
_DEFAULT_PER_PAGE = 100
_QUOTA_SECONDS = 60.0

# At most 18 digits: enough for any page number, and below Python's limit for parsing integers.
_POSITIVE_INTEGER = re.compile(r"0*[1-9]\d{0,17}", re.ASCII)


class RejectedError(Exception):
    """The request is refused; the arguments are those of `Response.error`."""


class RequestQuota:
    """Limits the number of requests in any 60 seconds; refused requests do not count."""

    def __init__(self, requests_per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._accepted_at: deque[float] = deque(maxlen=requests_per_minute)
        self._lock = threading.Lock()

    def accepts_request(self) -> bool:
        """Return whether another request is within the limit, and count it if so."""
        with self._lock:
            now = self._clock()
            if len(self._accepted_at) == self._accepted_at.maxlen and self._accepted_at[0] > now - _QUOTA_SECONDS:
                return False
            self._accepted_at.append(now)  # drops the oldest if the deque is full
            return True


class CallQuery(NamedTuple):
    """The parameters of a request; times in milliseconds since 1970."""

    since_ms: int
    until_ms: int
    page: int
    per_page: int


@dataclass(frozen=True, kw_only=True)
class UsageApi:
    """The usage API of one team.

    Attributes:
        store: The team's calls.
        token: The only valid token.
        quota: The rate limit.
        max_per_page: The maximum page size; larger values of `per_page` are reduced to it.
        now_ms: Returns the current time, the default of `until`, in milliseconds since 1970.
    """

    store: CallStore
    token: str
    quota: RequestQuota
    max_per_page: int
    now_ms: Callable[[], int]

    def respond(
        self, request: Received, origin: str, edits: Iterable[Callable[[list[CallDict]], list[CallDict]]] = ()
    ) -> Response:
        """Return the response; URLs in `Link` start with `origin`, and `edits` change a copy of the page's calls."""
        try:
            self._authorize(request)
            query = self._parse(request)
        except RejectedError as rejected:
            return Response.error(*rejected.args)
        offset = (query.page - 1) * query.per_page
        total, page = self.store.select(query.since_ms, query.until_ms, offset, query.per_page)
        body = b"[%b]" % b",".join([stored.json for stored in page])
        for edit in edits:
            body = json.dumps(edit(json.loads(body))).encode()
        response = Response(HTTPStatus.OK, body)
        response.headers["X-Total-Count"] = str(total)
        if link := _link(request.query, query, total, origin):
            response.headers["Link"] = link
        return response

    def first_calls(self, request: Received, count: int) -> list[CallDict]:
        """Return the first calls that match a request, regardless of its page, or none if the request is invalid."""
        try:
            query = self._parse(request)
        except RejectedError:
            return []
        _, calls = self.store.select(query.since_ms, query.until_ms, 0, count)
        return [stored.call for stored in calls]

    def _parse(self, request: Received) -> CallQuery:
        parameters = request.query
        return CallQuery(
            since_ms=_datetime_ms(parameters, "since"),
            until_ms=_datetime_ms(parameters, "until") if "until" in parameters else self.now_ms(),
            page=_positive_integer(parameters, "page", 1),
            per_page=min(_positive_integer(parameters, "per_page", _DEFAULT_PER_PAGE), self.max_per_page),
        )

    def _authorize(self, request: Received) -> None:
        """Refuse a request with the wrong path, the wrong token, or over the rate limit.

        Only requests with the right path and token count towards the rate limit.
        """
        if request.path.removesuffix("/") != _CALL_USAGE_PATH:
            raise RejectedError(HTTPStatus.NOT_FOUND)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if (scheme.lower(), token) != ("bearer", self.token):
            raise RejectedError(HTTPStatus.UNAUTHORIZED)
        if not self.quota.accepts_request():
            raise RejectedError(HTTPStatus.TOO_MANY_REQUESTS)


def _link(parameters: Mapping[str, str], query: CallQuery, total: int, origin: str) -> str:
    """Return the `Link` header (RFC 8288) with the previous and the next page, or an empty string."""
    last_page = max(1, -(-total // query.per_page))
    neighbours = {}
    if query.page > 1:
        neighbours["prev"] = min(query.page - 1, last_page)
    if query.page < last_page:
        neighbours["next"] = query.page + 1
    window = {name: parameters[name] for name in ("since", "until") if name in parameters}
    return ", ".join(
        f'<{origin}{_CALL_USAGE_PATH}?{urlencode({**window, "page": page, "per_page": query.per_page})}>; rel="{rel}"'
        for rel, page in neighbours.items()
    )


def _datetime_ms(query: Mapping[str, str], name: str) -> int:
    if name not in query:
        raise RejectedError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name} is missing")
    try:
        return parse_ms(query[name])
    except ValueError:
        raise RejectedError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name} is not an ISO 8601 datetime") from None


def _positive_integer(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if _POSITIVE_INTEGER.fullmatch(text) is None:
        raise RejectedError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name} is not a positive integer")
    return int(text)
