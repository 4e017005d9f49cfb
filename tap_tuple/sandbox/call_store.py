"""Stores the calls of a team in the order of the API: by `ended_at`, then by id."""

from __future__ import annotations

import json
import math
import threading
from bisect import bisect_left, insort
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from tap_tuple.sandbox.iso8601 import parse_ms

if TYPE_CHECKING:
    from collections.abc import Iterable

CallDict: TypeAlias = dict[str, Any]

_UNDATED = (math.inf,)
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_position = attrgetter("position")


class StoredCall:
    """A call, its position in the order, and its JSON.

    `position` consists of the end in milliseconds since 1970 and the id. A call without a valid `ended_at` comes last.
    """

    __slots__ = ("_json", "call", "position")

    def __init__(self, call: CallDict) -> None:
        self.call = call
        try:
            ended_ms: float = parse_ms(call["ended_at"])
        except (KeyError, TypeError, ValueError):
            ended_ms = math.inf
        call_id = call.get("id")
        self.position = (ended_ms, call_id if isinstance(call_id, int) else 0)
        self._json: bytes | None = None

    @property
    def json(self) -> bytes:
        """The call as JSON. It is encoded only once, so use `CallStore.replace` instead of changing a call in place."""
        if self._json is None:
            self._json = _to_json(self.call).encode()
        return self._json


class CallStore:
    """A thread-safe collection of calls in the order of the API."""

    def __init__(self, calls: Iterable[CallDict]) -> None:
        self._lock = threading.RLock()
        self._stored = sorted(map(StoredCall, calls), key=_position)
        self.highest_id = max((stored.position[1] for stored in self._stored), default=0)
        """Never decreases, so that the ids of deleted calls are not used again."""

    @property
    def calls(self) -> list[CallDict]:
        """The current calls, sorted."""
        with self._lock:
            return [stored.call for stored in self._stored]

    @property
    def latest_end_ms(self) -> int:
        """The latest end in milliseconds since 1970; 0 without calls."""
        with self._lock:
            dated = bisect_left(self._stored, _UNDATED, key=_position)
            return int(self._stored[dated - 1].position[0]) if dated else 0

    def add(self, calls: Iterable[CallDict]) -> None:
        """Insert calls, even if calls with the same ids exist."""
        with self._lock:
            for stored in map(StoredCall, calls):
                insort(self._stored, stored, key=_position)
                self.highest_id = max(self.highest_id, stored.position[1])

    def delete(self, ids: Iterable[object]) -> None:
        """Delete every call that has one of the ids; unknown ids are ignored."""
        deleted = list(ids)  # not a set: the id of an invalid call may be a list
        with self._lock:
            self._stored = [stored for stored in self._stored if stored.call.get("id") not in deleted]

    def replace(self, calls: Iterable[CallDict]) -> None:
        """Delete the calls that have the same ids, and insert these calls, in one step."""
        new = list(calls)
        with self._lock:
            self.delete(call.get("id") for call in new)
            self.add(new)

    def select(self, since_ms: int, until_ms: int, offset: int, limit: int) -> tuple[int, list[StoredCall]]:
        """Return the number of calls that ended from `since_ms` (inclusive) to `until_ms` (exclusive), and a slice.

        Calls without a valid `ended_at` are always selected, and come last.
        """
        with self._lock:
            start, stop, undated = (
                bisect_left(self._stored, end, key=_position) for end in ((since_ms,), (until_ms,), _UNDATED)
            )
            dated = max(0, stop - start)
            calls = self._stored[start + offset : min(start + offset + limit, stop)]
            calls += self._stored[undated + max(0, offset - dated) : undated + max(0, offset + limit - dated)]
            return dated + len(self._stored) - undated, calls
