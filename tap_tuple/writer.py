"""Writes Singer messages to stdout, one page at a time, and only whole lines, even after a signal."""

from __future__ import annotations

import math
import os
import select
import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from functools import cached_property
from typing import Any

import msgspec
from singer_sdk import Stream, metrics
from singer_sdk.contrib.msgspec import encoder
from singer_sdk.exceptions import MapExpressionError
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib import RecordMessage, Schema
from singer_sdk.singerlib.encoding.base import GenericSingerWriter
from singer_sdk.singerlib.messages import Message, SchemaMessage, StateMessage
from typing_extensions import override

from tap_tuple.exceptions import InputError, OutputError
from tap_tuple.signals import SIGNAL_HANDLER

BUFFER_BYTES = 1 << 20
"""Lines are buffered until a STATE, or up to this size."""
CHUNK_BYTES = 1 << 16
"""The capacity of a pipe on Linux."""


class RecordLine(msgspec.Struct, gc=False, tag_field="type", tag="RECORD"):
    """A RECORD message as it is written."""

    stream: str
    record: msgspec.Struct
    time_extracted: str


class LineWriter(GenericSingerWriter[bytes, Message]):
    """Writes one message per line to stdout, buffered up to the next STATE."""

    def __init__(self) -> None:
        self._buffer: list[bytes] = []
        self._buffered_bytes = 0
        self._last_state = b""

    @override
    def serialize_message(self, message: Message) -> bytes:
        # `to_dict` would copy the whole state, page by page.
        content = {"type": "STATE", "value": message.value} if isinstance(message, StateMessage) else message.to_dict()
        return encoder.encode(content) + b"\n"

    @override
    def write_message(self, message: Message) -> None:
        line = self.format_message(message)
        self._add(line)
        if isinstance(message, StateMessage):
            self._flush(state=line)
        elif isinstance(message, SchemaMessage) or self._buffered_bytes > BUFFER_BYTES:
            self._flush()

    def write_records(self, stream: str, records: Sequence[msgspec.Struct], time_extracted: str) -> None:
        """Write records that have exactly the fields of the stream's schema, and the ISO 8601 time of their receipt."""
        self._add(encoder.encode_lines([RecordLine(stream, record, time_extracted) for record in records]))

    def rate_limited(self, wait_seconds: float) -> None:
        """Report a delay by the rate limit, in seconds. Singer has no message for it."""

    @property
    def last_state(self) -> Mapping[str, Any]:
        """The state that the next run resumes from: the last one that has been written completely."""
        state: dict[str, Any] = msgspec.json.decode(self._last_state)["value"] if self._last_state else {}
        return state

    def interrupted(self) -> None:
        """Discard the buffer and end the output of an interrupted run: the last STATE is repeated."""
        self._discard()
        _write([self.last_lines()])

    def last_lines(self) -> bytes:
        """Return the last lines of an interrupted run."""
        return self._last_state

    def _add(self, lines: bytes) -> None:
        # Records that come one by one are joined, as every write to a pipe takes time.
        if self._buffer and len(self._buffer[-1]) + len(lines) <= CHUNK_BYTES:
            self._buffer[-1] += lines
        else:
            self._buffer.append(lines)
        self._buffered_bytes += len(lines)

    def _discard(self) -> None:
        self._buffer, self._buffered_bytes = [], 0

    def _flush(self, state: bytes | None = None) -> None:
        with SIGNAL_HANDLER.deferred():
            buffer = self._buffer
            self._discard()
            if _write(buffer) and state is not None:
                self._last_state = state


class RecordWriter:
    """Writes the records of one stream, after selection, stream maps and flattening, and counts them."""

    def __init__(self, stream: Stream, writer: LineWriter) -> None:
        self._stream = stream
        self._writer = writer
        self.counter = metrics.record_counter(stream.name, log_interval=math.inf)
        self.written = 0

    @cached_property
    def _writes_unchanged(self) -> bool:
        stream_map = self._stream.stream_maps[0]
        return (
            len(self._stream.stream_maps) == 1
            and type(stream_map) is SameRecordTransform
            and not stream_map.flattening_enabled
            and stream_map.transformed_schema == Schema.from_dict(self._stream.schema).to_dict()
            and all(self._stream.mask.values())
        )

    def write(self, rows: Sequence[msgspec.Struct]) -> None:
        """Write records with exactly the fields of the stream's schema."""
        self.count(len(rows))
        now = datetime.now(timezone.utc)
        if self._writes_unchanged:
            self._writer.write_records(self._stream.name, rows, now.isoformat())
            return
        for row in rows:
            for name, mapped in self._map(selected(row, self._stream)):
                self._writer.write_message(RecordMessage(stream=name, record=mapped, time_extracted=now))

    def count(self, records: int) -> None:
        """Add to the number of records written."""
        self.counter.increment(records)
        self.written += records

    def _map(self, record: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        maps = self._stream.stream_maps
        try:
            mapped = [(stream_map.stream_alias, stream_map.transform(record)) for stream_map in maps]
        except Exception as error:
            # Only the SDK's own message is certain to contain no data.
            reason = str(error) if isinstance(error, MapExpressionError) else type(error).__name__
            raise InputError(
                f"`stream_maps` fails on a record of stream `{self._stream.name}` ({reason.rstrip('.')}). "
                "See https://sdk.meltano.com/en/latest/stream_maps.html."
            ) from error
        return [(name, dict(record)) for name, record in mapped if record is not None]


def selected(row: msgspec.Struct, stream: Stream) -> dict[str, Any]:
    """Return a record without its deselected properties, also those of objects in arrays."""
    record: dict[str, Any] = _selected(msgspec.to_builtins(row), (), stream.mask)
    return record


def _selected(value: Any, breadcrumb: tuple[str, ...], mask: Mapping[tuple[str, ...], bool]) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return [_selected(item, (*breadcrumb, "items"), mask) for item in value]
    if not isinstance(value, dict):
        return value
    paths = {name: (*breadcrumb, "properties", name) for name in value}
    return {name: _selected(value[name], path, mask) for name, path in paths.items() if mask.get(path, True)}


def _write(buffer: Sequence[bytes]) -> bool:
    """Write lines to stdout; after a signal, only up to the end of the current line.

    Return whether all lines have been written; raise an OutputError if the reader has closed stdout.
    """
    if sys.stdout is None:
        raise OutputError("stdout is closed. Connect it to a target.")
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        # Not a file: a test, or a program that embeds the tap, has replaced it.
        sys.stdout.buffer.write(b"".join(buffer))
        sys.stdout.flush()
        return True
    before = SIGNAL_HANDLER.received
    try:
        return all(before == SIGNAL_HANDLER.received and _write_lines(descriptor, lines, before) for lines in buffer)
    except BrokenPipeError:
        raise OutputError("The target closed the pipe. See its own log for the reason.") from None
    except OSError as error:
        raise OutputError(f"Cannot write to stdout: {error.strerror}.") from None


def _write_lines(descriptor: int, lines: bytes, before: signal.Signals | None) -> bool:
    view, end, written = memoryview(lines), len(lines), 0
    while written < end:
        written += _write_some(descriptor, view[written : min(end, written + CHUNK_BYTES)])
        SIGNAL_HANDLER.extend()
        if before != SIGNAL_HANDLER.received:
            end = lines.find(b"\n", written - 1) + 1
    return end == len(lines)


def _write_some(descriptor: int, view: memoryview) -> int:
    while True:
        try:
            return os.write(descriptor, view)
        except BlockingIOError:  # noqa: PERF203 - it ends with the first write that succeeds
            # The pipe is non-blocking.
            select.select([], [descriptor], [])
