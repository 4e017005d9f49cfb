"""Reads a window of calls by time: each request continues where the last page ended.

Page numbers shift whenever a call is inserted or deleted; timestamps do not. So each page is requested with `since` set
to the newest `ended_at` received so far, and repeated calls are dropped by their id. Links are followed only where time
does not advance, for example through more calls of one instant than fit on a page.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from tap_tuple.api.calls import Calls
from tap_tuple.api.client import UsageClient
from tap_tuple.api.errors import GONE, TOO_DEEP
from tap_tuple.api.pagination import Query
from tap_tuple.exceptions import NO_DATA_LOST, ApiError
from tap_tuple.timestamps import MILLISECOND, Window, floor_to_millisecond

MAX_PAGES_WITHOUT_CALLS = 10
"""Maximum number of pages in a row without a new call, while the API links to more."""

CONTACT = "If this persists, contact Tuple support."


class Batch(NamedTuple):
    """The new calls of one page, sorted by `ended_at`."""

    calls: Calls
    position: datetime
    """All calls that ended before it have been received. After the last page it is the end of the window."""
    received: int
    """Number of calls of the window received so far."""
    total: int | None
    """Number of calls in the window, by the API's newest total; None if it sends none."""


class WindowReader:
    """Reads one window completely, whatever is inserted or deleted meanwhile.

    Args:
        client: The API client.
        window: What to read.
        page_size: Number of calls to request per page.
    """

    def __init__(self, client: UsageClient, window: Window, page_size: int) -> None:
        self._client = client
        self._window = window
        self._page_size = page_size
        self._position = window.since
        self._pages_without_calls = 0
        self._is_page_missing = False

    def batches(self) -> Iterator[Batch]:
        """Yield the new calls of each page.

        The next page is requested before a batch is yielded, so that it arrives while the batch is written.

        Raises:
            TapTupleError: A page cannot be retrieved, or the API links to more pages but returns no new calls.
        """
        query = Query(self._window, self._page_size)
        pending = self._client.start(query.next_page)
        while True:
            try:
                page = pending()
            except ApiError as error:
                query = self._after_missing_page(query, error)
                pending = self._client.start(query.next_page)
                continue
            calls = query.receive(page)
            if len(calls) and calls.ended_at[0] < self._position - MILLISECOND:
                raise ApiError(f"The API's pages are not sorted by `ended_at` ({query}). {CONTACT}")
            self._pages_without_calls = 0 if len(calls) else self._pages_without_calls + 1
            if query.in_order and query.shifted is False:
                self._position = max(self._position, floor_to_millisecond(query.newest))
            following = query.following(
                page, self._continue_by_time(query), pages_without_calls=self._pages_without_calls
            )
            if following:
                self._check_progress(following, f"{len(page.calls)} calls, X-Total-Count {page.total}")
                pending = self._client.start(following.next_page)
            elif self._is_page_missing and query.received < (query.estimate or 0):
                raise ApiError(f"The API reports more calls, but page {query} does not exist. {CONTACT}")
            if len(calls) or not following:
                position = self._position if following else self._window.until
                yield Batch(calls, position, query.received, query.estimate)
            if not following:
                return
            query = following

    def _continue_by_time(self, query: Query) -> Query:
        # A millisecond earlier, in case the API rounds: a repeated call can be dropped, a skipped one is lost.
        return query.continue_from(max(self._position - MILLISECOND, self._window.since))

    def _after_missing_page(self, query: Query, error: ApiError) -> Query:
        """Return a query that continues from the last call, if only a later page is missing.

        Raises:
            ApiError: It is another error, or there has been no progress several times in a row.
        """
        is_first = query.on_first_page and query.window == self._window and not query.received
        if is_first or error.status not in (GONE if query.on_first_page else TOO_DEEP):
            raise error
        self._pages_without_calls += 1
        self._is_page_missing = True
        self._check_progress(query, f"status {error.status}")
        return self._continue_by_time(query)

    def _check_progress(self, query: Query, received: str) -> None:
        if self._pages_without_calls >= MAX_PAGES_WITHOUT_CALLS + query.seen_pages:
            raise ApiError(
                f"The API returned no new calls in {self._pages_without_calls} requests in a row, but links to more "
                f"(last response: {received}; page: {query}). {NO_DATA_LOST} {CONTACT}"
            )
