"""The tap stays within the rate limit, and no further below it than it must."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_tuple import pacing
from tap_tuple.sandbox import Sandbox, generate_calls
from tap_tuple.tap import TapTuple

if TYPE_CHECKING:
    from collections.abc import Callable


@given(
    requests_per_minute=st.integers(1, 5),
    latencies=st.lists(st.floats(0.0, 30.0), min_size=1, max_size=40),
)
def test_no_minute_sees_more_requests_than_allowed_whatever_each_takes(
    requests_per_minute: int, latencies: list[float]
) -> None:
    now = 0.0
    sent: list[tuple[float, float]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pacing.time, "monotonic", lambda: now)
        pacer = pacing.Pacer(requests_per_minute)
        for latency in latencies:
            now += pacer.delay_seconds()
            sent.append((now, now + latency))
            now += latency
            pacer.answered()
    # A request reaches the API somewhere between being sent and being answered.
    for (_, answered), (next_sent, _) in zip(sent, sent[requests_per_minute:], strict=False):
        assert next_sent - answered >= pacing.WINDOW_SECONDS


def test_the_first_requests_go_as_fast_as_they_can() -> None:
    pacer = pacing.Pacer(60)
    for _ in range(60):
        assert pacer.delay_seconds() == 0.0
        pacer.answered()
    assert pacing.WINDOW_SECONDS - 1 < pacer.delay_seconds() <= pacing.WINDOW_SECONDS + pacing.MARGIN_SECONDS


def test_a_run_waits_for_the_window_on_the_wire_with_retries_counted(
    settings: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(pacing, "WINDOW_SECONDS", 1.0)
    with Sandbox(generate_calls(60)) as api:
        TapTuple(config=settings(api, page_size=10, requests_per_minute=3)).sync_all()
        arrived = [request.arrived_at for request in api.requests]
    assert len(arrived) == 6
    assert all(later - earlier >= 1.0 for earlier, later in zip(arrived, arrived[3:], strict=False))
    assert arrived[2] - arrived[0] < 1.0
    assert all(later > earlier for earlier, later in pairwise(arrived))
    assert capsysbinary.readouterr().out.count(b'"stream":"calls","record"') == 60
