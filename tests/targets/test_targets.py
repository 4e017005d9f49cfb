"""Real targets hold what the API holds, both streams, each row in full: after two runs, and after a run cut off."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import expected
import pytest
from pipeline import GIVE_UP_SECONDS, Load, Pipe
from warehouses import Postgres

from tap_tuple.sandbox import Fault, Sandbox, generate_calls

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import TapRunner
    from postgres import Database
    from warehouses import Warehouse

CALLS = 400
LOOKBACK_SECONDS = 7 * 24 * 3600
PAGES = 10


@pytest.fixture
def pipe(tap: TapRunner, warehouse: Warehouse, tmp_path: Path) -> Pipe:
    return Pipe(tap, warehouse.program, warehouse.config, tmp_path)


def holds_what_the_api_holds(warehouse: Warehouse, api: Sandbox) -> None:
    """Each row in full, and once where the target upserts."""
    for stream, rows in expected.tables(api.calls).items():
        found = expected.plain(warehouse.rows(stream))
        if not warehouse.upserts:
            found = [row for previous, row in zip([None, *found], found, strict=False) if row != previous]
        assert len(found) == len(rows), stream
        assert found == rows, stream


def test_two_runs_load_every_row_and_the_second_reads_just_the_lookback_and_what_is_new(
    pipe: Pipe, warehouse: Warehouse, settings: Callable[..., dict[str, Any]]
) -> None:
    with Sandbox(generate_calls(CALLS)) as api:
        config = settings(api, lookback_window=LOOKBACK_SECONDS)
        first = pipe.run(config)
        holds_what_the_api_holds(warehouse, api)
        before = {stream: len(rows) for stream, rows in warehouse.tables().items()}
        newest = expected.plain(api.calls)
        bookmark = max(call["ended_at"] for call in newest)
        again = [call for call in newest if call["ended_at"] >= bookmark - timedelta(seconds=LOOKBACK_SECONDS)]
        new = api.new_calls(7)
        asked = len(api.requests)

        second = pipe.run(config, first.state)

        holds_what_the_api_holds(warehouse, api)
        assert len(api.requests) == asked + 1
        since = expected.plain([{"id": 0, "ended_at": api.requests[-1].query["since"]}])[0]["ended_at"]
        assert since == bookmark - timedelta(seconds=LOOKBACK_SECONDS)
        assert second.state != first.state

        # What the lookback reads once more is there once more where the target appends, and nothing else is.
        assert len(again) > 1
        written = new if warehouse.upserts else [*again, *new]
        added = {stream: len(rows) - before[stream] for stream, rows in warehouse.tables().items()}
        assert added == {
            "calls": len(written),
            "call_participations": sum(len(call["call_participations"]) for call in written),
        }


def test_postgres_has_a_call_that_changed_within_the_lookback_once_and_as_it_is_now(
    tap: TapRunner, database: Database, settings: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    warehouse = Postgres(database)
    pipe = Pipe(tap, warehouse.program, warehouse.config, tmp_path)
    with Sandbox(generate_calls(50)) as api:
        config = settings(api)
        first = pipe.run(config)
        newest = api.calls[-1]
        api.delete(newest["id"])
        somebody = {"email": "somebody.else@example.com"}
        changed = [{**stay, "user": somebody} for stay in newest["call_participations"]]
        api.add({**newest, "duration_seconds": newest["duration_seconds"] + 1, "call_participations": changed})

        pipe.run(config, first.state)

        holds_what_the_api_holds(warehouse, api)


@pytest.mark.parametrize("victims", ["the tap", "both"])
def test_a_first_run_that_is_killed_in_its_middle_is_made_good_from_the_last_state_of_the_target(
    pipe: Pipe, warehouse: Warehouse, settings: Callable[..., dict[str, Any]], victims: str
) -> None:
    held = Fault(page=PAGES // 2 + 1, delay_seconds=GIVE_UP_SECONDS)
    with Sandbox(generate_calls(CALLS), faults=[held]) as api:
        config = settings(api, page_size=CALLS // PAGES, lookback_window=LOOKBACK_SECONDS)
        load = pipe.start(config)
        # The next page is on its way while one is written: it is in the log when it has been.
        load.wait_for(f"{CALLS // 2} of {CALLS} calls")
        load.tap.kill()
        if victims == "both":
            load.target.kill()
        load.finish()
        if victims == "the tap":
            _holds_a_part(load, warehouse, api)

        api.new_calls(5)
        pipe.run(config, load.state)

        holds_what_the_api_holds(warehouse, api)


def _holds_a_part(load: Load, warehouse: Warehouse, api: Sandbox) -> None:
    """The target has taken all that the killed tap had written, and has written the state for it."""
    assert load.tap.returncode < 0
    assert load.target.returncode == 0, load.logs
    assert load.state is not None
    assert set(load.state["bookmarks"]) == {"calls", "call_participations"}
    assert len(warehouse.rows("calls")) == len(api.calls) // 2
