"""Defines the figures of the table: measured values and their limits."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.runs import Run


@dataclass(frozen=True)
class Figure:
    """A row of the table."""

    name: str
    limit: str
    measured: str
    met: str
    """`no` or `yes`."""


@dataclass
class Results:
    """The results of the benchmark: the figures, and the runs from which they are computed."""

    figures: list[Figure] = field(default_factory=list)
    runs: dict[str, list[Run]] = field(default_factory=dict)

    @property
    def all_met(self) -> bool:
        """Whether every figure is within its limit."""
        return not any(figure.met == "no" for figure in self.figures)


def ratio(name: str, value: float, limit: float) -> Figure:
    """Return a figure that must not exceed its limit."""
    return Figure(name, f"<= {limit}", f"{value:.2f}", "no" if value > limit else "yes")


def condition(name: str, limit: str, measured: str, *, met: bool) -> Figure:
    """Return a figure whose limit is not a single number."""
    return Figure(name, limit, measured, "yes" if met else "no")


def min_cpu(runs: Iterable[Run]) -> float:
    """Return the minimum of the processor time, in seconds: other load on the machine can only add to it."""
    return min(run.cpu_seconds for run in runs)


def median_wall(runs: Iterable[Run]) -> float:
    """Return the median of the wall time, in seconds."""
    return statistics.median(run.wall_seconds for run in runs)


def median_peak(runs: Iterable[Run]) -> float:
    """Return the median of the peak memory, in bytes."""
    return statistics.median(run.peak_bytes for run in runs)
