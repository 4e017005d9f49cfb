"""Defines faults: which requests they affect, and what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

from tap_tuple.sandbox.http_server import ConnectionFault, Received, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tap_tuple.sandbox.call_store import CallDict

    HeaderValue: TypeAlias = str | list[str] | None

_SUCCESS = range(200, 300)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault of the API. All fields that are set take effect together.

    `page` and `when` select requests, by default all. `on` and `times` count the selected requests only.

    Attributes:
        page: Select requests for this page.
        when: Select requests for which this returns true, e.g. `lambda request: request.query["since"] > "2026-03"`.
        on: The number of the first selected request that is affected, counted from 1.
        times: The number of affected requests; None for all from `on`.
        delay_seconds: Delay the response.
        run: Called with the sandbox before the response is made. The sandbox does not stop before it returns.
        delete: Delete the calls with these ids before the response is made. An integer deletes that many of the
            calls that match the request, from the first page on.
        insert: Add these calls before the response is made.
        status: Respond with this status. Outside 200 to 299, the body is an error instead of calls.
        calls: Takes a copy of the page's calls and returns those to send. `X-Total-Count` does not change.
        body: The body to send, or a function of the original body.
        link: The `Link` header; `{origin}`, `{path}` and `{query}` are replaced with those of the request.
        headers: Header values by name. A function takes the original value and returns the one to send; it is not
            called if the response has no such header. None removes the header. A list sends it once per value.
        connection: `reset` (RST) or `close` (FIN) instead of a response; `cut` closes and `stall` stops sending in
            the middle of the body; `drip` sends one byte of the body every 0.2 seconds.

    Raises:
        ValueError: `connection` is not one of these values.
    """

    page: int | None = None
    when: Callable[[Received], bool] | None = None
    on: int = 1
    times: int | None = 1
    delay_seconds: float = 0.0
    run: Callable[[Any], object] | None = None
    delete: int | Sequence[object] = ()
    insert: Sequence[CallDict] = ()
    status: int | None = None
    calls: Callable[[list[CallDict]], list[CallDict]] | None = None
    body: bytes | Callable[[bytes], bytes] | None = None
    link: str | None = None
    headers: Mapping[str, HeaderValue | Callable[[str], HeaderValue]] = field(default_factory=dict)
    connection: ConnectionFault | None = None

    def __post_init__(self) -> None:
        """Check `connection`, because mypy does not check the values in parametrized tests."""
        if self.connection not in {None, *get_args(ConnectionFault)}:
            raise ValueError(
                f"connection must be one of {', '.join(get_args(ConnectionFault))}, got {self.connection!r}"
            )

    def selects(self, request: Received) -> bool:
        """Return whether `page` and `when` select this request."""
        is_page = self.page is None or request.query.get("page", "1") == str(self.page)
        return is_page and (self.when is None or self.when(request))

    def applies_to(self, selected: int) -> bool:
        """Return whether `on` and `times` include the selected request with this number, counted from 1."""
        return selected >= self.on and (self.times is None or selected < self.on + self.times)

    def change_content(self, response: Response) -> Response:
        """Apply `status` and `body`."""
        if self.status is not None and self.status in _SUCCESS:
            response.status = self.status
        elif self.status is not None:
            response = Response.error(self.status)
        if callable(self.body):
            response.body = self.body(response.body)
        elif self.body is not None:
            response.body = self.body
        return response

    def change_headers(self, response: Response, request: Received, origin: str) -> None:
        """Apply `link` and `headers`, which can also change the headers that describe the encoded body."""
        changes = dict(self.headers)
        if self.link is not None:
            query = request.raw_target.partition("?")[2]
            link = self.link.replace("{origin}", origin).replace("{path}", request.path)
            changes["Link"] = link.replace("{query}", query)
        for name, change in changes.items():
            original = response.headers[name]
            value = (original and change(original)) if callable(change) else change
            del response.headers[name]
            for each in [value] if isinstance(value, str) else value or ():
                response.headers[name] = each
