"""Puts people who pair much with each other side by side, so that teams show as blocks in a matrix."""

from __future__ import annotations

from itertools import combinations, product
from math import sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def seriate(hours: Mapping[tuple[str, str], float]) -> list[str]:
    """Orders people by average linkage, each merge turned so that the two who touch are the closest.

    That turning is Gruvaeus and Wainer's (1972, Two additions to hierarchical cluster analysis). How close two people
    are is their hours together by the geometric mean of the hours of each, so that pairing much with everyone is no
    reason to stand anywhere. The work grows with the third power of the number of people: 200 take some seconds.

    Args:
        hours: Hours together of each pair that met; a pair stands in it once, in either order.

    Returns:
        Everyone in `hours`. The order is the same for the same pairs, and says nothing of who has how many.
    """
    people = sorted({person for pair in hours for person in pair})
    total = dict.fromkeys(people, 0.0)
    for pair, together in hours.items():
        for person in pair:
            total[person] += together
    near = {(one, other): 0.0 for one in people for other in people}
    for (one, other), together in hours.items():
        near[one, other] = near[other, one] = together / sqrt(total[one] * total[other])

    groups = {number: [person] for number, person in enumerate(people)}
    links = {pair: near[people[pair[0]], people[pair[1]]] for pair in combinations(groups, 2)}
    while len(groups) > 1:
        kept, gone = max(links, key=lambda pair: links[pair] / (len(groups[pair[0]]) * len(groups[pair[1]])))
        groups[kept] = _join(groups[kept], groups.pop(gone), near)
        del links[kept, gone]
        for third in groups.keys() - {kept}:
            links[min(kept, third), max(kept, third)] += links.pop((min(gone, third), max(gone, third)))
    return next(iter(groups.values()))


def _join(one: list[str], other: list[str], near: Mapping[tuple[str, str], float]) -> list[str]:
    ways = product((one, one[::-1]), (other, other[::-1]))
    left, right = max(ways, key=lambda way: near[way[0][-1], way[1][0]])
    return left + right
