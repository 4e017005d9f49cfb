"""A small team whose numbers can be counted by hand, in the tables that loaders write.

Its time zone is Europe/Berlin, one hour ahead of UTC; today is Monday, 16 March 2026.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

VARIABLES = {"tuple_time_zone": "Europe/Berlin", "tuple_today": "2026-03-16"}

ANN, BOB, CEM, DIA, ELI, FAY, GUS = (f"{name}@x.test" for name in ("ann", "bob", "cem", "dia", "eli", "fay", "gus"))

# Fay was never in a call, Gus is not on the list, and Bob has former addresses.
PEOPLE = f"""email,name,team,start_date,aliases
Ann@x.test,Ann Arbor,design,,
{BOB},Bob Bee,design,,bob.old@x.test Bob.Older@x.test
{CEM},Cem Cey,design,,
{FAY},Fay Foy,design,2026-03-02,
{DIA},Dia Doe,platform,,
{ELI},Eli Eck,platform,2026-03-09,
"""

# Call, person, when they joined and left (UTC).
PARTICIPATIONS: list[tuple[int, str | None, str | None, str | None]] = [
    # Bob leaves and comes back, and uses two devices for a while.
    (1, "Ann@X.test", "2026-02-02 09:00", "2026-02-02 10:00"),
    (1, BOB, "2026-02-02 09:10", "2026-02-02 09:30"),
    (1, BOB, "2026-02-02 09:20", "2026-02-02 09:40"),
    (1, BOB, "2026-02-02 09:50", "2026-02-02 10:00"),
    # Cem is alone.
    (2, CEM, "2026-02-03 12:00", "2026-02-03 12:30"),
    # It is not known when Ann joined, nor when Cem left.
    (3, ANN, None, "2026-02-04 13:30"),
    (3, BOB, "2026-02-04 13:00", "2026-02-04 13:30"),
    (3, CEM, "2026-02-04 13:00", None),
    # It is not known who was with Bob.
    (4, BOB, "2026-02-05 14:00", "2026-02-05 14:20"),
    (4, None, "2026-02-05 14:00", "2026-02-05 14:20"),
    # Past midnight from Sunday to Monday, in Berlin.
    (5, CEM, "2026-02-08 22:40", "2026-02-08 23:20"),
    (5, DIA, "2026-02-08 22:40", "2026-02-08 23:20"),
    # A Friday, from 17:30 to 18:30 in Berlin.
    (6, ANN, "2026-02-13 16:30", "2026-02-13 17:30"),
    (6, CEM, "2026-02-13 16:30", "2026-02-13 17:30"),
    (6, GUS, "2026-02-13 16:30", "2026-02-13 17:30"),
    # Bob uses a former address.
    (7, ANN, "2026-03-10 09:00", "2026-03-10 09:30"),
    (7, "bob.old@x.test", "2026-03-10 09:00", "2026-03-10 09:30"),
    # Eli is new.
    (8, DIA, "2026-03-09 10:00", "2026-03-09 11:00"),
    (8, ELI, "2026-03-09 10:00", "2026-03-09 11:00"),
    (9, ANN, "2026-03-16 08:00", "2026-03-16 08:30"),
    (9, ELI, "2026-03-16 08:00", "2026-03-16 08:30"),
]
LOADED_AT = "2026-03-16 09:00"


def calls() -> list[dict[str, Any]]:
    """Return the calls as rows."""
    rows = []
    for call in sorted({call for call, *_ in PARTICIPATIONS}):
        began = min(joined for number, _, joined, _ in PARTICIPATIONS if number == call and joined)
        ended = max(left for number, _, _, left in PARTICIPATIONS if number == call and left)
        minutes = (int(ended[11:13]) - int(began[11:13])) * 60 + int(ended[14:]) - int(began[14:])
        rows.append(
            {
                "id": call,
                "started_at": began,
                "ended_at": ended,
                "duration_seconds": minutes * 60,
                "_sdc_batched_at": LOADED_AT,
            }
        )
    return rows


def participations() -> list[dict[str, Any]]:
    """Return the participations as rows."""
    ends = {row["id"]: row["ended_at"] for row in calls()}
    return [
        {
            "id": number,
            "call_id": call,
            "call_ended_at": ends[call],
            "user_email": person,
            "joined_at": joined,
            "left_at": left,
            "_sdc_batched_at": LOADED_AT,
        }
        for number, (call, person, joined, left) in enumerate(PARTICIPATIONS, start=100)
    ]


def copies() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return older, different rows of the first call and its participations, as a loader that appends leaves them."""
    older = {"_sdc_batched_at": "2026-02-02 11:00"}
    return (
        [{**row, **older, "duration_seconds": 1} for row in calls() if row["id"] == 1],
        [{**row, **older, "left_at": "2026-02-02 12:00"} for row in participations() if row["call_id"] == 1],
    )


def tables(
    *,
    schema: str = "tuple",
    prefix: str = "",
    instant: str = "timestamp",
    suffix: str = "",
    more: tuple[Iterable[dict[str, Any]], Iterable[dict[str, Any]]] = ((), ()),
) -> str:
    """Return the statements that create both tables.

    Args:
        schema: The schema of the tables.
        prefix: The prefix of their names.
        instant: The type of the columns with timestamps.
        suffix: The suffix of the timestamps, such as the time zone.
        more: Further rows of both tables, before the others.
    """
    types = {"id": "bigint", "call_id": "bigint", "duration_seconds": "bigint", "user_email": "varchar(320)"}
    statements = [f"create schema {schema};"]
    for table, rows in (("calls", [*more[0], *calls()]), ("call_participations", [*more[1], *participations()])):
        columns = ", ".join(f"{name} {types.get(name, instant)}" for name in rows[0])
        statements.append(f"create table {schema}.{prefix}{table} ({columns});")
        for row in rows:
            values = [_literal(value, "" if name in types else suffix) for name, value in row.items()]
            statements.append(f"insert into {schema}.{prefix}{table} values ({', '.join(values)});")
    return "\n".join(statements)


def _literal(value: object, suffix: str) -> str:
    if value is None:
        return "null"
    return f"'{value}{suffix}'" if isinstance(value, str) else str(value)
