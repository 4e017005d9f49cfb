"""Instants as the API writes them, and as the sandbox counts them: whole milliseconds since 1970, UTC."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)

# `datetime.fromisoformat` reads neither `Z` nor a single digit of fraction before Python 3.11.
_ISO_8601 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(?:Z|([+-])([01]\d|2[0-3])(?::?([0-5]\d))?)?)?",
    re.ASCII,
)


def to_ms(instant: datetime) -> int:
    """Counts the milliseconds since 1970; what is finer than a millisecond is cut off.

    Raises:
        TypeError: `instant` names no time zone.
    """
    return (instant - _EPOCH) // _MILLISECOND


def parse_ms(text: str) -> int:
    """Reads an ISO 8601 date or datetime; one without a zone is in UTC.

    Raises:
        ValueError: `text` is neither, or names a day or time that does not exist.
    """
    match = _ISO_8601.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an ISO 8601 datetime")
    year, month, day, hour, minute, second, fraction, sign, ahead_hours, ahead_minutes = match.groups("0")
    local = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=timezone.utc)
    local_ms = to_ms(local) + int(fraction[:3].ljust(3, "0"))
    ahead_ms = (int(ahead_hours) * 60 + int(ahead_minutes)) * 60_000
    return local_ms + ahead_ms if sign == "-" else local_ms - ahead_ms


def format_ms(milliseconds: int) -> str:
    """Writes an instant as the API does: `2026-03-15T14:30:00.000Z`."""
    instant = _EPOCH + timedelta(milliseconds=milliseconds)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
