"""The sandbox's present: the real time, or an instant that stands still until new calls move it on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tap_tuple.sandbox.instants import to_ms

if TYPE_CHECKING:
    import random
    from datetime import datetime

# How far apart new calls end, and how close together if the present leaves them little room.
_STRIDE_MS = 180_000
_LEAST_STRIDE_MS = 10


class Clock:
    """Tells the present in milliseconds since 1970.

    Args:
        now: Where it stands still; None for the real time.
    """

    def __init__(self, now: datetime | None) -> None:
        self._fixed_ms = None if now is None else to_ms(now)
        self._moved_to_ms = 0

    def present_ms(self) -> int:
        """The present."""
        present_ms = time.time_ns() // 1_000_000 if self._fixed_ms is None else self._fixed_ms
        return max(present_ms, self._moved_to_ms)

    def ends_of_new_calls(self, count: int, newest_ms: int | None, rng: random.Random) -> list[int]:
        """When new calls end: all after the newest there is, and before the present from now on.

        In real time they end just before the present, as long as the newest leaves room for them: a reader
        who asks for what ended before its own clock's now finds them. Else they end minutes apart after
        the newest, and the present moves on.
        """
        present_ms = self.present_ms()
        after_ms = present_ms - count * _STRIDE_MS if newest_ms is None else newest_ms
        if self._fixed_ms is not None:
            after_ms = max(after_ms, present_ms)
        room_ms = present_ms - after_ms
        if room_ms > count * _LEAST_STRIDE_MS:
            stride_ms = min(room_ms // max(count, 1), _STRIDE_MS)
            last_ms = present_ms - 1
        else:
            stride_ms = _STRIDE_MS
            last_ms = after_ms + count * stride_ms
        self._moved_to_ms = last_ms + 1
        return [last_ms - index * stride_ms - rng.randrange(stride_ms // 2) for index in reversed(range(count))]
