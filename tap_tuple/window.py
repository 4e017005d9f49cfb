"""The window of a run: which calls it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tap_tuple import instants

if TYPE_CHECKING:
    from datetime import datetime


class Window(NamedTuple):
    """The calls that ended at or after `since` and before `until`, as the API's parameters have it."""

    since: datetime
    until: datetime

    def __str__(self) -> str:
        return f"{instants.text(self.since)} to {instants.text(self.until)}"

    @property
    def empty(self) -> bool:
        """Whether no call can be in it, so that there is nothing to ask for."""
        return self.since >= self.until
