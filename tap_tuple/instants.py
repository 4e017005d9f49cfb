"""Instants: the one way in which this tap reads, compares and writes datetimes."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MILLISECOND = timedelta(milliseconds=1)


def parse(text: str) -> datetime:
    """Reads an ISO 8601 date or datetime.

    Args:
        text: For example `2026-03-15`, `2026-03-15T14:30:00.000Z`, `2026-03-15T16:30:00+02:00`.

    Returns:
        The instant in UTC, cut to the millisecond. A date is its 00:00; without a zone it is UTC.

    Raises:
        ValueError: The text is no such date.
    """
    try:
        # On Python 3.10 this is the reading of 3.11: importing the SDK puts it in place.
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=timezone.utc)
        return floor(instant.astimezone(timezone.utc))
    except (OverflowError, TypeError) as error:
        raise ValueError(text) from error


def floor(instant: datetime) -> datetime:
    """Cuts an instant to the millisecond, which is the API's resolution."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def text(instant: datetime) -> str:
    """Writes an instant as the API does: UTC, milliseconds, `Z`."""
    return instant.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
