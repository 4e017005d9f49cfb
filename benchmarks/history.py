"""The calls that the benchmark reads: the sandbox's, and for very many of them its own over and over."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from tap_tuple.sandbox import generate_calls
from tap_tuple.sandbox.iso8601 import format_ms, parse_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
"""All calls ended before it, so that they are the same on every day."""
MADE = 100_000
"""Beyond so many, calls are copies: to make up each one would take the sandbox minutes."""
DAY_MS = 86_400_000
APART_DAYS = 200
"""So far lie copies apart; side by side, they would make a page much easier to compress."""


def history(count: int) -> list[dict[str, Any]]:
    """The calls of a team, in any order; the same number gives the same calls."""
    calls = generate_calls(min(count, MADE), now=NOW)
    return [*calls, *_copies(calls, count - len(calls))] if calls else []


def _copies(calls: list[dict[str, Any]], count: int) -> Iterator[dict[str, Any]]:
    beyond = max(call["id"] for call in calls)
    for index in range(count):
        copies_before, position = divmod(index, len(calls))
        call, nth = calls[position], copies_before + 1
        # Who took part is shared with the original, which keeps the server small.
        yield call | {
            "id": call["id"] + nth * beyond,
            "started_at": _earlier(call["started_at"], nth),
            "ended_at": _earlier(call["ended_at"], nth),
        }


def _earlier(text: str, nth: int) -> str:
    return format_ms(parse_ms(text) - nth * APART_DAYS * DAY_MS)
