"""What the package guarantees besides its numbers: privacy, other loaders, freshness, documentation, failing tests."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
import team
from team import ANN, BOB, DIA
from warehouses import PACKAGE, DuckDb

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouses import Built, Warehouse

SALT = "it's a secret"
HOURS = (
    "select count(*) as pairs, round(cast(sum(hours) as numeric(9, 4)), 4) as hours from tuple_models.tuple__pair_weeks"
)


def test_an_anonymous_build_has_a_hash_for_each_address_and_no_name(new_warehouse: Callable[[], Warehouse]) -> None:
    warehouse = new_warehouse()
    warehouse.people = team.PEOPLE
    warehouse.variables = {**team.VARIABLES, "tuple_anonymize": True, "tuple_salt": SALT}
    warehouse.run(team.tables())

    warehouse.build()

    tables = warehouse.tables()
    assert {"people", "stg_tuple__aliases", "tuple__calls", "tuple__people"} <= set(tables)
    for table in tables:
        text = str(warehouse.rows(f'select * from tuple_models."{table}"'))
        assert "@" not in text, table
        assert "Ann Arbor" not in text, table
        assert SALT not in text, table
    views = "select * from information_schema.tables where table_schema = 'tuple_models' and table_type = 'VIEW'"
    assert warehouse.rows(views) == []
    pairs = warehouse.rows(
        "select team, person_id, partner_id from tuple_models.tuple__team_pairs where last_paired_on = '2026-03-10'"
    )
    hashed = sorted(hashlib.sha256(f"{SALT}{person}".encode()).hexdigest() for person in (ANN, BOB))
    assert [(row["team"], row["person_id"], row["partner_id"]) for row in pairs] == [("design", *hashed)]
    assert warehouse.rows(HOURS) == [{"pairs": 9, "hours": pytest.approx(380 / 60, abs=0.001)}]


def test_an_anonymous_build_needs_a_salt(duckdb_file: DuckDb) -> None:
    duckdb_file.people = team.PEOPLE
    duckdb_file.variables = {"tuple_anonymize": True}
    duckdb_file.run(team.tables())
    built = duckdb_file.dbt("build")
    assert built.exit_code != 0
    assert "set tuple_salt or TUPLE_SALT" in built.output
    for table in duckdb_file.tables():
        assert "@" not in str(duckdb_file.rows(f"select * from tuple_models.{table}"))


def test_tables_of_another_loader_with_other_names_work_without_a_list_of_people(
    new_warehouse: Callable[[], Warehouse],
) -> None:
    warehouse = new_warehouse()
    instant = "varchar(40)" if isinstance(warehouse, DuckDb) else "timestamp with time zone"
    warehouse.variables = {
        **team.VARIABLES,
        "tuple_schema": "custom",
        "tuple_calls_table": "tuple_calls",
        "tuple_call_participations_table": "tuple_call_participations",
        "tuple_active_days": 30,
    }
    warehouse.run(team.tables(schema="custom", prefix="tuple_", instant=instant, suffix=":00.000Z"))

    warehouse.build()

    assert warehouse.rows(HOURS) == [{"pairs": 9, "hours": pytest.approx(380 / 60, abs=0.001)}]
    people = {
        row["person_id"]: (row["team"], row["is_current"])
        for row in warehouse.rows("select person_id, team, is_current from tuple_models.tuple__people")
    }
    assert {group for group, _ in people.values()} == {"everyone"}
    assert {person for person, (_, is_current) in people.items() if is_current} == {
        ANN,
        DIA,
        "bob.old@x.test",
        "eli@x.test",
    }
    [week] = warehouse.rows("select members, pairs from tuple_models.tuple__team_weeks where week = '2026-02-09'")
    # Ann, Bob, Cem, Dia and Gus; Bob's last call by that address is of the week before.
    assert week == {"members": 4, "pairs": 4}


def test_freshness_reports_calls_and_runs_that_are_too_old(new_warehouse: Callable[[], Warehouse]) -> None:
    warehouse = new_warehouse()
    warehouse.variables = {"tuple_has_call_counts": True}
    warehouse.run(team.tables())
    now = datetime.now(timezone.utc).replace(tzinfo=None)
    warehouse.run(
        "create table tuple.call_counts (since timestamp, until timestamp, calls bigint, reconciled_at timestamp);"
        f"insert into tuple.call_counts values ('1970-01-01', '{now}', 9, '{now}');"
        f"update tuple.calls set ended_at = '{now - timedelta(days=5)}' where id = 9;"
        f"update tuple.call_participations set call_ended_at = '{now - timedelta(days=15)}'"
    )
    checked = warehouse.dbt("source", "freshness")
    assert checked.exit_code != 0
    for line in ("WARN freshness of tuple.calls", "PASS freshness of tuple.call_counts"):
        assert line in checked.output
    assert "ERROR STALE freshness of tuple.call_participations" in checked.output


@pytest.fixture(scope="module")
def built_package(tmp_path_factory: pytest.TempPathFactory) -> tuple[DuckDb, Built]:
    """The package, built."""
    warehouse = DuckDb(tmp_path_factory.mktemp("whole"))
    warehouse.run(team.tables())
    return warehouse, warehouse.build()


def test_every_table_and_column_that_is_built_has_a_description(built_package: tuple[DuckDb, Built]) -> None:
    warehouse, built = built_package
    documented = {
        node["name"]: node for node in built.manifest["nodes"].values() if node["resource_type"] in {"model", "seed"}
    }
    tables = warehouse.tables()
    assert set(tables) == set(documented)
    for table, columns in tables.items():
        assert documented[table]["description"], table
        assert list(documented[table]["columns"]) == columns, table
        assert all(column["description"] for column in documented[table]["columns"].values()), table
    for source in built.manifest["sources"].values():
        assert source["description"]
        assert all(column["description"] for column in source["columns"].values())


def test_every_key_is_tested(built_package: tuple[DuckDb, Built]) -> None:
    nodes = built_package[1].manifest["nodes"]
    tested = {
        node["attached_node"]
        for node in nodes.values()
        if node["resource_type"] == "test" and node["test_metadata"]["name"] in {"unique", "unique_together"}
    }
    models = {name for name, node in nodes.items() if node["resource_type"] == "model"}
    assert tested >= models


def test_invalid_rows_fail_the_tests_that_cover_them(duckdb_file: DuckDb) -> None:
    duckdb_file.people = f"{team.PEOPLE}{ANN},Ann Again,design,,\n"
    duckdb_file.run(team.tables())
    duckdb_file.run("delete from tuple.calls where id = 2; update tuple.calls set duration_seconds = -1 where id = 3")
    failed = duckdb_file.dbt("build").failed()
    assert failed == {
        "relationships_stg_tuple__call_participations_call_id__call_id__ref_stg_tuple__calls_",
        "within_range_stg_tuple__calls_duration_seconds__0",
        "unique_stg_tuple__people_person_id",
    }


def test_a_duplicate_row_of_a_pair_fails_a_test(built_package: tuple[DuckDb, Built]) -> None:
    warehouse, _ = built_package
    warehouse.run("insert into tuple_models.tuple__pair_weeks select * from tuple_models.tuple__pair_weeks limit 1")
    failed = warehouse.dbt("test", "--select", "tuple__pair_weeks").failed()
    assert failed == {"unique_together_tuple__pair_weeks_week__person_id__partner_id"}


def test_calls_that_were_counted_but_are_not_loaded_fail_a_test(duckdb_file: DuckDb) -> None:
    duckdb_file.variables = {"tuple_has_call_counts": True}
    duckdb_file.run(team.tables())
    duckdb_file.run(
        "create table tuple.call_counts (since timestamp, until timestamp, calls bigint, reconciled_at timestamp);"
        "insert into tuple.call_counts values ('1970-01-01', '2026-04-01', 9, '2026-04-01')"
    )
    assert duckdb_file.dbt("test", "--select", "calls_are_complete").exit_code == 0
    duckdb_file.run("delete from tuple.calls where id = 4")
    assert duckdb_file.dbt("test", "--select", "calls_are_complete").failed() == {"calls_are_complete"}


def test_tables_without_rows_build(new_warehouse: Callable[[], Warehouse]) -> None:
    warehouse = new_warehouse()
    warehouse.run(team.tables())
    warehouse.run("delete from tuple.calls; delete from tuple.call_participations")
    warehouse.build()
    for table in warehouse.tables():
        assert warehouse.rows(f'select * from tuple_models."{table}"') == [], table


def test_another_project_can_use_the_package_with_its_own_variables_and_people(duckdb_file: DuckDb) -> None:
    duckdb_file.run(team.tables(schema="raw_tuple"))
    project = duckdb_file.folder / "dbt"
    (project / "seeds").mkdir(parents=True)
    (project / "models").mkdir()
    files = {
        "dbt_project.yml": (
            "{name: analytics, version: 1.0.0, profile: tuple, vars: {tuple_schema: raw_tuple},"
            " seeds: {tuple: {people: {+enabled: false}}}}"
        ),
        "packages.yml": f"packages: [local: '{PACKAGE}']",
        "profiles.yml": (PACKAGE / "profiles.yml").read_text(encoding="utf-8"),
        # Without a start date or an alias.
        "seeds/people.csv": "email,name,team,start_date,aliases\nann@x.test,Ann,design,,\ndia@x.test,Dia,platform,,\n",
        "models/teams.sql": "select distinct team from {{ ref('tuple', 'tuple__people') }}",
    }
    for name, text in files.items():
        (project / name).write_text(text, encoding="utf-8")
    assert duckdb_file.dbt("deps").exit_code == 0
    duckdb_file.build()
    teams = {row["team"] for row in duckdb_file.rows("select team from tuple_models.teams")}
    assert teams == {"design", "platform", "(not listed)"}
