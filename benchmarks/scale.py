"""The sizes of the measurements: the full benchmark, or the short one of `--quick`."""

from __future__ import annotations

from typing import NamedTuple


class Scale(NamedTuple):
    """The sizes of the measurements."""

    rounds: int
    """The number of times that each program reads `pages` pages."""
    pages: int
    starts: int
    """The number of starts for the figure on start-up."""
    many_calls: int
    """The number of calls for the figure on memory, compared with 10,000."""
    slow_pages: int
    """The number of pages that a slow server sends to a slow reader."""
    paced_pages: int
    """The number of pages that are read at the API's rate limit, which takes minutes; 0 to skip it."""


FULL = Scale(rounds=7, pages=100, starts=21, many_calls=1_000_000, slow_pages=60, paced_pages=130)
QUICK = Scale(rounds=1, pages=10, starts=3, many_calls=100_000, slow_pages=8, paced_pages=0)
CALLS_A_PAGE = 1000
