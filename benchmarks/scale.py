"""Defines the sizes of the measurements: for the full benchmark, and for `--quick`."""

from __future__ import annotations

from typing import NamedTuple


class Scale(NamedTuple):
    """The sizes of the measurements."""

    rounds: int
    """The number of runs of each program for the figures on processor time."""
    pages: int
    """The number of pages that each of these runs reads."""
    starts: int
    """The number of runs for the figure on start-up."""
    many_calls: int
    """The number of calls for the figures on memory and database time."""
    slow_pages: int
    """The number of pages that a slow server sends to a slow reader."""
    paced_pages: int
    """The number of pages that are read at the API's rate limit, which takes minutes; 0 to skip it."""


FULL = Scale(rounds=12, pages=100, starts=21, many_calls=1_000_000, slow_pages=60, paced_pages=130)
QUICK = Scale(rounds=1, pages=10, starts=3, many_calls=100_000, slow_pages=8, paced_pages=0)
CALLS_PER_PAGE = 1000
