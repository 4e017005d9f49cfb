"""Writes the tap's messages as Airbyte messages."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from singer_sdk.contrib.msgspec import encoder
from singer_sdk.singerlib.messages import Message, RecordMessage, SchemaMessage, StateMessage
from typing_extensions import override

from tap_tuple.airbyte import messages
from tap_tuple.signals import SIGNAL_HANDLER
from tap_tuple.writer import BUFFER_BYTES, LineWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

    import msgspec

    from tap_tuple.exceptions import FailureType

INTERRUPTED = "Interrupted by a signal. No data was lost; the next run resumes from the last state."


@dataclass
class OpenStream:
    """A stream whose status is STARTED or RUNNING."""

    running: bool = False
    is_rate_limited: bool = False
    """Whether its last status reported a wait for the rate limit."""
    state: dict[str, Any] | None = None
    """The last state that was written."""
    count: int = 0
    """The number of records written since that state."""


class AirbyteWriter(LineWriter):
    """Writes Singer messages as Airbyte messages: a SCHEMA as status STARTED, and a STATE as one state per stream.

    Records are buffered until the state that covers them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._open: dict[str, OpenStream] = {}
        self._bookmarks: dict[str, dict[str, Any]] = {}
        self._delayed: deque[messages.Message] = deque()

    @override
    def write_message(self, message: Message) -> None:
        if isinstance(message, RecordMessage):
            self._add_records(message.stream, [message.record])
            if self._buffered_bytes > BUFFER_BYTES:
                self._flush()
        elif isinstance(message, StateMessage):
            self._write_states(message)
        elif isinstance(message, SchemaMessage):
            self._open[message.stream] = OpenStream()
            self.write_at_once(messages.stream_status(message.stream, "STARTED"))
        else:
            raise TypeError(f"Unsupported Singer message type: {message.type}")

    @override
    def write_records(self, stream: str, records: Sequence[msgspec.Struct], time_extracted: str) -> None:
        self._add_records(stream, records)

    def _add_records(self, stream: str, records: Sequence[Any]) -> None:
        current = self._open[stream]
        if current.is_rate_limited or not current.running:
            current.running, current.is_rate_limited = True, False
            self._add(_line(messages.stream_status(stream, "RUNNING")))
        emitted_at = messages.now_ms()
        self._add(
            encoder.encode_lines(
                [messages.AirbyteRecordMessage(messages.AirbyteRecord(stream, each, emitted_at)) for each in records]
            )
        )
        current.count += len(records)

    def _write_states(self, message: StateMessage) -> None:
        self._bookmarks = message.value.get("bookmarks", {})
        for name, stream in self._open.items():
            # Skips the states that the SDK writes before the first record; `complete` writes a state for every stream.
            if stream.running:
                self._add_state(name, stream)
        self._flush(state=self.format_message(message))

    def _add_state(self, name: str, stream: OpenStream) -> None:
        state = self._bookmarks.get(name, {})
        if stream.count or state != stream.state:
            self._add(_line(messages.stream_state(name, state, stream.count)))
            # The tap updates its state in place.
            stream.state, stream.count = dict(state), 0

    @override
    def rate_limited(self, wait_seconds: float) -> None:
        quota_reset_ms = messages.now_ms() + round(wait_seconds * 1000)
        for name, stream in self._open.items():
            stream.is_rate_limited = True
            self._add(_line(messages.stream_status(name, "RUNNING", quota_reset_ms=quota_reset_ms)))
        self._flush()

    def complete(self) -> None:
        """Write the state and the status COMPLETE of every stream."""
        for name, stream in self._open.items():
            self._add_state(name, stream)
            self._add(_line(messages.stream_status(name, "COMPLETE")))
        self._flush()
        self._open = {}

    def fail(self, sentence: str, failure_type: FailureType) -> None:
        """Discard the buffer, and report why the command failed."""
        self._discard()
        for message in self._incomplete(sentence, failure_type):
            self._add(_line(message))
        self._flush()

    @override
    def last_lines(self) -> bytes:
        # Without the last state: Airbyte would count its records twice.
        return b"".join(map(_line, [*self._delayed, *self._incomplete(INTERRUPTED, "transient_error")]))

    def _incomplete(self, sentence: str, failure_type: FailureType) -> list[messages.Message]:
        statuses = [messages.stream_status(name, "INCOMPLETE") for name in self._open]
        return [*statuses, messages.error(sentence, failure_type)]

    def write_at_once(self, message: messages.Message) -> None:
        """Write a message without buffering it."""
        self._add(_line(message))
        self._flush()

    def log(self, message: messages.Message) -> None:
        """Write a LOG message, after the buffered records if there are any.

        A message of another thread, or after a signal, is written with the next messages.
        """
        if threading.current_thread() is not threading.main_thread() or SIGNAL_HANDLER.received:
            # Only the main thread may write, because it handles signals. After a signal, it writes only `last_lines`.
            self._delayed.append(message)
        elif self._buffer:
            self._add(_line(message))
        else:
            self.write_at_once(message)

    @override
    def _flush(self, state: bytes | None = None) -> None:
        while self._delayed:
            self._add(_line(self._delayed.popleft()))
        super()._flush(state)


class SilentWriter(LineWriter):
    """Writes nothing, for `check`."""

    @override
    def write_message(self, message: Message) -> None:
        pass

    @override
    def write_records(self, stream: str, records: Sequence[msgspec.Struct], time_extracted: str) -> None:
        pass


def _line(message: messages.Message) -> bytes:
    return encoder.encode(message) + b"\n"
