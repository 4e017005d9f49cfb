"""The texts of the report: titles that describe the charts, and notes on the data."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

Rows = list[dict[str, Any]]


def period(facts: dict[str, Any], time_zone: str) -> str:
    """Return the period from the day of the first call to that of the last."""
    first, last = facts["first_day"], facts["last_day"]
    beginning = f"{first.day} {first:%B}" if first.year == last.year else _day(first)
    return f"{beginning} to {_day(last)} ({_clock(time_zone)})"


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def hours_a_week(weeks: Rows) -> tuple[str, str]:
    """Return title and text of the chart of the weeks. Hours are the time with at least two people in a call."""
    whole = [week["hours"] for week in weeks if not week["cut_short"]]
    text = (
        "Hours in which at least two people were in a call together; a call of five counts once. Weeks begin on Monday."
    )
    if len(whole) < len(weeks):
        text += " Paler: only part of the week is in the data."
    if not whole:
        return "Hours of pairing a week", text
    hours = median(whole)
    text += " Dotted: the median of the whole weeks."
    return f"A usual week has about {hours:.0f} {_plural('hour', round(hours))} of pairing", text


def who_with_whom(pairs: Rows, people: int) -> tuple[str, str]:
    """Return title and text of the matrix."""
    possible = people * (people - 1) // 2
    text = (
        "Hours any two people spent in the same call. People who pair a lot stand side by side, so teams show as blocks"
        " along the diagonal; the order is no ranking."
    )
    return f"{len(pairs):,} of {possible:,} possible pairs have worked together", text


def length_of_calls(facts: dict[str, Any]) -> tuple[str, str]:
    """Return title and text of the chart of the calls' lengths."""
    text = "Number of calls by length, in quarters of an hour."
    if facts["median_minutes"] is None:
        return "How long calls last", text
    return f"Half of the calls last {facts['median_minutes']:.0f} minutes or longer", text


def size_of_calls(sizes: Rows) -> tuple[str, str]:
    """Return title and text of the chart of the calls' sizes."""
    calls = sum(size["calls"] for size in sizes)
    pairs = sum(size["calls"] for size in sizes if size["people"] == 2)  # noqa: PLR2004 - a pair
    return f"{pairs / calls:.0%} of calls are between two people", "Number of calls by how many people took part."


def hours_of_the_week(hours: Rows, time_zone: str) -> tuple[str, str]:
    """Return title and text of the chart of the hours: the fewest consecutive hours with half of all pairing."""
    by_hour = [0.0] * 24
    for row in hours:
        by_hour[row["hour"]] += row["hours"]
    begin, length = _fullest_half(by_hour)
    end = (begin + length) % 24
    return (
        f"Half of all pairing happens between {begin}:00 and {end}:00 {_zone(time_zone)}",
        f"Hours of pairing in an average week, by weekday and hour of the day ({_clock(time_zone)}).",
    )


def _fullest_half(by_hour: Sequence[float]) -> tuple[int, int]:
    """Return the hour at which it begins, and its number of hours; it can extend past midnight."""
    around = [*by_hour, *by_hour]
    windows = ((length, -sum(around[begin : begin + length]), begin) for length in range(1, 25) for begin in range(24))
    length, _, begin = min(window for window in windows if -window[1] >= sum(by_hour) / 2)
    return begin, length


def notes(facts: dict[str, Any], *, anonymous: bool) -> list[str]:
    """Return the paragraphs below the charts."""
    paragraphs = []
    if facts["synthetic"]:
        paragraphs.append(
            "These people and calls are invented: all addresses are of example.com, as in the demo of tap-tuple."
        )
    paragraphs.append(
        "From Tuple's usage API, loaded by tap-tuple into calls and call_participations. They say who was in which call"
        " and when, and nothing of what was done there. Completed calls only. The page is about the team: pairing hours"
        " are no measure of anybody's work."
    )
    if facts["left_out"]:
        left_out = facts["left_out"]
        paragraphs.append(
            f"{left_out:,} {_plural('participation', left_out)} without a person, a beginning or an end"
            f" {'is' if left_out == 1 else 'are'} left out of the hours."
        )
    if anonymous:
        paragraphs.append(
            "Names are replaced by pseudonyms, the same in each report. Whoever knows the team well may still recognise"
            " people by whom they pair with."
        )
    paragraphs.append("Drawn by Vega-Lite (BSD-3-Clause), which is part of this page; nothing is fetched to show it.")
    return paragraphs


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def _zone(time_zone: str) -> str:
    return time_zone if time_zone == "UTC" else f"({time_zone})"


def _clock(time_zone: str) -> str:
    return "UTC" if time_zone == "UTC" else f"clock of {time_zone}"
