"""What the streams share: one reading of the API for all of them that are selected."""

from __future__ import annotations

import abc
import logging
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib import Schema
from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from singer_sdk.singerlib.messages import StateMessage
from typing_extensions import override

from tap_tuple import instants
from tap_tuple.bookmark import Bookmark
from tap_tuple.calls import Calls
from tap_tuple.chain import Chain
from tap_tuple.client import TupleStream
from tap_tuple.completeness import read_completely
from tap_tuple.exceptions import InputError
from tap_tuple.progress import Progress
from tap_tuple.reading import Taken
from tap_tuple.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from singer_sdk import metrics
    from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchConfig
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.singerlib import Catalog


class UsageStream(TupleStream):
    """A stream whose records come of calls.

    The SDK syncs one stream after the other. The last of those selected reads the API for all of them, and
    the others leave it to that one: no request is made twice, and whatever comes of a call is written before
    the one STATE that covers it.
    """

    primary_keys: Sequence[str] = ("id",)
    replication_key: str
    is_sorted = True
    _reached: datetime | None = None

    @abc.abstractmethod
    def rows(self, calls: Calls) -> Sequence[msgspec.Struct]:
        """The records that come of some calls, each with just the fields of the stream's schema."""

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        super().apply_catalog(catalog)
        # A catalog that somebody has shortened would take the keys away, and the bookmark with them.
        self.primary_keys = type(self).primary_keys
        self.replication_key = type(self).replication_key
        if entry := catalog.get_stream(self.name):
            entry.key_properties = list(self.primary_keys)
            entry.replication_key = self.replication_key

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """Leaves the SDK's own upper bound out of the state: the window has one."""

    @cached_property
    def bookmark(self) -> Bookmark:
        """The stream's bookmark, in the tap's state."""
        return Bookmark(self.stream_state, self.replication_key)

    @cached_property
    def since(self) -> datetime:
        """From where the stream reads: the later of `start_date` and the bookmark less the lookback window."""
        start_date = self.config.get("start_date")
        since = instants.parse(start_date) if start_date else instants.EPOCH
        bookmark = self.bookmark.instant if self.replication_method == REPLICATION_INCREMENTAL else None
        if bookmark is None:
            return since
        # A call may become visible some time after it ended.
        seconds = (bookmark - instants.EPOCH).total_seconds() - self.config["lookback_window"]
        return max(since, instants.EPOCH + timedelta(seconds=seconds)) if seconds > 0 else since

    @property
    def _until(self) -> datetime:
        end_date = self.config.get("end_date")
        started_at = datetime.fromtimestamp(self.tap.initialized_at / 1000, timezone.utc)
        return instants.parse(end_date) if end_date else instants.floor(started_at)

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        """Reads the API for all streams, writes what they take, and moves their bookmarks a page at a time.

        Nothing is left for the SDK to write; only in batch mode it gets the records, for its files.
        """
        # The SDK's own mark of where a run began has no place in a state that is written after each page.
        self.stream_state.pop("starting_replication_value", None)
        batching = self.get_batch_config(self.config) is not None
        together = [self] if batching else self.tap.selected_streams
        if together[-1] is not self:
            return
        window = Window(min(stream.since for stream in together), self._until)
        if window.empty:
            self.log("There is nothing to read: the window %s is empty", window, level=logging.WARNING)
            return
        self.log("Reading the calls that ended in the window %s", window)
        progress = Progress(self.logger, self.config["requests_per_minute"])
        with self.get_http_request_counter() as self.request_counter:
            for taken in self._sample(window) if self.testing else self._complete(window):
                if batching:
                    yield from map(msgspec.to_builtins, self.rows(self._own(taken.calls)))
                    self._reached = taken.position or self._reached
                else:
                    for stream in together:
                        stream.write(taken.calls)
                    self._commit(together, taken.position)
                progress.page(taken)
        for stream in together:
            if stream is not self:
                stream.record_counter.exit()

    def _complete(self, window: Window) -> Iterator[Taken]:
        page_size = self.config["page_size"]

        def open_chain(since: datetime) -> Chain:
            paginator = self.get_new_paginator(Window(since, window.until), page_size)
            return Chain(paginator, self.ask)

        return read_completely(window, open_chain, page_size, self.logger)

    def _sample(self, window: Window) -> Iterator[Taken]:
        page_size = min(self.config["page_size"], self.ABORT_AT_RECORD_COUNT or 1)
        page = self.ask(self.get_new_paginator(window, page_size).current_value)()
        visible = "an unknown number of" if page.announced is None else page.announced
        self.log("The connection works: %s calls are visible in the window %s", visible, window)
        calls = Calls(page.calls.calls[:page_size], page.calls.times[:page_size])
        yield Taken(calls, None, len(calls), page.announced)

    def _own(self, calls: Calls) -> Calls:
        """The calls that this stream has to take: another one may have to read from further back."""
        since = self.since
        if min(calls.ended, default=since) >= since:
            return calls
        return calls.where(lambda _, ended: ended >= since)

    def write(self, calls: Calls) -> None:
        """Writes the records that come of some calls."""
        rows = self.rows(self._own(calls))
        if self._writes_as_is:
            self.tap.message_writer.write_records(self.name, rows, datetime.now(timezone.utc).isoformat())
        else:
            for row in rows:
                self._write_mapped(msgspec.to_builtins(row))
        self.record_counter.increment(len(rows))

    def _write_mapped(self, record: Record) -> None:
        try:
            # Private: the SDK's way of a record through selection, stream maps and flattening is open to a
            # stream only for records of its own, and the last stream writes those of the others too.
            messages = list(self._generate_record_messages(record))
        except Exception as error:
            raise InputError(
                f"The setting stream_maps, or the catalog, fails on a record of {self.name} ({type(error).__name__}). "
                "Compare it with https://sdk.meltano.com/en/latest/stream_maps.html."
            ) from error
        for message in messages:
            self.tap.write_message(message)

    @cached_property
    def _writes_as_is(self) -> bool:
        """Whether the records go out just as they are: nothing is deselected, mapped or flattened."""
        stream_map = self.stream_maps[0]
        return (
            len(self.stream_maps) == 1
            and type(stream_map) is SameRecordTransform
            and not stream_map.flattening_enabled
            and stream_map.transformed_schema == Schema.from_dict(self.schema).to_dict()
            and all(self.mask.values())
        )

    def _commit(self, together: Sequence[UsageStream], position: datetime | None) -> None:
        """Moves bookmarks up to where all has been written, and writes the STATE."""
        for stream in together:
            if position is not None and stream.replication_method == REPLICATION_INCREMENTAL:
                stream.bookmark.advance(position)
        self.tap.write_message(StateMessage(value=self.tap.state))

    @override
    def get_record_counter(self, **kwargs: Any) -> metrics.Counter:
        self.record_counter = super().get_record_counter(**kwargs)
        return self.record_counter

    @override
    def get_batches(
        self, batch_config: BatchConfig, context: Context | None = None
    ) -> Iterable[tuple[BaseBatchFileEncoding, list[str]]]:
        for batch in super().get_batches(batch_config, context):
            reached = self._reached
            yield batch
            # The BATCH message of all that came up to here has been written by now.
            self._commit([self], reached)
        self._commit([self], self._reached)

    @override
    def _increment_stream_state(self, latest_record: Record, *, context: Context | None = None) -> None:
        # Private: in batch mode the SDK would move the bookmark with each record that goes into a file, long
        # before the BATCH message that covers it.
        pass
