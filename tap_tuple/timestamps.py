"""Timestamps and windows: how the tap parses, compares and formats points in time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import NamedTuple

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MILLISECOND = timedelta(milliseconds=1)


class Window(NamedTuple):
    """The calls with `since <= ended_at < until`, as the API's parameters define it."""

    since: datetime
    until: datetime

    def __str__(self) -> str:
        return f"{format_timestamp(self.since)} to {format_timestamp(self.until)}"

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of a request for the calls in the window."""
        return {"since": format_timestamp(self.since), "until": format_timestamp(self.until)}


def merge_windows(windows: Iterable[Window]) -> list[Window]:
    """Return windows in time order, with those that overlap or touch merged."""
    merged: list[Window] = []
    for since, until in sorted(windows):
        if merged and since <= merged[-1].until:
            merged[-1] = Window(merged[-1].since, max(merged[-1].until, until))
        else:
            merged.append(Window(since, until))
    return merged


def parse_timestamp(text: str) -> datetime:
    """Parse an ISO 8601 date or datetime.

    Args:
        text: For example `2026-03-15`, `2026-03-15T14:30:00.000Z` or `2026-03-15T16:30:00+02:00`.

    Returns:
        The timestamp in UTC, truncated to milliseconds. A date means 00:00; a datetime without a zone is UTC.

    Raises:
        ValueError: The text is not a valid date or datetime.
    """
    try:
        # On Python 3.10 this is the parser of 3.11: importing the SDK installs the backport.
        timestamp = datetime.fromisoformat(text)
        if timestamp.tzinfo is None:
            timestamp = timestamp.replace(tzinfo=timezone.utc)
        return floor_to_millisecond(timestamp.astimezone(timezone.utc))
    except (OverflowError, TypeError) as error:
        raise ValueError(text) from error


@lru_cache(maxsize=1024)  # the state repeats most timestamps page after page
def format_timestamp(timestamp: datetime) -> str:
    """Format a timestamp as the API does: UTC, milliseconds, `Z`."""
    return timestamp.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def floor_to_millisecond(timestamp: datetime) -> datetime:
    """Truncate a timestamp to milliseconds, the API's resolution."""
    return timestamp.replace(microsecond=timestamp.microsecond // 1000 * 1000)


def subtract(timestamp: datetime, seconds: float) -> datetime:
    """Return the timestamp minus a number of seconds, but not before 1970."""
    left = (timestamp - EPOCH).total_seconds() - seconds
    return EPOCH + timedelta(seconds=left) if left > 0 else EPOCH
