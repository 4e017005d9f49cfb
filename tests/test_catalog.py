"""Catalogs, stream maps, flattening, batch files and metrics."""

from __future__ import annotations

import copy
import gzip
import hashlib
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from factories import TOKEN, a_call, a_state, minute

from tap_tuple.sandbox import Fault, Sandbox, generate_calls
from tap_tuple.tap import TapTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from runners import Run, TapRunner

    Settings = Callable[..., dict[str, Any]]

CALLS = generate_calls(25, now=datetime(2024, 4, 1, tzinfo=timezone.utc))
CALL_FIELDS = ["id", "started_at", "ended_at", "duration_seconds", "call_participations"]
PARTICIPATIONS = [participation["id"] for call in CALLS for participation in call["call_participations"]]
IN_ARRAY = ("properties", "call_participations", "items", "properties")


def discovered(*deselected: str) -> dict[str, Any]:
    """Return the catalog of `--discover`, with some streams (`calls`) or properties (`calls.id`) deselected."""
    catalog: dict[str, Any] = json.loads(TapTuple(config={"auth_token": TOKEN}).catalog_json_text)
    for entry in catalog["streams"]:
        for part in entry["metadata"]:
            path = ".".join([entry["tap_stream_id"], *part["breadcrumb"][1::2]])
            if path in deselected:
                part["metadata"]["selected"] = False
    return catalog


def stream_of(catalog: dict[str, Any], name: str) -> dict[str, Any]:
    (entry,) = [entry for entry in catalog["streams"] if entry["tap_stream_id"] == name]
    return copy.deepcopy(entry)


def with_metadata(name: str, breadcrumb: tuple[str, ...], **metadata: object) -> dict[str, Any]:
    """Return a catalog of one stream with some metadata added; underscores in names become hyphens."""
    entry = stream_of(discovered(), name)
    entry["metadata"] = [part for part in entry["metadata"] if part["breadcrumb"] != list(breadcrumb) or not breadcrumb]
    content = {key.replace("_", "-"): value for key, value in metadata.items()}
    entry["metadata"].append({"breadcrumb": list(breadcrumb), "metadata": content})
    return {"streams": [entry]}


def schemas(run: Run) -> dict[str, dict[str, Any]]:
    return {m["stream"]: m for m in run.messages if m["type"] == "SCHEMA"}


def columns(run: Run, stream: str) -> set[str]:
    return set(schemas(run)[stream]["schema"]["properties"])


def metrics(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line.partition("METRIC: ")[2]) for line in run.log.splitlines() if "METRIC: " in line]


def measured(run: Run, metric: str, stream: str = "calls") -> list[Any]:
    return [m["value"] for m in metrics(run) if m["metric"] == metric and m["tags"]["stream"] == stream]


def assert_rejected(run: Run, api: Sandbox, *expected: str) -> None:
    """Assert that a run stopped with one line before the first request."""
    assert run.exit_code == 1, run.log
    assert api.requests == []
    assert len(run.errors) == 1
    for text in expected:
        assert text in run.errors[0]
    assert run.messages == []


class TestSelection:
    """The selection of streams and properties."""

    def test_the_discovered_catalog_selects_both_call_streams(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox(CALLS) as api:
            run = tap(settings(api), catalog=discovered())
        assert run.exit_code == 0
        assert set(schemas(run)) == {"calls", "call_participations"}
        assert run.records() == CALLS
        assert run.ids("call_participations") == PARTICIPATIONS

    def test_a_deselected_stream_is_not_written(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox(CALLS) as api:
            run = tap(settings(api), catalog=discovered("call_participations"))
        assert run.records() == CALLS
        assert list(schemas(run)) == ["calls"]
        assert list(run.state["bookmarks"]) == ["calls"]

    def test_a_deselected_property_is_in_neither_schema_nor_records(self, tap: TapRunner, settings: Settings) -> None:
        gone = ["calls.started_at", "calls.call_participations", "call_participations"]
        with Sandbox(CALLS) as api:
            run = tap(settings(api, page_size=10), catalog=discovered(*gone))
        kept = ("id", "ended_at", "duration_seconds")
        assert columns(run, "calls") == {*kept}
        assert run.records() == [{name: call[name] for name in kept} for call in CALLS]
        assert run.bookmark() == CALLS[-1]["ended_at"]

    @pytest.mark.parametrize("deselected", [("user",), ("user", "properties", "email")])
    def test_a_deselected_property_inside_an_array_is_in_neither_schema_nor_records(
        self, tap: TapRunner, settings: Settings, deselected: tuple[str, ...]
    ) -> None:
        catalog = with_metadata("calls", (*IN_ARRAY, *deselected), selected=False)
        with Sandbox(CALLS) as api:
            run = tap(settings(api), catalog=catalog)
        assert b"@" not in run.output
        participation = schemas(run)["calls"]["schema"]["properties"]["call_participations"]["items"]["properties"]
        assert set(participation) == {"id", "joined_at", "left_at", *({"user"} if len(deselected) > 1 else set())}
        assert {frozenset(item) for call in run.records() for item in call["call_participations"]} == {
            frozenset(participation)
        }
        assert sum(len(call["call_participations"]) for call in run.records()) == len(PARTICIPATIONS)

    def test_a_property_missing_from_the_schema_of_a_catalog_is_not_written(
        self, tap: TapRunner, settings: Settings
    ) -> None:
        catalog = discovered()
        for entry in catalog["streams"]:
            if entry["tap_stream_id"] == "call_participations":
                del entry["schema"]["properties"]["user_email"]
            elif entry["tap_stream_id"] == "calls":
                del entry["schema"]["properties"]["call_participations"]["items"]["properties"]["user"]
        with Sandbox(CALLS) as api:
            run = tap(settings(api), catalog=catalog)
        assert run.exit_code == 0
        assert run.ids("call_participations") == PARTICIPATIONS
        assert "user_email" not in columns(run, "call_participations")
        assert b"@" not in run.output

    @pytest.mark.parametrize("catalog", [{}, {"streams": []}, discovered("calls", "call_participations")])
    def test_a_catalog_that_selects_nothing_causes_one_warning(
        self, tap: TapRunner, settings: Settings, catalog: dict[str, Any]
    ) -> None:
        with Sandbox(CALLS) as api:
            run = tap(settings(api, requests_per_minute=60), catalog=catalog)
            assert api.requests == []
        assert run.exit_code == 0
        assert run.messages == []
        assert run.errors == []
        (warning,) = run.warnings
        assert "catalog selects no stream" in warning

    @pytest.mark.parametrize(
        ("catalog", "name"),
        [
            (with_metadata("call_participations", ("properties", "email"), selected=False), "`email`"),
            (with_metadata("call_participations", ("properties", "email"), selected=True), "`email`"),
            (
                with_metadata("calls", ("properties", "call_participations", "properties", "user"), selected=False),
                "`call_participations.user`",
            ),
            (with_metadata("calls", ("properties", "sk-tuple-a b"), selected=False), "a property that `calls`"),
            (with_metadata("calls", ("user_email",), selected=False), "a property"),
        ],
    )
    def test_metadata_of_an_unknown_property_is_rejected(
        self, tap: TapRunner, settings: Settings, catalog: dict[str, Any], name: str
    ) -> None:
        with Sandbox(CALLS) as api:
            assert_rejected(tap(settings(api), catalog=catalog), api, name, "does not have", "--discover")

    def test_an_unknown_property_in_the_schema_of_a_catalog_is_rejected(
        self, tap: TapRunner, settings: Settings
    ) -> None:
        catalog = discovered()
        catalog["streams"][1]["schema"]["properties"]["email"] = {"type": "string"}
        with Sandbox(CALLS) as api:
            assert_rejected(tap(settings(api), catalog=catalog), api, "`email`", "`call_participations`")

    def test_an_unknown_stream_in_a_catalog_is_rejected(self, tap: TapRunner, settings: Settings) -> None:
        catalog = discovered()
        catalog["streams"][1]["tap_stream_id"] = "call_participation"
        with Sandbox(CALLS) as api:
            run = tap(settings(api), catalog=catalog)
            assert_rejected(run, api, "`call_participation` that does not exist", "call_participations, calls")

    def test_a_stream_without_properties_is_rejected(self, tap: TapRunner, settings: Settings) -> None:
        catalog = {"streams": [{"tap_stream_id": "calls", "schema": {}, "metadata": []}]}
        with Sandbox(CALLS) as api:
            assert_rejected(tap(settings(api), catalog=catalog), api, "no properties for `calls`")


class TestKeys:
    """The keys of a stream, which a catalog cannot change."""

    def test_keys_cannot_be_deselected(self, tap: TapRunner, settings: Settings) -> None:
        catalog = with_metadata("calls", ("properties", "id"), selected=False, inclusion="available")
        catalog["streams"][0]["metadata"].append(
            {"breadcrumb": ["properties", "ended_at"], "metadata": {"selected": False}}
        )
        with Sandbox(CALLS) as api:
            run = tap(settings(api), catalog=catalog)
        assert {"id", "ended_at"} <= columns(run, "calls")
        assert run.records() == CALLS
        assert run.bookmark() == CALLS[-1]["ended_at"]

    def test_keys_missing_from_the_schema_of_a_catalog_are_restored(self, tap: TapRunner, settings: Settings) -> None:
        short = {
            "tap_stream_id": "calls",
            "schema": {"properties": {"duration_seconds": {"type": "integer"}}},
            "metadata": [{"breadcrumb": [], "metadata": {"selected": True}}],
        }
        with Sandbox(CALLS) as api:
            run = tap(settings(api, page_size=10), catalog={"streams": [short]})
        assert run.exit_code == 0, run.log
        assert schemas(run)["calls"]["key_properties"] == ["id"]
        assert schemas(run)["calls"]["bookmark_properties"] == ["ended_at"]
        assert columns(run, "calls") == {"id", "ended_at", "duration_seconds"}
        names = ("id", "ended_at", "duration_seconds")
        assert run.records() == [{name: call[name] for name in names} for call in CALLS]
        assert run.bookmark() == CALLS[-1]["ended_at"]

    @pytest.mark.parametrize(
        "changed", [{"key_properties": ["started_at"]}, {"replication_key": "started_at"}, {"stream": "other"}]
    )
    def test_different_keys_in_a_catalog_are_ignored_with_a_warning(
        self, tap: TapRunner, settings: Settings, changed: dict[str, Any]
    ) -> None:
        catalog = {"streams": [{**stream_of(discovered(), "calls"), **changed}]}
        with Sandbox(CALLS) as api:
            run = tap(settings(api, requests_per_minute=60), catalog=catalog)
        assert schemas(run)["calls"]["key_properties"] == ["id"]
        assert run.bookmark() == CALLS[-1]["ended_at"]
        assert len([line for line in run.warnings if "keys of stream `calls`: they cannot be changed" in line]) == (
            "stream" not in changed
        )


class TestReplicationMethod:
    """FULL_TABLE instead of INCREMENTAL."""

    @pytest.mark.parametrize(
        "metadata", [{"replication_method": "FULL_TABLE"}, {"forced_replication_method": "FULL_TABLE"}, None]
    )
    def test_full_table_reads_from_start_date_and_keeps_the_bookmark(
        self, tap: TapRunner, settings: Settings, metadata: dict[str, str] | None
    ) -> None:
        catalog = with_metadata("calls", (), selected=True, **(metadata or {}))
        if metadata is None:
            catalog["streams"][0]["replication_method"] = "FULL_TABLE"
        state = a_state("2024-03-31T00:00:00.000Z")
        with Sandbox(CALLS) as api:
            run = tap(settings(api, start_date="2020-01-01"), catalog=catalog, state=state)
            assert api.requests[0].query["since"] == "2020-01-01T00:00:00.000Z"
        assert run.exit_code == 0
        assert run.records() == CALLS
        assert run.bookmark() == "2024-03-31T00:00:00.000Z"

    def test_another_replication_method_is_rejected(self, tap: TapRunner, settings: Settings) -> None:
        catalog = with_metadata("calls", (), replication_method="LOG_BASED")
        with Sandbox(CALLS) as api:
            assert_rejected(tap(settings(api), catalog=catalog), api, "must be INCREMENTAL or FULL_TABLE")


class TestStreamMaps:
    """The setting `stream_maps`."""

    def test_properties_can_be_hashed_renamed_computed_and_removed(self, tap: TapRunner, settings: Settings) -> None:
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
        assert run.records() == CALLS, "the other stream is unchanged"
        participations = [participation for call in CALLS for participation in call["call_participations"]]
        assert set(schemas(run)) == {"stays", "calls"}
        assert columns(run, "stays") == {"person", "minutes", "id"}
        records = run.records("stays")
        assert [(record["id"], record["person"]) for record in records] == [
            (participation["id"], hashlib.md5(participation["user"]["email"].encode()).hexdigest())  # noqa: S324 - the SDK's function
            for participation in participations
        ]
        assert all(set(record) == {"person", "minutes", "id"} for record in records)
        assert run.bookmark("call_participations") == CALLS[-1]["ended_at"], "the bookmark is the call's"

    def test_a_filter_drops_records_but_the_bookmark_still_advances(self, tap: TapRunner, settings: Settings) -> None:
        longest = sorted(call["duration_seconds"] for call in CALLS)[12]
        maps = {"calls": {"__filter__": f"duration_seconds < {longest} and id != {CALLS[-1]['id']}"}}
        with Sandbox(CALLS) as api:
            run = tap(settings(api, stream_maps=maps))
        kept = [call["id"] for call in CALLS[:-1] if call["duration_seconds"] < longest]
        assert 0 < len(kept) < 25
        assert run.ids() == kept
        assert run.bookmark() == CALLS[-1]["ended_at"]

    def test_a_whole_stream_can_be_dropped(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox(CALLS) as api:
            run = tap(settings(api, stream_maps={"calls": "__NULL__"}))
        assert run.exit_code == 0
        assert list(schemas(run)) == ["call_participations"]
        assert run.records() == []
        assert run.ids("call_participations") == PARTICIPATIONS

    @pytest.mark.parametrize(
        ("maps", "message"),
        [
            ({"call_participation": {"user_email": "md5(user_email)"}}, "a stream `call_participation` that does not"),
            ({"Calls": None}, "a stream `Calls` that does not exist"),
            ({"call_p?": None}, "a stream that does not exist"),
            ({"hashed": {"__source__": "call_participation"}}, "a stream `hashed` that does not exist"),
            ({"call_participations": {"email": "__NULL__"}}, "removes a property `email` that `call_participations`"),
            ({"call_participations": {"email": None}}, "removes a property `email` that `call_participations`"),
            ({"calls": {"call_participations.user": None}}, "removes a property `call_participations.user` that"),
            ({"call*": {"users": None}}, "removes a property `users` that `call*`"),
            ({"__foo__": None}, "a stream `__foo__` that does not exist"),
        ],
    )
    def test_a_map_with_an_unknown_stream_or_property_is_rejected(
        self, tap: TapRunner, settings: Settings, maps: dict[str, Any], message: str
    ) -> None:
        with Sandbox(CALLS) as api:
            assert_rejected(
                tap(settings(api, stream_maps=maps)), api, f"`stream_maps` {message}".replace("` a ", "` names a ")
            )

    @pytest.mark.parametrize(
        ("maps", "streams"),
        [
            ({"call*ns": {"user_email": None}}, {"calls", "call_participations"}),
            ({"calls": {}, "__else__": "__NULL__"}, {"calls"}),
            ({"copy": {"__source__": "calls"}}, {"calls", "call_participations", "copy"}),
            ({"call_[cp]*": None}, {"calls"}),
        ],
    )
    def test_maps_can_select_streams_by_pattern_and_copy_streams(
        self, tap: TapRunner, settings: Settings, maps: dict[str, Any], streams: set[str]
    ) -> None:
        with Sandbox(CALLS) as api:
            run = tap(settings(api, stream_maps=maps))
        assert run.exit_code == 0, run.log
        assert set(schemas(run)) == streams

    @pytest.mark.parametrize(
        "maps",
        [
            {"calls": {"broken": "md5("}},
            {"calls": {"broken": ""}},
            {"calls": {"__filter__": "id >"}},
            {"calls": {"id": None}},
            {"calls": {"__key_properties__": ["nothing"]}},
            {"calls": {"broken": 5}},
            {"calls": "calls"},
            {"calls": {"__source__": 5}},
            {"calls": {"__alias__": "a b"}},
        ],
    )
    def test_an_invalid_map_is_rejected_before_any_request(
        self, tap: TapRunner, settings: Settings, maps: dict[str, Any]
    ) -> None:
        with Sandbox(CALLS) as api:
            run = tap(settings(api, stream_maps=maps))
            assert_rejected(run, api, "`stream_maps", "sdk.meltano.com")
        assert "Traceback" not in run.log

    def test_the_error_for_a_map_that_fails_names_the_stream_and_contains_no_data(
        self, tap: TapRunner, settings: Settings
    ) -> None:
        with Sandbox(CALLS) as api:
            run = tap(settings(api, stream_maps={"call_participations": {"user_email": "int(user_email)"}}))
        assert run.exit_code == 1
        assert len(run.errors) == 1
        assert "`stream_maps` fails on a record of stream `call_participations`" in run.errors[0]
        assert "@" not in run.log

    def test_flattening_turns_nested_values_into_columns(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox(CALLS) as api:
            run = tap(settings(api, flattening_enabled=True, flattening_max_depth=3))
        assert run.exit_code == 0
        assert columns(run, "calls") == {*CALL_FIELDS}
        assert schemas(run)["calls"]["schema"]["properties"]["call_participations"]["type"] == ["string", "null"]
        assert [{**r, "call_participations": json.loads(r["call_participations"])} for r in run.records()] == CALLS


def written(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the records in the files of a BATCH message."""
    return [
        json.loads(line)
        for url in message["manifest"]
        for line in gzip.decompress(Path(urlsplit(url).path).read_bytes()).splitlines()
    ]


def batch_config(root: str, **more: Any) -> dict[str, Any]:
    return {"encoding": {"format": "jsonl", "compression": "gzip"}, "storage": {"root": root}, **more}


class TestBatchFiles:
    """BATCH messages instead of RECORD messages."""

    def test_batch_files_contain_every_record_and_the_bookmark_never_precedes_them(
        self, tap: TapRunner, settings: Settings, tmp_path: Path
    ) -> None:
        config = batch_config(tmp_path.as_uri(), batch_size=4)
        with Sandbox(CALLS) as api:
            options = settings(api, page_size=10, batch_config=config, lookback_window=0)
            run = tap(options)
            again = tap({**options, "end_date": CALLS[-1]["ended_at"]}, state=run.state)
        assert run.exit_code == 0, run.log
        assert {m["type"] for m in run.messages} == {"SCHEMA", "BATCH", "STATE"}
        out: dict[str, list[dict[str, Any]]] = {"calls": [], "call_participations": []}
        for message in run.messages:
            if message["type"] == "BATCH":
                assert message["encoding"] == config["encoding"]
                out[message["stream"]] += written(message)
            elif message["type"] == "STATE":
                for stream, entry in message["value"]["bookmarks"].items():
                    bookmark = entry.get("replication_key_value", "")
                    expected = {c["id"] for c in CALLS if c["ended_at"] <= bookmark}
                    present = {record["id" if stream == "calls" else "call_id"] for record in out[stream]}
                    assert expected <= present, "the bookmark is later than calls that are not in a file yet"
        assert out["calls"] == CALLS
        assert [record["id"] for record in out["call_participations"]] == PARTICIPATIONS
        assert run.bookmark() == run.bookmark("call_participations") == CALLS[-1]["ended_at"]
        assert [m for m in again.messages if m["type"] == "BATCH"] == []
        assert measured(run, "batch_count") == [7]
        assert measured(run, "record_count") == [25]
        assert measured(run, "record_count", "call_participations") == [len(PARTICIPATIONS)]

    def test_deselected_properties_are_in_no_file(self, tap: TapRunner, settings: Settings, tmp_path: Path) -> None:
        catalog = discovered("calls.call_participations", "call_participations.user_email")
        with Sandbox(CALLS) as api:
            run = tap(settings(api, batch_config=batch_config(tmp_path.as_uri())), catalog=catalog)
        records = [record for m in run.messages if m["type"] == "BATCH" for record in written(m)]
        assert len(records) == len(CALLS) + len(PARTICIPATIONS)
        assert "@" not in json.dumps(records)

    @pytest.mark.parametrize("root", ["/proc/nowhere", "file:///proc/nowhere", "file://"])
    def test_a_root_that_cannot_be_written_is_an_error_in_one_line(
        self, tap: TapRunner, settings: Settings, root: str
    ) -> None:
        with Sandbox(CALLS) as api:
            run = tap(settings(api, batch_config=batch_config(root)))
        if run.exit_code:
            assert len(run.errors) == 1
            assert "Cannot write batch files to the `root` in `batch_config`: " in run.errors[0]
            assert "bug" not in run.errors[0]


class TestMetrics:
    """METRIC lines."""

    def test_the_metrics_match_the_requests_and_records(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox(CALLS, latency_seconds=0.05) as api:
            run = tap(settings(api, page_size=10))
            requests = len(api.requests)
        assert measured(run, "record_count") == [25]
        assert measured(run, "record_count", "call_participations") == [len(PARTICIPATIONS)]
        assert measured(run, "http_request_count") == [requests]
        durations = measured(run, "http_request_duration")
        assert len(durations) == requests
        assert all(0.05 <= seconds < 10 for seconds in durations)
        for stream in ("calls", "call_participations"):
            (sync_duration,) = measured(run, "sync_duration", stream)
            assert 0.05 * requests <= sync_duration < 10
        tags = [m["tags"] for m in metrics(run) if m["metric"] == "http_request_duration"]
        assert {(tag["endpoint"], tag["http_status_code"], tag["status"]) for tag in tags} == {
            ("/call_usage", 200, "succeeded")
        }
        assert [m["tags"]["status"] for m in metrics(run) if m["metric"] == "sync_duration"] == ["succeeded"] * 2

    @pytest.mark.usefixtures("_short_waits")
    @pytest.mark.parametrize(("fault", "count"), [({"status": 401}, 1), ({"connection": "reset"}, 3)])
    def test_failed_requests_are_counted(
        self, tap: TapRunner, settings: Settings, fault: dict[str, Any], count: int
    ) -> None:
        with Sandbox(CALLS, faults=[Fault(times=None, **fault)]) as api:
            run = tap(settings(api))
            assert len(api.requests) == count
        assert measured(run, "http_request_count") == [count]
        assert measured(run, "record_count") == [0]
        assert {m["tags"]["status"] for m in metrics(run) if m["metric"] == "sync_duration"} == {"failed"}

    def test_the_record_count_is_the_same_with_stream_maps(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox([a_call(number, minute(number)) for number in (1, 2, 3)]) as api:
            run = tap(settings(api, stream_maps={"calls": {"length": "duration_seconds"}}))
        assert measured(run, "record_count") == [3]
        assert [record["length"] for record in run.records()] == [0, 0, 0]

    def test_progress_is_logged_once_per_page(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox(CALLS) as api:
            run = tap(settings(api, page_size=10))
        lines = [line for line in run.log.splitlines() if " of 25 calls read, about " in line]
        counts = [int(line.split("|")[3].split(" of ")[0]) for line in lines]
        assert counts == sorted(counts)
        assert counts[-1] == 25
        assert all("| INFO " in line and line.endswith("remaining") for line in lines)
