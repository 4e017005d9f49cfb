"""Orders people so that those who pair often are adjacent, and teams appear as blocks in a matrix."""

from __future__ import annotations

from itertools import combinations, product
from math import sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def seriate(hours: Mapping[tuple[str, str], float]) -> list[str]:
    """Order people by average linkage. Each merge puts the closest ends of two groups next to each other.

    The orientation of the groups follows Gruvaeus and Wainer (1972, Two additions to hierarchical cluster analysis).
    The closeness of two people is their hours together, divided by the geometric mean of the total hours of each. So a
    person who pairs often with all people is not close to any of them. The run time is cubic in the number of people:
    200 people take a few seconds.

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
    closeness = {(one, other): 0.0 for one in people for other in people}
    for (one, other), together in hours.items():
        closeness[one, other] = closeness[other, one] = together / sqrt(total[one] * total[other])

    groups = {number: [person] for number, person in enumerate(people)}
    links = {pair: closeness[people[pair[0]], people[pair[1]]] for pair in combinations(groups, 2)}
    while len(groups) > 1:
        kept, merged = max(links, key=lambda pair: links[pair] / (len(groups[pair[0]]) * len(groups[pair[1]])))
        groups[kept] = _join(groups[kept], groups.pop(merged), closeness)
        del links[kept, merged]
        for third in groups.keys() - {kept}:
            links[min(kept, third), max(kept, third)] += links.pop((min(merged, third), max(merged, third)))
    return next(iter(groups.values()))


def _join(one: list[str], other: list[str], closeness: Mapping[tuple[str, str], float]) -> list[str]:
    arrangements = product((one, one[::-1]), (other, other[::-1]))
    left, right = max(arrangements, key=lambda groups: closeness[groups[0][-1], groups[1][0]])
    return left + right
