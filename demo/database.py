"""Compares the demo's database with the API."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import duckdb

PAIRS = Path(__file__).with_name("pairs.sql")


def pairs(path: Path) -> str:
    """Return a table of the pairs with the most hours."""
    with duckdb.connect(str(path), read_only=True) as connection:
        rows = connection.execute(PAIRS.read_text()).fetchall()
    return "\n".join(
        f"  {person:30} {other:30} {hours:7.1f} h in {calls:4} calls" for person, other, calls, hours in rows
    )


def has_call(path: Path, call_id: int) -> bool:
    """Return whether the database has a call with this id."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute("select 1 from tuple.calls where id = ?", [call_id]).fetchone() is not None


def check(path: Path, api_calls: list[dict[str, Any]]) -> tuple[int, int]:
    """Compare every row with the API's calls; exit if they differ.

    Returns:
        The number of calls, and of participations.
    """
    with duckdb.connect(str(path), read_only=True) as connection:
        calls = connection.execute(
            "select id, started_at, ended_at, duration_seconds, call_participations from tuple.calls order by id"
        ).fetchall()
        participations = connection.execute(
            "select id, call_id, call_ended_at, user_email, joined_at, left_at, duration_seconds"
            " from tuple.call_participations order by id"
        ).fetchall()
    _compare("calls", calls, _expected_calls(api_calls))
    _compare("call_participations", participations, _expected_participations(api_calls))
    return len(calls), len(participations)


def _compare(table: str, found: list[Any], expected: list[Any]) -> None:
    found = [tuple(_plain(value) for value in row) for row in found]
    if found != expected:
        differences = [pair for pair in zip(found, expected) if pair[0] != pair[1]]  # noqa: B905 - one may be longer
        sys.exit(
            f"Table {table} does not match the API: expected {len(expected)} rows, found {len(found)}. "
            f"First difference (found, expected): {differences[:1]}"
        )


def _expected_calls(api_calls: list[dict[str, Any]]) -> list[Any]:
    return sorted(
        (
            call["id"],
            _instant(call["started_at"]),
            _instant(call["ended_at"]),
            call["duration_seconds"],
            call["call_participations"],
        )
        for call in api_calls
    )


def _expected_participations(api_calls: list[dict[str, Any]]) -> list[Any]:
    return sorted(
        (
            participation["id"],
            call["id"],
            _instant(call["ended_at"]),
            participation["user"]["email"],
            _instant(participation["joined_at"]),
            _instant(participation["left_at"]),
            int((_instant(participation["left_at"]) - _instant(participation["joined_at"])).total_seconds()),
        )
        for call in api_calls
        for participation in call["call_participations"]
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc).replace(tzinfo=None)


def _plain(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("["):
        return json.loads(value)
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(timezone.utc).replace(tzinfo=None)
    return value
