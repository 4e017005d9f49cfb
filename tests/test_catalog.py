"""Catalogs, stream maps, flattening and batch files work as the SDK has them, and METRIC lines tell the truth."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from conftest import a_call, a_state

from tap_tuple.sandbox import Sandbox, generate_calls

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Run, TapRunner

CALLS = generate_calls(25, now=datetime(2024, 4, 1, tzinfo=timezone.utc))
CALL_FIELDS = ["id", "started_at", "ended_at", "duration_seconds", "call_participations"]


@cache
def catalog_text() -> str:
    command = [sys.executable, "-m", "tap_tuple", "--discover"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def discovered(*deselected: str) -> dict[str, Any]:
    """What `--discover` gives, with some streams (`calls`) or properties (`calls.id`) deselected."""
    catalog: dict[str, Any] = json.loads(catalog_text())
    for entry in catalog["streams"]:
        for part in entry["metadata"]:
            path = ".".join([entry["tap_stream_id"], *part["breadcrumb"][1::2]])
            if path in deselected:
                part["metadata"]["selected"] = False
    return catalog


def schemas(run: Run) -> dict[str, dict[str, Any]]:
    return {m["stream"]: m for m in run.messages if m["type"] == "SCHEMA"}


def metrics(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line.partition("METRIC: ")[2]) for line in run.log.splitlines() if "METRIC: " in line]


def measured(run: Run, metric: str, stream: str = "calls") -> list[Any]:
    return [m["value"] for m in metrics(run) if m["metric"] == metric and m["tags"]["stream"] == stream]


def test_the_catalog_of_discover_selects_everything(tap: TapRunner, settings: Callable[..., Any]) -> None:
    with Sandbox(CALLS) as api:
        run = tap(settings(api), catalog=discovered())
        assert len(api.requests) == 1
        assert run.records() == api.calls
    assert run.exit_code == 0


def test_a_deselected_stream_is_neither_announced_nor_written(tap: TapRunner, settings: Callable[..., Any]) -> None:
    with Sandbox(CALLS) as api:
        run = tap(settings(api), catalog=discovered("call_participations"))
        assert len(api.requests) == 1
        assert run.records() == api.calls
    assert list(schemas(run)) == ["calls"]
    assert list(run.state["bookmarks"]) == ["calls"]


def test_a_deselected_property_is_in_neither_schema_nor_records(tap: TapRunner, settings: Callable[..., Any]) -> None:
    gone = ["calls.started_at", "calls.call_participations", "call_participations"]
    with Sandbox(CALLS) as api:
        run = tap(settings(api, page_size=10), catalog=discovered(*gone))
        assert len(api.requests) == 3
        kept = [{name: call[name] for name in ("id", "ended_at", "duration_seconds")} for call in api.calls]
    assert list(schemas(run)["calls"]["schema"]["properties"]) == ["id", "ended_at", "duration_seconds"]
    assert run.records() == kept
    assert run.bookmark() == CALLS[-1]["ended_at"]


def test_the_keys_cannot_be_deselected(tap: TapRunner, settings: Callable[..., Any]) -> None:
    with Sandbox(CALLS) as api:
        run = tap(settings(api), catalog=discovered("calls.id", "calls.ended_at", "call_participations"))
        assert [(r["id"], r["ended_at"]) for r in run.records()] == [(c["id"], c["ended_at"]) for c in api.calls]
    assert run.bookmark() == CALLS[-1]["ended_at"]


def test_a_catalog_that_somebody_has_shortened_keeps_keys_and_bookmark(
    tap: TapRunner, settings: Callable[..., Any]
) -> None:
    properties = {"id": {"type": "integer"}, "ended_at": {"type": ["string", "null"], "format": "date-time"}}
    short = {"tap_stream_id": "calls", "schema": {"properties": properties}, "metadata": []}
    short["metadata"] = [{"breadcrumb": [], "metadata": {"selected": True}}]
    with Sandbox(CALLS) as api:
        run = tap(settings(api, page_size=10), catalog={"streams": [short]})
        assert len(api.requests) == 3
    assert run.exit_code == 0, run.log
    assert schemas(run)["calls"]["key_properties"] == ["id"]
    assert schemas(run)["calls"]["bookmark_properties"] == ["ended_at"]
    assert run.records() == [{"id": call["id"], "ended_at": call["ended_at"]} for call in CALLS]
    assert run.bookmark() == CALLS[-1]["ended_at"]


@pytest.mark.parametrize(
    "catalog",
    [
        {},
        {"streams": [{"tap_stream_id": "other", "schema": {"properties": {}}, "metadata": []}]},
        None,
    ],
)
def test_a_catalog_that_selects_nothing_is_warned_of_once_and_no_failure(
    tap: TapRunner, settings: Callable[..., Any], catalog: dict[str, Any] | None
) -> None:
    nothing = discovered("calls", "call_participations") if catalog is None else catalog
    with Sandbox(CALLS) as api:
        run = tap(settings(api, requests_per_minute=60), catalog=nothing)
        assert api.requests == []
    assert run.exit_code == 0
    assert run.messages == []
    assert run.errors == []
    (warning,) = run.warnings
    assert "catalog selects none of the streams" in warning


def test_full_table_reads_from_start_date_whatever_the_bookmark_and_leaves_it(
    tap: TapRunner, settings: Callable[..., Any]
) -> None:
    catalog = discovered("call_participations")
    for entry in catalog["streams"]:
        entry["replication_method"] = "FULL_TABLE"
    with Sandbox(CALLS) as api:
        run = tap(settings(api, start_date="2020-01-01"), catalog=catalog, state=a_state("2024-03-31T00:00:00.000Z"))
        assert [request.query["since"] for request in api.requests] == ["2020-01-01T00:00:00.000Z"]
    assert run.exit_code == 0
    assert run.records() == CALLS
    assert run.bookmark() == "2024-03-31T00:00:00.000Z"


def test_stream_maps_hash_rename_compute_and_drop(tap: TapRunner, settings: Callable[..., Any]) -> None:
    maps = {
        "call_participations": {
            "__alias__": "stays",
            "person": "md5(user_email)",
            "minutes": "int(record['duration_seconds'] / 60)",
            "id": "id",
            "__else__": None,
        }
    }
    with Sandbox(CALLS) as api:
        run = tap(settings(api, page_size=10, stream_maps=maps))
        assert len(api.requests) == 3
        assert run.records() == api.calls, "the other stream stays as it is"
    stays = [stay for call in CALLS for stay in call["call_participations"]]
    assert list(schemas(run)) == ["stays", "calls"]
    assert set(schemas(run)["stays"]["schema"]["properties"]) == {"person", "minutes", "id"}
    records = run.records("stays")
    assert [(record["id"], record["person"]) for record in records] == [
        (stay["id"], hashlib.md5(stay["user"]["email"].encode()).hexdigest())  # noqa: S324 - what the SDK's maps have
        for stay in stays
    ]
    assert all(set(record) == {"person", "minutes", "id"} for record in records)
    assert run.bookmark("call_participations") == CALLS[-1]["ended_at"], "the bookmark is of the call, not the record"


def test_a_stream_map_filters_records_and_the_bookmark_still_passes_them(
    tap: TapRunner, settings: Callable[..., Any]
) -> None:
    longest = sorted(call["duration_seconds"] for call in CALLS)[12]
    maps = {"calls": {"__filter__": f"duration_seconds < {longest} and id != {CALLS[-1]['id']}"}}
    with Sandbox(CALLS) as api:
        run = tap(settings(api, stream_maps=maps))
    kept = [call["id"] for call in CALLS[:-1] if call["duration_seconds"] < longest]
    assert 0 < len(kept) < 25
    assert run.ids() == kept
    assert run.bookmark() == CALLS[-1]["ended_at"]


def test_a_stream_map_can_drop_a_whole_stream(tap: TapRunner, settings: Callable[..., Any]) -> None:
    with Sandbox(CALLS) as api:
        run = tap(settings(api, stream_maps={"calls": "__NULL__"}))
    assert run.exit_code == 0
    assert list(schemas(run)) == ["call_participations"]
    assert run.records() == []
    assert run.records("call_participations")


def test_a_stream_map_that_does_not_parse_is_refused_before_a_request(
    tap: TapRunner, settings: Callable[..., Any]
) -> None:
    with Sandbox(CALLS) as api:
        run = tap(settings(api, stream_maps={"calls": {"broken": "md5("}}))
        assert api.requests == []
    assert run.exit_code == 1
    assert len(run.errors) == 1
    assert "stream_maps" in run.errors[0]
    assert "Traceback" not in run.log


def test_flattening_makes_columns_of_what_is_nested(tap: TapRunner, settings: Callable[..., Any]) -> None:
    with Sandbox(CALLS) as api:
        run = tap(settings(api, flattening_enabled=True, flattening_max_depth=3))
    assert run.exit_code == 0
    assert list(schemas(run)["calls"]["schema"]["properties"]) == CALL_FIELDS
    assert schemas(run)["calls"]["schema"]["properties"]["call_participations"]["type"] == ["string", "null"]
    assert [json.loads(r["call_participations"]) for r in run.records()] == [c["call_participations"] for c in CALLS]
    assert [{**r, "call_participations": None} for r in run.records()] == [
        {**call, "call_participations": None} for call in CALLS
    ]


def written(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The records in the files of a BATCH message."""
    return [
        json.loads(line)
        for url in message["manifest"]
        for line in gzip.decompress(Path(urlsplit(url).path).read_bytes()).splitlines()
    ]


def test_batch_files_hold_every_record_and_no_bookmark_runs_ahead_of_them(
    tap: TapRunner, settings: Callable[..., Any], tmp_path: Path
) -> None:
    batch_config = {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": tmp_path.as_uri(), "prefix": "batch-"},
        "batch_size": 4,
    }
    stays = [stay["id"] for call in CALLS for stay in call["call_participations"]]
    with Sandbox(CALLS) as api:
        run = tap(settings(api, page_size=10, batch_config=batch_config))
        assert len(api.requests) == 6, "each stream reads for itself"
    assert run.exit_code == 0, run.log
    assert {m["type"] for m in run.messages} == {"SCHEMA", "BATCH", "STATE"}
    out: dict[str, list[dict[str, Any]]] = {"calls": [], "call_participations": []}
    for message in run.messages:
        if message["type"] == "BATCH":
            assert message["encoding"] == batch_config["encoding"]
            out[message["stream"]] += written(message)
        elif message["type"] == "STATE":
            for stream, entry in message["value"]["bookmarks"].items():
                bookmark = entry.get("replication_key_value", "")
                due = {c["id"] for c in CALLS if c["ended_at"] <= bookmark}
                there = {record["id" if stream == "calls" else "call_id"] for record in out[stream]}
                assert due <= there, "the bookmark has passed calls that are in no file yet"
    assert out["calls"] == CALLS
    assert [record["id"] for record in out["call_participations"]] == stays
    assert run.state == a_state(CALLS[-1]["ended_at"])
    again = tap(
        settings(api, end_date=CALLS[-1]["ended_at"], lookback_window=0, batch_config=batch_config), state=run.state
    )
    assert [m for m in again.messages if m["type"] == "BATCH"] == []
    assert measured(run, "batch_count") == [7]
    assert measured(run, "record_count") == [25]
    assert measured(run, "record_count", "call_participations") == [len(stays)]


def test_the_metrics_of_a_run_are_what_happened(tap: TapRunner, settings: Callable[..., Any]) -> None:
    with Sandbox(CALLS, latency_seconds=0.05) as api:
        run = tap(settings(api, page_size=10))
        assert len(api.requests) == 3
    assert measured(run, "record_count") == [25]
    # A counter's lines add up.
    assert sum(measured(run, "record_count", "call_participations")) == len(run.records("call_participations"))
    assert measured(run, "http_request_count") == [3]
    durations = measured(run, "http_request_duration")
    assert len(durations) == 3
    assert all(0.05 <= seconds < 10 for seconds in durations)
    (sync_duration,) = measured(run, "sync_duration")
    assert 0.15 <= sync_duration < 10
    tags = [m["tags"] for m in metrics(run) if m["metric"] == "http_request_duration"]
    assert {(tag["endpoint"], tag["http_status_code"], tag["status"]) for tag in tags} == {
        ("/call_usage", 200, "succeeded")
    }
    assert [m["tags"]["status"] for m in metrics(run) if m["metric"] == "sync_duration"] == ["succeeded"] * 2


def test_the_record_count_is_the_same_where_records_are_mapped(tap: TapRunner, settings: Callable[..., Any]) -> None:
    calls = [a_call(number, f"2024-03-0{number}T10:00:00.000Z") for number in (1, 2, 3)]
    with Sandbox(calls) as api:
        run = tap(settings(api, stream_maps={"calls": {"length": "duration_seconds"}}))
    assert measured(run, "record_count") == [3]
    assert [record["length"] for record in run.records()] == [0, 0, 0]


def test_one_line_a_page_says_how_far_the_run_is(tap: TapRunner, settings: Callable[..., Any]) -> None:
    with Sandbox(CALLS) as api:
        run = tap(settings(api, page_size=10))
        assert len(api.requests) == 3
    lines = [line for line in run.log.splitlines() if " of 25 calls, about " in line]
    assert [line.split("|")[3].split(" of ")[0].strip() for line in lines] == ["10", "20", "25"]
    assert all("| INFO " in line and line.endswith("left") for line in lines)
