"""The script of misbehaviour: which request goes wrong, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from tap_tuple.sandbox.messages import Received, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tap_tuple.sandbox.server import Sandbox
    from tap_tuple.sandbox.store import Call

Connection = Literal["reset", "close", "cut", "stall", "drip"]
CONNECTIONS: tuple[Connection, ...] = get_args(Connection)

# With these the client sees no byte of an answer.
UNANSWERED: frozenset[Connection | None] = frozenset({"reset", "close"})

_SUCCESSES = range(200, 300)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that goes wrong. All that is set happens together.

    Attributes:
        on: The number of the first request it happens to, from 1; the default where `page` is not set.
        page: In place of `on`: happens to requests for this page.
        times: To how many requests in all; None for ever.
        delay_seconds: How long the answer waits.
        run: Is called with the sandbox before the request is answered.
        delete: Ids of calls that are gone before the request is answered; a number n stands for the first n
            of the calls the request asks for, whatever its page.
        insert: Calls that are there before the request is answered.
        status: Is answered instead. Outside 200 to 299 the answer is an error with no calls.
        calls: Changes the page's calls (a copy) before they are sent; `X-Total-Count` stays.
        body: Is sent instead, or makes what is sent out of what would have been.
        link: The `Link` header, in which `{origin}`, `{path}` and `{query}` stand for the request's own.
        headers: Are sent instead; None leaves a header out, a list sends it once for each value.
        connection: `reset` (RST) or `close` (FIN) before any byte; `cut` closes, `stall` falls silent after
            half of the body; `drip` sends a byte of the body every 0.2 seconds.

    Raises:
        ValueError: `on` and `page` are both set, or `connection` is none of those.
    """

    on: int | None = None
    page: int | None = None
    times: int | None = 1
    delay_seconds: float = 0.0
    run: Callable[[Sandbox], object] | None = None
    delete: int | Sequence[object] = ()
    insert: Sequence[Call] = ()
    status: int | None = None
    calls: Callable[[list[Call]], list[Call]] | None = None
    body: bytes | Callable[[bytes], bytes] | None = None
    link: str | None = None
    headers: Mapping[str, str | list[str] | None] = field(default_factory=dict)
    connection: Connection | None = None

    def __post_init__(self) -> None:
        """Refuses what can't happen."""
        if self.on is not None and self.page is not None:
            raise ValueError("on and page exclude each other")
        if self.connection is not None and self.connection not in CONNECTIONS:
            raise ValueError(f"connection is none of {', '.join(CONNECTIONS)}")

    def matches(self, request: Received) -> bool:
        """Whether a request is one it may happen to, `times` aside."""
        if self.page is not None:
            return request.query.get("page", "1") == str(self.page)
        return request.number >= (self.on or 1)

    def change_content(self, response: Response) -> Response:
        """Puts its status and body in place of those of the answer."""
        if self.status is not None and self.status in _SUCCESSES:
            response.status = self.status
        elif self.status is not None:
            response = Response.error(self.status)
        if callable(self.body):
            response.body = self.body(response.body)
        elif self.body is not None:
            response.body = self.body
        return response

    def change_headers(self, response: Response, request: Received, origin: str) -> None:
        """Puts its headers in place of those of the answer, those of framing and compression among them."""
        changes = dict(self.headers)
        if self.link is not None:
            query = request.raw_target.partition("?")[2]
            link = self.link.replace("{origin}", origin).replace("{path}", request.path)
            changes["Link"] = link.replace("{query}", query)
        for name, value in changes.items():
            for present in [known for known in response.headers if known.lower() == name.lower()]:
                del response.headers[present]
            if value is not None:
                response.headers[name] = value


class Script:
    """The faults of a sandbox, and how often each has happened."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self._faults = list(faults)
        self._happened = [0] * len(self._faults)

    def due(self, request: Received) -> list[Fault]:
        """Takes the faults that happen to a request off the script; call once for each, in their order."""
        due = []
        for index, fault in enumerate(self._faults):
            left = fault.times is None or self._happened[index] < fault.times
            if left and fault.matches(request):
                self._happened[index] += 1
                due.append(fault)
        return due
