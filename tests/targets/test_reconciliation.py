"""`docs/reconciliation.md`, run as written: its reports on complete and incomplete loads."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Protocol

import expected
import pytest
from environments import environment_with
from pipeline import Pipe
from recipes import blocks
from warehouses import DuckDb

from tap_tuple.sandbox import Sandbox, generate_calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from postgres import Database
    from recipes import Project
    from runners import TapRunner

PAGE = "reconciliation.md"
SQL = {block.section: block.text for block in blocks(PAGE) if block.language == "sql"}
NOW = datetime(2026, 1, 21, tzinfo=timezone.utc)
# The end of each run's window; there are calls in each period.
ENDS = ("2026-01-16", "2026-01-19", "2026-01-21")


class Query(Protocol):
    """A function that queries a database."""

    def __call__(self, sql: str, /) -> list[dict[str, Any]]:
        """Run a query; return its rows."""


@pytest.fixture
def api() -> Iterator[Sandbox]:
    """A team with calls in January 2026."""
    with Sandbox(generate_calls(200, now=NOW), now=NOW) as sandbox:
        yield sandbox


def reported(query: Query) -> list[tuple[str, str, int | None]]:
    """Return the rows of the page's query: the first and the last day, and the number of missing calls."""
    return [(str(row["read_from"])[:10], str(row["read_until"])[:10], row["missing"]) for row in query(SQL["Query"])]


def ids_between(api: Sandbox, begin: str, end: str) -> list[int]:
    return [call["id"] for call in api.calls if begin <= call["ended_at"] < end]


def test_deleted_rows_are_reported_and_the_documented_repair_restores_them(
    project: Project, database: Database, api: Sandbox
) -> None:
    project.variables |= database.target_variables
    project.variables["TAP_TUPLE_END_DATE"] = ENDS[0]
    project.follow(PAGE, "Load the counts")
    for end in ENDS[1:]:
        project.variables["TAP_TUPLE_END_DATE"] = end
        project.shell("meltano run tap-tuple target-postgres")
    del project.variables["TAP_TUPLE_END_DATE"]
    assert reported(database.rows) == []
    assert database.rows(SQL["Participations in PostgreSQL"]) == []
    state_id = "dev:tap-tuple-to-target-postgres"
    state = project.state(state_id)

    first, *others = ids_between(api, *ENDS[:2])
    lost = ", ".join(map(str, others[:3]))
    database.run(f"delete from tuple.calls where id in ({lost})")
    database.run(f"delete from tuple.call_participations where call_id in ({first}, {lost})")

    assert reported(database.rows) == [(*ENDS[:2], 3)]
    [participations] = database.rows(SQL["Participations in PostgreSQL"])
    [call] = [call for call in api.calls if call["id"] == first]
    assert participations == {"day": call["ended_at"][:10], "missing": len(call["call_participations"])}

    project.follow(PAGE, "Repair")
    assert reported(database.rows) == []
    assert database.rows(SQL["Participations in PostgreSQL"]) == []
    tables = expected.tables(api.calls)
    assert expected.plain(database.rows("select * from tuple.calls")) == tables["calls"]
    assert project.state(state_id) == state


@pytest.fixture
def load(
    tap: TapRunner, tmp_path: Path, api: Sandbox, settings: Callable[..., dict[str, Any]]
) -> Callable[[DuckDb], None]:
    """Loads all streams in three runs."""
    discover = subprocess.run([*tap.command({}), "--discover"], capture_output=True, check=True)
    catalog = json.loads(discover.stdout)
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            entry["metadata"]["selected"] = True

    def run(warehouse: DuckDb) -> None:
        pipe = Pipe(tap, warehouse.program, warehouse.config, tmp_path, catalog)
        state = None
        for end in ENDS:
            state = pipe.run(settings(api, end_date=end), state).state

    return run


def test_duckdb_reports_only_deleted_rows(load: Callable[[DuckDb], None], tmp_path: Path, api: Sandbox) -> None:
    warehouse = DuckDb(tmp_path)
    load(warehouse)
    assert reported(warehouse.query) == []
    assert warehouse.query(SQL["Participations in DuckDB"]) == []

    lost = ids_between(api, *ENDS[1:])[-2:]
    warehouse.query(f"delete from tuple.calls where id in ({lost[0]}, {lost[1]})")
    assert reported(warehouse.query) == [(*ENDS[1:], 2)]
    warehouse.query(f"delete from tuple.call_participations where call_id = {ids_between(api, *ENDS[1:])[0]}")
    assert len(warehouse.query(SQL["Participations in DuckDB"])) == 1


def test_a_target_that_loses_rows_but_exits_with_0_is_detected(
    load: Callable[[DuckDb], None], tmp_path: Path, api: Sandbox
) -> None:
    warehouse = DuckDb(tmp_path)
    warehouse.programs = environment_with("target-duckdb-lossy", ["target-duckdb==0.8.0", "duckdb==1.5.6"])
    load(warehouse)
    # It also loses the counts, as each batch has only one row.
    newest = max(call["ended_at"] for call in api.calls)[:10]
    assert reported(warehouse.query) == [("None", newest, None)]

    rows = (f"('1970-01-01', '{end}', {len(ids_between(api, '1970-01-01', end))})" for end in ENDS)
    warehouse.query(f"insert into tuple.call_counts (since, until, calls) values {', '.join(rows)}")
    # Later runs lose a row that an earlier run loaded.
    assert reported(warehouse.query) == [("1970-01-01", ENDS[0], 1)]
