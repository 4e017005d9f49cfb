"""`source-tuple` speaks the Airbyte protocol, with all that the tap promises."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
import signal
import subprocess
import sys
import threading
import typing
from collections import Counter
from importlib import metadata
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from airbyte_protocol_dataclasses.models import AirbyteMessage, AirbyteStateBlob
from background import HURRY, running, until
from conftest import TOKEN, Run, TapRunner, a_call
from jsonschema import Draft7Validator
from singer_sdk.singerlib.messages import ActivateVersionMessage, RecordMessage, SchemaMessage, StateMessage

from tap_tuple import settings as tap_settings
from tap_tuple.airbyte import messages
from tap_tuple.airbyte.catalog import configured
from tap_tuple.airbyte.logs import LogHandler
from tap_tuple.airbyte.state import to_singer
from tap_tuple.airbyte.writer import AirbyteWriter
from tap_tuple.calls import Call
from tap_tuple.exceptions import InputError
from tap_tuple.sandbox import Fault, Sandbox
from tap_tuple.sandbox.history import generate_calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Settings = Callable[..., dict[str, Any]]

BOTH = ("call_participations", "calls")


def minute(number: int) -> str:
    return f"2026-03-15T{number // 60:02}:{number % 60:02}:00.000Z"


def calls(first: int = 1, last: int = 30) -> list[dict[str, Any]]:
    """A call a minute, whose id is the minute in which it ended, and in which two took part."""
    return [
        a_call(
            number,
            minute(number),
            call_participations=[
                {"id": number * 10 + who, "user": {"email": f"person{who}@example.com"}} for who in (1, 2)
            ],
        )
        for number in range(first, last + 1)
    ]


def catalog(*streams: str, sync_mode: str = "incremental") -> dict[str, Any]:
    return {
        "streams": [
            {
                "stream": {"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]},
                "sync_mode": sync_mode,
                "destination_sync_mode": "append_dedup",
            }
            for name in streams or BOTH
        ]
    }


def assert_known(value: Any, kind: Any) -> None:
    """All that is there has a place in the protocol."""
    for part in typing.get_args(kind) or [kind]:
        if isinstance(value, list):
            for item in value:
                assert_known(item, part)
        elif dataclasses.is_dataclass(part) and part is not AirbyteStateBlob:
            hints = typing.get_type_hints(part)
            assert not set(value) - set(hints)
            for name, item in value.items():
                assert_known(item, hints[name])


class AirbyteRun:
    """What came of one run of the source: messages of the protocol, and nothing else."""

    def __init__(self, run: Run) -> None:
        self.exit_code, self.output, self.stderr, self.messages = run.exit_code, run.output, run.log, run.messages
        for message in self.messages:
            msgspec.convert(message, AirbyteMessage)
            assert_known(message, AirbyteMessage)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The contents of the messages of a type."""
        field = {"CONNECTION_STATUS": "connectionStatus"}.get(kind, kind.lower())
        return [message[field] for message in self.messages if message["type"] == kind]

    @property
    def logged(self) -> list[str]:
        return [line["message"] for line in self.of("LOG")]

    @property
    def errors(self) -> list[dict[str, Any]]:
        return [trace["error"] for trace in self.of("TRACE") if trace["type"] == "ERROR"]

    def records(self, stream: str) -> list[dict[str, Any]]:
        return [record["data"] for record in self.of("RECORD") if record["stream"] == stream]

    def ids(self, stream: str = "calls") -> list[int]:
        return [record["id"] for record in self.records(stream)]

    def reported(self, stream: str) -> list[tuple[str, bool]]:
        """The statuses of a stream, and whether the rate limit was their reason."""
        statuses = [trace["stream_status"] for trace in self.of("TRACE") if trace["type"] == "STREAM_STATUS"]
        return [
            (status["status"], "reasons" in status)
            for status in statuses
            if status["stream_descriptor"] == {"name": stream}
        ]

    def statuses(self, stream: str) -> list[str]:
        return [status for status, _ in self.reported(stream)]

    def bookmark(self, stream: str = "calls") -> str | None:
        states = [
            state["stream"]["stream_state"]
            for state in self.of("STATE")
            if state["stream"]["stream_descriptor"]["name"] == stream
        ]
        value: str | None = states[-1].get("replication_key_value")
        return value


def assert_failed(run: AirbyteRun, failure_type: str) -> str:
    """The run failed as Airbyte wants it; returns the sentence."""
    assert run.exit_code == 1
    assert not run.stderr
    (error,) = run.errors
    assert run.messages[-1]["trace"]["error"] is error
    assert error["failure_type"] == failure_type
    assert "Traceback" not in run.output.decode()
    message: str = error["message"]
    return message


class SourceRunner(TapRunner):
    """Runs a command of `source-tuple`; `verb` says which."""

    start: tuple[str, ...] = ("-m", "tap_tuple.airbyte")

    def command(self, config: dict[str, Any] | None, **files: object) -> list[str]:
        verb = str(files.pop("verb", "read"))
        python, _, _, *arguments = super().command(config, **files)
        return [python, *self.start, verb, *arguments]

    def run(self, config: dict[str, Any] | None, verb: str = "read", **files: Any) -> AirbyteRun:
        if verb == "read":
            files.setdefault("catalog", catalog())
        return AirbyteRun(self(config, verb=verb, **files))


@pytest.fixture
def source(tmp_path: Path) -> SourceRunner:
    return SourceRunner(tmp_path)


@pytest.fixture
def hurried_source(tmp_path: Path) -> SourceRunner:
    """The source with waits of a hundredth of a second between its tries, of which there are three."""
    runner = SourceRunner(tmp_path)
    runner.start = ("-c", HURRY.replace("tap_tuple.__main__", "tap_tuple.airbyte.__main__"))
    return runner


def test_the_command_is_installed() -> None:
    (script,) = metadata.entry_points(group="console_scripts", name="source-tuple")
    assert script.value == "tap_tuple.airbyte.__main__:main"


# spec


def test_the_spec_is_that_of_the_taps_own_settings(source: SourceRunner) -> None:
    run = source.run(None, "spec")
    assert run.exit_code == 0
    (spec,) = run.of("SPEC")
    schema = spec["connectionSpecification"]
    definitions = tap_settings.DEFINITIONS.to_dict()["properties"]
    assert list(schema["properties"]) == list(definitions)
    for order, (name, setting) in enumerate(schema["properties"].items()):
        assert setting["order"] == order
        for word in ("title", "description", "default"):
            assert setting.get(word) == definitions[name].get(word)
        assert isinstance(setting["type"], str)
        assert setting.get("airbyte_secret", False) == (name == "auth_token")
    assert schema["required"] == ["auth_token"]


def test_the_spec_is_a_json_schema_that_takes_what_the_tap_takes(source: SourceRunner, settings: Settings) -> None:
    with Sandbox() as api:
        config = settings(api, start_date="2026-01-31", page_size=1000, request_timeout=0.5)
    (spec,) = source.run(None, "spec").of("SPEC")
    schema = spec["connectionSpecification"]
    Draft7Validator.check_schema(schema)
    Draft7Validator(schema).validate(config)
    # Airbyte adds properties of its own.
    Draft7Validator(schema).validate({**config, "__injected": 1})
    assert not Draft7Validator(schema).is_valid({**config, "page_size": 1001})
    assert spec["documentationUrl"].startswith("https://")
    assert spec["supportsIncremental"] is True


# check


def test_a_check_of_a_good_connection_makes_one_request(source: SourceRunner, settings: Settings) -> None:
    with Sandbox(calls()) as api:
        run = source.run(settings(api), "check")
        assert run.exit_code == 0
        assert run.of("CONNECTION_STATUS") == [{"status": "SUCCEEDED"}]
        assert len(api.requests) == 1
        assert {message["type"] for message in run.messages} == {"LOG", "CONNECTION_STATUS"}


def test_a_check_asks_the_api_where_there_is_nothing_to_read_yet(source: SourceRunner, settings: Settings) -> None:
    with Sandbox(calls()) as api:
        run = source.run(settings(api, start_date="2999-01-01", auth_token="sk-tuple-wrong"), "check")
        assert run.of("CONNECTION_STATUS")[0]["status"] == "FAILED"
        assert len(api.requests) == 1


@pytest.mark.parametrize(
    "wrong",
    [{"auth_token": "sk-tuple-wrong"}, {"auth_token": None}, {"start_date": "yesterday"}, {"page_sise": 10}],
)
def test_a_failed_check_says_what_the_tap_says(
    source: SourceRunner, tap: TapRunner, settings: Settings, wrong: dict[str, Any]
) -> None:
    with Sandbox(calls()) as api:
        config = settings(api, **wrong)
        run = source.run(config, "check")
        sentence = " ".join(tap(config, args=["--test"]).errors)
    assert run.exit_code == 0
    assert sentence
    assert run.of("CONNECTION_STATUS") == [{"status": "FAILED", "message": sentence}]
    assert not run.errors
    assert not run.stderr


def test_a_client_may_end_the_process_as_soon_as_it_has_its_answer(
    source: SourceRunner, settings: Settings, tmp_path: Path
) -> None:
    with (
        Sandbox(calls()) as api,
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
        assert process.wait() in {0, -signal.SIGTERM}
        assert not process.stderr.read()


# discover


def test_discover_describes_the_streams(source: SourceRunner, settings: Settings) -> None:
    with Sandbox(calls()) as api:
        run = source.run(settings(api), "discover")
        assert not api.requests
    assert run.exit_code == 0
    (found,) = run.of("CATALOG")
    assert [stream["name"] for stream in found["streams"]] == list(BOTH)
    for stream, cursor in zip(found["streams"], ("call_ended_at", "ended_at"), strict=True):
        assert stream["supported_sync_modes"] == ["full_refresh", "incremental"]
        assert stream["source_defined_cursor"] is True
        assert stream["default_cursor_field"] == [cursor]
        assert stream["source_defined_primary_key"] == [["id"]]
        assert stream["is_resumable"] is True
        assert {"id", cursor} <= set(stream["json_schema"]["properties"])
        Draft7Validator.check_schema(stream["json_schema"])
        assert not re.search(r'"(\$ref|allOf|not)"', json.dumps(stream["json_schema"]))


# read


def test_a_read_brings_the_taps_own_records(source: SourceRunner, tap: TapRunner, settings: Settings) -> None:
    with Sandbox(generate_calls(50)) as api:
        run = source.run(settings(api, page_size=20))
        singer = tap(settings(api, page_size=20))
    assert run.exit_code == 0
    assert not run.stderr
    for stream in BOTH:
        assert run.records(stream) == singer.records(stream)
        assert run.bookmark(stream) == singer.bookmark(stream)
    assert {message["type"] for message in run.messages} == {"RECORD", "STATE", "TRACE", "LOG"}


def test_each_page_is_followed_by_a_state_of_each_stream_that_counts_its_records(
    source: SourceRunner, settings: Settings
) -> None:
    with Sandbox(calls()) as api:
        run = source.run(settings(api, page_size=10))
    told = [message for message in run.messages if message["type"] in {"RECORD", "STATE"}]
    counts: Counter[str] = Counter()
    states: Counter[str] = Counter()
    for message in told:
        if message["type"] == "RECORD":
            counts[message["record"]["stream"]] += 1
        else:
            assert message["state"]["type"] == "STREAM"
            assert "data" not in message["state"]
            name = message["state"]["stream"]["stream_descriptor"]["name"]
            assert message["state"]["sourceStats"] == {"recordCount": counts.pop(name)}
            states[name] += 1
    assert not counts
    assert states == {"calls": 3, "call_participations": 3}
    assert told[-1]["type"] == "STATE"


def test_a_stream_starts_runs_and_completes(source: SourceRunner, settings: Settings) -> None:
    with Sandbox(calls()) as api:
        run = source.run(settings(api, page_size=10))
    for stream in BOTH:
        assert run.statuses(stream) == ["STARTED", "RUNNING", "COMPLETE"]
        kinds = [
            message["trace"]["stream_status"]["status"] if message["type"] == "TRACE" else message["type"]
            for message in run.messages
            if stream in json.dumps(message) and message["type"] != "LOG"
        ]
        assert [kind for kind, before in zip(kinds, ["", *kinds], strict=False) if kind != before] == [
            *["STARTED", "RUNNING"],
            *["RECORD", "STATE"] * 3,
            "COMPLETE",
        ]


def test_a_stream_without_anything_to_read_completes_with_a_state(source: SourceRunner, settings: Settings) -> None:
    with Sandbox() as api:
        run = source.run(settings(api, start_date="2999-01-01"))
        assert not api.requests
    assert run.exit_code == 0
    for stream in BOTH:
        assert run.statuses(stream) == ["STARTED", "COMPLETE"]
    assert [state["sourceStats"]["recordCount"] for state in run.of("STATE")] == [0, 0]


@pytest.mark.parametrize("stream", BOTH)
def test_only_what_the_catalog_configures_is_read(source: SourceRunner, settings: Settings, stream: str) -> None:
    with Sandbox(calls()) as api:
        run = source.run(settings(api), catalog=catalog(stream))
    assert run.exit_code == 0
    assert {record["stream"] for record in run.of("RECORD")} == {stream}
    assert {state["stream"]["stream_descriptor"]["name"] for state in run.of("STATE")} == {stream}


@pytest.mark.parametrize("sync_mode", ["full_refresh", "incremental"])
def test_a_run_goes_on_from_the_state_of_another_in_both_sync_modes(
    source: SourceRunner, settings: Settings, sync_mode: str
) -> None:
    with Sandbox(calls(last=20)) as api:
        first = source.run(settings(api), catalog=catalog(sync_mode=sync_mode))
        api.add(*calls(21, 30))
        # All of them: the last one of a stream counts.
        state = first.of("STATE")
        second = source.run(
            settings(api, lookback_window=120), catalog=catalog(sync_mode=sync_mode), state=json.dumps(state)
        )
    assert first.ids() == list(range(1, 21))
    assert second.exit_code == 0
    assert second.ids() == list(range(18, 31))
    assert second.statuses("calls") == ["STARTED", "RUNNING", "COMPLETE"]
    assert second.bookmark() == minute(30)


def test_a_state_serves_the_stream_that_it_is_of(source: SourceRunner, settings: Settings) -> None:
    with Sandbox(calls()) as api:
        first = source.run(settings(api), catalog=catalog("calls"))
        state = [*first.of("STATE"), {"type": "STREAM", "stream": {"stream_descriptor": {"name": "gone"}}}]
        second = source.run(settings(api, lookback_window=0), state=json.dumps(state))
    assert second.ids("calls") == [30]
    assert len(second.ids("call_participations")) == 60


@pytest.mark.parametrize("state", ["[]", "{}", '[{"type":"STREAM","stream":{"stream_descriptor":{"name":"calls"}}}]'])
def test_no_state_is_a_run_from_the_start(source: SourceRunner, settings: Settings, state: str) -> None:
    with Sandbox(calls()) as api:
        run = source.run(settings(api), state=state)
    assert run.exit_code == 0
    assert run.ids() == list(range(1, 31))


def test_what_the_platform_adds_to_the_settings_is_left_out(source: SourceRunner, settings: Settings) -> None:
    with Sandbox(calls()) as api:
        run = source.run(settings(api, __injected_declarative_manifest={"a": 1}, _limit=1))
    assert run.exit_code == 0
    assert run.ids() == list(range(1, 31))


# failures


def test_a_read_that_fails_in_its_middle_leaves_incomplete_streams_and_a_state_to_go_on_from(
    source: SourceRunner, settings: Settings
) -> None:
    with Sandbox(calls(), faults=[Fault(on=2, status=401)]) as api:
        first = source.run(settings(api, page_size=10))
        assert assert_failed(first, "config_error").startswith("The API does not know the token (401).")
        assert first.ids() == list(range(1, 11))
        for stream in BOTH:
            assert first.statuses(stream) == ["STARTED", "RUNNING", "INCOMPLETE"]
        second = source.run(settings(api, lookback_window=0), state=json.dumps(first.of("STATE")))
    assert second.ids() == list(range(10, 31))


@pytest.mark.parametrize(
    ("fault", "failure_type"),
    [
        (Fault(status=403), "config_error"),
        (Fault(status=503, times=None), "transient_error"),
        (Fault(body=b'[{"id": 1}]'), "system_error"),
    ],
)
def test_a_failure_says_who_can_mend_it(
    hurried_source: SourceRunner, settings: Settings, fault: Fault, failure_type: str
) -> None:
    with Sandbox(calls(), faults=[fault]) as api:
        run = hurried_source.run(settings(api))
    assert_failed(run, failure_type)
    assert run.statuses("calls") == ["STARTED", "INCOMPLETE"]
    assert not run.of("RECORD")


UNFORESEEN = """
from tap_tuple import streams
def rows(*_): raise KeyError("person1@example.com")
streams.CallsStream.rows = rows
from tap_tuple.airbyte.__main__ import main
main()
"""


def test_a_failure_that_nobody_foresaw_is_told_without_what_was_read(source: SourceRunner, settings: Settings) -> None:
    source.start = ("-c", UNFORESEEN)
    with Sandbox(calls()) as api:
        run = source.run(settings(api))
    assert assert_failed(run, "system_error").startswith("This should not happen: KeyError")
    assert "example.com" not in run.output.decode()


def kept(state: object) -> list[dict[str, Any]]:
    return [{"type": "STREAM", "stream": {"stream_descriptor": {"name": "calls"}, "stream_state": state}}]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *[("config", "{"), ("config", "[]"), ("config", "\u00ff")],
        *[("catalog", "{"), ("catalog", "[]"), ("catalog", json.dumps(catalog("no_such_stream")))],
        *[("state", "{"), ("state", "1"), ("state", json.dumps(kept({"replication_key_value": "yesterday"})))],
    ],
)
def test_a_malformed_file_is_an_error_of_the_configuration(
    source: SourceRunner, settings: Settings, name: str, content: str
) -> None:
    with Sandbox(calls()) as api:
        run = source.run(**{"config": settings(api), name: content})
        assert not api.requests
    assert name in assert_failed(run, "config_error")


@pytest.mark.parametrize(
    "document",
    [{}, {"streams": 1}, {"streams": [{}]}, catalog("calls", "gone"), catalog("calls", sync_mode="INVALID"), None],
)
def test_a_catalog_of_another_shape_is_refused(document: object) -> None:
    with pytest.raises(InputError, match="The catalog"):
        configured(document, BOTH)


@pytest.mark.parametrize(
    "document",
    [
        {"bookmarks": {}},
        [{"type": "LEGACY", "data": {}}],
        [{"type": "GLOBAL", "global": {"stream_states": []}}],
        [{"stream": {}}],
        kept([]),
    ],
)
def test_a_state_of_another_shape_is_refused(document: object) -> None:
    with pytest.raises(InputError, match="The state"):
        to_singer(document, BOTH)


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
        ["discover", "--config", "empty.json"],
        ["read", "--config", "empty.json", "--catalog", "catalog.json"],
    ],
)
def test_a_missing_file_or_argument_is_an_error_of_the_configuration(
    source: SourceRunner, tmp_path: Path, arguments: list[str]
) -> None:
    (tmp_path / "config.json").write_text('{"auth_token": "sk-tuple-sandbox", "api_url": "http://127.0.0.1:9/"}')
    (tmp_path / "empty.json").write_text("{}")
    (tmp_path / "catalog.json").write_text(json.dumps(catalog()))
    done = subprocess.run(
        [sys.executable, *source.start, *arguments],
        capture_output=True,
        cwd=tmp_path,
        env=source.environment(),
        check=False,
    )
    run = AirbyteRun(Run(done.returncode, done.stdout, done.stderr.decode()))
    assert "sk-tuple-secret" not in assert_failed(run, "config_error")


@pytest.mark.parametrize("name", ["stream_maps", "flattening_enabled", "batch_config", "page_sise"])
def test_a_setting_that_does_not_exist_here_is_refused(source: SourceRunner, settings: Settings, name: str) -> None:
    with Sandbox(calls()) as api:
        run = source.run({**settings(api), name: {}})
        assert not api.requests
    assert f"There is no setting {name}" in assert_failed(run, "config_error")


# waits


def test_a_wait_for_the_rate_limit_is_the_status_of_both_streams(
    hurried_source: SourceRunner, settings: Settings
) -> None:
    with Sandbox(calls(), faults=[Fault(on=2, status=429, times=2)]) as api:
        run = hurried_source.run(settings(api, page_size=10))
    assert run.exit_code == 0
    assert run.ids() == list(range(1, 31))
    for stream in BOTH:
        assert run.reported(stream) == [
            ("STARTED", False),
            ("RUNNING", False),
            ("RUNNING", True),
            ("RUNNING", True),
            ("RUNNING", False),
            ("COMPLETE", False),
        ]


def test_a_wait_for_the_pace_is_told_with_its_end(source: SourceRunner, settings: Settings, tmp_path: Path) -> None:
    def limited(output: bytearray) -> Iterator[dict[str, Any]]:
        for line in bytes(output).splitlines():
            if b'"RATE_LIMITED"' in line and line.endswith(b"}"):
                yield json.loads(line)["trace"]

    config = settings(api := Sandbox(calls()), page_size=10, requests_per_minute=1)
    with api, running(source, config, tmp_path, catalog=catalog()) as process:
        process.read()
        until(lambda: len(list(limited(process.output))) == 2)
        process.signal(signal.SIGTERM)
        run = AirbyteRun(process.ended())
    for trace in limited(process.output):
        (reason,) = trace["stream_status"]["reasons"]
        assert 55_000 < reason["rate_limited"]["quota_reset"] - trace["emitted_at"] < 62_000
    assert run.ids() == list(range(1, 11))
    assert run.exit_code == -signal.SIGTERM


# logs


def test_logs_are_messages_that_hold_no_secret(source: SourceRunner, settings: Settings) -> None:
    with Sandbox(generate_calls(30)) as api:
        run = AirbyteRun(source(settings(api, page_size=10), verb="read", catalog=catalog(), args=["--debug"]))
    assert not run.stderr
    assert any("30 of 30 calls" in line for line in run.logged)
    assert {"DEBUG", "INFO"} <= {line["level"] for line in run.of("LOG")}
    told = json.dumps([message for message in run.messages if message["type"] in {"LOG", "TRACE"}])
    assert TOKEN not in told
    assert "@" not in told
    assert "METRIC" not in told


def test_the_logs_level_is_that_of_the_tap(source: SourceRunner, settings: Settings) -> None:
    with Sandbox(calls()) as api:
        run = source.run(settings(api), env={"TAP_TUPLE_LOGLEVEL": "warning"})
    assert {line["level"] for line in run.of("LOG")} == {"WARN"}


# signals and pipes


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_a_signal_ends_says_so_in_whole_lines_and_is_made_good_by_the_next(
    source: SourceRunner, settings: Settings, tmp_path: Path, number: signal.Signals
) -> None:
    with Sandbox(calls(), faults=[Fault(on=2, connection="stall")]) as api:
        with running(source, settings(api, page_size=10), tmp_path, catalog=catalog()) as process:
            process.read()
            until(lambda: len(api.requests) == 2 and b"10 of 30" in process.output)
            process.signal(number)
            first = AirbyteRun(process.ended())
        assert first.exit_code == -number
        assert first.ids() == list(range(1, 11))
        assert first.statuses("calls") == ["STARTED", "RUNNING", "INCOMPLETE"]
        assert first.errors[0]["failure_type"] == "transient_error"
        second = source.run(settings(api, lookback_window=0), state=json.dumps(first.of("STATE")))
    assert second.ids() == list(range(10, 31))


def test_a_run_that_is_killed_while_it_writes_is_made_good_by_the_next(
    source: SourceRunner, settings: Settings, tmp_path: Path
) -> None:
    there = calls(last=600)
    with Sandbox(there) as api:
        with running(source, settings(api, page_size=200), tmp_path, pipe_bytes=4096, catalog=catalog()) as process:
            until(lambda: len(api.requests) == 2)
            process.signal(signal.SIGTERM)
            process.read(most_bytes=1000, pause_seconds=0.001)
            first = AirbyteRun(process.ended())
        assert first.exit_code == -signal.SIGTERM
        assert first.statuses("calls")[-1] == "INCOMPLETE"
        second = source.run(settings(api), state=json.dumps(first.of("STATE")))
    assert set(first.ids()) | set(second.ids()) == set(range(1, 601))


def test_a_reader_that_goes_away_ends_the_run_with_a_word_on_stderr(
    source: SourceRunner, settings: Settings, tmp_path: Path
) -> None:
    with (
        Sandbox(calls(), latency_seconds=0.2) as api,
        running(source, settings(api, page_size=10), tmp_path, catalog=catalog()) as process,
    ):
        until(lambda: api.requests)
        assert process.process.stdout
        process.process.stdout.close()
        assert process.process.wait(20) == 1
        assert process.log.startswith("The target has closed the pipe.")
        assert "Traceback" not in process.log


# the writer


def started(writer: AirbyteWriter, *streams: str) -> AirbyteWriter:
    for stream in streams:
        writer.write_message(SchemaMessage(stream=stream, schema={}, key_properties=["id"]))
    return writer


def written(capfdbinary: pytest.CaptureFixture[bytes]) -> list[dict[str, Any]]:
    run = AirbyteRun(Run(0, capfdbinary.readouterr().out, ""))
    return run.messages


def test_both_ways_of_writing_a_record_make_the_same_message(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    writer = started(AirbyteWriter(), "calls")
    writer.write_records("calls", [Call(id=1, ended_at=minute(1))], minute(2))
    writer.write_message(
        RecordMessage(stream="calls", record=msgspec.to_builtins(Call(id=1, ended_at=minute(1))), time_extracted=None)
    )
    writer.write_message(StateMessage(value={"bookmarks": {"calls": {"a": 1}}}))
    _, _, first, second, state = written(capfdbinary)
    assert first["record"].pop("emitted_at") <= second["record"].pop("emitted_at")
    assert first == second
    assert state["state"]["stream"]["stream_state"] == {"a": 1}
    assert state["state"]["sourceStats"] == {"recordCount": 2}


def test_records_are_kept_back_until_their_state(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    writer = started(AirbyteWriter(), "calls")
    writer.write_records("calls", [Call(id=1, ended_at=minute(1))], minute(2))
    writer.log(messages.log("INFO", "meanwhile"))
    assert [message["type"] for message in written(capfdbinary)] == ["TRACE"]
    writer.fail("It failed.", "system_error")
    assert [message["type"] for message in written(capfdbinary)] == ["TRACE", "TRACE"]


def test_a_state_that_says_nothing_new_is_not_written(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    writer = started(AirbyteWriter(), "calls")
    state = StateMessage(value={"bookmarks": {"calls": {"a": 1}}})
    writer.write_message(state)
    writer.write_records("calls", [], minute(2))
    writer.write_message(state)
    writer.write_message(state)
    writer.complete()
    assert [message["type"] for message in written(capfdbinary)] == ["TRACE", "TRACE", "STATE", "TRACE"]


def test_a_line_that_another_thread_logs_goes_out_with_the_next_message(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    writer = AirbyteWriter()
    handler = LogHandler(writer)
    record = logging.LogRecord("urllib3", logging.WARNING, "", 1, "from %s", ("afar",), None)
    thread = threading.Thread(target=handler.handle, args=(record,))
    thread.start()
    thread.join()
    assert not written(capfdbinary)
    writer.say(messages.log("INFO", "here"))
    assert [message["log"] for message in written(capfdbinary)] == [
        {"level": "INFO", "message": "here"},
        {"level": "WARN", "message": "from afar"},
    ]


def test_a_message_that_airbyte_has_no_word_for_is_an_error() -> None:
    with pytest.raises(TypeError, match="ACTIVATE_VERSION"):
        AirbyteWriter().write_message(ActivateVersionMessage(stream="calls", version=1))
