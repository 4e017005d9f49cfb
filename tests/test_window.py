"""A run reads a window of time that is fixed when it starts, and the API is asked for that window."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from conftest import a_call, a_state

from tap_tuple.sandbox import Fault, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import TapRunner

CALLS = [a_call(number, f"2024-03-0{number}T10:00:00.{number}00Z") for number in range(1, 6)]


def asked(api: Sandbox, name: str) -> list[str]:
    return [request.query[name] for request in api.requests]


def test_without_a_start_date_and_a_bookmark_all_of_history_is_read_up_to_the_start_of_the_run(
    tap: TapRunner, settings: Callable[..., Any]
) -> None:
    before = datetime.now(timezone.utc) - timedelta(milliseconds=1)
    with Sandbox(CALLS) as api:
        run = tap(settings(api, page_size=2))
        assert asked(api, "since") == ["1970-01-01T00:00:00.000Z"] * 3
        until = asked(api, "until")
    assert run.ids() == [1, 2, 3, 4, 5]
    assert len(set(until)) == 1, "until is fixed once"
    assert before <= datetime.strptime(until[0], "%Y-%m-%dT%H:%M:%S.%f%z") <= datetime.now(timezone.utc)


def test_a_call_that_ends_while_the_run_goes_on_is_left_to_the_next_run(
    tap: TapRunner, settings: Callable[..., Any]
) -> None:
    def end_a_call(api: Sandbox) -> None:
        api.add(a_call(6, datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")))

    with Sandbox(CALLS, faults=[Fault(on=1, run=end_a_call, delay_seconds=0.05)]) as api:
        first = tap(settings(api, page_size=2))
        assert len(set(asked(api, "until"))) == 1
        second = tap(settings(api), state=first.state)
    assert first.ids() == [1, 2, 3, 4, 5]
    assert second.ids() == [5, 6]


def test_a_fresh_chain_of_pages_asks_for_the_same_end(tap: TapRunner, settings: Callable[..., Any]) -> None:
    with Sandbox(CALLS, faults=[Fault(page=2, delete=[1])]) as api:
        run = tap(settings(api, page_size=2))
        assert len(set(asked(api, "since"))) > 1, "a call is gone, so the tap looks again"
        assert len(set(asked(api, "until"))) == 1
    assert sorted(set(run.ids())) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("more", "bookmark", "since"),
    [
        ({"start_date": "2024-03-01"}, None, "2024-03-01T00:00:00.000Z"),
        ({"start_date": "2024-03-01T09:00:00"}, None, "2024-03-01T09:00:00.000Z"),
        ({"start_date": "2024-03-01T09:00:00.123456+02:00"}, None, "2024-03-01T07:00:00.123Z"),
        ({}, "2024-03-01T10:00:00.438Z", "2024-03-01T09:00:00.438Z"),
        ({"lookback_window": 0}, "2024-03-01T10:00:00.100Z", "2024-03-01T10:00:00.100Z"),
        (
            {"start_date": "2024-02-01", "lookback_window": 86400},
            "2024-03-01T10:00:00.438Z",
            "2024-02-29T10:00:00.438Z",
        ),
        ({"start_date": "2024-03-01T09:59:00Z"}, "2024-03-01T10:00:00.438Z", "2024-03-01T09:59:00.000Z"),
        ({"start_date": "2024-02-01"}, "1970-01-01T00:00:00.000Z", "2024-02-01T00:00:00.000Z"),
    ],
)
def test_a_run_begins_at_the_later_of_start_date_and_the_bookmark_less_the_lookback(
    tap: TapRunner, settings: Callable[..., Any], more: dict[str, Any], bookmark: str | None, since: str
) -> None:
    with Sandbox(CALLS) as api:
        run = tap(settings(api, page_size=2, **more), state=bookmark and a_state(bookmark), env={"TZ": "EST5"})
        assert asked(api, "since") == [since] * 3
    assert run.ids() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("lookback_window", [10**10, 10**40])
def test_a_lookback_of_any_length_reads_from_the_beginning(
    tap: TapRunner, settings: Callable[..., Any], lookback_window: int
) -> None:
    with Sandbox(CALLS) as api:
        config = settings(api, start_date="2000-01-01", lookback_window=lookback_window)
        run = tap(config, state=a_state("2024-03-05T10:00:00.500Z"))
        assert asked(api, "since") == ["2000-01-01T00:00:00.000Z"], run.log
    assert run.ids() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("end_date", "until", "ids"),
    [
        ("2024-03-04", "2024-03-04T00:00:00.000Z", [1, 2, 3]),
        ("2024-03-03T10:00:00.301Z", "2024-03-03T10:00:00.301Z", [1, 2, 3]),
        ("2024-03-03T10:00:00.300Z", "2024-03-03T10:00:00.300Z", [1, 2]),
        ("2024-03-03T12:00:00.3+02:00", "2024-03-03T10:00:00.300Z", [1, 2]),
    ],
)
def test_a_run_ends_before_end_date_to_the_millisecond(
    tap: TapRunner, settings: Callable[..., Any], end_date: str, until: str, ids: list[int]
) -> None:
    with Sandbox(CALLS) as api:
        run = tap(settings(api, end_date=end_date, page_size=2))
        assert asked(api, "until") == [until] * len(api.requests)
    assert run.exit_code == 0
    assert run.ids() == ids


def test_start_date_and_the_bookmark_are_included_to_the_millisecond(
    tap: TapRunner, settings: Callable[..., Any]
) -> None:
    calls = [a_call(number, f"2024-03-01T10:00:00.{number:03}Z") for number in (437, 438, 439)]
    with Sandbox(calls) as api:
        from_date = tap(settings(api, start_date="2024-03-01T10:00:00.438Z"))
        from_bookmark = tap(settings(api, lookback_window=0), state=a_state("2024-03-01T10:00:00.438Z"))
        assert asked(api, "since") == ["2024-03-01T10:00:00.438Z"] * 2
    assert from_date.ids() == from_bookmark.ids() == [438, 439]


def test_colons_and_plus_signs_are_encoded_in_the_query(tap: TapRunner, settings: Callable[..., Any]) -> None:
    with Sandbox() as api:
        tap(settings(api, start_date="2024-03-01T09:00:00+02:00", end_date="2024-03-02T00:00:00+14:00"))
        assert [request.raw_target for request in api.requests] == [
            "/api/v2/call_usage?since=2024-03-01T07%3A00%3A00.000Z&until=2024-03-01T10%3A00%3A00.000Z&per_page=1000"
        ]


@pytest.mark.parametrize(
    ("more", "bookmark"),
    [
        ({"start_date": "2999-01-01"}, None),
        ({"start_date": "2024-03-01", "end_date": "2024-03-04", "lookback_window": 0}, "2024-03-04T00:00:00.000Z"),
        ({}, "2999-01-01T00:00:00.000Z"),
    ],
)
def test_an_empty_window_needs_no_request(
    tap: TapRunner, settings: Callable[..., Any], more: dict[str, Any], bookmark: str | None
) -> None:
    with Sandbox(CALLS) as api:
        run = tap(settings(api, **more), state=bookmark and a_state(bookmark))
        assert api.requests == []
    assert run.exit_code == 0
    assert run.errors == []
    assert run.records() == []
    assert "empty" in run.log
    assert {message["type"] for message in run.messages} == {"SCHEMA", "STATE"}
    assert run.bookmark() == bookmark, "a bookmark stays where it is"


def test_the_effective_window_is_logged_once(tap: TapRunner, settings: Callable[..., Any]) -> None:
    window = "2024-03-01T09:00:00.438Z to 2024-03-05T00:00:00.000Z"
    with Sandbox(CALLS) as api:
        run = tap(
            settings(api, start_date="2024-02-01", end_date="2024-03-05", page_size=2),
            state=a_state("2024-03-01T10:00:00.438Z"),
        )
        assert len(api.requests) == 2
    lines = [line for line in run.log.splitlines() if window in line]
    assert len(lines) == 1
    assert "| INFO " in lines[0]
