"""From the tap's messages to those of Airbyte, in whole lines, as they are written."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from singer_sdk.contrib.msgspec import encoder
from singer_sdk.singerlib.messages import Message, RecordMessage, SchemaMessage, StateMessage
from typing_extensions import override

from tap_tuple.airbyte import messages
from tap_tuple.writer import BUFFER_BYTES, LineWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

    import msgspec

    from tap_tuple.exceptions import FailureType

CUT_OFF = (
    "A signal ended the run before it was complete. Run again: nothing is lost, the next run goes on from the "
    "last state."
)


@dataclass
class OpenStream:
    """A stream between STARTED and its last status."""

    running: bool = False
    held_back: bool = False
    """Whether the last status said that the rate limit holds the stream back."""
    state: dict[str, Any] | None = None
    """The state as it was written last."""
    count: int = 0
    """How many records were written since."""


class AirbyteWriter(LineWriter):
    """Writes a tap's messages as Airbyte messages: a SCHEMA starts its stream, a STATE is one for each stream.

    Records are kept back until the state that covers them; all else goes out at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._open: dict[str, OpenStream] = {}
        self._bookmarks: dict[str, dict[str, Any]] = {}
        self._overheard: deque[messages.Message] = deque()

    @override
    def write_message(self, message: Message) -> None:
        if isinstance(message, RecordMessage):
            self._keep_records(message.stream, [message.record])
            if len(self._kept) > BUFFER_BYTES:
                self._flush()
        elif isinstance(message, StateMessage):
            self._write_states(message.value.get("bookmarks", {}))
        elif isinstance(message, SchemaMessage):
            self._open[message.stream] = OpenStream()
            self.say(messages.stream_status(message.stream, "STARTED"))
        else:
            raise TypeError(f"Airbyte has no message like {message.type}")

    @override
    def write_records(self, stream: str, records: Sequence[msgspec.Struct], time_extracted: str) -> None:
        self._keep_records(stream, records)

    def _keep_records(self, stream: str, records: Sequence[Any]) -> None:
        present = self._open[stream]
        if present.held_back or not present.running:
            present.running, present.held_back = True, False
            self._keep(messages.stream_status(stream, "RUNNING"))
        emitted_at = messages.now_ms()
        self._kept += encoder.encode_lines(
            [messages.RecordMessage(messages.Record(stream, record, emitted_at)) for record in records]
        )
        present.count += len(records)

    def _write_states(self, bookmarks: dict[str, dict[str, Any]]) -> None:
        self._bookmarks = bookmarks
        for name, stream in self._open.items():
            # The SDK writes the state once more before and after a sync; here it counts after a page.
            if stream.running:
                self._keep_state(name, stream)
        self._flush()

    def _keep_state(self, name: str, stream: OpenStream) -> None:
        state = self._bookmarks.get(name, {})
        if stream.count or state != stream.state:
            self._keep(messages.stream_state(name, state, stream.count))
            # The tap goes on changing its own.
            stream.state, stream.count = dict(state), 0

    @override
    def rate_limited(self, wait_seconds: float) -> None:
        quota_reset_ms = messages.now_ms() + round(wait_seconds * 1000)
        for name, stream in self._open.items():
            stream.held_back = True
            self._keep(messages.stream_status(name, "RUNNING", quota_reset_ms=quota_reset_ms))
        self._flush()

    def complete(self) -> None:
        """Says that all streams were read to their end, each with a state."""
        for name, stream in self._open.items():
            self._keep_state(name, stream)
            self._keep(messages.stream_status(name, "COMPLETE"))
        self._flush()
        self._open = {}

    def fail(self, sentence: str, failure_type: FailureType) -> None:
        """Says why the command fails; what is kept back of a page is not written any more."""
        self._kept = bytearray()
        for line in self._incomplete(sentence, failure_type):
            self._keep(line)
        self._flush()

    @override
    def last_words(self) -> bytes:
        # Once all is said, a signal cuts nothing off. To repeat a state would break the count of records.
        return b"".join(map(_line, self._incomplete(CUT_OFF, "transient_error"))) if self._open else b""

    def _incomplete(self, sentence: str, failure_type: FailureType) -> list[messages.Message]:
        statuses = [messages.stream_status(name, "INCOMPLETE") for name in self._open]
        return [*statuses, messages.error(sentence, failure_type)]

    def say(self, message: messages.Message) -> None:
        """Writes a message at once."""
        self._keep(message)
        self._flush()

    def log(self, message: messages.Message) -> None:
        """Writes a LOG message, at once unless records are kept back, which it does not tear apart."""
        if threading.current_thread() is not threading.main_thread():
            # Only the main thread may write, as signals reach no other.
            self._overheard.append(message)
        elif self._kept:
            self._keep(message)
        else:
            self.say(message)

    def _keep(self, message: messages.Message) -> None:
        self._kept += _line(message)

    @override
    def _flush(self, state: bytes | None = None) -> None:
        while self._overheard:
            self._keep(self._overheard.popleft())
        super()._flush(state)


class SilentWriter(LineWriter):
    """Writes nothing of what a tap reads, for `check`."""

    @override
    def write_message(self, message: Message) -> None:
        pass

    @override
    def write_records(self, stream: str, records: Sequence[msgspec.Struct], time_extracted: str) -> None:
        pass


def _line(message: messages.Message) -> bytes:
    return encoder.encode(message) + b"\n"
