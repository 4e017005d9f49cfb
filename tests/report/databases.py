"""DuckDB files as target-duckdb leaves them, made of calls as the API sends them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from pathlib import Path

_CALLS = "{id: 'hugeint', started_at: 'timestamp', ended_at: 'timestamp', duration_seconds: 'hugeint'}"
_PARTICIPATIONS = """{
    id: 'hugeint', call_id: 'hugeint', user_email: 'varchar', joined_at: 'timestamp', left_at: 'timestamp'
}"""


def write_database(path: Path, calls: list[dict[str, Any]], schema: str = "tuple") -> Path:
    participations = [
        {
            "id": participation["id"],
            "call_id": call["id"],
            "user_email": participation["user"]["email"],
            "joined_at": participation["joined_at"],
            "left_at": participation["left_at"],
        }
        for call in calls
        for participation in call["call_participations"]
    ]
    with duckdb.connect(str(path)) as connection:
        connection.execute(f'create schema "{schema}"')
        for table, rows, columns in (
            ("calls", calls, _CALLS),
            ("call_participations", participations, _PARTICIPATIONS),
        ):
            file = path.with_suffix(f".{table}.json")
            file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
            connection.execute(
                f'create table "{schema}".{table} as'  # noqa: S608 - names from the tests
                f" select * from read_json('{file}', format = 'newline_delimited', columns = {columns})"
            )
    return path


def call(number: int, began: str, minutes: int, *people: str) -> dict[str, Any]:
    """Return a call in which all people participate from its start, e.g. `2026-06-01 09:30`, to its end."""
    return call_with_participations(number, *((person, began, minutes) for person in people))


def call_with_participations(number: int, *participations: tuple[str | None, str, int | None]) -> dict[str, Any]:
    """Return a call with participations: a person, a start, and minutes, which are None if the end is unknown."""
    beginnings = [datetime.fromisoformat(began) for _, began, _ in participations]
    ends = [
        None if minutes is None else began + timedelta(minutes=minutes)
        for began, (_, _, minutes) in zip(beginnings, participations, strict=True)
    ]
    began, ended = min(beginnings), max(end for end in ends if end)
    return {
        "id": number,
        "started_at": str(began),
        "ended_at": str(ended),
        "duration_seconds": int((ended - began).total_seconds()),
        "call_participations": [
            {"id": number * 100 + index, "user": {"email": person}, "joined_at": joined, "left_at": end and str(end)}
            for index, ((person, joined, _), end) in enumerate(zip(participations, ends, strict=True))
        ],
    }
