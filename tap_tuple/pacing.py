"""Keeps the tap within the team's rate limit."""

from __future__ import annotations

import time
from collections import deque

WINDOW_SECONDS = 60.0
MARGIN_SECONDS = 0.25
"""Absorbs the drift between two clocks."""
MOST_REQUESTS = 1_000_000
"""More than this in a minute no tap makes; there is no need to remember them."""


class Pacer:
    """Lets no more than so many requests through in any minute, and the first of them at once.

    A request counts from its answer: it reached the API before that, so whatever a connection takes,
    neither a sliding nor a fixed window of a minute on the API's side ever holds more.

    Args:
        requests_per_minute: How many requests the API allows a team in a minute.
    """

    def __init__(self, requests_per_minute: int) -> None:
        self._answered_at: deque[float] = deque(maxlen=min(requests_per_minute, MOST_REQUESTS))

    def delay_seconds(self) -> float:
        """How long the next request has to wait, in seconds."""
        if len(self._answered_at) < (self._answered_at.maxlen or 1):
            return 0.0
        free_at = self._answered_at[0] + WINDOW_SECONDS + MARGIN_SECONDS
        return max(0.0, free_at - time.monotonic())

    def answered(self) -> None:
        """Counts a request whose answer, or failure, has just come."""
        self._answered_at.append(time.monotonic())
