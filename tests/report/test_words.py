"""The text of the page outside its charts."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
import sentences
from databases import call, call_with_participations, write_database
from report import Page, build
from steps import Steps

if TYPE_CHECKING:
    from pathlib import Path


def test_the_page_says_that_people_of_example_com_are_invented(page: Page) -> None:
    assert "These people and calls are invented" in page.text


def test_a_page_names_the_time_zone_and_counts_participations_that_are_not_included(tmp_path: Path) -> None:
    calls = [
        call(1, "2026-06-01 09:00", 60, "a@x.test", "b@example.com"),
        call_with_participations(2, ("a@x.test", "2026-06-01 11:00", 60), ("b@example.com", "2026-06-01 11:00", None)),
        call_with_participations(3, ("a@x.test", "2026-06-01 13:00", 60), (None, "2026-06-01 13:00", 60)),
    ]
    page = build(write_database(tmp_path / "w.duckdb", calls), "--time-zone", "Europe/Berlin")
    assert [row["hours"] for row in page.rows("who_with_whom")] == [1, 1]
    assert "2 participations without a person, a start or an end are not included in the hours" in page.text
    assert "time zone Europe/Berlin" in page.text
    assert "invented" not in page.text


def test_the_same_calls_produce_the_same_page(database: Path, page: Page, tmp_path: Path) -> None:
    assert build(database, "--output", tmp_path / "again.html").html == page.html


def test_the_page_names_the_licences_of_its_components(page: Page) -> None:
    assert "University of Washington Interactive Data Lab" in page.html
    assert "Copyright 2010-2026 Mike Bostock" in page.html


@pytest.mark.parametrize(
    ("busy_hours", "between"),
    [
        ({9: 1, 10: 4, 11: 4, 15: 1}, "10:00 and 12:00"),
        ({23: 4, 0: 4, 12: 1}, "23:00 and 1:00"),
        ({5: 2}, "5:00 and 6:00"),
    ],
)
def test_the_busy_hours_are_the_shortest_range_with_half_of_the_hours(
    busy_hours: dict[int, float], between: str
) -> None:
    rows = [{"weekday": 1, "hour": hour, "hours": hours} for hour, hours in busy_hours.items()]
    title, _ = sentences.hours_of_the_week(rows, "UTC")
    assert title == f"Half of all pairing happens between {between} UTC"


def test_a_period_within_one_year_names_the_year_once() -> None:
    facts = {"first_day": date(2025, 12, 1), "last_day": date(2026, 1, 9)}
    assert sentences.period(facts, "UTC") == "1 December 2025 to 9 January 2026 (UTC)"
    facts["first_day"] = date(2026, 1, 2)
    assert sentences.period(facts, "UTC") == "2 January to 9 January 2026 (UTC)"


@pytest.mark.parametrize(
    ("amounts", "labels"),
    [
        ([0.4], ["more than 0 h"]),
        ([0.3, 0.3, 1.2], ["under 1 h", "1 h or more"]),
        ([*range(1, 101)], ["under 40 h", "40 to 60", "60 to 80", "80 to 90", "90 h or more"]),
    ],
)
def test_the_colour_steps_have_round_bounds(amounts: list[float], labels: list[str]) -> None:
    assert Steps(amounts, "h").labels() == labels
