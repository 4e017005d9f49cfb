"""A figure of the table: what was measured, the bar it has to pass, and whether it does."""

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
    bar: str
    stretch: str
    measured: str
    met: str
    """`no`, `yes`, or `yes, stretch too`."""


@dataclass
class Results:
    """What the benchmark found: the figures, and the runs behind them."""

    figures: list[Figure] = field(default_factory=list)
    runs: dict[str, list[Run]] = field(default_factory=dict)

    @property
    def all_met(self) -> bool:
        """Whether every bar is met."""
        return not any(figure.met == "no" for figure in self.figures)


def ratio(name: str, value: float, bar: float, stretch: float | None = None) -> Figure:
    """A figure that has to stay at or below its bar."""
    met = "no" if value > bar else "yes"
    if stretch is not None and value <= stretch:
        met = "yes, stretch too"
    return Figure(name, f"<= {bar}", "" if stretch is None else str(stretch), f"{value:.2f}", met)


def condition(name: str, bar: str, measured: str, *, met: bool) -> Figure:
    """A figure that is more than a number."""
    return Figure(name, bar, "", measured, "yes" if met else "no")


def median_cpu(runs: Iterable[Run]) -> float:
    """The median of the processor time, in seconds."""
    return statistics.median(run.cpu_seconds for run in runs)


def median_wall(runs: Iterable[Run]) -> float:
    """The median of the wall time, in seconds."""
    return statistics.median(run.wall_seconds for run in runs)


def median_peak(runs: Iterable[Run]) -> float:
    """The median of the peak memory, in bytes."""
    return statistics.median(run.peak_bytes for run in runs)
