"""The stream `call_counts` records the API's total in each run, so that SQL can verify the rows in the target."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from factories import a_call, a_call_per_minute, minute
from jsonschema import Draft202012Validator, FormatChecker
from scheduled import ScheduledTap

from tap_tuple.sandbox import Fault, Sandbox

if TYPE_CHECKING:
    from runners import Run

SCHEMA = json.loads((Path(__file__).parent.parent / "schemas" / "call_counts.json").read_text("utf-8"))
ALL = ("calls", "call_participations", "call_counts")


def only_record(run: Run) -> dict[str, Any]:
    """Return the only record of a run."""
    [record] = run.records("call_counts")
    return record


def test_the_stream_is_deselected_by_default() -> None:
    with Sandbox(a_call_per_minute()) as api:
        run = ScheduledTap(api).green_run()
    assert run.records() != []
    assert run.records("call_counts") == []


def test_each_run_writes_one_record_with_the_total_of_the_whole_window() -> None:
    with Sandbox(a_call_per_minute()) as api:
        tap = ScheduledTap(api, {"start_date": "2026-03-01", "end_date": "2026-04-01"}, selected=ALL)
        first = only_record(tap.green_run())
        api.add(a_call(31, minute(31)))
        second = only_record(tap.green_run(end_date="2026-05-01"))
    assert {**first, "reconciled_at": None} == {
        "since": "2026-03-01T00:00:00.000Z",
        "until": "2026-04-01T00:00:00.000Z",
        "calls": 30,
        "reconciled_at": None,
    }
    assert (second["until"], second["calls"]) == ("2026-05-01T00:00:00.000Z", 31)
    validator = Draft202012Validator(SCHEMA, format_checker=FormatChecker())
    for record in (first, second):
        validator.validate(record)
        assert record["reconciled_at"] > "2026-05"


def test_the_stream_takes_no_additional_requests() -> None:
    requests = {}
    for selected in (ALL, ALL[:2]):
        with Sandbox(a_call_per_minute()) as api:
            tap = ScheduledTap(api, selected=selected)
            for _ in range(3):
                tap.green_run()
            requests[selected] = len(api.requests)
    assert len(set(requests.values())) == 1


@pytest.mark.parametrize("runs", [1, 2])
def test_the_total_includes_recovered_calls(runs: int) -> None:
    with Sandbox(a_call_per_minute()) as api:
        tap = ScheduledTap(api, {"lookback_window": 0}, selected=ALL)
        tap.green_run()
        api.add(a_call(100, minute(3)), a_call(101, minute(40)))
        api.delete(25)
        for _ in range(runs):
            run = tap.green_run()
        assert only_record(run)["calls"] == len(api.calls) == 31


def test_sql_finds_calls_that_the_api_reported_but_did_not_return() -> None:
    more = {"X-Total-Count": lambda total: str(int(total) + 1)}
    with Sandbox(a_call_per_minute(), faults=[Fault(times=None, headers=more)]) as api:
        tap = ScheduledTap(api, selected=ALL)
        record = only_record(tap.green_run())
    assert record["calls"] == 31
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("create table calls (id, ended_at)")
        database.executemany(
            "insert into calls values (?, ?)", [(call["id"], call["ended_at"]) for call in tap.calls.values()]
        )
        database.execute("create table call_counts (since, until, calls)")
        database.execute("insert into call_counts values (:since, :until, :calls)", record)
        query = """
            select call_counts.calls - count(calls.id) from call_counts
            left join calls on ended_at >= since and ended_at < until group by until
        """
        assert database.execute(query).fetchall() == [(1,)]
    database.close()


@pytest.mark.parametrize(
    ("config", "headers"),
    [({"reconcile": False}, {}), ({}, {"X-Total-Count": None})],
    ids=["reconcile is false", "no total"],
)
def test_an_unknown_total_is_null(config: dict[str, Any], headers: dict[str, Any]) -> None:
    with Sandbox(a_call_per_minute(), faults=[Fault(times=None, headers=headers)]) as api:
        tap = ScheduledTap(api, config, selected=ALL)
        for _ in range(2):
            assert only_record(tap.green_run())["calls"] is None


def test_a_run_that_fails_writes_no_record() -> None:
    with Sandbox(a_call_per_minute(), faults=[Fault(on=2, status=403)]) as api:
        run = ScheduledTap(api, {"page_size": 10}, selected=ALL).run()
    assert run.exit_code == 1
    assert run.records("call_counts") == []


def test_a_run_with_only_this_stream_takes_one_request() -> None:
    with Sandbox(a_call_per_minute()) as api:
        run = ScheduledTap(api, selected=("call_counts",), expect_complete=False).green_run()
        assert len(api.requests) == 1
        assert only_record(run)["calls"] == len(api.calls)


def test_the_total_of_a_team_without_calls_is_0() -> None:
    with Sandbox() as api:
        assert only_record(ScheduledTap(api, selected=ALL).green_run())["calls"] == 0
