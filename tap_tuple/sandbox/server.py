"""The sandbox: calls, the contract and the script of faults behind one address."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, TextIO
from urllib.parse import parse_qsl

from tap_tuple.sandbox import wire
from tap_tuple.sandbox.api import API_PATH, UsageApi
from tap_tuple.sandbox.clock import Clock
from tap_tuple.sandbox.connections import LOOPBACK, Listener
from tap_tuple.sandbox.faults import UNANSWERED, Connection, Fault, Script
from tap_tuple.sandbox.history import further_calls
from tap_tuple.sandbox.messages import Received, Response
from tap_tuple.sandbox.rate_limit import RateLimit
from tap_tuple.sandbox.store import Call, CallStore
from tap_tuple.sandbox.team import Team

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from types import TracebackType

DEFAULT_TOKEN = "sk-tuple-sandbox"  # noqa: S105 - opens nothing but the sandbox


class Sandbox:
    """Tuple's usage API on loopback; a context manager that answers from its `with` on.

    Args:
        calls: The team's calls, in any order, well-formed or not; they are not copied.
        token: The token it takes.
        requests_per_minute: How many requests any 60 seconds may hold.
        faults: What goes wrong.
        latency_seconds: How long each answer takes at least.
        now: The sandbox's present, which is `until` where none is sent, and stands still; None for the real
            time.
        port: Where to listen on 127.0.0.1; 0 for any free port.
        team: Whose members hold new calls.
        access_log: Where each answer leaves a line, which holds no token.

    Attributes:
        requests: What was received, in order of arrival.
        url: The tap's `api_url`.

    Raises:
        OSError: The port is taken.
    """

    def __init__(  # noqa: PLR0913 - each is one thing about the sandbox, and has a default
        self,
        calls: Iterable[Call] = (),
        *,
        token: str = DEFAULT_TOKEN,
        requests_per_minute: int = 1_000_000,
        faults: Iterable[Fault] = (),
        latency_seconds: float = 0.0,
        now: datetime | None = None,
        port: int = 0,
        team: Team | None = None,
        access_log: TextIO | None = None,
    ) -> None:
        self.requests: list[Received] = []
        self._store = CallStore(calls)
        self._clock = Clock(now)
        self._api = UsageApi(self._store, token, RateLimit(requests_per_minute), self._clock.present_ms)
        self._script = Script(faults)
        self._latency_seconds = latency_seconds
        self._team = team or Team()
        self._random = random.Random(self._team.seed)  # noqa: S311 - plausible, not secret
        self._access_log = access_log
        self._lock = threading.Lock()
        self._listener = Listener(port, self._answer)
        self._origin = f"http://{LOOPBACK}:{self._listener.port}"
        self.url = f"{self._origin}{API_PATH}"

    def __enter__(self) -> Sandbox:  # noqa: PYI034 - `Self` is not in Python 3.10
        """Answers from now on."""
        self._listener.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends every connection and frees the port."""
        self._listener.stop()

    @property
    def calls(self) -> list[Call]:
        """The present calls, sorted as the API lists them."""
        return self._store.calls

    def add(self, *calls: Call) -> None:
        """Lets calls appear; one with an id that is there already appears beside it."""
        self._store.add(calls)

    def delete(self, *ids: object) -> None:
        """Lets the calls with these ids disappear."""
        self._store.delete(ids)

    def new_calls(self, count: int) -> list[Call]:
        """Lets plausible calls appear that ended after the newest so far, and returns them.

        Where the present stands still they end after it, and it moves on past them.
        """
        with self._lock:
            ends_ms = self._clock.ends_of_new_calls(count, self._store.newest_ended_ms(), self._random)
            calls = further_calls(ends_ms, self._team, self._random, self._store.highest_id)
            self._store.add(calls)
        return calls

    def _answer(self, method: str, target: str, headers: dict[str, str]) -> tuple[Response, Connection | None]:
        """Takes a request down, and makes its answer with all that goes wrong with it."""
        path, _, query = target.partition("?")
        parameters = dict(parse_qsl(query, keep_blank_values=True))
        with self._lock:
            number = len(self.requests) + 1
            request = Received(number, method, path, parameters, target, headers, time.monotonic())
            self.requests.append(request)
            faults = self._script.due(request)
        # As the real service does behind its proxy, URLs repeat the host that the client asked for.
        origin = f"http://{headers['host']}" if "host" in headers else self._origin
        for fault in faults:
            self._prepare(fault, request)
        self._listener.stopping.wait(self._latency_seconds + sum(fault.delay_seconds for fault in faults))
        edits = [fault.calls for fault in faults if fault.calls is not None]
        response = self._api.answer(request, origin, edits)
        for fault in faults:
            response = fault.change_content(response)
        wire.frame(response, method, headers.get("accept-encoding", ""))
        for fault in faults:
            fault.change_headers(response, request, origin)
        connection = next((fault.connection for fault in faults if fault.connection), None)
        if connection not in UNANSWERED:
            request.status = response.status
        if self._access_log is not None:
            self._access_log.write(f"{method} {target} {request.status or connection}\n")
        return response, connection

    def _prepare(self, fault: Fault, request: Received) -> None:
        """Does to the calls what a fault does before a request is answered."""
        if fault.run is not None:
            fault.run(self)
        if isinstance(fault.delete, int):
            self._store.delete(call.get("id") for call in self._api.first_calls(request, fault.delete))
        elif fault.delete:
            self._store.delete(fault.delete)
        self._store.add(fault.insert)
