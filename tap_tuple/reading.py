"""One reading of a window: every call that the API shows in it, whatever moves meanwhile.

There is one position, the instant up to which all has been taken, and the ids that were taken at that very
instant. Whatever goes wrong between two pages, the answer is the same: a fresh chain of links from the
position, which `since` includes, so that nothing can have slipped through.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from tap_tuple import instants
from tap_tuple.chain import Problem
from tap_tuple.exceptions import IncompleteError

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from tap_tuple.calls import Calls
    from tap_tuple.chain import Chain
    from tap_tuple.page import Page
    from tap_tuple.window import Window

MILLISECOND = timedelta(milliseconds=1)
FRESH_CHAINS = 10
"""So many fresh chains without a step forward are enough."""
TOLERATED_AGAIN = {Problem.SHORT, Problem.UNORDERED}
"""What is put up with where a fresh chain shows it at the same position again: then the data is like that."""


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
    """Whether one chain of links showed all of them."""
    cut_off: bool
    """Whether the links ended with a page that looks like any other, so that more is likely behind it."""


class Reading:
    """Reads a window once, from its start to its end.

    Args:
        window: What to read.
        open_chain: Starts a chain of links at an instant.
        page_size: How many calls are asked for a page.
        logger: Told of each fresh chain.
    """

    def __init__(
        self,
        window: Window,
        open_chain: Callable[[datetime], Chain],
        page_size: int,
        logger: logging.Logger,
    ) -> None:
        self._window = window
        self._open_chain = open_chain
        self._page_size = page_size
        self._logger = logger

        self.position = window.since
        """The instant up to which all has been taken, cut to the millisecond."""
        self.ids_there: set[int] = set()
        """What was taken at that very instant."""
        self._problems_there: set[Problem] = set()
        self._fruitless_chains = 0

        self._chain = open_chain(self.position)
        self._taken_before_chain = 0
        self._expected_of_chain: int | None = None

        self._taken = 0
        self._digest = 0
        # What one chain announced and the next one does not show any more has come to lie before it.
        self._passed_by = 0
        self._longest = 0
        self._looks_cut_off = False
        self._steady = True
        self._ordered = True

    @property
    def finished(self) -> bool:
        """Whether the page that was yielded last is the last one."""
        return self._chain.finished

    @property
    def account(self) -> Account:
        """The account of what has been taken so far; complete at the end."""
        behind = max(0, (self._chain.announced or 0) - self._chain.seen)
        cut_off = self._looks_cut_off and behind > 0
        return Account(self._passed_by + behind, self._taken, self._digest, self._steady, cut_off)

    def pages(self) -> Iterator[Taken]:
        """Yields what each page brings, and asks for the next one before.

        Raises:
            TapTupleError: The API does not answer, or its answers do not fit together.
        """
        while True:
            page, problems = self._chain.take()
            if problems - self._problems_there:
                self._start_afresh(page, problems)
                continue
            self._ordered = self._ordered and Problem.UNORDERED not in problems
            self._chain.accept(page)
            self._count_passed_by()
            taken = self._take(page)
            self._chain.follow()
            yield taken
            if self.finished:
                return

    def _start_afresh(self, page: Page, problems: set[Problem]) -> None:
        named = " and ".join(sorted(problem.value for problem in problems))
        self._fruitless_chains += 1
        if self._fruitless_chains > FRESH_CHAINS or (
            # Behind calls in no order, nothing tells what has been passed over.
            Problem.OUT_OF_PLACE in problems and not self._ordered
        ):
            raise IncompleteError(
                f"The calls from {instants.text(self.position)} on cannot be read completely: again and again, "
                f"{named}. Run again later; if it stays so, tell Tuple's support."
            )
        self._logger.info(
            "Calls moved while they were read: %s. Reading on from %s", named, instants.text(self.position)
        )
        self._steady = False
        self._problems_there |= problems & TOLERATED_AGAIN
        announced = self._chain.announced if page.announced is None else page.announced
        self._expected_of_chain = None if announced is None else self._taken_before_chain + announced
        self._taken_before_chain = self._taken - len(self.ids_there)
        self._chain = self._open_chain(self.position)

    def _count_passed_by(self) -> None:
        if self._expected_of_chain is not None and self._chain.announced is not None:
            shown = self._taken_before_chain + self._chain.announced
            self._passed_by += max(0, self._expected_of_chain - shown)
            self._expected_of_chain = None

    def _take(self, page: Page) -> Taken:
        length = len(page.calls)
        self._looks_cut_off = 0 < length >= min(self._page_size, self._longest or self._page_size)
        self._longest = max(self._longest, length)

        fresh = self._not_taken_yet(page.calls)
        if len(fresh):
            newest = instants.floor(max(fresh.ended))
            if newest > self.position:
                self.position, self.ids_there = newest, set()
                self._fruitless_chains, self._problems_there = 0, set()
            self.ids_there |= fresh.ids_since(self.position)
            ids = set(fresh.ids)
            self._taken += len(ids)
            self._digest += sum(map(hash, zip(ids)))
        certain = self._taken and self._ordered and not self.finished
        announced = self._chain.announced
        return Taken(
            fresh,
            self.position if certain else None,
            self._taken,
            None if announced is None else self._taken_before_chain + announced,
        )

    def _not_taken_yet(self, calls: Calls) -> Calls:
        since, until = self.position, self._window.until
        after = since + MILLISECOND
        if len(calls) and min(calls.ended) >= after and max(calls.ended) < until:
            return calls
        return calls.where(
            lambda call_id, ended: since <= ended < until and not (ended < after and call_id in self.ids_there)
        )
