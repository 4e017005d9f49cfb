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

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import msgspec
from singer_sdk import Stream

from tap_tuple.counts import UNREAD, CallCounts, Span
from tap_tuple.exceptions import InputError
from tap_tuple.reading import Batch
from tap_tuple.streams import CallStream
from tap_tuple.timestamps import Window, format_timestamp, merge_windows, parse_timestamp
from tap_tuple.writer import LineWriter, RecordWriter

KEY, VALUE, COUNTS, COMPARISONS = "replication_key", "replication_key_value", "call_counts", "comparisons"
EXAMPLE = '{"bookmarks": {"calls": {"replication_key_value": "2026-03-15T14:30:00.000Z"}}}'


class Progress:
    """What each stream has read during a run: its call counts, its entry in the state, and the writer of its records.

    Streams that have read the same, usually all, share their call counts.

    Args:
        entries: Streams, and their entries in the state. Streams whose records are not built from calls are ignored.
        window: What the run covers.
        writer: Writes the messages.
    """

    def __init__(self, entries: Mapping[Stream, dict[str, Any]], window: Window, writer: LineWriter) -> None:
        self.writers: dict[CallStream, RecordWriter] = {}
        self._entries: dict[CallStream, dict[str, Any]] = {}
        self._streams: dict[CallCounts, list[CallStream]] = {}
        shared: dict[str, CallCounts] = {}
        for stream, entry in entries.items():
            if isinstance(stream, CallStream):
                # A full table sync neither uses nor changes the state.
                own_entry = self._entries[stream] = entry if stream.is_incremental else {}
                # The SDK's record of where a run began is not valid in a state that is written after each page.
                own_entry.pop("starting_replication_value", None)
                counts = _counts_of(own_entry, stream.config["lookback_window"], window)
                counts = shared.setdefault(repr([counts.bookmark, own_entry.get(COUNTS)]), counts)
                self._streams.setdefault(counts, []).append(stream)
                self.writers[stream] = RecordWriter(stream, writer)

    @property
    def counts(self) -> list[CallCounts]:
        """The different call counts of the streams."""
        return list(self._streams)

    @property
    def bookmarks(self) -> dict[str, datetime | None]:
        """The bookmark of each stream, by the name of the stream."""
        return {stream.name: counts.bookmark for counts, streams in self._streams.items() for stream in streams}

    @property
    def unread(self) -> list[Window]:
        """What has to be read for any of the streams."""
        return merge_windows(window for counts in self._streams for window in counts.unread)

    def take(self, batch: Batch) -> Iterator[tuple[CallStream, Sequence[msgspec.Struct]]]:
        """Yield each stream with its records of the calls that it has not read yet. At the end, update the state."""
        for counts, streams in self._streams.items():
            for calls in counts.take(batch.calls, batch.position):
                yield from ((stream, stream.rows(calls)) for stream in streams)
        self.update_state()

    def update_state(self) -> None:
        """Copy the bookmarks and the counts to the entries in the state."""
        for counts, streams in self._streams.items():
            counts.merge()
            spans = list(map(_to_json, counts.state()))
            for stream in streams:
                if counts.bookmark:
                    bookmark = {KEY: stream.replication_key, VALUE: format_timestamp(counts.bookmark)}
                    self._entries[stream].update(bookmark)
                self._entries[stream].update({COMPARISONS: counts.comparisons, COUNTS: spans})


def _counts_of(entry: Mapping[str, Any], lookback_seconds: int, window: Window) -> CallCounts:
    """Return the call counts of a stream's entry in the state, for a run that covers a window."""
    spans = [Span(parse_timestamp(since), *numbers) for since, *numbers in entry.get(COUNTS, [])]
    bookmark = parse_timestamp(entry[VALUE]) if entry.get(VALUE) else None
    return CallCounts(spans, entry.get(COMPARISONS, 0), bookmark, lookback_seconds, window)


def _to_json(span: Span) -> list[object]:
    return [format_timestamp(span.since).replace(".000Z", "Z"), span.count, *([span.excess] if span.excess else [])]


def check_state(state: object, streams: Collection[str]) -> Mapping[str, Any]:
    """Check that the tap can resume from a state.

    Args:
        state: The value of a STATE message.
        streams: The names of the tap's streams; entries of other streams are ignored.

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
                f"Invalid `{COUNTS}` for stream `{stream}`: must be a list of [datetime, number of calls] entries in "
                f"ascending order. Remove `{COUNTS}` from the state, or run without state to start from `start_date`."
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
