"""Retries: how long to retry a request, and how long to wait before each retry."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, replace

import backoff

from tap_tuple.exceptions import RetriableError

RATE_LIMIT_WAIT_SECONDS = 61.0
"""The wait after a 429 without `Retry-After`: the API counts requests per minute, and its minute has to pass."""
LONGEST_WAIT_SECONDS = 30.0
SHORTEST_ATTEMPT_SECONDS = 1.0


@dataclass(frozen=True)
class RetryLimits:
    """Limits on the retries of one request."""

    failure_seconds: float = 120.0
    """For server errors, timeouts and broken connections."""
    rate_limit_seconds: float = 600.0
    """For 429: other programs may be using the team's rate limit."""
    fits_timeout: bool = True
    """Whether a longer timeout of a single request extends the time for failures."""

    def fitting(self, timeout_seconds: float) -> RetryLimits:
        """Return the limits for requests with this timeout in seconds."""
        seconds = max(self.failure_seconds, timeout_seconds)
        return replace(self, failure_seconds=seconds) if self.fits_timeout else self


RUN_LIMITS = RetryLimits()
TEST_LIMITS = RetryLimits(failure_seconds=30.0, rate_limit_seconds=75.0, fits_timeout=False)
"""For `--test`, which runs interactively: long enough for the rate limit's minute to pass once."""


class Retries:
    """The time left for one request; the next request starts with a new object."""

    def __init__(self, limits: RetryLimits) -> None:
        self._limits = limits
        self._growing = backoff.expo(max_value=LONGEST_WAIT_SECONDS)
        next(self._growing)
        self._failing_since = time.monotonic()
        self._rate_limited_since: float | None = None

    def left_seconds(self) -> float:
        """Return how much longer an attempt may take; the last one gets at least a second."""
        ends_at = self._failing_since + self._limits.failure_seconds
        return max(SHORTEST_ATTEMPT_SECONDS, ends_at - time.monotonic())

    def waits(self) -> Generator[float, RetriableError, None]:
        """Yield how long to wait after each failure, in seconds; `backoff` sends the failure.

        Raises:
            RetriableError: The time is up. The message says when to run again.
        """
        error = yield 0.0
        while True:
            error = yield self._after_rate_limit(error) if error.rate_limited else self._after_failure(error)

    def _after_rate_limit(self, error: RetriableError) -> float:
        now = time.monotonic()
        self._rate_limited_since = now if self._rate_limited_since is None else self._rate_limited_since
        wait = error.retry_after_seconds or RATE_LIMIT_WAIT_SECONDS
        if now + wait > self._rate_limited_since + self._limits.rate_limit_seconds:
            raise _gave_up(error, now - self._rate_limited_since, wait)
        # Rate limiting has a limit of its own, and does not use up the time for failures.
        self._failing_since = now + wait
        return wait

    def _after_failure(self, error: RetriableError) -> float:
        now = time.monotonic()
        wait = max(next(self._growing), error.retry_after_seconds or 0.0)
        if now + wait > self._failing_since + self._limits.failure_seconds:
            raise _gave_up(error, now - self._failing_since, error.retry_after_seconds)
        return wait


def _gave_up(error: RetriableError, seconds: float, wait_seconds: float | None) -> RetriableError:
    why = f"gave up after {seconds:.0f} s of retries" if seconds >= 1 else "the wait in `Retry-After` is too long"
    at = time.gmtime(time.time() + min(wait_seconds or 0.0, 1e9))
    when = time.strftime(" Do not run again before %Y-%m-%d %H:%M:%S UTC.", at) if wait_seconds else ""
    return RetriableError(f"{error.cause}; {why}", f"{error.remedy}{when}")
