"""A plausible team: who works where, and who likes to pair with whom."""

from __future__ import annotations

import random
from bisect import bisect
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_NAMES = """
    ines.moreau jonas.weber amara.okafor liam.murphy sofia.rossi mateo.garcia hana.sato noah.schmidt
    priya.nair oliver.hughes camille.dubois diego.fernandez yuki.tanaka elena.petrova samuel.adeyemi
    freya.larsen lucas.almeida mei.chen tomas.novak aisha.khan ethan.brooks clara.jansen omar.haddad
    nina.kowalska gabriel.santos leila.rahimi henrik.nilsson zoe.martin arjun.mehta chloe.bernard
    felix.bauer maya.levi daniel.oconnor ingrid.berg pablo.torres grace.mwangi anton.volkov julia.ferreira
    kofi.mensah emma.lindqvist ravi.shankar alice.fontaine marco.bianchi nadia.hussein theo.lambert
    sara.costa jakub.zielinski lena.hoffmann isaac.cohen rosa.jimenez erik.johansson tara.walsh minh.nguyen
    bianca.popescu owen.price fatima.zahra max.keller laura.silva kenji.mori anna.virtanen hugo.blanc
    mira.patel victor.ivanov ruth.bennett
""".split()  # noqa: SIM905 - a list would take a line for each

# Hours ahead of UTC, the same all year: not every system has a time zone database.
_ZONES = (1, -5)

_SQUAD_SIZE = 5

# The rest of the guests come from anywhere in the team.
_SQUAD_SHARE = 0.85

# After so many people who are in another call, the next one is pulled out of theirs.
_ATTEMPTS = 6


class Group:
    """People of whom some are picked more often than others."""

    def __init__(self, people: Sequence[str], weights: Iterable[float]) -> None:
        self.people = people
        self._cumulative_weights = list(accumulate(weights))

    def pick(self, rng: random.Random, fits: Callable[[str], bool]) -> str:
        """Picks someone who fits, or after a few attempts someone who does not."""
        for _ in range(_ATTEMPTS):
            point = rng.random() * self._cumulative_weights[-1]
            someone = self.people[bisect(self._cumulative_weights, point, hi=len(self.people) - 1)]
            if fits(someone):
                break
        return someone


class Team:
    """People in squads of about five, each squad in one time zone.

    Args:
        users: How many people. Their names are the same in every team.
        seed: Decides who likes to pair, and with whom.

    Attributes:
        zones: Hours ahead of UTC, with the people who work there.

    Raises:
        ValueError: There are fewer than the two people a call takes.
    """

    def __init__(self, users: int = 25, seed: int = 1) -> None:
        if users < 2:  # noqa: PLR2004 - a pair
            raise ValueError(f"a call takes 2 users, not {users}")
        self.seed = seed
        rng = random.Random(f"team {seed}")  # noqa: S311 - plausible, not secret
        people = [_email(index) for index in range(users)]
        keenness = {person: rng.lognormvariate(0, 0.5) for person in people}
        squads = max(1, round(users / _SQUAD_SIZE))
        squad_members = [people[squad::squads] for squad in range(squads)]

        self._everyone = Group(people, keenness.values())
        self._squadmates: dict[str, Group] = {}
        for members in squad_members:
            for person in members:
                others = [other for other in members if other != person]
                self._squadmates[person] = Group(others, [rng.lognormvariate(0, 1) for _ in others])
        self.zones: dict[int, Group] = {}
        for index, zone in enumerate(_ZONES[:squads]):
            residents = [person for members in squad_members[index :: len(_ZONES)] for person in members]
            self.zones[zone] = Group(residents, [keenness[person] for person in residents])

    @property
    def size(self) -> int:
        """How many people there are."""
        return len(self._everyone.people)

    def party(
        self, rng: random.Random, size: int, zone: int, is_free: Callable[[str], bool] = lambda _: True
    ) -> list[str]:
        """Picks the people of a call, who are free if such can be found: one of a zone, and whom they ask.

        Args:
            rng: Decides.
            size: How many people at most; a small team may have fewer.
            zone: Where the first of them works.
            is_free: Whether a person is in no other call.
        """
        host = self.zones[zone].pick(rng, is_free)
        party = [host]
        while len(party) < min(size, self.size):
            group = self._squadmates[host] if rng.random() < _SQUAD_SHARE else self._everyone
            guest = group.pick(rng, lambda someone: someone not in party and is_free(someone))
            if guest in party:
                guest = next(someone for someone in self._everyone.people if someone not in party)
            party.append(guest)
        return party


def _email(index: int) -> str:
    """A name of the list above, with a number once all have been given."""
    round_number, position = divmod(index, len(_NAMES))
    return f"{_NAMES[position]}{round_number + 1 if round_number else ''}@example.com"
