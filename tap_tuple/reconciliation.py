"""Reconciliation: finds the spans of time for which the API reports another number of calls than have been read.

One request compares the whole history. It requests the page around one of the marks between spans: the response has
the total, and shows whether the mark still lies between the same two calls. If it does not, or the total differs, a
binary search by the totals of ever shorter ranges finds the span. A span with more calls is marked as unread. In a span
with fewer calls, calls have been deleted.

If the API reports more calls of a span than it returns in two reads, the difference is the span's excess. From then on,
a second request tries the mark after the last span with excess: it shifts when the API returns one of these calls.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, count
from typing import TypeAlias

from tap_tuple.api.client import UsageClient
from tap_tuple.counts import UNKNOWN, UNREAD, CallCounts
from tap_tuple.exceptions import ApiError
from tap_tuple.timestamps import Window

Spans: TypeAlias = Sequence[tuple[Window, int, int]]
"""Spans, their counts (with their excess), and their excess."""
Difference: TypeAlias = tuple[Window, int, int, int]
"""A span, its count (with its excess), its excess, and its total."""

MAX_REQUESTS = 600
"""Maximum number of requests for reconciliation and repairs in one run: ten minutes at the documented rate limit."""
MIN_PROBED_CALLS = 20
"""Minimum size of the page around a mark; it may show other marks as well."""
MAX_ATTEMPTS = 2
"""Maximum number of requests for the total of a window."""
GOLDEN_RATIO = 0.618033988749895
"""Successive runs probe all marks: the multiples of the golden ratio are spread evenly."""

logger = logging.getLogger("tap-tuple")


class Reconciler:
    """Compares call counts with the API's totals during one run.

    Args:
        client: The API client.
    """

    def __init__(self, client: UsageClient) -> None:
        self._client = client
        self._totals: dict[Window, int | None] = {}
        self._max_requests: int | None = None
        self._repairs: dict[tuple[CallCounts, Window], tuple[int, int]] = {}
        self._read: dict[CallCounts, int] = {}
        self._shifted: set[tuple[CallCounts, Window]] = set()
        self._gaps: Counter[CallCounts] = Counter()
        self.window: Window | None = None
        """The window that has been compared: it begins with the span that holds `start_date`."""
        self.total: int | None = None
        """Number of calls that the API reports for it."""
        self.excess = 0
        """Number of these calls that the API does not return."""

    def compare(self, streams: Sequence[CallCounts], totals: Mapping[Window, int | None]) -> None:
        """Compare the counts of some streams with the totals. Mark spans with missing calls as unread.

        Args:
            streams: The counts.
            totals: The totals of windows that the run has just read.

        Raises:
            TapTupleError: A request has failed, or calls are missing and the limit of requests has been reached.
        """
        self._max_requests = self._max_requests or self._client.requests_sent + MAX_REQUESTS
        self._totals = dict(totals)
        for counts in streams:
            for span, known, _ in counts.spans:
                if known is UNKNOWN:
                    counts.set(span, self._total(span))
            read = _count(_known(counts)) - counts.excess
            if (recovered := read - self._read.get(counts, read)) > 0:
                logger.info("Recovered %d missing calls", recovered)
                self._shifted.clear()
            self._read[counts] = read
            # A new excess changes what the next comparison expects of the API's pages.
            while self._resolve_all(counts) and not counts.unread:
                self._totals = {}
            self.excess = counts.excess + self._gaps[counts]
            counts.comparisons += 1

    def check_limit(self) -> None:
        """Raise an `ApiError` if the limit of requests has been reached."""
        if self._max_requests and self._client.requests_sent >= self._max_requests:
            raise ApiError(
                f"Calls are still missing after {MAX_REQUESTS} reconciliation requests. Run again to read the rest."
            )

    def _differences(self, counts: CallCounts) -> Iterable[Difference]:
        """Return the spans whose total differs from their count; or those with excess, if only a mark has shifted."""
        spans = _known(counts)
        self.total, self.window, shifted = _count(spans), _range(spans) if spans else None, 0
        if spans and self._totals.get(_range(spans)) != self.total:
            self.total, shifted = self._probe(spans, int(counts.comparisons * GOLDEN_RATIO % 1 * len(spans)))
            if self.total != _count(spans) and {self.total, *self._totals.values()} != {None}:
                # A single response may have no total, or a wrong one; an API without totals is not asked again.
                second = self._client.get_page(_range(spans), 1, 1).total
                self.total = self._totals[_range(spans)] = self.total if second is None else second
            if not shifted and self.total == _count(spans):
                shifted = self._shift_after_excess(spans)
        if self.total is None or (not shifted and self.total == _count(spans)):
            return []
        # The oldest calls first, if their number has changed: they are what a limited retention deletes.
        oldest = next((index for index, (_, known, _) in enumerate(spans, 1) if known), 1)
        differences = list(self._bisect(spans, self.total, oldest if self.total != _count(spans) else shifted))
        return differences or [(span, known, excess, known) for span, known, excess in spans if excess]

    def _shift_after_excess(self, spans: Spans) -> int:
        """Return the index of a shifted mark after the last span with excess, or 0.

        It shifts when the API returns a call that it has only counted so far.
        """
        excess = [index for index, (_, _, excess) in enumerate(spans[:-1], 1) if excess]
        return self._probe(spans, excess[-1])[1] if excess else 0

    def _probe(self, spans: Spans, mark: int) -> tuple[int | None, int]:
        """Return the total of some spans, and the index of one whose beginning has shifted in the order of calls, or 0.

        Calls that are added on one side of a mark and deleted on the other do not change the total, but shift the mark.

        Args:
            spans: The spans, with their counts and their excess.
            mark: The index of the span whose beginning is tried.
        """
        window, ranks = _range(spans), [0, *accumulate(known - excess for _, known, excess in spans)]
        rank = ranks[mark]
        # A size that keeps the mark off the border of two pages.
        per_page = next(size for size in count(MIN_PROBED_CALLS) if not rank or rank % size)
        first = rank - rank % per_page
        number = first // per_page
        page = self._client.get_page(window, number + 1, per_page)
        if 0 < len(page.calls) < per_page and first + len(page.calls) < (page.total or 0) - _count(spans) + ranks[-1]:
            # The API's pages are shorter than requested.
            first = number * len(page.calls)
        if page.total is not None and len(page.calls) and page.total < first + len(page.calls):
            logger.info("Ignoring X-Total-Count: it is lower than the number of calls that the API returned")
            return None, 0
        for index, (span, _, _) in enumerate(spans):
            is_shown = first <= ranks[index] <= first + len(page.calls)
            moved = first + bisect_left(page.calls.ended_at, span.since) - ranks[index]
            # If a mark has moved as far as the total, or not at all, all changes are on one side of it.
            if is_shown and moved not in {0, (page.total or 0) - _count(spans)}:
                return page.total, index
        return page.total, 0

    def _bisect(self, spans: Spans, total: int, split: int = 0) -> Iterator[Difference]:
        """Yield the differing spans of a range, given its total; a split is where to divide it in any case."""
        if total == _count(spans) and not (split and len(spans) > 1):
            return
        split = split if 0 < split < len(spans) else len(spans) // 2
        left = None
        if split:
            self.check_limit()
            left = self._total(_range(spans[:split]))
        if left is not None:
            yield from self._bisect(spans[:split], left)
            yield from self._bisect(spans[split:], max(0, total - left))
        elif total > _count(spans) or len(spans) == 1:
            # Without the totals of its parts, the range is one span.
            yield _range(spans), _count(spans), sum(excess for _, _, excess in spans), total

    def _resolve_all(self, counts: CallCounts) -> bool:
        """Mark spans with missing calls as unread, and adopt the other totals; return whether there is a new excess."""
        excess_before = counts.excess
        for span, known, excess, total in self._differences(counts):
            read = known - excess
            is_repeated = self._repairs.get((counts, span)) == (read, total)
            if total < known and not excess:
                logger.info("%d calls from %s were deleted, or are older than the API's retention", known - total, span)
                counts.set(span, total)
                self._read[counts] -= known - total
            elif total == known:
                logger.info("The API seems to return calls from %s that it has only counted so far: re-reading", span)
                self._repairs[counts, span] = (read, total)
                self._shifted.add((counts, span))
                counts.set(span, UNREAD)
            elif not is_repeated:
                logger.info("The API reports %d calls from %s, but %d have been read: re-reading", total, span, read)
                self._repairs[counts, span] = (read, total)
                counts.set(span, UNREAD)
            elif (counts, span) in self._shifted:
                # The mark has shifted, but no call has returned: the API's pages leave a place for each missing call.
                self._gaps[counts] += total - read
                counts.set(span, total)
            else:
                logger.warning(
                    "The API reports %d calls from %s, but returned %d in two consecutive reads", total, span, read
                )
                counts.set(span, read, total - read)
        return counts.excess > excess_before

    def _total(self, window: Window) -> int | None:
        # A single response may lack the total.
        for _ in range(MAX_ATTEMPTS):
            if self._totals.get(window) is None:
                self._totals[window] = self._client.get_page(window, 1, 1).total
        return self._totals[window]


def _known(counts: CallCounts) -> Spans:
    return [(span, known, excess) for span, known, excess in counts.spans if known is not UNKNOWN]


def _range(spans: Spans) -> Window:
    return Window(spans[0][0].since, spans[-1][0].until)


def _count(spans: Spans) -> int:
    return sum(known for _, known, _ in spans)
