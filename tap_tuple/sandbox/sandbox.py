"""The sandbox, which combines calls, the API and its faults in one server."""

from __future__ import annotations

import itertools
import random
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from tap_tuple.sandbox.call_store import CallDict, CallStore
from tap_tuple.sandbox.history import calls_ending_at
from tap_tuple.sandbox.http_server import LOOPBACK, ConnectionFault, HttpServer, Received, Response
from tap_tuple.sandbox.iso8601 import to_ms
from tap_tuple.sandbox.usage_api import API_PATH, RequestQuota, UsageApi

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from tap_tuple.sandbox.fault_injection import Fault

DEFAULT_TOKEN = "sk-tuple-sandbox"  # noqa: S105 - valid for the sandbox only

_NEW_CALL_INTERVAL_MS = 180_000


class Sandbox:
    """A stand-in for Tuple's usage API on loopback. It responds inside its `with` block.

    Args:
        calls: The team's calls in any order, valid or not. They are not copied.
        token: The only valid token.
        requests_per_minute: The rate limit.
        max_per_page: The maximum page size; larger values of `per_page` are reduced to it.
        faults: The faults to inject.
        latency_seconds: The minimum duration of each response.
        now: A fixed current time, which is the default of `until`; None for the real time.
        port: The port on 127.0.0.1; 0 for any free port.

    Attributes:
        requests: All requests received so far.
        url: The value for the tap's setting `api_url`.

    Raises:
        OSError: The port is in use.
    """

    def __init__(  # noqa: PLR0913 - independent options with defaults
        self,
        calls: Iterable[CallDict] = (),
        *,
        token: str = DEFAULT_TOKEN,
        requests_per_minute: int = 1_000_000,
        max_per_page: int = 1000,
        faults: Iterable[Fault] = (),
        latency_seconds: float = 0.0,
        now: datetime | None = None,
        port: int = 0,
    ) -> None:
        self.requests: list[Received] = []
        self._server = HttpServer(port, self._respond)
        self._origin = f"http://{LOOPBACK}:{self._server.port}"
        self.url = f"{self._origin}{API_PATH}"
        self._fixed_now_ms = None if now is None else to_ms(now)
        self._earliest_now_ms = 0
        self._store = CallStore(calls)
        self._api = UsageApi(
            store=self._store,
            token=token,
            quota=RequestQuota(requests_per_minute),
            max_per_page=max_per_page,
            now_ms=self._now_ms,
        )
        self._faults = [(fault, itertools.count(1)) for fault in faults]
        self._latency_seconds = latency_seconds
        self._random = random.Random(1)  # noqa: S311 - not for security
        self._lock = threading.Lock()

    def __enter__(self) -> Sandbox:  # noqa: PYI034 - `typing.Self` needs Python 3.11
        """Start responding to requests."""
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the server and close all connections."""
        self._server.stop()

    @property
    def calls(self) -> list[CallDict]:
        """The current calls, in the order of the API."""
        return self._store.calls

    def add(self, *calls: CallDict) -> None:
        """Add calls, even if calls with the same ids exist."""
        self._store.add(calls)

    def delete(self, *ids: object) -> None:
        """Delete the calls with these ids."""
        self._store.delete(ids)

    def replace(self, *calls: CallDict) -> None:
        """Replace the calls that have the same ids, as if they had been edited."""
        self._store.replace(calls)

    def new_calls(self, count: int) -> list[CallDict]:
        """Generate and add calls that ended after all others and before now, and return them.

        If there is not enough time between the last call and now, `now` moves forward.
        """
        with self._lock:
            ends_ms = self._ends_of_new_calls(count)
            calls = calls_ending_at(ends_ms, self._random, after_id=self._store.highest_id)
            self._store.add(calls)
        return calls

    def _now_ms(self) -> int:
        now_ms = time.time_ns() // 1_000_000 if self._fixed_now_ms is None else self._fixed_now_ms
        return max(now_ms, self._earliest_now_ms)

    def _ends_of_new_calls(self, count: int) -> range:
        now_ms = self._now_ms()
        latest_ms = self._store.latest_end_ms
        interval_ms = min(max(1, (now_ms - latest_ms) // (count + 1)), _NEW_CALL_INTERVAL_MS)
        first_ms = max(latest_ms + interval_ms, now_ms - count * interval_ms)
        ends_ms = range(first_ms, first_ms + count * interval_ms, interval_ms)
        self._earliest_now_ms = max([self._earliest_now_ms, *(end_ms + 1 for end_ms in ends_ms)])
        return ends_ms

    def _respond(self, target: str, headers: dict[str, str]) -> tuple[Response, ConnectionFault | None]:
        """Record a request, apply its faults, and return the response."""
        path, _, query = target.partition("?")
        parameters = dict(parse_qsl(query, keep_blank_values=True))
        with self._lock:
            request = Received(len(self.requests) + 1, path, parameters, target, headers)
            self.requests.append(request)
            selected = [(fault, next(counter)) for fault, counter in self._faults if fault.selects(request)]
        faults = [fault for fault, number in selected if fault.applies_to(number)]
        for fault in faults:
            self._change_calls(fault, request)
        self._server.stopping.wait(self._latency_seconds + sum(fault.delay_seconds for fault in faults))

        # URLs repeat the host that the client used, as behind the real service's proxy.
        origin = f"http://{headers['host']}" if "host" in headers else self._origin
        edits = [fault.calls for fault in faults if fault.calls is not None]
        response = self._api.respond(request, origin, edits)
        for fault in faults:
            response = fault.change_content(response)
        response.encode(headers.get("accept-encoding", ""))
        for fault in faults:
            fault.change_headers(response, request, origin)
        connection = next((fault.connection for fault in faults if fault.connection), None)
        if connection not in {"reset", "close"}:
            request.status = response.status
        return response, connection

    def _change_calls(self, fault: Fault, request: Received) -> None:
        """Apply the parts of a fault that take effect before the response is made."""
        if fault.run is not None:
            fault.run(self)
        if isinstance(fault.delete, int):
            self._store.delete(call.get("id") for call in self._api.first_calls(request, fault.delete))
        elif fault.delete:
            self._store.delete(fault.delete)
        self._store.add(fault.insert)
