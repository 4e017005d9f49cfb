"""Converts Airbyte's per-stream states to the tap's state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tap_tuple.exceptions import InputError

if TYPE_CHECKING:
    from collections.abc import Collection


class StreamDescriptor(msgspec.Struct):
    """The stream to which a state belongs."""

    name: str


class PerStreamState(msgspec.Struct):
    """A stream and its state, which is the entry of the stream in the tap's bookmarks."""

    stream_descriptor: StreamDescriptor
    stream_state: dict[str, Any] | None = None


class AirbyteState(msgspec.Struct):
    """The content of a STATE message."""

    stream: PerStreamState
    type: Literal["STREAM"] = "STREAM"


def to_singer(document: object, names: Collection[str]) -> dict[str, Any]:
    """Return the tap's state from the states that Airbyte has saved.

    Args:
        document: A list of per-stream states, as JSON; only the last one of each stream is used.
        names: The streams to read; the states of others are ignored.

    Raises:
        InputError: `document` is not a list of per-stream states.
    """
    try:
        # Older platforms pass an empty object for no state.
        states = msgspec.convert(document or [], list[AirbyteState])
    except msgspec.ValidationError as error:
        hint = ""
        if isinstance(document, dict) and document.get("type") in {"STATE", "STREAM"}:
            hint = " A state file is a list: put the `state` object of the last STATE message of each stream into it."
        raise InputError(
            f"The state is not a list of per-stream states, as this source writes them: {error}.{hint} Fix it, or run "
            "without state to start from `start_date`."
        ) from None
    given = {state.stream.stream_descriptor.name: state.stream.stream_state or {} for state in states}
    return {"bookmarks": {name: entry for name, entry in given.items() if name in names}}
