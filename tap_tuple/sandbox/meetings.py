"""When a team's people meet, and who: working days, their busy and their quiet hours."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

from tap_tuple.sandbox.instants import parse_ms

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from tap_tuple.sandbox.team import Team

MINUTE_MS = 60_000
_HOUR_MS = 60 * MINUTE_MS

_CALLS_PER_PERSON_AND_DAY = 1.2

# Ten years of working days. More calls than they hold make the days fuller, not the history longer.
_MOST_DAYS = 2600

_SATURDAY = 5

# How many calls begin in each hour of the day, in local time.
_STARTS = {8: 2, 9: 8, 10: 12, 11: 10, 12: 3, 13: 6, 14: 11, 15: 12, 16: 9, 17: 5, 18: 2, 19: 1}

# How many calls have so many people.
_SIZES = {2: 76, 3: 13, 4: 6, 5: 3, 6: 2}

_SHORTEST_MS = 5 * MINUTE_MS
_LONGEST_MS = 180 * MINUTE_MS


class Meeting(NamedTuple):
    """A call before its details: from when to when (milliseconds since 1970), and with whom."""

    started_ms: int
    ended_ms: int
    people: list[str]


def meetings_before(now_ms: int, count: int, team: Team, rng: random.Random) -> list[Meeting]:
    """The latest `count` meetings of a team that ended before `now_ms`, in the order of their starts."""
    per_day = max(team.size * _CALLS_PER_PERSON_AND_DAY, count / _MOST_DAYS)
    found: list[Meeting] = []
    for day in _working_days_back_from(now_ms):
        if len(found) >= count:
            break
        meetings = _day(day, max(1, round(per_day * rng.uniform(0.7, 1.3))), team, rng)
        found += [meeting for meeting in meetings if meeting.ended_ms < now_ms]
    found.sort()
    return found[len(found) - count :]


def meetings_ending(ends_ms: list[int], team: Team, rng: random.Random) -> list[Meeting]:
    """Meetings that end at given instants, whatever the hour."""
    zones = list(team.zones)
    return [
        Meeting(end_ms - _duration_ms(rng), end_ms, team.party(rng, size, rng.choice(zones)))
        for end_ms, size in zip(ends_ms, _weighted(_SIZES, len(ends_ms), rng), strict=True)
    ]


def _working_days_back_from(now_ms: int) -> Iterator[date]:
    # From tomorrow on: where it is later than in UTC, tomorrow's calls may be over.
    day = date(1970, 1, 1) + timedelta(milliseconds=now_ms) + timedelta(days=1)
    while True:
        if day.weekday() < _SATURDAY:
            yield day
        day -= timedelta(days=1)


def _day(day: date, count: int, team: Team, rng: random.Random) -> list[Meeting]:
    """The meetings of a day; with few exceptions nobody is in two at once."""
    midnight_ms = parse_ms(day.isoformat())
    zones = _weighted({zone: len(group.people) for zone, group in team.zones.items()}, count, rng)
    starts = sorted(
        (midnight_ms + (hour - zone) * _HOUR_MS + rng.randrange(_HOUR_MS), zone)
        for hour, zone in zip(_weighted(_STARTS, count, rng), zones, strict=True)
    )
    meetings: list[Meeting] = []
    busy_until_ms: dict[str, int] = {}
    for (start_ms, zone), size in zip(starts, _weighted(_SIZES, count, rng), strict=True):

        def is_free(someone: str, at_ms: int = start_ms) -> bool:
            return busy_until_ms.get(someone, at_ms) <= at_ms

        meeting = Meeting(start_ms, start_ms + _duration_ms(rng), team.party(rng, size, zone, is_free))
        busy_until_ms.update(dict.fromkeys(meeting.people, meeting.ended_ms))
        meetings.append(meeting)
    return meetings


def _duration_ms(rng: random.Random) -> int:
    """Mostly half an hour or an hour, seldom more."""
    return _SHORTEST_MS + int((_LONGEST_MS - _SHORTEST_MS) * rng.betavariate(1.3, 5))


def _weighted(weights: dict[int, int], count: int, rng: random.Random) -> list[int]:
    return rng.choices(list(weights), list(weights.values()), k=count)
