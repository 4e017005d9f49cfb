"""The sync: one pass over the API for all selected streams.

It plans what to read, reads it page by page, writes the records of every stream, moves the bookmarks, writes a STATE
after each page, and reconciles what has been read with the API's totals.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import msgspec
from singer_sdk import Stream, Tap, metrics
from singer_sdk.batch import Batcher
from singer_sdk.helpers.types import Record
from singer_sdk.singerlib.messages import StateMessage

from tap_tuple.api.client import ENDPOINT, UsageClient
from tap_tuple.api.retries import RUN_LIMITS, TEST_LIMITS, RetryLimits
from tap_tuple.counts import UNKNOWN
from tap_tuple.exceptions import ApiError
from tap_tuple.logs import PageLog, log_completion, log_interruption, request_metrics
from tap_tuple.reading import WindowReader
from tap_tuple.reconciliation import Reconciler
from tap_tuple.signals import SIGNAL_HANDLER, InterruptedBySignal
from tap_tuple.state import Progress
from tap_tuple.streams import CallCountRow, CallCountsStream, CallStream
from tap_tuple.timestamps import EPOCH, Window, floor_to_millisecond, format_timestamp, parse_timestamp
from tap_tuple.writer import LineWriter, RecordWriter, selected

if TYPE_CHECKING:
    from singer_sdk.helpers._batch import BatchConfig

    from tap_tuple.streams import Batches

MAX_ROUNDS = 10
"""Maximum number of times that one run reads missing calls; the next run reads the rest."""

logger = logging.getLogger("tap-tuple")


class Sync:
    """Syncs the streams of a tap, and writes their messages."""

    def __init__(self, tap: Tap, writer: LineWriter) -> None:
        self._tap = tap
        self._config = tap.config
        self._writer = writer

    @property
    def _window(self) -> Window:
        """What a run covers: from `start_date` to `end_date`, or to the start of the run."""
        start, end = self._config.get("start_date"), self._config.get("end_date")
        now = floor_to_millisecond(datetime.fromtimestamp(self._tap.initialized_at / 1000, timezone.utc))
        return Window(parse_timestamp(start) if start else EPOCH, parse_timestamp(end) if end else now)

    def records(self, stream: Stream) -> Iterable[Record]:
        """Sync all streams when the SDK calls the last one: by then, it has written the SCHEMA of each."""
        streams = [other for other in self._tap.streams.values() if other.selected]
        if stream is streams[-1]:
            with self._interruptible(streams):
                limit = stream.ABORT_AT_RECORD_COUNT
                self._run(streams) if limit is None else self._test(streams, limit)
        return ()

    def batches(self, stream: Stream, batch_config: BatchConfig) -> Batches:
        """Sync one stream to batch files. Its bookmark moves when the BATCH messages up to it have been written."""
        read = dict(stream.stream_state)

        def records() -> Iterator[Record]:
            if not isinstance(stream, CallStream):
                yield msgspec.to_builtins(_call_counts(self._window, None))
                return
            progress = Progress({stream: read}, self._window, self._writer)
            with self._connect(progress, RUN_LIMITS) as client:
                for window in progress.unread:
                    for batch in WindowReader(client, window, self._config["page_size"]).batches():
                        for _, rows in progress.take(batch):
                            yield from (selected(row, stream) for row in rows)
                            progress.writers[stream].count(len(rows))

        batcher = Batcher(tap_name=self._tap.name, stream_name=stream.name, batch_config=batch_config)
        with self._interruptible([stream]):
            for manifest in batcher.get_batches(records=records()):
                reached = dict(read)
                # A signal takes effect here, not in the SDK's code that writes the BATCH message.
                with SIGNAL_HANDLER.deferred():
                    yield batch_config.encoding, manifest
                stream.stream_state.update(reached)
            stream.stream_state.update(read)
            self._write_state()

    @contextmanager
    def _interruptible(self, streams: Sequence[Stream]) -> Iterator[None]:
        """Complete the output, and log where the next run resumes, if a signal interrupts the block."""
        try:
            yield
        except InterruptedBySignal as interruption:
            log_interruption(self._writer.last_state, [each.name for each in streams if isinstance(each, CallStream)])
            interruption.is_logged = True
            self._writer.interrupted()
            raise

    def _test(self, streams: Sequence[Stream], record_count: int) -> None:
        """Read a few calls, in one request."""
        progress = Progress({stream: {} for stream in streams}, self._window, self._writer)
        # A window that has not begun yet cannot be requested.
        window = Window(min(self._window.since, self._window.until - timedelta(minutes=1)), self._window.until)
        with self._connect(progress, TEST_LIMITS) as client:
            page = client.get_page(window, 1, min(record_count, self._config["page_size"]))
            for stream, writer in progress.writers.items():
                writer.write(stream.rows(page.calls[:record_count]))
        self._write_call_counts(streams, window, page.total)
        visible = "total unknown" if page.total is None else f"{page.total} calls are visible"
        logger.info("Connection test passed: %s, from %s", visible, window)

    def _run(self, streams: Sequence[Stream]) -> None:
        """Read what is unread, reconcile, and write the closing STATE and log line."""
        progress = Progress({stream: stream.stream_state for stream in streams}, self._window, self._writer)
        for name, bookmark in progress.bookmarks.items():
            if bookmark and bookmark < self._window.since:
                gap = Window(bookmark, self._window.since)
                logger.warning("`start_date` is after the bookmark of `%s`: skipping calls from %s", name, gap)
        with self._connect(progress, RUN_LIMITS) as client:
            reconciler = Reconciler(client)
            if progress.counts:
                self._read_all(progress, client, reconciler)
            total = reconciler.total if progress.counts else client.get_page(self._window, 1, 1).total
        window = reconciler.window or self._window
        self._write_call_counts(streams, window, total)
        self._write_state()
        written = {stream.name: writer.written for stream, writer in progress.writers.items()}
        log_completion(window, reconciler.total, reconciler.excess, written)

    def _read_all(self, progress: Progress, client: UsageClient, reconciler: Reconciler) -> None:
        """Read what is unread, compare the counts with the totals, and read again what turns out to be missing."""
        known = [count for counts in progress.counts for _, count, _ in counts.spans if count is not UNKNOWN]
        if not progress.unread and not (known and self._config["reconcile"]):
            logger.warning("Nothing to read: the time range is empty, or ends before the bookmark")
            return
        totals = {window: self._read(progress, client, window) for window in progress.unread}
        if not self._config["reconcile"]:
            return
        for _ in range(MAX_ROUNDS + 1):
            reconciler.compare(progress.counts, totals)
            progress.update_state()
            if not progress.unread:
                if reconciler.total is None:
                    logger.info("The API sends no total (X-Total-Count): the number of calls cannot be verified")
                return
            for window in progress.unread:
                reconciler.check_limit()
                self._read(progress, client, window)
            totals = {}
        raise ApiError(
            f"Calls are missing: the API's totals changed in each of {MAX_ROUNDS} attempts to read them. Run again."
        )

    def _read(self, progress: Progress, client: UsageClient, window: Window) -> int | None:
        """Read a window, and write a STATE after each page; return the total of the first one."""
        logger.info("Reading calls from %s", window)
        page_log = PageLog(self._config["requests_per_minute"])
        totals: list[int | None] = []
        received = 0
        for batch in WindowReader(client, window, self._config["page_size"]).batches():
            for stream, rows in progress.take(batch):
                progress.writers[stream].write(rows)
            self._write_state()
            page_log.log(batch.received, batch.total)
            received = batch.received
            totals.append(batch.total)
        if not self._config["reconcile"] and received < (totals[0] or 0):
            logger.warning("The API reported %d calls from %s, but returned %d", totals[0], window, received)
        return totals[0]

    def _write_state(self) -> None:
        self._writer.write_message(StateMessage(value=self._tap.state))

    def _write_call_counts(self, streams: Sequence[Stream], window: Window, total: int | None) -> None:
        for stream in streams:
            if isinstance(stream, CallCountsStream):
                RecordWriter(stream, self._writer).write([_call_counts(window, total)])

    @contextmanager
    def _connect(self, progress: Progress, limits: RetryLimits) -> Iterator[UsageClient]:
        """Provide a client, and log the metrics of the streams that it is used for."""
        name = CallCountsStream.name
        with ExitStack() as stack:
            for stream, writer in progress.writers.items():
                name = stream.name
                stack.enter_context(metrics.sync_timer(name))
                stack.enter_context(writer.counter)
            on_request = stack.enter_context(request_metrics(self._tap, name, ENDPOINT))
            yield UsageClient(
                api_url=self._config["api_url"],
                token=self._config["auth_token"],
                user_agent=self._config.get("user_agent") or f"{self._tap.name}/{self._tap.plugin_version}",
                timeout_seconds=self._config["request_timeout"],
                requests_per_minute=self._config["requests_per_minute"],
                limits=limits,
                on_request=on_request,
                on_rate_limit=self._writer.rate_limited,
            )


def _call_counts(window: Window, total: int | None) -> CallCountRow:
    now = format_timestamp(datetime.now(timezone.utc))
    return CallCountRow(**window.parameters, calls=total, reconciled_at=now)
