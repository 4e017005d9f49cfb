"""A chain of pages: one query, followed link by link, and what speaks against a page being its next."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from tap_tuple.exceptions import InvalidLinkError, TapTupleError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tap_tuple.page import Page
    from tap_tuple.pagination import LinkPaginator

EMPTY_PAGES = 100
"""So many pages without a call, one after the other, lead nowhere."""


class Problem(enum.Enum):
    """Why calls may have slipped through before a page: page numbers shift when calls come or go."""

    CHANGED = "the announced total changed"
    OUT_OF_PLACE = "a page does not begin where the last one ended"
    SHORT = "a page is short, and yet not the last"


class Chain:
    """Takes page after page of one query.

    Args:
        paginator: Says which page comes next.
        ask: Asks for a page in the background, and returns what waits for it.
    """

    def __init__(self, paginator: LinkPaginator, ask: Callable[[str], Callable[[], Page]]) -> None:
        self._paginator = paginator
        self._ask = ask
        self._next = ask(paginator.current_value)
        self._link_error: TapTupleError | None = None
        self._empty_pages = 0
        self._newest: datetime | None = None
        self._newest_ids: set[int] = set()
        self.announced: int | None = None
        """How many calls the query has, as far as its pages have said."""
        self.seen = 0
        """How many calls came."""
        self.length: int | None = None
        """How many calls a page has that is whole, as far as its pages have shown."""

    @property
    def finished(self) -> bool:
        """Whether the page taken last has no next link."""
        return self._paginator.finished

    def take(self) -> tuple[Page, set[Problem]]:
        """Waits for the next page.

        Returns:
            The page, and what speaks against it; where nothing does, or what does is put up with, it is
            to be given to `accept`.

        Raises:
            TapTupleError: The page cannot be had, or must not be asked for.
        """
        page = self._next()
        try:
            self._paginator.advance(page.response)
        except InvalidLinkError as error:
            # The page itself is good: it is written before anything is said of the one after it.
            self._link_error = error
        return page, set(self._problems(page))

    def _problems(self, page: Page) -> list[Problem]:
        problems = []
        ended = page.calls.ended
        if None not in (self.announced, page.announced) and self.announced != page.announced:
            problems.append(Problem.CHANGED)
        if ended and self._newest is not None:
            first = min(ended)
            if first < self._newest or (first == self._newest and self._newest_ids.intersection(page.calls.ids)):
                problems.append(Problem.OUT_OF_PLACE)
        # If the page is longer than those before it, then it was those that were short.
        if self.length is not None and (len(ended) > self.length or (len(ended) < self.length and not self.finished)):
            problems.append(Problem.SHORT)
        return problems

    def accept(self, page: Page) -> None:
        """Counts a page as the next one of the chain.

        Raises:
            InvalidLinkError: The links lead from empty page to empty page.
        """
        calls = page.calls
        self.announced = self.announced if page.announced is None else page.announced
        self.seen += len(set(calls.ids))
        self.length = max(self.length or 0, len(calls))
        self._empty_pages = 0 if len(calls) else self._empty_pages + 1
        if self._empty_pages >= EMPTY_PAGES and not self.finished:
            raise InvalidLinkError(
                f"The API's next links lead from one empty page to another, {EMPTY_PAGES} by now. Check that "
                "api_url names Tuple's API, and tell Tuple's support."
            )
        if len(calls):
            newest = max(calls.ended)
            ids = calls.ids_since(newest)
            self._newest_ids = ids | self._newest_ids if newest == self._newest else ids
            self._newest = newest

    def follow(self) -> None:
        """Asks for the next page, so that it comes while the last one is written."""
        if self._link_error is not None:
            self._next = self._raise_link_error
        elif not self.finished:
            self._next = self._ask(self._paginator.current_value)

    def _raise_link_error(self) -> Page:
        raise self._link_error or AssertionError
