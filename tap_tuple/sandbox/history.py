"""A team's calls as the API returns them: who came late, left early, or dropped out and came back."""

from __future__ import annotations

import random
from datetime import datetime, timezone
from operator import itemgetter
from typing import TYPE_CHECKING

from tap_tuple.sandbox.instants import format_ms, to_ms
from tap_tuple.sandbox.meetings import MINUTE_MS, Meeting, meetings_before, meetings_ending
from tap_tuple.sandbox.team import Team

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_tuple.sandbox.store import Call

_SECOND_MS = 1_000

# How many of the people come late, leave early, or drop out and come back.
_LATE_SHARE = 0.1
_EARLY_SHARE = 0.15
_REJOIN_SHARE = 0.05
_SHORTEST_REJOINED_MS = 12 * MINUTE_MS

# Other teams' calls take ids as well, so a team's own have gaps.
_LARGEST_ID_GAP = 9

# Six people, each of whom may come back: no call has more participations, so their ids never meet.
_PARTICIPATIONS_PER_CALL = 16


def generate_calls(count: int, *, users: int = 25, seed: int = 1, now: datetime | None = None) -> list[Call]:
    """Makes the history of a team; the same arguments make the same calls.

    Args:
        count: How many calls. 10,000 of 25 users go back some 500 days.
        users: How many people are in the team.
        seed: Another one makes another history of the same kind.
        now: All calls ended before this; None for the current time.

    Returns:
        The calls in the shape and in the order of the API.

    Raises:
        ValueError: There are fewer than 2 users.
    """
    team = Team(users, seed)
    rng = random.Random(f"history {seed}")  # noqa: S311 - plausible, not secret
    now_ms = to_ms(now or datetime.now(timezone.utc))
    calls = _calls(meetings_before(now_ms, count, team, rng), 10_000, rng)
    return sorted(calls, key=itemgetter("ended_at", "id"))


def further_calls(ends_ms: list[int], team: Team, rng: random.Random, after_id: int) -> list[Call]:
    """Makes a call for each end, given in milliseconds since 1970, with ids above `after_id`."""
    return _calls(meetings_ending(ends_ms, team, rng), after_id, rng)


def _calls(meetings: list[Meeting], after_id: int, rng: random.Random) -> list[Call]:
    calls = []
    call_id = after_id
    for meeting in meetings:
        call_id += rng.randint(1, _LARGEST_ID_GAP)
        calls.append(_call(meeting, call_id, rng))
    return calls


def _call(meeting: Meeting, call_id: int, rng: random.Random) -> Call:
    participations = [
        {
            "id": call_id * _PARTICIPATIONS_PER_CALL + position,
            "joined_at": format_ms(joined_ms),
            "left_at": format_ms(left_ms),
            "user": {"email": person},
        }
        for position, (joined_ms, left_ms, person) in enumerate(sorted(_stays(meeting, rng)))
    ]
    return {
        "id": call_id,
        "started_at": format_ms(meeting.started_ms),
        "ended_at": format_ms(meeting.ended_ms),
        "duration_seconds": (meeting.ended_ms - meeting.started_ms) // _SECOND_MS,
        "call_participations": participations,
    }


def _stays(meeting: Meeting, rng: random.Random) -> Iterator[tuple[int, int, str]]:
    """Who was there from when to when. The first one starts the call, and one of them stays to its end."""
    started_ms, ended_ms, people = meeting
    length_ms = ended_ms - started_ms
    last = rng.randrange(len(people))
    for index, person in enumerate(people):
        joined_ms, left_ms = started_ms, ended_ms
        if index > 0:
            late = rng.random() < _LATE_SHARE
            joined_ms += rng.randrange(length_ms * 2 // 5 if late else 90 * _SECOND_MS)
        if index != last:
            early = rng.random() < _EARLY_SHARE
            left_ms -= rng.randrange(length_ms // 2 if early else 15 * _SECOND_MS)
        stay_ms = left_ms - joined_ms
        if stay_ms > _SHORTEST_REJOINED_MS and rng.random() < _REJOIN_SHARE:
            dropped_ms = joined_ms + int(stay_ms * rng.uniform(0.3, 0.6))
            yield joined_ms, dropped_ms, person
            joined_ms = dropped_ms + rng.randrange(20 * _SECOND_MS, 4 * MINUTE_MS)
        yield joined_ms, left_ms, person
