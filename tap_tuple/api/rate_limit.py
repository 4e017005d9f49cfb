"""The rate limit: Tuple allows a team 60 requests per minute."""

from __future__ import annotations

import time
from collections import deque

WINDOW_SECONDS = 60.0
MARGIN_SECONDS = 0.25
"""Absorbs the drift between two clocks."""
MAX_REMEMBERED = 1_000_000
"""More requests than the tap can send in a minute; older ones need not be remembered."""


class RateLimiter:
    """Limits the number of requests in any minute; the first ones are not delayed.

    A request is counted when its response arrives. The API has counted it earlier, so no minute of the API, sliding or
    fixed, contains more requests, however slow the connection is.

    Args:
        requests_per_minute: How many requests the API allows a team per minute.
    """

    def __init__(self, requests_per_minute: int) -> None:
        self._responses: deque[float] = deque(maxlen=min(requests_per_minute, MAX_REMEMBERED))

    def delay_seconds(self) -> float:
        """Return how long the next request has to wait, in seconds."""
        if len(self._responses) < (self._responses.maxlen or 1):
            return 0.0
        return max(0.0, self._responses[0] + WINDOW_SECONDS + MARGIN_SECONDS - time.monotonic())

    def count(self) -> None:
        """Count a request whose response, or failure, has just arrived."""
        self._responses.append(time.monotonic())
