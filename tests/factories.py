"""Factories for calls, states and timestamps."""

from __future__ import annotations

from typing import Any

TOKEN = "sk-tuple-sandbox"
REPLICATION_KEYS = {"call_participations": "call_ended_at", "calls": "ended_at"}


def minute(number: int) -> str:
    """Return the timestamp this many minutes after midnight of 15 March 2026."""
    return f"2026-03-15T{number // 60:02}:{number % 60:02}:00.000Z"


def a_call(number: int, ended_at: str, **more: Any) -> dict[str, Any]:
    """Return a valid call without participations, with the given fields changed or added."""
    return {
        "id": number,
        "started_at": ended_at,
        "ended_at": ended_at,
        "duration_seconds": 0,
        "call_participations": [],
        **more,
    }


def a_participation(number: int, email: str = "ada@example.com", **more: Any) -> dict[str, Any]:
    """Return a valid participation, with the given fields changed or added."""
    return {"id": number, "joined_at": minute(0), "left_at": minute(1), "user": {"email": email}, **more}


def a_call_per_minute(first: int = 1, last: int = 30, *, participations: int = 0) -> list[dict[str, Any]]:
    """Return one call per minute; its id is the minute in which it ended."""
    return [
        a_call(
            number,
            minute(number),
            call_participations=[
                a_participation(10 * number + index, f"person{index}@example.com")
                for index in range(1, participations + 1)
            ],
        )
        for number in range(first, last + 1)
    ]


def a_state(bookmark: str, **entry: Any) -> dict[str, Any]:
    """Return a state of both call streams in the format of version 0.1.0, with fields added to each entry."""
    return {
        "bookmarks": {
            stream: {"replication_key": key, "replication_key_value": bookmark, **entry}
            for stream, key in REPLICATION_KEYS.items()
        }
    }
