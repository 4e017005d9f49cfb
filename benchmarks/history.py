"""The calls that the benchmark reads: the sandbox's, and copies of them for large numbers."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from tap_tuple.sandbox import generate_calls
from tap_tuple.sandbox.iso8601 import format_ms, parse_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
"""All calls ended before this time, so that they do not depend on the date of the run."""
MADE = 100_000
"""Calls beyond this number are copies: generating them would take minutes."""
DAY_MS = 86_400_000
APART_DAYS = 200
"""The distance between copies. Adjacent copies would make a page much easier to compress."""


def history(count: int) -> list[dict[str, Any]]:
    """Return the calls of a team, in any order; the same number returns the same calls."""
    calls = generate_calls(min(count, MADE), now=NOW)
    return [*calls, *_copies(calls, count - len(calls))] if calls else []


def _copies(calls: list[dict[str, Any]], count: int) -> Iterator[dict[str, Any]]:
    beyond = max(call["id"] for call in calls)
    for index in range(count):
        copies_before, position = divmod(index, len(calls))
        call, nth = calls[position], copies_before + 1
        # Copies share the participations of the original, which saves memory on the server.
        yield call | {
            "id": call["id"] + nth * beyond,
            "started_at": _earlier(call["started_at"], nth),
            "ended_at": _earlier(call["ended_at"], nth),
        }


def _earlier(text: str, nth: int) -> str:
    return format_ms(parse_ms(text) - nth * APART_DAYS * DAY_MS)
