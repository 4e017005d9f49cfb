"""How far a run is, in one line a page."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from tap_tuple.pacing import WINDOW_SECONDS

if TYPE_CHECKING:
    import logging

    from tap_tuple.reading import Taken


class Progress:
    """Logs the calls so far, the total that the API announces, and the time that is left.

    Args:
        logger: Takes the lines.
        requests_per_minute: The pace, below which many pages cannot be had.
    """

    def __init__(self, logger: logging.Logger, requests_per_minute: int) -> None:
        self._logger = logger
        self._requests_per_minute = requests_per_minute
        self._started_at = time.monotonic()
        self._pages = 0

    def page(self, taken: Taken) -> None:
        """Logs that a page has been written."""
        self._pages += 1
        if taken.announced is None:
            self._logger.info("%d calls so far, of a total that the API does not announce", taken.so_far)
            return
        left = self._seconds_left(taken.announced - taken.so_far, taken.so_far / self._pages)
        self._logger.info("%d of %d calls, about %s left", taken.so_far, taken.announced, _duration(left))

    def _seconds_left(self, calls: int, calls_a_page: float) -> float:
        if calls <= 0:
            return 0.0
        pages = math.ceil(calls / max(1.0, calls_a_page))
        seconds_a_page = (time.monotonic() - self._started_at) / self._pages
        if self._pages + pages > self._requests_per_minute:
            seconds_a_page = max(seconds_a_page, WINDOW_SECONDS / self._requests_per_minute)
        return pages * seconds_a_page


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 2 * 60 else f"{seconds / 60:.0f} min"
