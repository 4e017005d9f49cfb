"""Generates the calls of a realistic team, with squads, working hours, late arrivals and lost connections."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from tap_tuple.sandbox.iso8601 import format_ms, to_ms

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from tap_tuple.sandbox.call_store import CallDict

_SECOND_MS = 1_000
_MINUTE_MS = 60 * _SECOND_MS
_HOUR_MS = 60 * _MINUTE_MS

_NAMES = """
    ines.moreau jonas.weber amara.okafor liam.murphy sofia.rossi mateo.garcia hana.sato noah.schmidt priya.nair
    oliver.hughes camille.dubois diego.fernandez yuki.tanaka elena.petrova samuel.adeyemi freya.larsen lucas.almeida
    mei.chen tomas.novak aisha.khan ethan.brooks clara.jansen omar.haddad nina.kowalska gabriel.santos leila.rahimi
    henrik.nilsson zoe.martin arjun.mehta chloe.bernard felix.bauer maya.levi daniel.oconnor ingrid.berg pablo.torres
""".split()  # noqa: SIM905 - a list would take one line per name
_DEFAULT_USERS = 25
_SQUAD_SIZE = 5
_CALLS_PER_PERSON_AND_DAY = 1.2
_MAX_WORKING_DAYS = 2600  # ten years; more calls mean more calls per day, not a longer history
_SATURDAY = 5

# The hours (UTC) in which calls start and the numbers of people in a call, each with relative frequencies.
_START_HOURS = (range(8, 20), (2, 8, 12, 10, 3, 6, 11, 12, 9, 5, 2, 1))
_SIZES = (range(2, 7), (76, 13, 6, 3, 2))
_MIN_DURATION_MS = 5 * _MINUTE_MS
_MAX_DURATION_MS = 180 * _MINUTE_MS
_LATE_SHARE, _EARLY_SHARE, _REJOIN_SHARE = 0.1, 0.15, 0.05
_MIN_REJOINED_MS = 12 * _MINUTE_MS

_FIRST_ID = 10_000
_MAX_ID_GAP = 9  # calls of other teams also use ids
_MAX_PARTICIPATIONS = 16  # more than any call has, so the ids of participations are unique


class _Meeting(NamedTuple):
    started_ms: int
    ended_ms: int
    people: list[str]


class _Team:
    """People in squads, who pair mostly within their squad and with some people more often than with others."""

    def __init__(self, users: int, seed: int) -> None:
        if users < 2:  # noqa: PLR2004 - a pair
            raise ValueError(f"users must be at least 2, got {users}")
        rng = random.Random(f"team {seed}")  # noqa: S311 - not for security
        squads = max(1, round(users / _SQUAD_SIZE))
        names = [f"{name}{number or ''}" for number in range(users // len(_NAMES) + 1) for name in _NAMES][:users]
        squad_by_person = {f"{name}@example.com": index % squads for index, name in enumerate(names)}
        # With this factor, about 85 % of the people whom a host invites are from the host's squad.
        weights = (1.0, 1.2 * users)
        self.people = list(squad_by_person)
        self.activity = [rng.lognormvariate(0, 0.5) for _ in self.people]
        self.affinity = {
            host: {
                guest: weights[squad == guest_squad] * rng.lognormvariate(0, 1)
                for guest, guest_squad in squad_by_person.items()
            }
            for host, squad in squad_by_person.items()
        }

    def invite(self, host: str, size: int, busy: Collection[str], rng: random.Random) -> list[str]:
        """Return the people of a call; a busy person is included only if no one else is left."""
        people = [host]
        while len(people) < min(size, len(self.people)):
            others = [person for person in self.people if person not in people]
            available = [person for person in others if person not in busy] or others
            people += rng.choices(available, [self.affinity[host][person] for person in available])
        return people


def generate_calls(
    count: int, *, users: int = _DEFAULT_USERS, seed: int = 1, now: datetime | None = None
) -> list[CallDict]:
    """Generate the history of a team; the same arguments generate the same calls.

    Args:
        count: The number of calls. 10,000 calls of 25 users go back about 500 days.
        users: The number of people in the team.
        seed: The seed of the random generator; different seeds generate different histories.
        now: All calls ended before this time; None for the current time.

    Returns:
        The calls in the format and the order of the API.

    Raises:
        ValueError: `users` is less than 2.
    """
    team = _Team(users, seed)
    rng = random.Random(f"history {seed}")  # noqa: S311 - not for security
    now = now or datetime.now(timezone.utc)
    calls_per_day = max(users * _CALLS_PER_PERSON_AND_DAY, count / _MAX_WORKING_DAYS)
    day = now.astimezone(timezone.utc)
    meetings: list[_Meeting] = []
    while len(meetings) < count:
        if day.weekday() < _SATURDAY:
            on_day = _meetings(day, max(1, round(calls_per_day * rng.uniform(0.7, 1.3))), team, rng)
            meetings += [meeting for meeting in on_day if meeting.ended_ms < to_ms(now)]
        day -= timedelta(days=1)
    latest = sorted(meetings)[len(meetings) - count :]
    return sorted(_calls(latest, _FIRST_ID, rng), key=itemgetter("ended_at", "id"))


def calls_ending_at(ends_ms: Iterable[int], rng: random.Random, *, after_id: int) -> list[CallDict]:
    """Generate a call for each end, in milliseconds since 1970, with ids greater than `after_id`."""
    team = _Team(_DEFAULT_USERS, seed=1)
    meetings = []
    for end_ms in ends_ms:
        [host], [size] = rng.choices(team.people, team.activity), rng.choices(*_SIZES)
        meetings.append(_Meeting(end_ms - _duration_ms(rng), end_ms, team.invite(host, size, (), rng)))
    return _calls(meetings, after_id, rng)


def _meetings(day: datetime, count: int, team: _Team, rng: random.Random) -> list[_Meeting]:
    """Return the meetings of a day; no person is in two meetings at once, unless the day is too full."""
    midnight_ms = to_ms(day.replace(hour=0, minute=0, second=0, microsecond=0))
    starts = sorted(
        midnight_ms + hour * _HOUR_MS + rng.randrange(_HOUR_MS) for hour in rng.choices(*_START_HOURS, k=count)
    )
    hosts = rng.choices(team.people, team.activity, k=count)
    sizes = rng.choices(*_SIZES, k=count)
    busy_until_ms: dict[str, int] = {}
    meetings = []
    for planned_ms, host, size in zip(starts, hosts, sizes, strict=True):
        start_ms = max(planned_ms, busy_until_ms.get(host, 0))
        busy = {person for person, until_ms in busy_until_ms.items() if until_ms > start_ms}
        meeting = _Meeting(start_ms, start_ms + _duration_ms(rng), team.invite(host, size, busy, rng))
        busy_until_ms |= dict.fromkeys(meeting.people, meeting.ended_ms)
        meetings.append(meeting)
    return meetings


def _calls(meetings: list[_Meeting], after_id: int, rng: random.Random) -> list[CallDict]:
    calls = []
    call_id = after_id
    for meeting in meetings:
        call_id += rng.randint(1, _MAX_ID_GAP)
        participations = [
            {
                "id": call_id * _MAX_PARTICIPATIONS + index,
                "joined_at": format_ms(joined_ms),
                "left_at": format_ms(left_ms),
                "user": {"email": person},
            }
            for index, (joined_ms, left_ms, person) in enumerate(sorted(_presences(meeting, rng)))
        ]
        calls.append(
            {
                "id": call_id,
                "started_at": format_ms(meeting.started_ms),
                "ended_at": format_ms(meeting.ended_ms),
                "duration_seconds": (meeting.ended_ms - meeting.started_ms) // _SECOND_MS,
                "call_participations": participations,
            }
        )
    return calls


def _presences(meeting: _Meeting, rng: random.Random) -> Iterator[tuple[int, int, str]]:
    """Yield the start, end and person of each participation; some people join late, leave early or reconnect."""
    started_ms, ended_ms, people = meeting
    duration_ms = ended_ms - started_ms
    last_to_leave = rng.choice(people)
    for index, person in enumerate(people):
        joined_ms, left_ms = started_ms, ended_ms
        if index > 0:
            joined_ms += rng.randrange(duration_ms * 2 // 5 if rng.random() < _LATE_SHARE else 90 * _SECOND_MS)
        if person != last_to_leave:
            left_ms -= rng.randrange(duration_ms // 2 if rng.random() < _EARLY_SHARE else 15 * _SECOND_MS)
        if left_ms - joined_ms > _MIN_REJOINED_MS and rng.random() < _REJOIN_SHARE:
            dropped_ms = joined_ms + int((left_ms - joined_ms) * rng.uniform(0.3, 0.6))
            yield joined_ms, dropped_ms, person
            joined_ms = dropped_ms + rng.randrange(20 * _SECOND_MS, 4 * _MINUTE_MS)
        yield joined_ms, left_ms, person


def _duration_ms(rng: random.Random) -> int:
    """Return a random duration with a median of about 36 minutes."""
    return _MIN_DURATION_MS + int((_MAX_DURATION_MS - _MIN_DURATION_MS) * rng.betavariate(1.3, 5))
