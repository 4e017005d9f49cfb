"""The contract of `GET /api/v2/call_usage`: a request in, an answer out, no sockets."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from tap_tuple.sandbox.messages import JSON, Received, Response
from tap_tuple.sandbox.window import RefusedError, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tap_tuple.sandbox.rate_limit import RateLimit
    from tap_tuple.sandbox.store import Call, CallStore

API_PATH = "/api/v2"
_CALL_USAGE_PATH = f"{API_PATH}/call_usage"


class UsageApi:
    """The usage API of one team.

    Args:
        store: The team's calls.
        token: The one it takes.
        rate_limit: The team's allowance.
        present_ms: Tells the present in milliseconds since 1970.
    """

    def __init__(self, store: CallStore, token: str, rate_limit: RateLimit, present_ms: Callable[[], int]) -> None:
        self._store = store
        self._token = token
        self._rate_limit = rate_limit
        self._present_ms = present_ms

    def answer(
        self, request: Received, origin: str, edits: Iterable[Callable[[list[Call]], list[Call]]] = ()
    ) -> Response:
        """Answers a request.

        Args:
            request: What was received.
            origin: What URLs in `Link` begin with, such as `http://127.0.0.1:8765`.
            edits: Change a copy of the page's calls before they are sent, one after the other.
        """
        try:
            self._admit(request)
            window = Window.parse(request.query, self._present_ms())
        except RefusedError as refused:
            return Response.error(refused.status, refused.message)
        skipped = (window.page - 1) * window.per_page
        total, page = self._store.page(window.since_ms, window.until_ms, skipped, window.per_page)
        body = b"[%b]" % b",".join([stored.json for stored in page])
        for edit in edits:
            body = json.dumps(edit(json.loads(body))).encode()
        headers: dict[str, str | list[str]] = {"Content-Type": JSON, "X-Total-Count": str(total)}
        if link := _link(request.query, window, total, origin):
            headers["Link"] = link
        return Response(HTTPStatus.OK.value, headers, body)

    def first_calls(self, request: Received, count: int) -> list[Call]:
        """The first `count` calls of all pages that a request asks for; none if it is malformed."""
        try:
            window = Window.parse(request.query, self._present_ms())
        except RefusedError:
            return []
        _, stored = self._store.page(window.since_ms, window.until_ms, 0, count)
        return [entry.call for entry in stored]

    def _admit(self, request: Received) -> None:
        """Refuses what may not see the calls. Only a request that bears the token counts to the limit."""
        if request.path.removesuffix("/") != _CALL_USAGE_PATH:
            raise RefusedError(HTTPStatus.NOT_FOUND)
        if request.method != "GET":
            raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if (scheme.lower(), token) != ("bearer", self._token):
            raise RefusedError(HTTPStatus.UNAUTHORIZED)
        if not self._rate_limit.admit():
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS)


def _link(query: Mapping[str, str], window: Window, total: int, origin: str) -> str:
    """The `Link` header of RFC 8288 with a page's neighbours, or nothing if it has none."""
    last = max(1, -(-total // window.per_page))
    neighbours = {}
    if window.page > 1:
        neighbours["prev"] = min(window.page - 1, last)
    if window.page < last:
        neighbours["next"] = window.page + 1
    sent = {name: query[name] for name in ("since", "until") if name in query}
    links = []
    for rel, page in neighbours.items():
        parameters = urlencode(sent | {"page": str(page), "per_page": str(window.per_page)})
        links.append(f'<{origin}{_CALL_USAGE_PATH}?{parameters}>; rel="{rel}"')
    return ", ".join(links)
