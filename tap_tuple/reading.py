"""One reading of a window: every call that the API shows in it, whatever moves meanwhile.

There is one point up to which nothing can have been passed over: an instant, and the ids that were taken at that
very instant. Whatever goes wrong between two pages, the answer is the same: a fresh chain of links from that
point, which `since` includes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tap_tuple import instants
from tap_tuple.chain import Problem
from tap_tuple.exceptions import IncompleteError
from tap_tuple.point import Point

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from tap_tuple.calls import Calls
    from tap_tuple.chain import Chain
    from tap_tuple.page import Page
    from tap_tuple.window import Window

FRESH_CHAINS = 10
"""So many fresh chains without a step forward are enough."""
LASTING = {Problem.SHORT}
"""What is put up with where a fresh chain from the same point shows it again: then the data are like that."""


class Taken(NamedTuple):
    """The calls of one page that were not taken before."""

    calls: Calls
    position: datetime | None
    """The instant up to which all has been taken once they are; None where that is not certain yet."""
    so_far: int
    """How many calls the reading has taken, these included."""
    announced: int | None
    """How many it will have taken at the end, by what the API announced last."""


class Account(NamedTuple):
    """What a reading has to show at its end."""

    missing: int
    """How many calls were announced, but did not come."""
    taken: int
    """How many calls came."""
    digest: int
    """A digest of the ids of those that came, whatever their order."""
    steady: bool
    """Whether no call came or went meanwhile."""


class Reading:
    """Reads a window once, from its start to its end.

    Args:
        window: What to read.
        open_chain: Starts a chain of links at an instant.
        page_size: How many calls are asked for a page.
        logger: Told of each fresh chain that something makes necessary.
        by_links: Whether the links lead on; otherwise each page is asked for by `since`, from where the one before
            it ended, and links only lead through calls of one instant.
    """

    def __init__(
        self,
        window: Window,
        open_chain: Callable[[datetime], Chain],
        page_size: int,
        logger: logging.Logger,
        *,
        by_links: bool = True,
    ) -> None:
        self._window = window
        self._open_chain = open_chain
        self._page_size = page_size
        self._logger = logger
        self._by_links = by_links

        self.point = Point(window.since)
        """Up to here nothing can have been passed over."""
        self._reached = self.point
        self._problems_here: set[Problem] = set()
        self._fruitless_chains = 0

        self._chain = open_chain(window.since)
        self._chain_start = self.point
        self._expected_of_chain: int | None = None
        self._early = 0
        self._announced_first: int | None = None
        # What one chain announced and the next one does not show any more has come to lie before it.
        self._passed_by = 0
        self._steady = True
        # Once a short page was put up with, only the account at the end can say that nothing was passed over.
        self._doubtful = False
        self._longest = 0
        self.finished = False
        """Whether the page that was yielded last is the last one."""
        self.looks_cut_off = False
        """Whether the last page is as long as any, so that links may be missing rather than calls."""

    @property
    def announced(self) -> int | None:
        """How many calls the API announces for the whole of the window, by what it said last."""
        announced = self._chain.announced
        return None if announced is None else self._chain_start.taken_before + announced

    @property
    def behind(self) -> int:
        """How many calls the last chain announced, but did not bring."""
        return max(0, (self._chain.announced or 0) - self._chain.seen)

    @property
    def account(self) -> Account:
        """The account of what has been taken so far; complete at the end."""
        taken = self._reached.taken
        behind = self.behind if self._by_links else max(0, (self._announced_first or 0) - taken)
        return Account(self._passed_by + behind, taken, self._reached.digest, self._steady)

    def pages(self) -> Iterator[Taken]:
        """Yields what each page brings, and asks for the next one before.

        Raises:
            TapTupleError: The API does not answer, or its answers do not fit together.
        """
        while not self.finished:
            page, problems = self._chain.take()
            if problems - self._problems_here:
                self._start_afresh(page, problems)
                if Problem.OUT_OF_PLACE in problems:
                    yield self._stale(page)
                continue
            first = self._chain.length is None
            self._chain.accept(page)
            self._announced_first = self._chain.announced if self._announced_first is None else self._announced_first
            self._count_passed_by(page)
            calls = self._take(page, first=first)
            if not self._by_links and self.point.instant > self._chain_start.instant:
                self._open_next_chain()
            else:
                self.finished = self._chain.finished
                self._chain.follow()
            self._doubtful = self._doubtful or bool(problems)
            # Where calls are missing, an empty page in the middle is no proof that there are none.
            self._steady = self._steady and (len(page.calls) > 0 or self._chain.finished)
            certain = self.point.taken and not self._doubtful and not self.finished
            position = self.point.instant if certain else None
            yield Taken(calls, position, self._reached.taken, self.announced)

    def _start_afresh(self, page: Page, problems: set[Problem]) -> None:
        named = " and ".join(sorted(problem.value for problem in problems))
        self._fruitless_chains += 1
        if self._fruitless_chains > FRESH_CHAINS:
            raise IncompleteError(
                f"The calls from {instants.text(self.point.instant)} on cannot be read completely: {FRESH_CHAINS} "
                f"times in a row, {named}. Run again later; if it stays so, tell Tuple's support."
            )
        self._logger.info(
            "Calls may have moved: %s. Reading on from %s with fresh links", named, instants.text(self.point.instant)
        )
        self._steady = self._steady and problems <= LASTING
        self._problems_here |= problems & LASTING
        announced = self._chain.announced if page.announced is None else page.announced
        self._expected_of_chain = None if announced is None else self._chain_start.taken_before + announced
        self._early = 0
        self._open_next_chain()

    def _open_next_chain(self) -> None:
        self._reached = self._chain_start = self.point
        self._chain = self._open_chain(self.point.instant)

    def _stale(self, page: Page) -> Taken:
        """What a page out of place shows of the time before the point: no fresh chain would show it again."""
        calls = page.calls.where(lambda _, ended: self._window.since <= ended < self.point.instant)
        return Taken(calls, None, self._reached.taken, None)

    def _count_passed_by(self, page: Page) -> None:
        if self._expected_of_chain is None or self._chain.announced is None:
            return
        # An API may cut the milliseconds of `since`: what it shows and counts of the time before is no news.
        early = sum(ended < self._chain_start.instant for ended in page.calls.ended)
        self._early += early
        if early < len(page.calls) or self._chain.finished:
            shown = self._chain_start.taken_before + self._chain.announced - self._early
            self._passed_by += max(0, self._expected_of_chain - shown)
            self._expected_of_chain = None

    def _take(self, page: Page, *, first: bool) -> Calls:
        length = len(page.calls)
        self.looks_cut_off = 0 < length >= min(self._page_size, self._longest or self._page_size)
        self._longest = max(self._longest, length)
        calls = self._reached.not_taken(page.calls, self._window.until)
        self._reached = self._reached.after(calls)
        # Whether a first page is short, or calls in no order are all there, the next page shows.
        ordered = page.calls.ended == sorted(page.calls.ended)
        maybe_short = self._by_links and first and length < self._page_size
        if self._chain.finished or (ordered and not maybe_short):
            if self._reached.instant > self.point.instant:
                self._fruitless_chains, self._problems_here = 0, set()
            self.point = self._reached
        return calls
