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
    stays = [
        {
            "id": stay["id"],
            "call_id": call["id"],
            "user_email": stay["user"]["email"],
            "joined_at": stay["joined_at"],
            "left_at": stay["left_at"],
        }
        for call in calls
        for stay in call["call_participations"]
    ]
    with duckdb.connect(str(path)) as connection:
        connection.execute(f'create schema "{schema}"')
        for table, rows, columns in (("calls", calls, _CALLS), ("call_participations", stays, _PARTICIPATIONS)):
            file = path.with_suffix(f".{table}.json")
            file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
            connection.execute(
                f'create table "{schema}".{table} as'  # noqa: S608 - the tests' own words
                f" select * from read_json('{file}', format = 'newline_delimited', columns = {columns})"
            )
    return path


def call(number: int, began: str, minutes: int, *people: str) -> dict[str, Any]:
    """Return a call in which all people stay from its beginning, e.g. `2026-06-01 09:30`, to its end."""
    return call_of_stays(number, *((person, began, minutes) for person in people))


def call_of_stays(number: int, *stays: tuple[str | None, str, int | None]) -> dict[str, Any]:
    """Return a call of stays: a person, a beginning, and minutes; None means that the end is unknown."""
    beginnings = [datetime.fromisoformat(began) for _, began, _ in stays]
    ends = [
        None if minutes is None else began + timedelta(minutes=minutes)
        for began, (_, _, minutes) in zip(beginnings, stays, strict=True)
    ]
    began, ended = min(beginnings), max(end for end in ends if end)
    return {
        "id": number,
        "started_at": str(began),
        "ended_at": str(ended),
        "duration_seconds": int((ended - began).total_seconds()),
        "call_participations": [
            {"id": number * 100 + place, "user": {"email": person}, "joined_at": joined, "left_at": end and str(end)}
            for place, ((person, joined, _), end) in enumerate(zip(stays, ends, strict=True))
        ],
    }
