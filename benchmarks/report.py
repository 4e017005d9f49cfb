"""Formats the results: the table for the terminal, and the page `results.md`."""

from __future__ import annotations

import statistics
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from benchmarks import machine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.figures import Results
    from benchmarks.programs import Environments
    from benchmarks.runs import Run

MEBIBYTE = 1 << 20


def table(results: Results) -> str:
    """Return the figures with their bars."""
    rows = [(figure.name, figure.bar, figure.measured, figure.met) for figure in results.figures]
    return _table(("figure", "bar", "measured", "met"), rows)


def page(results: Results, environments: Environments, load_before: str) -> str:
    """Return all results as Markdown.

    Args:
        results: The results.
        environments: The environments of the programs.
        load_before: The load average before the benchmark.
    """
    versions = ", ".join(f"{environment.distribution} {environment.version}" for environment in environments)
    return "\n\n".join(
        [
            "# What the tap costs",
            (
                f"Written by `make bench` on {datetime.now(timezone.utc):%Y-%m-%d}; no line of it by hand. "
                f"Machine: {machine.describe()}; load average {load_before} before the benchmark, "
                f"{machine.load()} at its end. "
                f"Versions: {versions}; the floor has the same requests."
            ),
            table(results),
            "## Behind the figures",
            (
                "CPU is user and system time of the whole process; median, and in brackets the least and the most. "
                "All read the same bytes from one local server in a process of its own, in turns; "
                "seconds drift with the machine, so only those of one run of the benchmark compare."
            ),
            _table(("", "runs", "CPU, s", "wall, s", "peak, MiB"), [_row(*entry) for entry in results.runs.items()]),
            "",
        ]
    )


def _row(name: str, runs: list[Run]) -> tuple[str, ...]:
    return (
        name,
        str(len(runs)),
        _spread([run.cpu_seconds for run in runs]),
        _spread([run.wall_seconds for run in runs]),
        f"{statistics.median(run.peak_bytes for run in runs) / MEBIBYTE:.1f}",
    )


def _spread(values: list[float]) -> str:
    median = f"{statistics.median(values):.2f}"
    return median if len(values) == 1 else f"{median} ({min(values):.2f} to {max(values):.2f})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    cells = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in cells
    )
