"""How messages get to stdout: a page at a time, in whole lines, whatever happens."""

from __future__ import annotations

import os
import select
import sys
from typing import TYPE_CHECKING

import msgspec
from singer_sdk.contrib.msgspec import encoder
from singer_sdk.singerlib.encoding.base import GenericSingerWriter
from singer_sdk.singerlib.messages import Message, SchemaMessage, StateMessage
from typing_extensions import override

from tap_tuple.exceptions import OutputError
from tap_tuple.termination import TERMINATION

if TYPE_CHECKING:
    from collections.abc import Sequence

BUFFER_BYTES = 1 << 20
"""Where no STATE comes, lines are kept back up to this size."""
CHUNK_BYTES = 1 << 16
"""What a pipe holds on Linux."""


class RecordLine(msgspec.Struct, gc=False, tag_field="type", tag="RECORD"):
    """A RECORD message, as it is written."""

    stream: str
    record: msgspec.Struct
    time_extracted: str


class LineWriter(GenericSingerWriter[bytes, Message]):
    """Writes Singer messages to stdout, one a line, and all that is kept back with each STATE."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._last_state = b""

    @override
    def serialize_message(self, message: Message) -> bytes:
        return encoder.encode(message.to_dict()) + b"\n"

    @override
    def write_message(self, message: Message) -> None:
        line = self.format_message(message)
        self._kept += line
        if isinstance(message, StateMessage):
            self._flush(state=line)
        elif isinstance(message, SchemaMessage) or len(self._kept) > BUFFER_BYTES:
            self._flush()

    def write_records(self, stream: str, records: Sequence[msgspec.Struct], time_extracted: str) -> None:
        """Writes records that need no further treatment.

        Args:
            stream: The stream's name.
            records: Records whose fields are just what the stream's schema says.
            time_extracted: When they came, as an ISO 8601 datetime.
        """
        self._kept += encoder.encode_lines([RecordLine(stream, record, time_extracted) for record in records])

    def rate_limited(self, wait_seconds: float) -> None:
        """Told before the rate limit holds the run back for so long. Singer has no message for it."""

    def last_words(self) -> bytes:
        """What a run that is cut off says: the last STATE once more."""
        return self._last_state

    def write_last_words(self) -> None:
        """Writes the last words of a run that is cut off, in place of what is kept back."""
        self._kept = bytearray()
        _write(self.last_words())

    def _flush(self, state: bytes | None = None) -> None:
        with TERMINATION.deferred():
            lines, self._kept = self._kept, bytearray()
            if _write(lines) and state is not None:
                self._last_state = state


def _write(lines: bytes | bytearray) -> bool:
    """Writes lines to stdout; once a signal has come, no more than the line that is under way.

    Returns:
        Whether all was written.

    Raises:
        OutputError: Nobody takes them.
    """
    if sys.stdout is None:
        raise OutputError("There is no stdout to write to. Connect it to a target.")
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        # No file: a test, or a program that runs the tap inside itself, has put something else in place.
        sys.stdout.buffer.write(lines)
        sys.stdout.flush()
        return True
    view, end, written = memoryview(lines), len(lines), 0
    cut = TERMINATION.requested
    try:
        while written < end:
            written += _write_some(descriptor, view[written : min(end, written + CHUNK_BYTES)])
            TERMINATION.extend()
            if TERMINATION.requested and not cut:
                cut, end = True, lines.find(b"\n", written - 1) + 1
    except BrokenPipeError:
        raise OutputError("The target has closed the pipe. Look for the reason in its own log.") from None
    except OSError as error:
        raise OutputError(f"Nothing can be written to stdout: {error.strerror}.") from None
    return end == len(lines)


def _write_some(descriptor: int, view: memoryview) -> int:
    while True:
        try:
            return os.write(descriptor, view)
        except BlockingIOError:  # noqa: PERF203 - it ends with the first write that goes through
            # Whoever started the tap has made the pipe one that does not wait.
            select.select([], [descriptor], [])
