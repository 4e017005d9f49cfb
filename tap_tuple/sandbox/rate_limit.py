"""How many requests a team may make: so many in any 60 seconds, whatever its tokens."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_WINDOW_SECONDS = 60.0


class RateLimit:
    """A sliding window over the requests that were let in.

    Args:
        requests_per_minute: How many requests any 60 seconds may hold.
        clock: Seconds that never go back.
    """

    def __init__(self, requests_per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._requests_per_minute = requests_per_minute
        self._clock = clock
        self._admitted: deque[float] = deque()
        self._lock = threading.Lock()

    def admit(self) -> bool:
        """Lets a request in and counts it, or refuses it; a refused one does not count."""
        with self._lock:
            now = self._clock()
            while self._admitted and self._admitted[0] <= now - _WINDOW_SECONDS:
                self._admitted.popleft()
            if len(self._admitted) >= self._requests_per_minute:
                return False
            self._admitted.append(now)
            return True
