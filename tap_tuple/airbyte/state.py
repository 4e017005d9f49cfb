"""From the state that Airbyte has kept to the tap's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tap_tuple.exceptions import InputError

if TYPE_CHECKING:
    from collections.abc import Collection


class Descriptor(msgspec.Struct):
    """Which stream it is."""

    name: str


class StreamState(msgspec.Struct):
    """A stream and its state, which is the stream's entry among the tap's bookmarks."""

    stream_descriptor: Descriptor
    stream_state: dict[str, Any] | None = None


class State(msgspec.Struct):
    """What a STATE message holds."""

    stream: StreamState
    type: Literal["STREAM"] = "STREAM"


def to_singer(document: object, names: Collection[str]) -> dict[str, Any]:
    """Makes the tap's state of what Airbyte has kept.

    Args:
        document: A list of per-stream states, as JSON; the last one of a stream counts.
        names: The streams that are to be read; of any other, nothing is taken.

    Raises:
        InputError: It is no such list.
    """
    try:
        # Older platforms write an empty object for no state at all.
        states = msgspec.convert(document or [], list[State])
    except msgspec.ValidationError as error:
        raise InputError(
            f"The state is no list of per-stream states, as this source writes them: {error}. Mend it, or leave it "
            "out to read from start_date on."
        ) from None
    given = {state.stream.stream_descriptor.name: state.stream.stream_state or {} for state in states}
    return {"bookmarks": {name: entry for name, entry in given.items() if name in names}}
