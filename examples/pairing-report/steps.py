"""Assigns amounts to the steps of the colour scale."""

from __future__ import annotations

from bisect import bisect
from itertools import pairwise
from math import floor, log10
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# About a third of the amounts are in the palest step, and a tenth in the darkest.
_SHARES_BELOW = (0.35, 0.6, 0.78, 0.9)
_ROUND = (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9, 10)


class Steps:
    """Up to five colour steps with round bounds, each of which contains at least one amount.

    Args:
        amounts: All amounts to show: at least one, and all greater than zero.
        unit: The unit after the bounds in the legend.
    """

    def __init__(self, amounts: Sequence[float], unit: str) -> None:
        ordered = sorted(amounts)
        quantiles = [ordered[floor(share * len(ordered))] for share in _SHARES_BELOW]
        self._bounds = sorted({bound for bound in map(_round, quantiles) if ordered[0] < bound <= ordered[-1]})
        self._unit = unit

    def __getitem__(self, amount: float) -> int:
        """Return the step of an amount; 0 is the palest."""
        return bisect(self._bounds, amount)

    def labels(self) -> list[str]:
        """Return the ranges of the steps for the legend, from the palest to the darkest."""
        bounds = [f"{bound:g}" for bound in self._bounds]
        if not bounds:
            return [f"more than 0 {self._unit}"]
        between = [f"{low} to {high}" for low, high in pairwise(bounds)]
        return [f"under {bounds[0]} {self._unit}", *between, f"{bounds[-1]} {self._unit} or more"]


def _round(amount: float) -> float:
    power = floor(log10(amount))
    nearest = min(_ROUND, key=lambda step: abs(step - amount / 10.0**power))
    return round(nearest * 10.0**power, 1 - power)
