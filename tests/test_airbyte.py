"""`source-tuple` implements the Airbyte protocol, with the guarantees of the tap."""

from __future__ import annotations

import json
import logging
import re
import signal
import subprocess
import threading
from collections import Counter
from importlib import metadata
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from airbyte_source import (
    CALL_STREAMS,
    SourceRun,
    SourceRunner,
    configured_catalog,
    per_stream_state,
)
from background import running, until
from factories import TOKEN, a_call, a_call_per_minute, minute
from jsonschema import Draft7Validator
from runners import Run
from singer_sdk.singerlib.messages import ActivateVersionMessage, RecordMessage, SchemaMessage, StateMessage

from tap_tuple import settings as tap_settings
from tap_tuple.airbyte import messages
from tap_tuple.airbyte.airbyte_catalog import configured
from tap_tuple.airbyte.airbyte_state import to_singer
from tap_tuple.airbyte.airbyte_writer import AirbyteWriter
from tap_tuple.airbyte.log_messages import LogHandler
from tap_tuple.api.calls import Call
from tap_tuple.exceptions import InputError
from tap_tuple.sandbox import Fault, Sandbox, generate_calls
from tap_tuple.signals import SIGNALS
from tap_tuple.streams import CallsStream
from tap_tuple.writer import BUFFER_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from inprocess import InProcessTap

    Settings = Callable[..., dict[str, Any]]

CALLS = a_call_per_minute(1, 30, participations=2)
ALL_STREAMS = ("call_counts", *CALL_STREAMS)
TIMEOUT_SECONDS = 30


@pytest.fixture
def source(tmp_path: Path) -> SourceRunner:
    """Runs `source-tuple` in this process; `source.run(settings(api), "check")` returns a `SourceRun`."""
    return SourceRunner(tmp_path)


def assert_failed(run: SourceRun, failure_type: str) -> str:
    """Assert that a run ended with one ERROR message and exit code 1, and return its text."""
    assert run.exit_code == 1
    assert not run.stderr
    [error] = run.errors
    assert run.messages[-1]["trace"]["error"] is error
    assert error["failure_type"] == failure_type
    assert "Traceback" not in run.output.decode()
    sentence: str = error["message"]
    return sentence


def test_the_command_is_installed() -> None:
    [script] = metadata.entry_points(group="console_scripts", name="source-tuple")
    assert script.value == "tap_tuple.airbyte.__main__:main"


def test_the_command_runs_in_a_separate_process(source: SourceRunner, settings: Settings) -> None:
    with Sandbox(CALLS) as api:
        read = source.run_process(settings(api))
        failed = source.run_process(settings(api, auth_token="sk-tuple-wrong"))
    assert read.exit_code == 0
    assert not read.stderr
    assert read.ids() == list(range(1, 31))
    assert_failed(failed, "config_error")


class TestSpec:
    """`spec` prints the settings as a JSON Schema for Airbyte's forms."""

    @pytest.fixture
    def spec(self, source: SourceRunner) -> dict[str, Any]:
        run = source.run(None, "spec")
        assert run.exit_code == 0
        [spec] = run.of("SPEC")
        return spec

    def test_the_spec_describes_the_settings_of_the_tap(self, spec: dict[str, Any]) -> None:
        schema = spec["connectionSpecification"]
        definitions = tap_settings.DEFINITIONS.to_dict()["properties"]
        assert list(schema["properties"]) == list(definitions)
        for order, (name, setting) in enumerate(schema["properties"].items()):
            assert setting["order"] == order
            for keyword in ("title", "description", "default"):
                assert setting.get(keyword) == definitions[name].get(keyword)
            assert isinstance(setting["type"], str)
            assert setting.get("airbyte_secret", False) == (name == "auth_token")
        assert schema["required"] == ["auth_token"]
        assert spec["documentationUrl"].startswith("https://")
        assert spec["supportsIncremental"] is True

    def test_the_spec_accepts_valid_settings_and_those_that_airbyte_adds(self, spec: dict[str, Any]) -> None:
        schema = spec["connectionSpecification"]
        config = {"auth_token": TOKEN, "start_date": "2026-01-31", "page_size": 1000, "request_timeout": 5}
        Draft7Validator.check_schema(schema)
        Draft7Validator(schema).validate(config)
        Draft7Validator(schema).validate({**config, "__injected": 1})
        assert not Draft7Validator(schema).is_valid({**config, "page_size": 1001})

    @pytest.mark.parametrize("name", ["start_date", "end_date"])
    @pytest.mark.parametrize(
        ("value", "is_valid"),
        [
            ("2026-01-31", True),
            ("2026-01-31T09:00:00Z", True),
            ("2026-01-31T09:00:00.000Z", True),
            ("2026-01-31T09:00:00+02:00", True),
            ("yesterday", False),
            ("31.01.2026", False),
            ("2026-01-31 or so", False),
        ],
    )
    def test_the_spec_offers_a_date_picker_and_validates_dates(
        self, spec: dict[str, Any], name: str, value: str, *, is_valid: bool
    ) -> None:
        schema = spec["connectionSpecification"]
        assert schema["properties"][name]["format"] == "date-time"
        assert Draft7Validator(schema).is_valid({"auth_token": TOKEN, name: value}) is is_valid


class TestCheck:
    """`check` tests a connection, and reports a failed one without failing itself."""

    def test_a_check_succeeds_with_one_request(self, source: SourceRunner, settings: Settings) -> None:
        with Sandbox(CALLS) as api:
            run = source.run(settings(api), "check")
            assert len(api.requests) == 1
        assert run.exit_code == 0
        assert run.of("CONNECTION_STATUS") == [{"status": "SUCCEEDED"}]
        assert {message["type"] for message in run.messages} == {"LOG", "CONNECTION_STATUS"}

    def test_a_check_sends_a_request_even_if_the_window_has_not_begun(
        self, source: SourceRunner, settings: Settings
    ) -> None:
        with Sandbox(CALLS) as api:
            run = source.run(settings(api, start_date="2999-01-01", auth_token="sk-tuple-wrong"), "check")
            assert len(api.requests) == 1
        assert run.of("CONNECTION_STATUS")[0]["status"] == "FAILED"

    @pytest.mark.parametrize(
        "invalid", [{"auth_token": "sk-tuple-wrong"}, {"auth_token": None}, {"start_date": "yesterday"}]
    )
    def test_a_failed_check_has_the_message_of_the_tap(
        self, source: SourceRunner, tap: InProcessTap, settings: Settings, invalid: dict[str, Any]
    ) -> None:
        with Sandbox(CALLS) as api:
            run = source.run(settings(api, **invalid), "check")
            sentence = " ".join(tap(settings(api, **invalid), args=["--test"]).errors)
        assert run.exit_code == 0
        assert sentence
        assert run.of("CONNECTION_STATUS") == [{"status": "FAILED", "message": sentence}]
        assert not run.errors
        assert not run.stderr

    def test_a_check_can_be_stopped_once_its_status_has_been_received(
        self, source: SourceRunner, settings: Settings, tmp_path: Path
    ) -> None:
        with (
            Sandbox(CALLS) as api,
            subprocess.Popen(
                source.command(settings(api), verb="check"),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=tmp_path,
                env=source.environment(),
            ) as process,
        ):
            assert process.stdout
            assert process.stderr
            for line in process.stdout:
                if b"CONNECTION_STATUS" in line:
                    process.terminate()
            assert process.wait(TIMEOUT_SECONDS) in {0, -signal.SIGTERM}
            assert not process.stderr.read()


class TestDiscover:
    """`discover` prints the streams."""

    def test_discover_returns_all_streams_without_a_request(self, source: SourceRunner, settings: Settings) -> None:
        with Sandbox(CALLS) as api:
            run = source.run(settings(api), "discover")
            assert not api.requests
        assert run.exit_code == 0
        [catalog] = run.of("CATALOG")
        keys = {stream["name"]: stream["source_defined_primary_key"] for stream in catalog["streams"]}
        assert keys == {"call_counts": [["until"]], "call_participations": [["id"]], "calls": [["id"]]}
        cursors = {stream["name"]: stream["default_cursor_field"] for stream in catalog["streams"]}
        assert cursors == {"call_counts": ["until"], "call_participations": ["call_ended_at"], "calls": ["ended_at"]}
        for stream in catalog["streams"]:
            assert stream["supported_sync_modes"] == ["full_refresh", "incremental"]
            assert stream["source_defined_cursor"] is True
            assert stream["is_resumable"] is True

    def test_discovered_schemas_are_supported_by_airbyte(self, source: SourceRunner, settings: Settings) -> None:
        with Sandbox(CALLS) as api:
            discovered = source.run(settings(api), "discover").of("CATALOG")[0]["streams"]
            read = source.run(settings(api), catalog=configured_catalog(*ALL_STREAMS))
        for stream in discovered:
            schema = stream["json_schema"]
            Draft7Validator.check_schema(schema)
            assert not re.search(r'"(\$ref|allOf|not)"', json.dumps(schema))
            assert {*stream["default_cursor_field"], *stream["source_defined_primary_key"][0]} <= {
                *schema["properties"]
            }
            for record in read.records(stream["name"]):
                Draft7Validator(schema).validate(record)
                assert set(record) == set(schema["properties"])


class TestRead:
    """`read` writes records, one state per stream after each page, and statuses."""

    def test_a_read_writes_the_records_and_bookmarks_of_the_tap(
        self, source: SourceRunner, tap: InProcessTap, settings: Settings
    ) -> None:
        with Sandbox(generate_calls(50)) as api:
            run = source.run(settings(api, page_size=20))
            singer = tap(settings(api, page_size=20))
        assert run.exit_code == 0
        assert not run.stderr
        for stream in CALL_STREAMS:
            assert run.records(stream) == singer.records(stream)
            assert run.states(stream)[-1] == singer.state["bookmarks"][stream]
        assert {message["type"] for message in run.messages} == {"RECORD", "STATE", "TRACE", "LOG"}

    def test_each_page_is_followed_by_a_state_per_stream_with_its_record_count(
        self, source: SourceRunner, settings: Settings
    ) -> None:
        with Sandbox(CALLS) as api:
            run = source.run(settings(api, page_size=10))
        counts: Counter[str] = Counter()
        states: Counter[str] = Counter()
        for message in run.messages:
            if message["type"] == "RECORD":
                counts[message["record"]["stream"]] += 1
            elif message["type"] == "STATE":
                assert message["state"]["type"] == "STREAM"
                assert "data" not in message["state"]
                name = message["state"]["stream"]["stream_descriptor"]["name"]
                assert message["state"]["sourceStats"] == {"recordCount": counts.pop(name, 0)}
                states[name] += 1
        assert not counts
        assert min(states[stream] for stream in CALL_STREAMS) >= 3

    def test_each_stream_reports_that_it_starts_runs_and_completes(
        self, source: SourceRunner, settings: Settings
    ) -> None:
        with Sandbox(CALLS) as api:
            run = source.run(settings(api, page_size=10), catalog=configured_catalog(*ALL_STREAMS))
        for stream in ALL_STREAMS:
            assert run.statuses(stream) == ["STARTED", "RUNNING", "COMPLETE"]
            kinds = run.kinds(stream)
            assert kinds[:3] == ["STARTED", "RUNNING", "RECORD"]
            assert kinds[-2:] == ["STATE", "COMPLETE"]

    def test_a_stream_without_new_records_completes_with_a_state(
        self, source: SourceRunner, settings: Settings
    ) -> None:
        with Sandbox() as api:
            run = source.run(settings(api, start_date="2999-01-01"))
            assert not api.requests
        assert run.exit_code == 0
        for stream in CALL_STREAMS:
            assert run.statuses(stream) == ["STARTED", "COMPLETE"]
        assert [state["sourceStats"]["recordCount"] for state in run.of("STATE")] == [0, 0]

    @pytest.mark.parametrize("stream", CALL_STREAMS)
    def test_only_the_configured_streams_are_read(self, source: SourceRunner, settings: Settings, stream: str) -> None:
        with Sandbox(CALLS) as api:
            run = source.run(settings(api), catalog=configured_catalog(stream))
        assert run.exit_code == 0
        assert {record["stream"] for record in run.of("RECORD")} == {stream}
        assert {state["stream"]["stream_descriptor"]["name"] for state in run.of("STATE")} == {stream}

    def test_call_counts_has_a_record_with_the_total_of_the_api(self, source: SourceRunner, settings: Settings) -> None:
        with Sandbox(CALLS) as api:
            run = source.run(settings(api, start_date="2026-01-01"), catalog=configured_catalog("calls", "call_counts"))
        [count] = run.records("call_counts")
        assert count["calls"] == 30 == len(run.ids())
        assert count["since"] == "2026-01-01T00:00:00.000Z"
        assert count["until"] <= count["reconciled_at"]

    def test_settings_that_airbyte_adds_are_ignored(self, source: SourceRunner, settings: Settings) -> None:
        with Sandbox(CALLS) as api:
            run = source.run(settings(api, __injected_declarative_manifest={"a": 1}, _limit=1))
        assert run.exit_code == 0
        assert run.ids() == list(range(1, 31))
        assert not [line for line in run.logs("WARN") if "Unknown setting" in line]

    @pytest.mark.parametrize(
        ("name", "warning"),
        [
            ("page_sise", "Unknown setting `page_sise` is ignored. Did you mean `page_size`?"),
            ("stream_maps", "Unknown setting `stream_maps` is ignored"),
            ("batch_config", "Unknown setting `batch_config` is ignored"),
        ],
    )
    def test_an_unknown_setting_causes_a_warning(
        self, source: SourceRunner, settings: Settings, name: str, warning: str
    ) -> None:
        with Sandbox(CALLS) as api:
            check = source.run({**settings(api), name: {}}, "check")
            read = source.run({**settings(api), name: {}})
        assert check.of("CONNECTION_STATUS") == [{"status": "SUCCEEDED"}]
        assert warning in check.logs("WARN")
        assert read.exit_code == 0
        assert warning in read.logs("WARN")


class TestState:
    """Airbyte saves the last state of each stream, and the next run resumes from them."""

    @pytest.mark.parametrize("sync_mode", ["full_refresh", "incremental"])
    def test_a_read_resumes_in_both_sync_modes(self, source: SourceRunner, settings: Settings, sync_mode: str) -> None:
        catalog = configured_catalog(sync_mode=sync_mode)
        with Sandbox(CALLS[:20]) as api:
            config = settings(api, lookback_window=120)
            first = source.run(config, catalog=catalog)
            api.add(*CALLS[20:])
            # The state has all STATE messages; the source uses the last one of each stream.
            second = source.run(config, catalog=catalog, state=json.dumps(first.of("STATE")))
        assert first.ids() == list(range(1, 21))
        assert second.exit_code == 0
        assert set(range(21, 31)) <= set(second.ids()) < set(range(15, 31))
        assert second.statuses("calls") == ["STARTED", "RUNNING", "COMPLETE"]
        assert second.bookmark() == minute(30)

    def test_the_state_keeps_the_call_counts_so_that_a_late_call_is_found(
        self, source: SourceRunner, settings: Settings
    ) -> None:
        with Sandbox(CALLS) as api:
            first = source.run(settings(api, lookback_window=0))
            late = a_call(99, minute(2))
            api.add(late)
            second = source.run(settings(api, lookback_window=0), state=json.dumps(first.of("STATE")))
        for stream in CALL_STREAMS:
            assert sum(count for _, count in first.states(stream)[-1]["call_counts"]) == 30
            assert sum(count for _, count in second.states(stream)[-1]["call_counts"]) == 31
        assert 99 in second.ids()

    def test_the_state_of_a_stream_is_used_only_for_that_stream(self, source: SourceRunner, settings: Settings) -> None:
        with Sandbox(CALLS) as api:
            first = source.run(settings(api), catalog=configured_catalog("calls"))
            state = [*first.of("STATE"), per_stream_state({"replication_key_value": "invalid"}, "removed_stream")]
            second = source.run(settings(api, lookback_window=0), state=json.dumps(state))
        assert len(second.ids("calls")) < 3
        assert len(second.ids("call_participations")) == 60

    def test_the_state_of_call_counts_is_accepted(self, source: SourceRunner, settings: Settings) -> None:
        catalog = configured_catalog(*ALL_STREAMS)
        with Sandbox(CALLS) as api:
            first = source.run(settings(api), catalog=catalog)
            second = source.run(settings(api), catalog=catalog, state=json.dumps(first.of("STATE")))
        assert second.exit_code == 0
        assert [record["calls"] for record in second.records("call_counts")] == [30]

    @pytest.mark.parametrize("state", ["[]", "{}", json.dumps([{**per_stream_state(None)}])])
    def test_an_empty_state_starts_from_the_beginning(
        self, source: SourceRunner, settings: Settings, state: str
    ) -> None:
        with Sandbox(CALLS) as api:
            run = source.run(settings(api), state=state)
        assert run.exit_code == 0
        assert run.ids() == list(range(1, 31))


class TestFailure:
    """A failure is one ERROR message, which says who can fix it, after INCOMPLETE statuses."""

    def test_a_read_that_fails_writes_a_state_to_resume_from(self, source: SourceRunner, settings: Settings) -> None:
        with Sandbox(CALLS, faults=[Fault(on=2, status=401)]) as api:
            first = source.run(settings(api, page_size=10), catalog=configured_catalog(*ALL_STREAMS))
            second = source.run(settings(api, lookback_window=0), state=json.dumps(first.of("STATE")))
        assert assert_failed(first, "config_error").startswith("Authentication failed (401)")
        assert first.ids() == list(range(1, 11))
        for stream in CALL_STREAMS:
            assert first.statuses(stream) == ["STARTED", "RUNNING", "INCOMPLETE"]
        assert first.statuses("call_counts") == ["STARTED", "INCOMPLETE"]
        assert {*first.ids(), *second.ids()} == set(range(1, 31))

    @pytest.mark.usefixtures("_short_waits")
    @pytest.mark.parametrize(
        ("fault", "failure_type"),
        [
            (Fault(status=403), "config_error"),
            (Fault(status=503, times=None), "transient_error"),
            (Fault(body=b'[{"id": 1}]'), "system_error"),
        ],
    )
    def test_a_failure_has_the_type_that_says_who_can_fix_it(
        self, source: SourceRunner, settings: Settings, fault: Fault, failure_type: str
    ) -> None:
        with Sandbox(CALLS, faults=[fault]) as api:
            run = source.run(settings(api))
        assert_failed(run, failure_type)
        assert run.statuses("calls") == ["STARTED", "INCOMPLETE"]
        assert not run.of("RECORD")

    def test_an_unexpected_failure_is_reported_without_data(
        self, source: SourceRunner, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def rows(*_: object) -> list[Any]:
            raise KeyError("person1@example.com")

        monkeypatch.setattr(CallsStream, "rows", rows)
        with Sandbox(CALLS) as api:
            run = source.run(settings(api))
        assert assert_failed(run, "system_error").startswith("Unexpected error: KeyError at ")
        assert "example.com" not in run.output.decode()

    @pytest.mark.parametrize(
        ("name", "content", "expected"),
        [
            ("config", "{", "config.json is not valid JSON"),
            ("config", "[]", "config.json must contain a JSON object"),
            ("config", "\u00ff", "config.json is not valid JSON"),
            ("catalog", "{", "catalog.json is not valid JSON"),
            ("catalog", "[]", "The catalog is not a configured catalog"),
            ("catalog", json.dumps(configured_catalog("gone")), "Unknown streams in the catalog: gone."),
            ("state", "{", "state.json is not valid JSON"),
            ("state", "1", "The state is not a list of per-stream states"),
            ("state", json.dumps([per_stream_state({"replication_key_value": "soon"})]), "Invalid bookmark"),
            ("state", json.dumps([per_stream_state({"call_counts": [["2026-01-01", "many"]]})]), "`call_counts`"),
        ],
    )
    def test_an_invalid_file_is_named_before_any_request(
        self, source: SourceRunner, settings: Settings, name: str, content: str, expected: str
    ) -> None:
        with Sandbox(CALLS) as api:
            files: dict[str, Any] = {"config": settings(api), name: content}
            run = source.run(**files)
            assert not api.requests
        assert expected in assert_failed(run, "config_error")

    @pytest.mark.parametrize(
        "document",
        [
            *({}, {"streams": 1}, {"streams": [{}]}, None),
            *(configured_catalog("calls", "gone"), configured_catalog("calls", sync_mode="INVALID")),
        ],
    )
    def test_an_invalid_catalog_is_reported(self, document: object) -> None:
        with pytest.raises(InputError, match="catalog"):
            configured(document, CALL_STREAMS)

    def test_a_discovered_catalog_is_rejected_with_the_expected_format(
        self, source: SourceRunner, settings: Settings
    ) -> None:
        with Sandbox() as api:
            [catalog] = source.run(settings(api), "discover").of("CATALOG")
            run = source.run(settings(api), catalog=json.dumps(catalog))
        assert "The output of `discover` is not a configured catalog" in assert_failed(run, "config_error")

    @pytest.mark.parametrize(
        "document",
        [
            {"bookmarks": {}},
            [{"type": "LEGACY", "data": {}}],
            [{"type": "GLOBAL", "global": {"stream_states": []}}],
            [{"stream": {}}],
            [per_stream_state([])],
        ],
    )
    def test_an_invalid_state_is_reported(self, document: object) -> None:
        with pytest.raises(InputError, match="The state is not a list of per-stream states"):
            to_singer(document, CALL_STREAMS)

    def test_a_whole_state_message_is_rejected_with_the_expected_format(self) -> None:
        message = {"type": "STATE", "state": per_stream_state({})}
        with pytest.raises(InputError, match="A state file is a list"):
            to_singer(message, CALL_STREAMS)

    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["write"],
            ["check"],
            ["read", "--config", "config.json"],
            ["check", "--config", "absent.json"],
            ["discover", "--config", "absent.json"],
            ["read", "--config", "config.json", "--catalog", "absent.json"],
            ["read", "--config", "config.json", "--catalog", "catalog.json", "--state", "absent.json"],
            ["check", "--config", "config.json", "--auth_token", "sk-tuple-secret"],
            ["check", "--config", '{"auth_token": "sk-tuple-secret"}'],
            ["sk-tuple-secret"],
            ["discover", "--config", "empty.json"],
            ["read", "--config", "empty.json", "--catalog", "catalog.json"],
        ],
    )
    def test_the_error_for_invalid_arguments_contains_no_secret(
        self, source: SourceRunner, tmp_path: Path, arguments: list[str]
    ) -> None:
        (tmp_path / "config.json").write_text(f'{{"auth_token": "{TOKEN}", "api_url": "http://127.0.0.1:9/"}}')
        (tmp_path / "empty.json").write_text("{}")
        (tmp_path / "catalog.json").write_text(json.dumps(configured_catalog()))
        run = source.run_arguments(arguments)
        assert assert_failed(run, "config_error")
        assert "sk-tuple-secret" not in run.output.decode()


class TestRateLimit:
    """A wait for the rate limit is a status of every stream, as Airbyte shows it."""

    @pytest.mark.usefixtures("_short_waits")
    def test_each_wait_for_the_rate_limit_of_the_api_is_reported(
        self, source: SourceRunner, settings: Settings
    ) -> None:
        with Sandbox(CALLS, faults=[Fault(on=2, status=429, times=2)]) as api:
            run = source.run(settings(api, page_size=10))
        assert run.exit_code == 0
        assert run.ids() == list(range(1, 31))
        for stream in CALL_STREAMS:
            assert run.statuses(stream) == ["STARTED", "RUNNING", "RUNNING*", "RUNNING*", "RUNNING", "COMPLETE"]

    def test_a_wait_for_the_rate_limit_of_the_source_is_reported_with_its_end(
        self, source: SourceRunner, settings: Settings, tmp_path: Path
    ) -> None:
        def rate_limited(output: bytearray) -> Iterator[dict[str, Any]]:
            for line in bytes(output).splitlines():
                if b'"RATE_LIMITED"' in line and line.endswith(b"}"):
                    yield json.loads(line)["trace"]

        with (
            Sandbox(CALLS) as api,
            running(source, settings(api, page_size=10, requests_per_minute=1), tmp_path) as process,
        ):
            process.read()
            process.until(lambda: len(list(rate_limited(process.output))) == 2)
            process.signal(signal.SIGTERM)
            run = SourceRun(process.wait())
        for trace in rate_limited(process.output):
            [reason] = trace["stream_status"]["reasons"]
            assert 50_000 < reason["rate_limited"]["quota_reset"] - trace["emitted_at"] < 62_000
        assert run.ids() == list(range(1, 11))
        assert run.exit_code == -signal.SIGTERM


class TestLog:
    """Log lines are LOG messages."""

    def test_the_log_has_progress_but_no_secrets_and_no_data(self, source: SourceRunner, settings: Settings) -> None:
        with Sandbox(generate_calls(30)) as api:
            run = source.run(settings(api, page_size=10), args=["--debug"])
        assert not run.stderr
        assert any("30 of 30 calls" in line for line in run.logs("INFO"))
        assert run.logs("DEBUG")
        text = json.dumps([message for message in run.messages if message["type"] in {"LOG", "TRACE"}])
        for forbidden in (TOKEN, "@", "METRIC"):
            assert forbidden not in text

    def test_the_environment_sets_the_log_level(self, source: SourceRunner, settings: Settings) -> None:
        with Sandbox(CALLS) as api:
            run = source.run(settings(api), env={"TAP_TUPLE_LOGLEVEL": "warning"})
        assert {line["level"] for line in run.of("LOG")} == {"WARN"}

    def test_an_error_appears_only_in_the_error_message(self, source: SourceRunner, settings: Settings) -> None:
        with Sandbox(CALLS, faults=[Fault(status=401)]) as api:
            run = source.run(settings(api))
        assert run.logs("ERROR") == []


class TestProcess:
    """Signals and pipes: whole messages, INCOMPLETE statuses, and a state to resume from."""

    @pytest.mark.parametrize("number", SIGNALS)
    def test_a_signal_makes_the_source_report_incomplete_streams(
        self, source: SourceRunner, settings: Settings, tmp_path: Path, number: signal.Signals
    ) -> None:
        with Sandbox(CALLS, faults=[Fault(on=2, connection="stall")]) as api:
            with running(source, settings(api, page_size=10), tmp_path) as process:
                process.read()
                process.until(lambda: len(api.requests) == 2 and b"10 of 30" in process.output)
                process.signal(number)
                first = SourceRun(process.wait())
            second = source.run(settings(api, lookback_window=0), state=json.dumps(first.of("STATE")))
        assert first.exit_code == -number
        assert not first.stderr
        assert first.ids() == list(range(1, 11))
        for stream in CALL_STREAMS:
            assert first.statuses(stream) == ["STARTED", "RUNNING", "INCOMPLETE"]
        [warning] = [line for line in first.logs("WARN") if "Interrupted" in line]
        assert warning == (
            f"Interrupted by {number.name}. No data was lost; the next run resumes from the bookmark {minute(10)}."
        )
        [error] = first.errors
        assert error["failure_type"] == "transient_error"
        assert first.messages[-1]["trace"]["error"] is error
        assert {*first.ids(), *second.ids()} == set(range(1, 31))

    def test_a_signal_during_a_write_loses_no_call(
        self, source: SourceRunner, settings: Settings, tmp_path: Path
    ) -> None:
        with Sandbox(a_call_per_minute(1, 600, participations=2)) as api:
            with running(source, settings(api, page_size=200), tmp_path, pipe_bytes=4096) as process:
                until(lambda: len(api.requests) == 2)
                process.signal(signal.SIGTERM)
                process.read(max_bytes=1000, pause_seconds=0.001)
                first = SourceRun(process.wait())
            second = source.run(settings(api), state=json.dumps(first.of("STATE")))
        assert first.exit_code == -signal.SIGTERM
        assert first.statuses("calls")[-1] == "INCOMPLETE"
        assert {*first.ids(), *second.ids()} == set(range(1, 601))

    def test_a_reader_that_closes_stdout_ends_the_source_with_a_line_on_stderr(
        self, source: SourceRunner, settings: Settings, tmp_path: Path
    ) -> None:
        with (
            Sandbox(CALLS, latency_seconds=0.2) as api,
            running(source, settings(api, page_size=10), tmp_path) as process,
        ):
            until(lambda: api.requests)
            assert process.process.stdout
            process.process.stdout.close()
            assert process.process.wait(TIMEOUT_SECONDS) == 1
            assert process.log == "The target closed the pipe. See its own log for the reason.\n"


class TestWriter:
    """The writer buffers records until their state, and writes everything else at once."""

    def test_calls_and_singer_records_become_the_same_message(self, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
        writer = started_writer("calls")
        call = Call(id=1, ended_at=minute(1))
        writer.write_records("calls", [call], minute(2))
        writer.write_message(RecordMessage(stream="calls", record=msgspec.to_builtins(call), time_extracted=None))
        writer.write_message(StateMessage(value={"bookmarks": {"calls": {"a": 1}}}))
        _, _, first, second, state = written(capfdbinary)
        assert first["record"].pop("emitted_at") <= second["record"].pop("emitted_at")
        assert first == second
        assert state["state"]["stream"]["stream_state"] == {"a": 1}
        assert state["state"]["sourceStats"] == {"recordCount": 2}

    def test_records_without_a_state_are_discarded_after_a_failure(
        self, capfdbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        writer = started_writer("calls")
        writer.write_records("calls", [Call(id=1, ended_at=minute(1))], minute(2))
        writer.log(messages.log("INFO", "after the records"))
        assert [message["type"] for message in written(capfdbinary)] == ["TRACE"]
        writer.fail("It failed.", "system_error")
        assert [message["type"] for message in written(capfdbinary)] == ["TRACE", "TRACE"]

    def test_the_size_of_the_buffer_is_limited(self, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
        writer = started_writer("calls")
        record = {"id": 1, "started_at": "x" * BUFFER_BYTES}
        writer.write_message(RecordMessage(stream="calls", record=record, time_extracted=None))
        assert [message["type"] for message in written(capfdbinary)] == ["TRACE", "TRACE", "RECORD"]

    def test_a_state_is_written_only_if_it_is_new(self, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
        writer = started_writer("calls")
        state = StateMessage(value={"bookmarks": {"calls": {"a": 1}}})
        writer.write_message(state)
        writer.write_records("calls", [], minute(2))
        writer.write_message(state)
        writer.write_message(state)
        writer.complete()
        assert [message["type"] for message in written(capfdbinary)] == ["TRACE", "TRACE", "STATE", "TRACE"]

    def test_log_lines_of_other_threads_are_written_with_the_next_message(
        self, capfdbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        writer = AirbyteWriter()
        handler = LogHandler(writer)
        record = logging.LogRecord("urllib3", logging.WARNING, "", 1, "from %s", ("elsewhere",), None)
        thread = threading.Thread(target=handler.handle, args=(record,))
        thread.start()
        thread.join()
        assert not written(capfdbinary)
        writer.write_at_once(messages.log("INFO", "here"))
        assert [message["log"] for message in written(capfdbinary)] == [
            {"level": "INFO", "message": "here"},
            {"level": "WARN", "message": "from elsewhere"},
        ]

    def test_messages_that_airbyte_does_not_have_are_rejected(self) -> None:
        with pytest.raises(TypeError, match="ACTIVATE_VERSION"):
            AirbyteWriter().write_message(ActivateVersionMessage(stream="calls", version=1))


def started_writer(stream: str) -> AirbyteWriter:
    writer = AirbyteWriter()
    writer.write_message(SchemaMessage(stream=stream, schema={}, key_properties=["id"]))
    return writer


def written(capfdbinary: pytest.CaptureFixture[bytes]) -> list[dict[str, Any]]:
    """Return the messages on stdout since the last call."""
    return SourceRun(Run(0, capfdbinary.readouterr().out, "")).messages
