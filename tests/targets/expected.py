"""The expected content of a database: the API's calls as rows, in one format for all databases."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

INSTANTS = {"started_at", "ended_at", "call_ended_at", "joined_at", "left_at"}

Row = dict[str, Any]


def tables(calls: Iterable[Row]) -> dict[str, list[Row]]:
    """Return the rows of both streams, by table, in the order of their ids."""
    calls = list(calls)
    participations = [
        {
            "id": participation["id"],
            "call_id": call["id"],
            "call_ended_at": call["ended_at"],
            "user_email": participation["user"]["email"],
            "joined_at": participation["joined_at"],
            "left_at": participation["left_at"],
            "duration_seconds": int(
                (_instant(participation["left_at"]) - _instant(participation["joined_at"])).total_seconds()
            ),
        }
        for call in calls
        for participation in call["call_participations"]
    ]
    return {"calls": plain(calls), "call_participations": plain(participations)}


def plain(rows: Iterable[Row]) -> list[Row]:
    """Return rows without the target's own columns, with parsed timestamps, in the order of their ids."""
    return sorted(map(_plain, rows), key=lambda row: row["id"])


def _plain(row: Row) -> Row:
    return {
        name: _instant(value) if value is not None and name in INSTANTS else value
        for name, value in row.items()
        if not name.startswith("_sdc_")
    }


def _instant(value: str) -> datetime:
    """Parse a timestamp; databases return it without its time zone, which is UTC."""
    instant = datetime.fromisoformat(_with_milliseconds(value.replace("Z", "+00:00")))
    return instant if instant.tzinfo else instant.replace(tzinfo=timezone.utc)


def _with_milliseconds(text: str) -> str:
    # Before Python 3.11 a fraction has three digits or six.
    whole, point, rest = text.partition(".")
    if not point:
        return text
    digits = rest.split("+")[0]
    return f"{whole}.{digits[:6].ljust(6, '0')}{rest[len(digits) :]}"
