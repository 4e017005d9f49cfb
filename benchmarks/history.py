"""Generates the calls that the programs read: those of the sandbox, and copies of them for large numbers."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from tap_tuple.sandbox import generate_calls
from tap_tuple.sandbox.iso8601 import format_ms, parse_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
"""All calls ended before this time, so they do not depend on the date of the benchmark."""
MAX_GENERATED = 100_000
"""Calls beyond this number are copies, because generating them would take minutes."""
DAY_MS = 86_400_000
COPY_INTERVAL_DAYS = 200
"""The time between a call and its copy. With a shorter time, a page would have similar calls and compress better."""


def history(count: int) -> list[dict[str, Any]]:
    """Return this number of calls of a team in any order; the same number returns the same calls."""
    calls = generate_calls(min(count, MAX_GENERATED), now=NOW)
    return [*calls, *_copies(calls, count - len(calls))] if calls else []


def _copies(calls: list[dict[str, Any]], count: int) -> Iterator[dict[str, Any]]:
    highest_id = max(call["id"] for call in calls)
    for index in range(count):
        copies_before, position = divmod(index, len(calls))
        call, nth = calls[position], copies_before + 1
        # Copies share the participations of the original, which saves memory on the server.
        yield call | {
            "id": call["id"] + nth * highest_id,
            "started_at": _earlier(call["started_at"], nth),
            "ended_at": _earlier(call["ended_at"], nth),
        }


def _earlier(text: str, nth: int) -> str:
    return format_ms(parse_ms(text) - nth * COPY_INTERVAL_DAYS * DAY_MS)
