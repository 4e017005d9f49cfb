"""A run covers a window of time that is fixed when it starts."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from factories import a_call, a_state

from tap_tuple.sandbox import Fault, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from inprocess import InProcessTap

    Settings = Callable[..., dict[str, Any]]

CALLS = [a_call(number, f"2024-03-0{number}T10:00:00.{number}00Z") for number in range(1, 6)]


def requested(api: Sandbox, name: str) -> list[str]:
    return [request.query[name] for request in api.requests]


class TestEnd:
    def test_without_a_start_date_the_first_run_reads_the_history_up_to_its_own_start(
        self, tap: InProcessTap, settings: Settings
    ) -> None:
        before = datetime.now(timezone.utc) - timedelta(milliseconds=1)
        with Sandbox(CALLS) as api:
            run = tap(settings(api, page_size=2))
            assert requested(api, "since")[0] == "1970-01-01T00:00:00.000Z"
            ends = requested(api, "until")
        assert run.ids() == [1, 2, 3, 4, 5]
        assert len(set(ends)) == 1
        assert before <= datetime.strptime(ends[0], "%Y-%m-%dT%H:%M:%S.%f%z") <= datetime.now(timezone.utc)

    def test_a_call_that_ends_during_a_run_is_written_by_the_next_run(
        self, tap: InProcessTap, settings: Settings
    ) -> None:
        def end_a_call(api: Sandbox) -> None:
            api.add(a_call(6, datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")))

        with Sandbox(CALLS, faults=[Fault(run=end_a_call, delay_seconds=0.05)]) as api:
            first = tap(settings(api, page_size=2))
            second = tap(settings(api), state=first.state)
        assert first.ids() == [1, 2, 3, 4, 5]
        assert second.ids() == [5, 6]

    @pytest.mark.parametrize(
        ("end_date", "until", "ids"),
        [
            ("2024-03-04", "2024-03-04T00:00:00.000Z", [1, 2, 3]),
            ("2024-03-03T10:00:00.301Z", "2024-03-03T10:00:00.301Z", [1, 2, 3]),
            ("2024-03-03T10:00:00.300Z", "2024-03-03T10:00:00.300Z", [1, 2]),
            ("2024-03-03T12:00:00.3+02:00", "2024-03-03T10:00:00.300Z", [1, 2]),
        ],
    )
    def test_end_date_is_exclusive_to_the_millisecond(
        self, tap: InProcessTap, settings: Settings, end_date: str, until: str, ids: list[int]
    ) -> None:
        with Sandbox(CALLS) as api:
            run = tap(settings(api, end_date=end_date, page_size=2))
            assert set(requested(api, "until")) == {until}
        assert run.exit_code == 0
        assert run.ids() == ids

    def test_calls_outside_the_window_are_ignored(self, tap: InProcessTap, settings: Settings) -> None:
        outside = [a_call(98, "2024-02-29T23:59:59.999Z"), a_call(99, "2024-03-05T00:00:00.000Z")]
        with Sandbox(CALLS, faults=[Fault(times=None, calls=lambda page: [*outside, *page])]) as api:
            run = tap(settings(api, start_date="2024-03-01", end_date="2024-03-05"))
        assert run.ids() == [1, 2, 3, 4]
        assert run.bookmark() == "2024-03-04T10:00:00.400Z"


class TestStart:
    @pytest.mark.parametrize(
        ("config", "since"),
        [
            ({"start_date": "2024-03-01"}, "2024-03-01T00:00:00.000Z"),
            ({"start_date": "2024-03-01T09:00:00"}, "2024-03-01T09:00:00.000Z"),
            ({"start_date": "2024-03-01T09:00:00.123456+02:00"}, "2024-03-01T07:00:00.123Z"),
        ],
    )
    def test_a_first_run_starts_at_start_date(
        self, tap: InProcessTap, settings: Settings, config: dict[str, Any], since: str
    ) -> None:
        with Sandbox(CALLS) as api:
            run = tap(settings(api, page_size=2, **config), env={"TZ": "EST5"})
            assert requested(api, "since")[0] == since
        assert run.ids() == [1, 2, 3, 4, 5]

    @pytest.mark.parametrize(
        ("config", "bookmark", "since"),
        [
            ({}, "2024-03-04T10:00:00.438Z", "2024-03-04T09:00:00.438Z"),
            ({"lookback_window": 0}, "2024-03-04T10:00:00.100Z", "2024-03-04T10:00:00.100Z"),
            ({"lookback_window": 86400}, "2024-03-04T10:00:00.438Z", "2024-03-03T10:00:00.438Z"),
            ({"start_date": "2024-03-04T09:59:00Z"}, "2024-03-04T10:00:00.438Z", "2024-03-04T09:59:00.000Z"),
            ({"lookback_window": 10**10}, "2024-03-04T10:00:00.438Z", "1970-01-01T00:00:00.000Z"),
            ({"lookback_window": 10**40}, "2024-03-04T10:00:00.438Z", "1970-01-01T00:00:00.000Z"),
        ],
    )
    def test_a_later_run_starts_a_lookback_window_before_the_bookmark_but_not_before_start_date(
        self, tap: InProcessTap, settings: Settings, config: dict[str, Any], bookmark: str, since: str
    ) -> None:
        with Sandbox(CALLS) as api:
            run = tap(settings(api, **config), state=a_state(bookmark), env={"TZ": "EST5"})
            assert requested(api, "since")[0] == since
        assert run.ids() == [call["id"] for call in CALLS if call["ended_at"] >= since]

    def test_start_date_and_the_bookmark_are_inclusive_to_the_millisecond(
        self, tap: InProcessTap, settings: Settings
    ) -> None:
        calls = [a_call(number, f"2024-03-01T10:00:00.{number:03}Z") for number in (437, 438, 439)]
        with Sandbox(calls) as api:
            from_date = tap(settings(api, start_date="2024-03-01T10:00:00.438Z"))
            from_bookmark = tap(settings(api, lookback_window=0), state=a_state("2024-03-01T10:00:00.438Z"))
        assert from_date.ids() == from_bookmark.ids() == [438, 439]


class TestEmptyWindow:
    @pytest.mark.parametrize(
        ("config", "bookmark"),
        [
            ({"start_date": "2999-01-01"}, None),
            (
                {"start_date": "2024-03-01", "end_date": "2024-03-04", "lookback_window": 0},
                "2024-03-04T00:00:00.000Z",
            ),
            ({}, "2999-01-01T00:00:00.000Z"),
        ],
    )
    def test_an_empty_window_takes_no_request_and_keeps_the_bookmark(
        self, tap: InProcessTap, settings: Settings, config: dict[str, Any], bookmark: str | None
    ) -> None:
        with Sandbox(CALLS) as api:
            run = tap(settings(api, **config), state=bookmark and a_state(bookmark))
            assert api.requests == []
        assert run.exit_code == 0
        assert run.records() == []
        assert "Nothing to read" in run.log
        assert run.bookmark() == bookmark


def test_colons_and_plus_signs_are_encoded_in_the_query(tap: InProcessTap, settings: Settings) -> None:
    with Sandbox() as api:
        tap(settings(api, start_date="2024-03-01T09:00:00+02:00", end_date="2024-03-02T00:00:00+14:00"))
        assert [request.raw_target for request in api.requests] == [
            "/api/v2/call_usage?since=2024-03-01T07%3A00%3A00.000Z&until=2024-03-01T10%3A00%3A00.000Z&per_page=1000"
        ]


def test_the_window_is_logged(tap: InProcessTap, settings: Settings) -> None:
    with Sandbox(CALLS) as api:
        run = tap(settings(api, start_date="2024-02-01", end_date="2024-03-05", page_size=2))
    window = "2024-02-01T00:00:00.000Z to 2024-03-05T00:00:00.000Z"
    assert any("Reading" in line and window in line and "| INFO " in line for line in run.log.splitlines())
