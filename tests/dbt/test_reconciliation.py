"""The results of the reconciliation query for given counts; `tests/targets` tests it with real loads."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from warehouses import ROOT

if TYPE_CHECKING:
    from warehouses import Warehouse

PAGE = (ROOT / "docs" / "reconciliation.md").read_text(encoding="utf-8")
Missing = Callable[[list[str], Sequence[tuple[str, str, "int | None"]]], list[tuple[Any, ...]]]
[QUERY, *_] = re.findall(r"^```sql\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def warehouse(new_warehouse: Callable[[], Warehouse]) -> Warehouse:
    made = new_warehouse()
    made.run(
        "create schema tuple; create table tuple.calls (id bigint, ended_at timestamp);"
        "create table tuple.call_counts (since timestamp, until timestamp, calls bigint)"
    )
    return made


@pytest.fixture
def missing(warehouse: Warehouse) -> Missing:
    """Loads calls and counts at times of 1 March 2026; returns the rows of the query, with times of day."""

    def query(calls: list[str], counts: Sequence[tuple[str, str, int | None]]) -> list[tuple[Any, ...]]:
        def at(time: str) -> str:
            return f"'2026-03-01 {time}'"

        statements = ["delete from tuple.calls", "delete from tuple.call_counts"]
        statements += [f"insert into tuple.calls values ({id_}, {at(time)})" for id_, time in enumerate(calls)]
        statements += [
            "insert into tuple.call_counts (since, until, calls)"
            f" values ({at(since)}, {at(until)}, {'null' if count is None else count})"
            for since, until, count in counts
        ]
        warehouse.run("; ".join(statements))
        return [
            tuple(value if value is None or isinstance(value, int) else str(value)[11:16] for value in row.values())
            for row in warehouse.rows(QUERY)
        ]

    return query


def test_nothing_is_reported_if_every_counted_call_is_loaded(missing: Missing) -> None:
    assert missing(["08:00", "09:30"], [("00:00", "09:00", 1), ("00:00", "10:00", 2)]) == []


def test_the_span_between_two_counts_in_which_calls_are_missing_is_reported(missing: Missing) -> None:
    counts = [("00:00", "09:00", 1), ("00:00", "10:00", 4), ("00:00", "11:00", 5), ("00:00", "12:00", 6)]
    assert missing(["08:00", "09:30", "10:30"], counts) == [("09:00", "10:00", 2), ("11:00", "12:00", 1)]


def test_with_a_single_count_the_whole_period_is_reported(missing: Missing) -> None:
    assert missing(["08:00"], [("07:00", "09:00", 2)]) == [("07:00", "09:00", 1)]


def test_a_period_includes_calls_at_its_beginning_but_not_at_its_end(missing: Missing) -> None:
    assert missing(["07:00", "08:59"], [("07:00", "09:00", 2)]) == []
    assert missing(["07:00", "09:00"], [("07:00", "09:00", 2), ("07:00", "09:01", 2)]) == [("07:00", "09:00", 1)]


def test_a_call_that_became_visible_after_a_count_is_not_reported(missing: Missing) -> None:
    assert missing(["08:00", "08:30", "09:30"], [("00:00", "09:00", 1), ("00:00", "10:00", 3)]) == []


def test_a_call_that_tuple_deleted_after_it_was_loaded_is_not_reported(missing: Missing) -> None:
    assert missing(["08:00", "08:30"], [("00:00", "09:00", 2), ("00:00", "10:00", 1)]) == []


def test_a_call_that_tuple_deleted_later_does_not_hide_one_that_was_missing_before(missing: Missing) -> None:
    counts = [("00:00", "09:00", 2), ("00:00", "10:00", 3), ("00:00", "11:00", 2)]
    assert missing(["08:00", "09:30"], counts) == [("00:00", "09:00", 1)]


def test_runs_with_different_start_dates_are_compared_separately(missing: Missing) -> None:
    counts = [("00:00", "09:00", 2), ("08:00", "10:00", 2), ("08:00", "11:00", 4)]
    assert missing(["07:00", "08:30", "09:30", "10:30"], counts) == [("10:00", "11:00", 1)]


def test_calls_that_no_count_covers_are_reported_without_a_number(missing: Missing) -> None:
    assert missing(["08:00", "09:30"], [("00:00", "09:00", 1)]) == [("09:00", "09:30", None)]
    assert missing(["08:00", "09:30"], [("00:00", "09:00", 1), ("00:00", "10:00", None)]) == [("09:00", "09:30", None)]
    assert missing(["08:00"], []) == [(None, "08:00", None)]


def test_rows_that_a_loader_has_appended_twice_count_once(missing: Missing, warehouse: Warehouse) -> None:
    missing(["08:00"], [("00:00", "09:00", 2)])
    warehouse.run(
        "insert into tuple.calls select * from tuple.calls;"
        "insert into tuple.call_counts select * from tuple.call_counts"
    )
    assert [row["missing"] for row in warehouse.rows(QUERY)] == [1]


def test_the_dbt_test_has_the_same_query_as_the_page() -> None:
    text = (ROOT / "dbt" / "tests" / "calls_are_complete.sql").read_text(encoding="utf-8")
    _, _, query = text.partition("}}\n")
    for table in ("calls", "call_counts"):
        query = query.replace(f"{{{{ source('tuple', '{table}') }}}}", f"tuple.{table}")
    assert query == QUERY
