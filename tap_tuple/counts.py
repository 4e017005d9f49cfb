"""Call counts: how many calls have been read in each span of time.

Compared with the API's totals, they show whether calls are missing anywhere in the history, and where. There are few
spans; each ends where the next one begins, and the closer they are to the bookmark, the shorter they are.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from operator import attrgetter

from tap_tuple.api.calls import Calls
from tap_tuple.timestamps import EPOCH, Window, floor_to_millisecond, subtract

UNREAD = -1
"""The count of a span that has not been read to its end."""
UNKNOWN = None
"""The count of a span that was read before counts were kept; the API's total will be adopted."""
SPANS_PER_AGE = 8
"""A span is at most this part of its age: of the time from its end to the resume position."""
SPANS_PER_LOOKBACK = 64
"""A span within the lookback window is at most this part of that window."""
SPANS_PER_PAGE = 32
"""Approximate number of spans per page, before they are merged."""
SECOND = timedelta(seconds=1)
BEGIN = attrgetter("since")


@dataclass
class Span:
    """A span of time.

    Attributes:
        since: When it begins.
        count: How many of its calls have been read; or UNREAD, or UNKNOWN.
        excess: How many more the API reports, but does not return.
        received: While it is unread, how many calls have arrived so far.
        newest: When the newest of them ended.
    """

    since: datetime
    count: int | None
    excess: int = 0
    received: int = 0
    newest: datetime = EPOCH

    @property
    def expected(self) -> int | None:
        """How many calls the API is expected to report; or UNREAD, or UNKNOWN."""
        return self.count if self.count in {UNREAD, UNKNOWN} else (self.count or 0) + self.excess


class CallCounts:
    """The call counts and the bookmark of streams that have read the same, during a run.

    Args:
        spans: The spans of the state, if it has any.
        comparisons: How often they have been compared with the API's totals.
        bookmark: The bookmark of the state, if it has one.
        lookback_seconds: How far before the bookmark a run resumes.
        window: What the run covers.
    """

    def __init__(
        self, spans: Iterable[Span], comparisons: int, bookmark: datetime | None, lookback_seconds: int, window: Window
    ) -> None:
        self.comparisons = comparisons
        self._lookback_seconds = lookback_seconds = max(0, min(lookback_seconds, int(window.until.timestamp())))
        self._shortest = max(timedelta(seconds=lookback_seconds) // SPANS_PER_LOOKBACK, SECOND)
        self.bookmark = self._resumed_from = bookmark
        """The newest `ended_at` that has been read, truncated to milliseconds; None if nothing has."""
        self._newest = EPOCH
        self._window = window
        self._spans = list(spans) or [Span(window.since, UNKNOWN)]
        resume = window.since if bookmark is None else max(window.since, subtract(bookmark, lookback_seconds))
        if self._spans[self._index(resume)].count is UNKNOWN:
            self._insert(Span(resume, UNREAD))
        tail = self._index(resume)
        is_whole = window.since <= self._spans[tail].since
        # A part of the last span cannot be compared with what has been written.
        self._written = sum(span.count or 0 for span in self._spans[tail:]) if is_whole else UNREAD
        self._tail_excess = sum(span.excess for span in self._spans[tail:])
        self._spans[tail:] = [Span(self._spans[tail].since, UNREAD)]
        # What is before the first span is unread. An unread span is read from the beginning of the window only.
        first = self._spans[self._index(window.since)]
        if window.since < first.since or first.count == UNREAD:
            self._insert(Span(window.since, UNREAD))
        last = self._spans[self._index(window.until)]
        if last.count == UNREAD and last is not self._spans[-1]:
            self._insert(Span(window.until, UNREAD))

    @property
    def spans(self) -> list[tuple[Window, int | None, int]]:
        """The spans that overlap the run's window, their expected totals and their excess.

        The first and the last span may exceed the window.
        """
        since, until = self._window
        ends = [*(span.since for span in self._spans[1:]), until]
        spans = [(Window(span.since, end), span) for span, end in zip(self._spans, ends, strict=True)]
        overlapping = [pair for pair in spans if since < pair[0].until and pair[0].since < min(until, pair[0].until)]
        return [(window, span.expected, span.excess) for window, span in overlapping]

    @property
    def unread(self) -> list[Window]:
        """What has to be read."""
        return [window for window, count, _ in self.spans if count == UNREAD]

    @property
    def excess(self) -> int:
        """Number of calls that the API reports, but does not return."""
        return sum(excess for _, count, excess in self.spans if count != UNREAD)

    def set(self, window: Window, count: int | None, excess: int = 0) -> None:
        """Replace the spans of a window with one."""
        begin, end = (bisect_left(self._spans, edge, key=BEGIN) for edge in window)
        self._spans[begin:end] = [Span(window.since, count, excess)]

    def take(self, calls: Calls, position: datetime) -> list[Calls]:
        """Count the calls that lie in unread spans, and move the bookmark. Return the calls to write, in parts.

        Args:
            calls: Calls sorted by `ended_at`.
            position: All calls that ended before it have been received.
        """
        parts = []
        for window in self.unread:
            span = self._spans[self._index(window.since)]
            first, last = (bisect_left(calls.ended_at, edge) for edge in window)
            is_read, is_tail = position >= window.until, span is self._spans[-1]
            parts.append(calls[self._skip_written(calls, first, last, is_read=is_read) if is_tail else first : last])
            span.received += last - first
            if first < last and window.until - window.since > self._longest(window.until, self._spans[-1].since):
                span = self._split(span, calls.ended_at[first:last], position)
            if first < last:
                span.newest = max(span.newest, calls.ended_at[last - 1])
            if is_read:
                span.count = span.received
            if is_read and is_tail:
                # What the API did not return in the last run, it may not return in this one either.
                span.excess, self._tail_excess = self._tail_excess, 0
        if len(calls):
            self._newest = max(self._newest, floor_to_millisecond(calls.ended_at[-1]))
            # While pages are out of order, earlier calls may follow.
            self.bookmark = max(min(self._newest, position), self.bookmark or EPOCH)
        return [part for part in parts if len(part)]

    def _skip_written(self, calls: Calls, first: int, last: int, *, is_read: bool) -> int:
        """Return the first call to write. Without a lookback window, a quiet API's calls are written only once.

        A run resumes at a whole second. If as many calls as before ended from there to the bookmark, they are the same.
        """
        if self._lookback_seconds or not self._resumed_from or first == last:
            return first
        written, self._written = self._written, 0
        after = bisect_right(calls.ended_at, self._resumed_from)
        return after if after - first == written and (after < last or is_read) else first

    def _split(self, span: Span, ended_at: list[datetime], position: datetime) -> Span:
        """Split an unread span into what has been read and the rest; return the rest."""
        end = min(position, ended_at[-1]).replace(microsecond=0)
        marks = {at.replace(microsecond=0) for at in ended_at[:: len(ended_at) // SPANS_PER_PAGE + 1]}
        # The next run may resume at the start of the lookback window.
        for mark in sorted(marks | {end, subtract(end, self._lookback_seconds)}):
            # Earlier batches must have no calls after the mark, as it is not known how many there would be.
            if span.since + SECOND <= mark <= end and span.newest < mark:
                later = len(ended_at) - bisect_left(ended_at, mark)
                span.count = span.received - later
                span = Span(mark, UNREAD, received=later)
                self._insert(span)
        return span

    def merge(self) -> None:
        """Merge read spans, as far as their age allows."""
        resume = subtract(self.bookmark or EPOCH, self._lookback_seconds)
        spans, self._spans = self._spans, self._spans[:1]
        for span, following in pairwise(spans[1:]):
            last = self._spans[-1]
            # An empty span, such as one beyond the API's retention, only costs a request.
            fits = not last.expected or following.since - last.since <= self._longest(following.since, resume)
            if {last.count, span.count}.isdisjoint({UNREAD, UNKNOWN}) and fits:
                self._spans[-1] = _merged([last, span])
            else:
                self._spans.append(span)
        self._spans += spans[1:][-1:]

    def state(self) -> list[Span]:
        """Return the spans for the state, up to the one in which the next run resumes.

        That one is unread until all calls have been read: a run that is interrupted may have read a part of them.
        """
        tail = self._index(subtract(self.bookmark or EPOCH, self._lookback_seconds))
        # A run that ends before the bookmark has read only a part of the last span.
        is_whole = not self.bookmark or self.bookmark < self._window.until
        return [*self._spans[:tail], _merged(self._spans[tail:]) if is_whole else Span(self._spans[tail].since, UNREAD)]

    def _longest(self, end: datetime, resume: datetime) -> timedelta:
        """Return how long a span may be that ends at an instant."""
        return max((resume - end) // SPANS_PER_AGE, self._shortest)

    def _index(self, instant: datetime) -> int:
        """Return the index of the span that holds an instant; 0 before the first one."""
        return max(0, bisect_right(self._spans, instant, key=BEGIN) - 1)

    def _insert(self, span: Span) -> None:
        """Insert a span, instead of one that begins at the same instant."""
        begin, end = (bisect(self._spans, span.since, key=BEGIN) for bisect in (bisect_left, bisect_right))
        self._spans[begin:end] = [span]


def _merged(spans: Sequence[Span]) -> Span:
    counts = [span.count or 0 for span in spans]
    if UNREAD in counts:
        return Span(spans[0].since, UNREAD)
    return Span(spans[0].since, sum(counts), sum(span.excess for span in spans))
