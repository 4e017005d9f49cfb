"""The tap stays within the rate limit, and does not wait longer than necessary."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from factories import a_call_per_minute
from hypothesis import given
from hypothesis import strategies as st

from tap_tuple.api import rate_limit
from tap_tuple.sandbox import Fault, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from inprocess import InProcessTap


@given(
    requests_per_minute=st.integers(1, 5),
    latencies=st.lists(st.floats(0.0, 30.0), min_size=1, max_size=40),
)
def test_no_minute_has_more_requests_than_allowed_however_long_each_takes(
    requests_per_minute: int, latencies: list[float]
) -> None:
    now = 0.0
    sent: list[tuple[float, float]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tap_tuple.api.rate_limit.time.monotonic", lambda: now)
        limiter = rate_limit.RateLimiter(requests_per_minute)
        for latency in latencies:
            now += limiter.delay_seconds()
            sent.append((now, now + latency))
            now += latency
            limiter.count()
    # The API receives a request at some time between its sending and its response.
    for (_, responded_at), (next_sent_at, _) in zip(sent, sent[requests_per_minute:], strict=False):
        assert next_sent_at - responded_at >= rate_limit.WINDOW_SECONDS


def test_the_first_requests_are_not_delayed() -> None:
    limiter = rate_limit.RateLimiter(60)
    for _ in range(60):
        assert limiter.delay_seconds() == 0.0
        limiter.count()
    longest = rate_limit.WINDOW_SECONDS + rate_limit.MARGIN_SECONDS
    assert rate_limit.WINDOW_SECONDS - 1 < limiter.delay_seconds() <= longest


@pytest.mark.usefixtures("_short_waits")
def test_requests_and_retries_of_a_run_arrive_within_the_rate_limit(
    tap: InProcessTap, settings: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit, "WINDOW_SECONDS", 0.4)
    monkeypatch.setattr(rate_limit, "MARGIN_SECONDS", 0.01)
    with Sandbox(a_call_per_minute(last=28), faults=[Fault(on=2, status=503)]) as api:
        run = tap(settings(api, page_size=10, requests_per_minute=2))
        arrived_at = [request.arrived_at for request in api.requests]
    assert len(run.ids()) == 28
    assert len(arrived_at) == 4
    assert all(later - earlier >= 0.4 for earlier, later in zip(arrived_at, arrived_at[2:], strict=False))
    assert all(later > earlier for earlier, later in pairwise(arrived_at))
    assert arrived_at[1] - arrived_at[0] < 0.4
