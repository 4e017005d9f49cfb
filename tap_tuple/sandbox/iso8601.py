"""Converts ISO 8601 datetimes to and from integer milliseconds since 1970 (UTC), the precision of the API."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)

_ISO_8601 = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d)(?::(\d\d)(?:\.(\d+))?)?(?:Z|([+-]\d\d)(?::?(\d\d))?)?)?", re.ASCII
)


def to_ms(moment: datetime) -> int:
    """Return the milliseconds since 1970 of a datetime with a time zone, rounded down."""
    return (moment - _EPOCH) // _MILLISECOND


def parse_ms(text: str) -> int:
    """Return the milliseconds since 1970 of an ISO 8601 date or datetime, which is in UTC if it has no time zone.

    Raises:
        ValueError: `text` is not a valid ISO 8601 date or datetime.
    """
    match = _ISO_8601.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an ISO 8601 datetime")
    day, minute, second, fraction, zone_hours, zone_minutes = match.groups()
    # Before Python 3.11, `fromisoformat` accepts only this form: no `Z`, and only 3 or 6 digits of a fraction.
    time = f"{minute or '00:00'}:{second or '00'}.{fraction or '0':0<6.6}"
    return to_ms(datetime.fromisoformat(f"{day}T{time}{zone_hours or '+00'}:{zone_minutes or '00'}"))


def format_ms(milliseconds: int) -> str:
    """Format milliseconds since 1970 as the API does, e.g. `2026-03-15T14:30:00.000Z`."""
    moment = _EPOCH + milliseconds * _MILLISECOND
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
