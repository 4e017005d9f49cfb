"""Real targets contain every row of both streams, in full, after two runs and after a killed run."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import expected
import pytest
from pipeline import TIMEOUT_SECONDS, Load, Pipe
from warehouses import S3, PipelinewisePostgres, Postgres

from tap_tuple.sandbox import Fault, Sandbox, generate_calls

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from postgres import Database
    from runners import TapRunner
    from s3 import Bucket
    from warehouses import Warehouse

CALLS = 400
LOOKBACK_SECONDS = 7 * 24 * 3600
PAGES = 10
# Half of the pages hold half of the calls, or one less for each page that begins with the call before it.
MIN_CALLS = CALLS // 2 - PAGES // 2


@pytest.fixture
def pipe(tap: TapRunner, warehouse: Warehouse, tmp_path: Path) -> Pipe:
    return Pipe(tap, warehouse.program, warehouse.config, tmp_path)


def assert_every_row_is_loaded(warehouse: Warehouse, api: Sandbox) -> None:
    """Assert that the target contains every row in full, and only once if it upserts."""
    for stream, rows in expected.tables(api.calls).items():
        found = expected.plain(warehouse.rows(stream))
        if not warehouse.upserts:
            found = [row for previous, row in zip([None, *found], found, strict=False) if row != previous]
        assert len(found) == len(rows), stream
        assert found == rows, stream


def test_two_runs_load_every_row_and_the_second_reads_only_new_calls_and_the_lookback(
    pipe: Pipe, warehouse: Warehouse, settings: Callable[..., dict[str, Any]]
) -> None:
    with Sandbox(generate_calls(CALLS)) as api:
        config = settings(api, lookback_window=LOOKBACK_SECONDS)
        first = pipe.run(config)
        assert_every_row_is_loaded(warehouse, api)
        before = {stream: len(rows) for stream, rows in warehouse.tables().items()}
        newest = expected.plain(api.calls)
        bookmark = max(call["ended_at"] for call in newest)
        again = [call for call in newest if call["ended_at"] >= bookmark - timedelta(seconds=LOOKBACK_SECONDS)]
        new = api.new_calls(7)

        second = pipe.run(config, first.state)

        assert_every_row_is_loaded(warehouse, api)
        assert second.state != first.state

        # A target that appends contains only the calls of the lookback window twice.
        assert len(again) > 1
        written = new if warehouse.upserts else [*again, *new]
        added = {stream: len(rows) - before[stream] for stream, rows in warehouse.tables().items()}
        assert added == {
            "calls": len(written),
            "call_participations": sum(len(call["call_participations"]) for call in written),
        }


def test_postgres_has_the_current_version_of_a_call_that_changed_within_the_lookback_window(
    tap: TapRunner, database: Database, settings: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    warehouse = Postgres(database)
    pipe = Pipe(tap, warehouse.program, warehouse.config, tmp_path)
    with Sandbox(generate_calls(50)) as api:
        config = settings(api)
        first = pipe.run(config)
        newest = api.calls[-1]
        api.delete(newest["id"])
        other_user = {"email": "other.user@example.com"}
        changed = [{**participation, "user": other_user} for participation in newest["call_participations"]]
        api.add({**newest, "duration_seconds": newest["duration_seconds"] + 1, "call_participations": changed})

        pipe.run(config, first.state)

        assert_every_row_is_loaded(warehouse, api)


@pytest.mark.parametrize("killed", ["the tap", "both"])
def test_a_first_run_that_is_killed_resumes_from_the_last_state_of_the_target(
    pipe: Pipe, warehouse: Warehouse, settings: Callable[..., dict[str, Any]], killed: str
) -> None:
    held = Fault(on=PAGES // 2 + 1, delay_seconds=TIMEOUT_SECONDS)
    with Sandbox(generate_calls(CALLS), faults=[held]) as api:
        config = settings(api, page_size=CALLS // PAGES, lookback_window=LOOKBACK_SECONDS)
        load = pipe.start(config)
        # The tap logs a page after it has written it.
        load.wait_for_calls(MIN_CALLS)
        load.tap.kill()
        if killed == "both":
            load.target.kill()
        load.finish()
        if killed == "the tap":
            _assert_half_is_loaded(load, warehouse, api)

        api.new_calls(5)
        pipe.run(config, load.state)

        assert_every_row_is_loaded(warehouse, api)


def _assert_half_is_loaded(load: Load, warehouse: Warehouse, api: Sandbox) -> None:
    """Assert that the target has loaded everything that the killed tap wrote, and has written the state."""
    assert load.tap.returncode < 0
    assert load.target.returncode == 0, load.logs
    assert load.state is not None
    assert set(load.state["bookmarks"]) == {"calls", "call_participations"}
    assert MIN_CALLS <= len(warehouse.rows("calls")) <= CALLS // 2
    assert len(api.calls) == CALLS


@pytest.mark.parametrize("flush_all_streams", [True, False])
def test_a_state_that_pipelinewise_emits_during_a_run_covers_only_loaded_rows(
    tap: TapRunner,
    database: Database,
    settings: Callable[..., dict[str, Any]],
    tmp_path: Path,
    flush_all_streams: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    warehouse = PipelinewisePostgres(database)
    # The participations of half of the calls fill a batch, but the calls themselves do not.
    config = {**warehouse.config, "flush_all_streams": flush_all_streams, "batch_size_rows": CALLS // 2 + 1}
    pipe = Pipe(tap, warehouse.program, config, tmp_path)
    held = Fault(on=PAGES // 2 + 1, delay_seconds=TIMEOUT_SECONDS)
    with Sandbox(generate_calls(CALLS), faults=[held]) as api:
        load = pipe.start(settings(api, page_size=CALLS // PAGES, lookback_window=0))
        load.wait_for_state()
        load.tap.kill()
        load.target.kill()
        load.finish()

        state = load.state
        assert state is not None
        for stream, rows in expected.tables(api.calls).items():
            bookmark = state["bookmarks"].get(stream, {}).get("replication_key_value", "1970-01-01T00:00:00Z")
            [covered] = expected.plain([{"id": 0, "ended_at": bookmark}])
            key = "ended_at" if stream == "calls" else "call_ended_at"
            due = {row["id"] for row in rows if row[key] <= covered["ended_at"]}
            assert len(due) < len(rows)
            assert {row["id"] for row in warehouse.rows(stream)} >= due


@pytest.mark.parametrize("schema_from_tap", [False, True])
def test_parquet_columns_are_typed_and_the_schema_of_the_tap_truncates_instants_to_seconds(
    tap: TapRunner,
    bucket: Bucket,
    settings: Callable[..., dict[str, Any]],
    tmp_path: Path,
    schema_from_tap: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    warehouse = S3(bucket, tmp_path, schema_from_tap=schema_from_tap)
    with Sandbox(generate_calls(CALLS)) as api:
        Pipe(tap, warehouse.program, warehouse.config, tmp_path).run(settings(api))

        rows, found = expected.tables(api.calls)["calls"], expected.plain(warehouse.rows("calls"))
    assert [row["id"] for row in found] == [row["id"] for row in rows]
    lost = [row["ended_at"] - other["ended_at"] for row, other in zip(rows, found, strict=True)]
    assert timedelta(0) <= min(lost) <= max(lost) < timedelta(seconds=1)
    assert any(lost) == schema_from_tap
    types = warehouse.types("calls")
    assert types["id"] == types["duration_seconds"] == "BIGINT"
    assert types["started_at"] == types["ended_at"] == "TIMESTAMP WITH TIME ZONE"
    assert types["call_participations"].startswith("STRUCT(")
