"""The pairing report and the marts have the same numbers for the same calls."""

from __future__ import annotations

from typing import Any

import pytest
import team
from warehouse import Warehouse
from warehouses import DuckDb

from tap_tuple.sandbox import generate_calls

ZONE = "Europe/Berlin"

Results = tuple[dict[str, list[dict[str, Any]]], DuckDb]


def load(warehouse: DuckDb) -> None:
    """Load a generated team's calls and those of the small team, all of them twice."""
    warehouse.variables = {"tuple_time_zone": ZONE}
    warehouse.run(team.tables(more=(team.calls(), team.participations())))
    statements = []
    for call in generate_calls(600):
        statements.append(
            f"insert into tuple.calls values ({call['id']}, '{call['started_at']}', '{call['ended_at']}',"
            f" {call['duration_seconds']}, '{call['ended_at']}');"
        )
        statements += [
            f"insert into tuple.call_participations values ({participation['id']}, {call['id']}, '{call['ended_at']}',"
            f" '{participation['user']['email']}', '{participation['joined_at']}', '{participation['left_at']}',"
            f" '{call['ended_at']}');"
            for participation in call["call_participations"]
        ]
    warehouse.run("".join(statements))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Return the numbers of the report's charts, and the warehouse with the marts."""
    marts = DuckDb(tmp_path_factory.mktemp("report"))
    load(marts)
    marts.build()
    charts = ("facts", "who_with_whom", "hours_a_week", "size_of_calls", "length_of_calls")
    with Warehouse(marts.path, "tuple", ZONE) as report:
        return {chart: report.rows(chart) for chart in charts}, marts


def test_the_hours_of_each_pair_are_equal(results: Results) -> None:
    report, marts = results
    hours = {(row["person"], row["other"]): row["hours"] for row in report["who_with_whom"]}
    rows = marts.rows(
        "select person_id, partner_id, sum(hours) as hours from tuple_models.tuple__pair_weeks group by 1, 2"
    )
    assert {(row["person_id"], row["partner_id"]): pytest.approx(row["hours"]) for row in rows} == hours
    assert len(hours) > 100


def test_the_hours_of_each_week_are_equal(results: Results) -> None:
    report, marts = results
    rows = marts.rows(
        "select week, sum(milliseconds) / 3600000 as hours from tuple_models.int_tuple__slices"
        " where people > 1 group by week"
    )
    weeks = {str(row["week"]): row["hours"] for row in report["hours_a_week"] if row["hours"]}
    assert {row["week"]: pytest.approx(row["hours"]) for row in rows} == weeks


def test_the_numbers_of_calls_and_people_are_equal(results: Results) -> None:
    report, marts = results
    [facts] = report["facts"]
    [totals] = marts.rows(
        "select count(*) as calls, sum(overlap_seconds) / 3600 as hours, median(duration_seconds) / 60 as minutes"
        " from tuple_models.tuple__calls"
    )
    [people] = marts.rows("select count(*) as people from tuple_models.tuple__people")
    assert facts["calls"] == totals["calls"]
    assert facts["people"] == people["people"]
    assert float(facts["paired_hours"]) == pytest.approx(totals["hours"])
    assert float(facts["median_minutes"]) == pytest.approx(totals["minutes"])
    sizes = marts.rows(
        "select people, count(*) as calls from tuple_models.tuple__calls where people > 0 group by people"
    )
    assert {row["people"]: row["calls"] for row in sizes} == {
        row["people"]: row["calls"] for row in report["size_of_calls"]
    }
    lengths = marts.rows(
        "select least(floor(duration_seconds / 900) * 15, 120) as minutes, count(*) as calls"
        " from tuple_models.tuple__calls group by minutes"
    )
    assert {row["minutes"]: row["calls"] for row in lengths} == {
        row["minutes"]: row["calls"] for row in report["length_of_calls"] if row["calls"]
    }
