"""Orders people so that those who pair a lot are next to each other, and teams appear as blocks in a matrix."""

from __future__ import annotations

from itertools import combinations, product
from math import sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def seriate(hours: Mapping[tuple[str, str], float]) -> list[str]:
    """Order people by average linkage; each merge makes the two closest people neighbours.

    The orientation is that of Gruvaeus and Wainer (1972, Two additions to hierarchical cluster analysis). The closeness
    of two people is their hours together, divided by the geometric mean of the total hours of each. So a person who
    pairs a lot with everyone is not close to anyone in particular. The run time grows with the third power of the
    number of people: 200 people take some seconds.

    Args:
        hours: The hours of each pair that was in a call together. A pair occurs once, in either order.

    Returns:
        All people in `hours`. The same pairs produce the same order, which does not rank people by hours.
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
