"""The team's calls in the order the API lists them: by their end, then by id."""

from __future__ import annotations

import json
import math
import threading
from bisect import bisect_left, insort
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from tap_tuple.sandbox.instants import parse_ms

if TYPE_CHECKING:
    from collections.abc import Iterable

Call: TypeAlias = dict[str, Any]

# The end of a call whose `ended_at` says nothing: after all others.
_UNDATED = math.inf

_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_ended = attrgetter("ended_ms")
_order = attrgetter("order")


class StoredCall:
    """A call with its place in the order, and with its JSON once it has been asked for."""

    __slots__ = ("_json", "call", "ended_ms")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.ended_ms: float = _ended_ms(call)
        self._json: bytes | None = None

    @property
    def number(self) -> int:
        """The id, or 0 where a hand-made call has something else in its place."""
        number = self.call.get("id")
        return number if isinstance(number, int) else 0

    @property
    def order(self) -> tuple[float, int, str]:
        """What calls are sorted by; ids that are no numbers, by their text."""
        return self.ended_ms, self.number, "" if self.number else str(self.call.get("id"))

    @property
    def json(self) -> bytes:
        """The call as JSON; encoded once, so a call that is changed later must be deleted and added."""
        if self._json is None:
            self._json = _to_json(self.call).encode()
        return self._json


class CallStore:
    """Calls in order, for any number of threads."""

    def __init__(self, calls: Iterable[Call]) -> None:
        self._stored = sorted(map(StoredCall, calls), key=_order)
        self._highest_id = max((stored.number for stored in self._stored), default=0)
        self._lock = threading.Lock()

    @property
    def calls(self) -> list[Call]:
        """The present calls, sorted."""
        with self._lock:
            return [stored.call for stored in self._stored]

    @property
    def highest_id(self) -> int:
        """The highest id there ever was, or 0: ids of deleted calls are not given out again."""
        return self._highest_id

    def newest_ended_ms(self) -> int | None:
        """The latest end that could be read."""
        with self._lock:
            dated = bisect_left(self._stored, _UNDATED, key=_ended)
            return int(self._stored[dated - 1].ended_ms) if dated else None

    def add(self, calls: Iterable[Call]) -> None:
        """Puts each call in its place; one whose id is there already makes a second."""
        with self._lock:
            for stored in map(StoredCall, calls):
                insort(self._stored, stored, key=_order)
                self._highest_id = max(self._highest_id, stored.number)

    def delete(self, ids: Iterable[object]) -> None:
        """Takes away every call that has one of the ids; ids that no call has are passed over."""
        gone = list(ids)  # no set: the id of a hand-made call may be a list
        with self._lock:
            self._stored = [stored for stored in self._stored if stored.call.get("id") not in gone]

    def page(self, since_ms: int, until_ms: int, first: int, size: int) -> tuple[int, list[StoredCall]]:
        """Counts the calls that ended from `since_ms` to before `until_ms`, and cuts a page out of them.

        Args:
            since_ms: Milliseconds since 1970; included.
            until_ms: Milliseconds since 1970; excluded.
            first: How many of these calls come before the page.
            size: How many calls the page holds at most.

        Returns:
            How many calls there are in all, and those of the page. A call whose end can't be read is in
            every window.
        """
        with self._lock:
            start = bisect_left(self._stored, since_ms, key=_ended)
            stop = max(start, bisect_left(self._stored, until_ms, key=_ended))
            undated = bisect_left(self._stored, _UNDATED, lo=stop, key=_ended)
            total = stop - start + len(self._stored) - undated
            page = self._stored[start + first : min(start + first + size, stop)]
            rest = max(first, stop - start) - (stop - start)
            page += self._stored[undated + rest : undated + rest + size - len(page)]
            return total, page


def _ended_ms(call: Call) -> float:
    try:
        return parse_ms(call["ended_at"])
    except (KeyError, TypeError, ValueError):
        return _UNDATED
