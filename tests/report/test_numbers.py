"""The numbers in the charts, compared with the same numbers computed differently."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

import pytest
from databases import call, call_with_participations, write_database
from seriation import seriate
from warehouse import Warehouse

if TYPE_CHECKING:
    from pathlib import Path

MONDAY = "2026-06-01"


def query_chart(
    directory: Path, calls: list[dict[str, Any]], chart: str, time_zone: str = "UTC"
) -> list[dict[str, Any]]:
    """Return the result of the SQL of one chart for these calls."""
    with Warehouse(write_database(directory / "w.duckdb", calls), "tuple", time_zone) as warehouse:
        rows: list[dict[str, Any]] = warehouse.rows(chart)
        return rows


def hours_by_pair(calls: list[dict[str, Any]]) -> dict[tuple[str, ...], float]:
    """Return the hours of each pair, counted minute by minute; participations begin and end at full minutes."""
    minutes_together: dict[tuple[str, ...], int] = defaultdict(int)
    for one in calls:
        present: dict[datetime, set[str]] = defaultdict(set)
        for participation in one["call_participations"]:
            at, left = (
                datetime.fromisoformat(participation["joined_at"]),
                datetime.fromisoformat(participation["left_at"]),
            )
            while at < left:
                present[at].add(participation["user"]["email"])
                at += timedelta(minutes=1)
        for people in present.values():
            for pair in combinations(sorted(people), 2):
                minutes_together[pair] += 1
    return {pair: minutes / 60 for pair, minutes in minutes_together.items()}


@pytest.fixture
def calls_with_interruptions() -> list[dict[str, Any]]:
    """Calls in which one person joins late, one uses two devices, and one leaves and rejoins."""
    return [
        call_with_participations(
            1,
            ("ann@x.test", f"{MONDAY} 09:07", 80),
            ("bob@x.test", f"{MONDAY} 09:12", 20),
            ("bob@x.test", f"{MONDAY} 09:22", 30),
            ("cem@x.test", f"{MONDAY} 09:10", 10),
            ("cem@x.test", f"{MONDAY} 10:01", 26),
        ),
        call_with_participations(2, ("ann@x.test", "2026-06-09 23:50", 25), ("cem@x.test", "2026-06-09 23:55", 65)),
    ]


def test_the_matrix_counts_simultaneous_time_of_a_pair_once(
    tmp_path: Path, calls_with_interruptions: list[dict[str, Any]]
) -> None:
    pairs = {
        (row["person"], row["other"]): row["hours"]
        for row in query_chart(tmp_path, calls_with_interruptions, "who_with_whom")
    }
    assert pairs == pytest.approx(hours_by_pair(calls_with_interruptions))


def test_weeks_count_the_time_with_two_or_more_people_once(
    tmp_path: Path, calls_with_interruptions: list[dict[str, Any]]
) -> None:
    weeks = query_chart(tmp_path, calls_with_interruptions, "hours_a_week")
    # 9:10 to 9:52 and 10:01 to 10:27; then 23:55 to 0:15.
    assert [(week["week"], round(week["hours"] * 60, 6)) for week in weeks] == [
        (date(2026, 6, 1), 42 + 26),
        (date(2026, 6, 8), 20),
    ]


def test_a_week_without_calls_has_zero_hours(tmp_path: Path) -> None:
    people = "a@x.test", "b@x.test"
    calls = [call(1, f"{MONDAY} 09:00", 60, *people), call(2, "2026-06-19 09:00", 60, *people)]
    weeks = query_chart(tmp_path, calls, "hours_a_week")
    assert [(week["week"].day, week["hours"]) for week in weeks] == [(1, 1), (8, 0), (15, 1)]
    assert not any(week["cut_short"] for week in weeks)


def test_the_first_and_last_weeks_are_marked_as_partial(tmp_path: Path) -> None:
    calls = [
        call(number, f"2026-06-{day:02} 09:00", 60, "a@x.test", "b@x.test") for number, day in enumerate((2, 9, 17))
    ]
    assert [week["cut_short"] for week in query_chart(tmp_path, calls, "hours_a_week")] == [True, False, True]


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("UTC", {(7, 22): 30, (7, 23): 60, (1, 0): 30}),
        ("Europe/Berlin", {(1, 0): 30, (1, 1): 60, (1, 2): 30}),
        ("Asia/Kolkata", {(1, 4): 60, (1, 5): 60}),
        ("America/New_York", {(7, 18): 30, (7, 19): 60, (7, 20): 30}),
    ],
)
def test_hours_follow_the_clock_of_the_time_zone(
    tmp_path: Path, zone: str, expected: dict[tuple[int, int], int]
) -> None:
    # A Sunday, when Berlin is two hours ahead, Kolkata five and a half, and New York four behind.
    calls = [call(1, "2026-06-07 22:30", 120, "a@x.test", "b@x.test")]
    rows = query_chart(tmp_path, calls, "hours_of_the_week", zone)
    assert {(row["weekday"], row["hour"]): row["hours"] * 60 for row in rows} == expected


def test_the_repeated_hour_at_the_end_of_daylight_saving_time_counts_twice(tmp_path: Path) -> None:
    calls = [call(1, "2026-10-24 23:30", 150, "a@x.test", "b@x.test")]
    rows = query_chart(tmp_path, calls, "hours_of_the_week", "Europe/Berlin")
    assert {row["hour"]: row["hours"] * 60 for row in rows} == {1: 30, 2: 120}


def test_calls_are_counted_by_length_and_by_number_of_people(tmp_path: Path) -> None:
    ann, bob, cem = "ann@x.test", "bob@x.test", "cem@x.test"
    calls = [
        call(1, f"{MONDAY} 09:00", 14, ann, bob),
        call(2, f"{MONDAY} 10:00", 15, ann, bob),
        call(3, f"{MONDAY} 11:00", 119, ann, bob, cem),
        call(4, f"{MONDAY} 14:00", 500, ann, ann, cem),
        call(5, "2026-06-02 09:00", 29, ann),
    ]
    with Warehouse(write_database(tmp_path / "w.duckdb", calls), "tuple", "UTC") as warehouse:
        lengths = {row["minutes"]: row["calls"] for row in warehouse.rows("length_of_calls")}
        sizes = {row["people"]: row["calls"] for row in warehouse.rows("size_of_calls")}
    assert lengths == {0: 1, 15: 2, 30: 0, 45: 0, 60: 0, 75: 0, 90: 0, 105: 1, 120: 1}
    assert sizes == {1: 1, 2: 3, 3: 1}


def test_people_of_a_team_are_adjacent_in_the_matrix() -> None:
    """Three teams whose names alternate in the alphabet; one person works with all of them."""
    names = ["abe", "ben", "cid", "dan", "eva", "fay", "gus", "hal", "ian", "joe", "kim", "lea"]
    teams = [names[start::3] for start in range(3)]
    hours = {(names[0], other): 0.3 for other in names[1:]}
    hours |= dict.fromkeys(pairwise(names), 0.1)
    hours |= {pair: 1.5 for team in teams for pair in combinations(team, 2)}
    order = seriate(hours)
    assert sorted(order) == names
    for team in teams:
        places = sorted(order.index(person) for person in team)
        assert places[-1] - places[0] == len(team) - 1, order


def test_the_order_of_the_matrix_does_not_depend_on_the_order_of_the_rows() -> None:
    hours = {("a", "b"): 3.0, ("c", "d"): 3.0, ("a", "c"): 1.0, ("b", "d"): 1.0, ("e", "f"): 2.0}
    backwards = {(other, one): together for (one, other), together in reversed(hours.items())}
    assert seriate(hours) == seriate(backwards)


def test_tables_in_another_schema_can_be_read(tmp_path: Path) -> None:
    calls = [call(1, f"{MONDAY} 09:00", 60, "a@x.test", "b@x.test")]
    with Warehouse(write_database(tmp_path / "w.duckdb", calls, schema="raw tuple"), "raw tuple", "UTC") as warehouse:
        assert warehouse.rows("who_with_whom")
