"""Bookmarks: up to where a stream has been read, as the state keeps it.

The state is a public contract: `{"bookmarks": {"calls": {"replication_key": "ended_at",
"replication_key_value": "2026-03-15T14:30:00.000Z"}}}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_tuple import instants
from tap_tuple.exceptions import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

VALUE = "replication_key_value"


class Bookmark:
    """A stream's place in the state.

    Args:
        entry: The stream's entry in the state; it is changed in place.
        replication_key: The field that the bookmark is a value of.
    """

    def __init__(self, entry: dict[str, Any], replication_key: str) -> None:
        self._entry = entry
        self._replication_key = replication_key

    @property
    def instant(self) -> datetime | None:
        """The instant up to which all has been read, cut to the millisecond; None where nothing has."""
        value = self._entry.get(VALUE)
        return instants.parse(value) if value else None

    def advance(self, instant: datetime) -> None:
        """Moves the bookmark to an instant, unless that lies behind it."""
        present = self.instant
        latest = instant if present is None else max(present, instant)
        self._entry.update(replication_key=self._replication_key, **{VALUE: instants.text(latest)})


def check_state(state: object, streams: Collection[str]) -> Mapping[str, Any]:
    """Refuses a state that this tap could not resume from.

    Args:
        state: What was given as a state.
        streams: The names of the tap's streams; what a state says of others is passed over.

    Returns:
        The state as it is.

    Raises:
        InputError: It has another shape, or a bookmark that is no datetime.
    """
    shape = '{"bookmarks": {"calls": {"replication_key_value": "2026-03-15T14:30:00.000Z"}}}'
    if not isinstance(state, dict) or (state and "bookmarks" not in state):
        raise InputError(f"The state is not one of this tap; it wants the value of a STATE message, such as {shape}.")
    bookmarks = state.get("bookmarks", {})
    if not isinstance(bookmarks, dict) or not all(isinstance(entry, dict) for entry in bookmarks.values()):
        raise InputError(f"The state's bookmarks are not an entry a stream; it wants {shape}.")
    for stream in bookmarks.keys() & streams:
        value = bookmarks[stream].get(VALUE)
        try:
            if value is not None:
                instants.parse(value)
        except ValueError:
            raise InputError(
                f"The state's bookmark of stream {stream} is no datetime; {VALUE} wants one such as "
                "2026-03-15T14:30:00.000Z. Mend it, or leave the state out to read from start_date on."
            ) from None
    return state
