"""The state: each stream's bookmark and call counts.

The format is a public contract, and later versions read it:

    {"bookmarks": {"calls": {
        "replication_key": "ended_at",
        "replication_key_value": "2026-03-15T14:30:00.000Z",
        "call_counts": [["1970-01-01T00:00:00Z", 312], ["2026-03-15T13:30:00Z", 7]],
        "comparisons": 4}}}

A span of `call_counts` begins at its instant and ends where the next one begins. Its count is null if its calls have
not been counted, and -1 if they have not been read. If the API reports more calls of a span than it returns, another
number follows: how many more. `comparisons` counts the comparisons with the API's totals.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from singer_sdk import Stream

from tap_tuple.counts import UNREAD, CallCounts, Span
from tap_tuple.exceptions import InputError
from tap_tuple.reading import Batch
from tap_tuple.streams import CallStream
from tap_tuple.timestamps import EPOCH, Window, floor_to_millisecond, format_timestamp, parse_timestamp
from tap_tuple.writer import LineWriter, RecordWriter

KEY, VALUE, COUNTS, COMPARISONS = "replication_key", "replication_key_value", "call_counts", "comparisons"
EXAMPLE = '{"bookmarks": {"calls": {"replication_key_value": "2026-03-15T14:30:00.000Z"}}}'


class StreamState:
    """One stream's entry in the state.

    Args:
        entry: The entry, which is updated in place.
        replication_key: The field whose values are the bookmark.
    """

    def __init__(self, entry: dict[str, Any], replication_key: str) -> None:
        # The SDK's record of where a run began is not valid in a state that is written after each page.
        entry.pop("starting_replication_value", None)
        self._entry = entry
        self._replication_key = replication_key
        self._newest = EPOCH

    @property
    def bookmark(self) -> datetime | None:
        """The newest `ended_at` that has been read, truncated to milliseconds; None if nothing has."""
        value = self._entry.get(VALUE)
        return parse_timestamp(value) if value else None

    @property
    def shared_key(self) -> object:
        """What the stream has read. Streams with equal keys share their counts."""
        return self.bookmark, tuple(map(tuple, self._entry.get(COUNTS, [])))

    def counts(self, lookback_seconds: int, window: Window) -> CallCounts:
        """Return the call counts for a run that covers a window. A state of version 0.1.0 has none yet."""
        spans = [Span(parse_timestamp(since), *numbers) for since, *numbers in self._entry.get(COUNTS, [])]
        return CallCounts(spans, self._entry.get(COMPARISONS, 0), self.bookmark, lookback_seconds, window)

    def update(self, batch: Batch | None, counts: CallCounts) -> None:
        """Move the bookmark up to the newest call of a batch, but never back, and save the counts."""
        bookmark = self.bookmark
        if batch and batch.calls.ended_at:
            self._newest = max(self._newest, floor_to_millisecond(batch.calls.ended_at[-1]))
            # While pages are out of order, earlier calls may follow.
            newest = min(self._newest, batch.position)
            bookmark = max(newest, bookmark or newest)
        if bookmark is not None:
            self._entry.update({KEY: self._replication_key, VALUE: format_timestamp(bookmark)})
            counts.merge(bookmark)
        self._entry[COMPARISONS] = counts.comparisons
        self._entry[COUNTS] = list(map(_to_json, counts.state(bookmark)))


def _to_json(span: Span) -> list[object]:
    return [format_timestamp(span.since).replace(".000Z", "Z"), span.count, *([span.excess] if span.excess else [])]


class StreamProgress(NamedTuple):
    """A stream during a run: its state, the call counts that it may share with other streams, and its writer."""

    stream: CallStream
    state: StreamState
    counts: CallCounts
    writer: RecordWriter


def open_streams(entries: Mapping[Stream, dict[str, Any]], window: Window, writer: LineWriter) -> list[StreamProgress]:
    """Prepare streams for a run. Those that have read the same, usually all, share their counts.

    Args:
        entries: Streams, and their entries in the state. Streams that are not made of calls are left out.
        window: What the run covers.
        writer: Writes the messages.
    """
    streams = []
    shared: dict[object, CallCounts] = {}
    for stream, entry in entries.items():
        if isinstance(stream, CallStream):
            # A full table sync neither uses nor changes the state.
            state = StreamState(entry if stream.is_incremental else {}, stream.replication_key)
            counts = shared.setdefault(state.shared_key, state.counts(stream.config["lookback_window"], window))
            streams.append(StreamProgress(stream, state, counts, RecordWriter(stream, writer)))
    return streams


def check_state(state: object, streams: Collection[str]) -> Mapping[str, Any]:
    """Check that the tap can resume from a state.

    Args:
        state: The value of a STATE message.
        streams: The names of the tap's streams; entries of other streams are ignored.

    Returns:
        The state.

    Raises:
        InputError: The state has another shape, or an invalid bookmark or count.
    """
    if not isinstance(state, dict) or (state and "bookmarks" not in state):
        is_message = isinstance(state, dict) and state.get("type") == "STATE"
        hint = " This is a whole STATE message: pass only its `value`." if is_message else ""
        raise InputError(f"Invalid state: expected the value of a STATE message, e.g. {EXAMPLE}.{hint}")
    bookmarks = state.get("bookmarks", {})
    if not isinstance(bookmarks, dict) or not all(isinstance(entry, dict) for entry in bookmarks.values()):
        raise InputError(f"Invalid state: `bookmarks` must map stream names to objects, e.g. {EXAMPLE}.")
    for stream in sorted(bookmarks.keys() & streams):
        entry = bookmarks[stream]
        try:
            if entry.get(VALUE) is not None:
                parse_timestamp(entry[VALUE])
        except ValueError:
            raise InputError(
                f"Invalid bookmark for stream `{stream}`: `{VALUE}` must be an ISO 8601 datetime, e.g. "
                "2026-03-15T14:30:00.000Z. Fix it, or run without state to start from `start_date`."
            ) from None
        if not _are_counts(entry.get(COUNTS, [])) or type(entry.get(COMPARISONS, 0)) is not int:
            raise InputError(
                f"Invalid `{COUNTS}` for stream `{stream}`: must be a list of [datetime, number] pairs in ascending "
                f"order. Remove `{COUNTS}` from the state, or run without state to start from `start_date`."
            )
    return state


def _are_counts(value: object) -> bool:
    try:
        marks = [parse_timestamp(mark) for mark, *_ in value]  # type: ignore[attr-defined] # TypeError otherwise
        are_counts = all(_is_count(*numbers) for _, *numbers in value)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        return False
    return are_counts and all(earlier < later for earlier, later in pairwise(marks))


def _is_count(count: object, excess: object = 0) -> bool:
    is_count = count is None or (type(count) is int and count >= UNREAD)
    return is_count and type(excess) is int and excess >= 0
