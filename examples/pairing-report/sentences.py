"""Writes the texts of the report: the titles of the charts, and the notes on the data."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

Rows = list[dict[str, Any]]


def period(facts: dict[str, Any], time_zone: str) -> str:
    """Return the period from the day of the first call to the day of the last call."""
    first, last = facts["first_day"], facts["last_day"]
    beginning = f"{first.day} {first:%B}" if first.year == last.year else _day(first)
    return f"{beginning} to {_day(last)} ({_clock(time_zone)})"


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def hours_a_week(weeks: Rows) -> tuple[str, str]:
    """Return the title and text of the chart of hours per week."""
    whole = [week["hours"] for week in weeks if not week["cut_short"]]
    text = (
        "Hours in which at least two people were in a call; a call with five people counts once. Weeks begin on Monday."
    )
    if len(whole) < len(weeks):
        text += " Paler bars: the data covers only part of the week."
    if not whole:
        return "Hours of pairing per week", text
    hours = median(whole)
    text += " Dotted line: the median of the complete weeks."
    return f"A typical week has about {hours:.0f} {_plural('hour', round(hours))} of pairing", text


def who_with_whom(pairs: Rows, people: int) -> tuple[str, str]:
    """Return the title and text of the matrix of pairs."""
    possible = people * (people - 1) // 2
    text = (
        "Hours that two people spent in the same call. People who pair often are adjacent, so teams appear as blocks"
        " along the diagonal. The order is not a ranking."
    )
    return f"{len(pairs):,} of {possible:,} possible pairs have worked together", text


def length_of_calls(facts: dict[str, Any]) -> tuple[str, str]:
    """Return the title and text of the chart of call lengths."""
    text = "Number of calls by length, in steps of 15 minutes."
    if facts["median_minutes"] is None:
        return "How long calls last", text
    return f"Half of the calls last {facts['median_minutes']:.0f} minutes or longer", text


def size_of_calls(sizes: Rows) -> tuple[str, str]:
    """Return the title and text of the chart of call sizes."""
    calls = sum(size["calls"] for size in sizes)
    pairs = sum(size["calls"] for size in sizes if size["people"] == 2)  # noqa: PLR2004 - a pair
    return f"{pairs / calls:.0%} of calls are between two people", "Number of calls by number of participants."


def hours_of_the_week(hours: Rows, time_zone: str) -> tuple[str, str]:
    """Return the title and text of the chart of hours by weekday and time of day."""
    by_hour = [0.0] * 24
    for row in hours:
        by_hour[row["hour"]] += row["hours"]
    begin, length = _busiest_half(by_hour)
    end = (begin + length) % 24
    return (
        f"Half of all pairing happens between {begin}:00 and {end}:00 {_zone(time_zone)}",
        f"Hours of pairing in an average week, by weekday and hour of the day ({_clock(time_zone)}).",
    )


def _busiest_half(by_hour: Sequence[float]) -> tuple[int, int]:
    """Return the start and the length, in hours, of the shortest period with half of the pairing.

    The period can extend past midnight.
    """
    two_days = [*by_hour, *by_hour]
    windows = (
        (length, -sum(two_days[begin : begin + length]), begin) for length in range(1, 25) for begin in range(24)
    )
    length, _, begin = min(window for window in windows if -window[1] >= sum(by_hour) / 2)
    return begin, length


def notes(facts: dict[str, Any], *, anonymous: bool) -> list[str]:
    """Return the paragraphs below the charts."""
    paragraphs = []
    if facts["synthetic"]:
        paragraphs.append(
            "These people and calls are invented: all e-mail addresses are in example.com, as in tap-tuple's demo."
        )
    paragraphs.append(
        "Source: Tuple's usage API, loaded by tap-tuple into calls and call_participations. The data shows who was in"
        " which completed call and when, but not what was done there. Pairing hours describe the team; they do not"
        " measure the work of a person."
    )
    if facts["left_out"]:
        left_out = facts["left_out"]
        paragraphs.append(
            f"{left_out:,} {_plural('participation', left_out)} without a person, a start or an end"
            f" {'is' if left_out == 1 else 'are'} not included in the hours."
        )
    if anonymous:
        paragraphs.append(
            "Names are replaced by pseudonyms, which are the same in every report. Readers who know the team well may"
            " still recognise people by their pairing partners."
        )
    paragraphs.append("Drawn by Vega-Lite (BSD-3-Clause), which is embedded in this page. The page sends no requests.")
    return paragraphs


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def _zone(time_zone: str) -> str:
    return time_zone if time_zone == "UTC" else f"({time_zone})"


def _clock(time_zone: str) -> str:
    return "UTC" if time_zone == "UTC" else f"time zone {time_zone}"
