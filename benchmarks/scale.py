"""How much is measured: all of it, or as much as a developer has patience for."""

from __future__ import annotations

from typing import NamedTuple


class Scale(NamedTuple):
    """The sizes of the measurements."""

    rounds: int
    """How often each program reads `pages` pages."""
    pages: int
    starts: int
    """How often the programs start for the figure on start-up."""
    many_calls: int
    """How many calls are read for the figure on memory, beside 10,000."""
    slow_pages: int
    """How many pages a slow server sends to a slow reader."""
    paced_pages: int
    """How many pages are read at the API's own pace; 0 to leave it out, as it takes minutes."""


FULL = Scale(rounds=7, pages=100, starts=21, many_calls=1_000_000, slow_pages=60, paced_pages=130)
QUICK = Scale(rounds=1, pages=10, starts=3, many_calls=100_000, slow_pages=8, paced_pages=0)
CALLS_A_PAGE = 1000
