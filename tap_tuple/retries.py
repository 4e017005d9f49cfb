"""How long to ask again, and how long to wait before it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import backoff

from tap_tuple import faults
from tap_tuple.exceptions import RetriableError

if TYPE_CHECKING:
    from collections.abc import Generator

TROUBLE_SECONDS = 120.0
"""How long requests may fail in a row."""
TEST_TROUBLE_SECONDS = 30.0
"""The same for `--test`, which somebody is waiting for."""
REFUSAL_SECONDS = 600.0
"""How long the rate limit may refuse in a row; others may be using it up."""
TEST_REFUSAL_SECONDS = 75.0
"""The same for `--test`: long enough to let one minute pass."""
RATE_WINDOW_SECONDS = 61.0
"""The API counts requests a minute; a little more, so that the minute has passed on its side too."""
LONGEST_WAIT_SECONDS = 30.0
SHORTEST_ATTEMPT_SECONDS = 1.0


class Patience:
    """The time that is left for one page to come; a page that came starts a new one.

    Args:
        trouble_seconds: How long requests may fail in a row, rate limit aside.
        refusal_seconds: How long the rate limit may refuse in a row.
    """

    def __init__(self, trouble_seconds: float = TROUBLE_SECONDS, refusal_seconds: float = REFUSAL_SECONDS) -> None:
        self._trouble_seconds = trouble_seconds
        self._refusal_seconds = refusal_seconds
        self._started_at = time.monotonic()
        self._ends_at = self._started_at + trouble_seconds
        self._growing = backoff.expo(max_value=LONGEST_WAIT_SECONDS)
        next(self._growing)
        self._refused_at: float | None = None

    def left_seconds(self) -> float:
        """How much longer an attempt may take, rate limit aside; a last one gets a moment in any case."""
        return max(SHORTEST_ATTEMPT_SECONDS, self._ends_at - time.monotonic())

    def waits(self) -> Generator[float, RetriableError, None]:
        """Says how long to wait after each failure, in seconds; `backoff` sends it what failed.

        Raises:
            RetriableError: The patience is at an end; the message says when to run again.
        """
        error = yield 0.0
        while True:
            error = yield self._refused(error) if error.rate_limited else self._failed(error)

    def _refused(self, error: RetriableError) -> float:
        now = time.monotonic()
        self._refused_at = now if self._refused_at is None else self._refused_at
        wait = error.retry_after_seconds or RATE_WINDOW_SECONDS
        if now + wait > self._refused_at + self._refusal_seconds:
            raise _given_up(error, f"after {now - self._refused_at:.0f} s of refusals", wait)
        # Refusals have a time of their own, and an API that refuses is not in trouble.
        self._ends_at = now + wait + self._trouble_seconds
        return wait

    def _failed(self, error: RetriableError) -> float:
        wait = max(next(self._growing), error.retry_after_seconds or 0.0)
        if time.monotonic() + wait > self._ends_at:
            passed = time.monotonic() - self._started_at
            raise _given_up(error, f"after {passed:.0f} s of trying", error.retry_after_seconds)
        return wait


def _given_up(error: RetriableError, how_long: str, wait_seconds: float | None) -> RetriableError:
    until = f" Not before {faults.at(wait_seconds)}." if wait_seconds else ""
    return RetriableError(f"{error.cause}; given up {how_long}", f"{error.remedy}{until}")
