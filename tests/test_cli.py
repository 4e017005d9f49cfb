"""The commands `tap-tuple` and `python -m tap_tuple`, and their options."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tap_tuple import settings as tap_settings
from tap_tuple.sandbox import Fault, Sandbox, generate_calls

if TYPE_CHECKING:
    from collections.abc import Callable

    from runners import TapRunner

    Settings = Callable[..., dict[str, Any]]

CALLS = generate_calls(25, now=datetime(2024, 4, 1, tzinfo=timezone.utc))
MODULE = [sys.executable, "-m", "tap_tuple"]
SCRIPT = [str(Path(sys.executable).with_name("tap-tuple"))]
SETTINGS = list(tap_settings.DEFINITIONS.to_dict()["properties"])
SECRET = "sk-tuple-very-secret"


class TestCommands:
    """The two ways to start the tap."""

    @pytest.mark.parametrize("command", [MODULE, SCRIPT], ids=["module", "script"])
    def test_both_commands_print_their_name_and_version(self, command: list[str], tmp_path: Path) -> None:
        run = run_command(*command, "--version", folder=tmp_path)
        assert run.returncode == 0
        assert run.stdout.decode().startswith(f"tap-tuple v{metadata.version('tap-tuple')}, ")
        assert b"ERROR" not in run.stderr

    @pytest.mark.parametrize("command", [MODULE, SCRIPT], ids=["module", "script"])
    def test_both_commands_read_calls(self, command: list[str], tap_process: TapRunner, settings: Settings) -> None:
        with Sandbox(CALLS) as api:
            run = run_command(*command, *tap_process.arguments(settings(api)), folder=tap_process.folder)
        assert run.returncode == 0
        assert run.stdout.count(b'"type":"RECORD","stream":"calls"') == 25


def run_command(*command: str, folder: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, capture_output=True, cwd=folder, env=env, timeout=30, check=False)


class TestInformationalOptions:
    """Options that print something and exit."""

    def test_help_names_every_option(self, tmp_path: Path) -> None:
        run = run_command(*MODULE, "--help", folder=tmp_path)
        assert run.returncode == 0
        assert run.stdout.startswith(b"Usage: tap-tuple [OPTIONS]")
        for option in ("--version", "--about", "--discover", "--test", "--config", "--catalog", "--state"):
            assert option.encode() in run.stdout
        assert b"ERROR" not in run.stderr

    @pytest.mark.parametrize("form", ["text", "json", "markdown"])
    def test_about_prints_the_description_and_every_setting(self, form: str, tap_process: TapRunner) -> None:
        arguments = [] if form == "text" else [f"--format={form}"]
        # With an ASCII stdout, as in some containers.
        env = tap_process.environment({"PYTHONIOENCODING": "ascii", "LC_ALL": "C"})
        run = run_command(*MODULE, "--about", *arguments, folder=tap_process.folder, env=env)
        output = run.stdout.decode()
        assert run.returncode == 0, run.stderr
        assert "Singer tap for Tuple: pair-programming calls of a team and their participants" in output
        for name in SETTINGS:
            assert name in output
        if form == "markdown":
            assert "sk-tuple-…" in output
        if form == "json":
            about = json.loads(output)["settings"]
            for name in SETTINGS:
                assert about["properties"][name]["title"]
                assert len(about["properties"][name]["description"]) > 30
            assert about["required"] == ["auth_token"]
            assert [name for name, schema in about["properties"].items() if schema.get("secret")] == ["auth_token"]

    def test_discover_works_without_settings_and_prints_only_the_catalog(self, tmp_path: Path) -> None:
        run = run_command(*MODULE, "--discover", folder=tmp_path)
        assert run.returncode == 0
        assert b"ERROR" not in run.stderr
        streams = {stream["tap_stream_id"]: stream for stream in json.loads(run.stdout)["streams"]}
        assert list(streams) == ["call_counts", "call_participations", "calls"]
        calls = streams["calls"]
        assert calls["key_properties"] == ["id"]
        assert calls["replication_key"] == "ended_at"
        assert calls["replication_method"] == "INCREMENTAL"
        schema = json.loads((Path(__file__).parent.parent / "schemas" / "calls.json").read_text("utf-8"))
        assert calls["schema"]["properties"] == schema["properties"]

    def test_discover_sends_no_request_and_prints_no_secret(self, tap_process: TapRunner, settings: Settings) -> None:
        with Sandbox() as api:
            config = settings(api, page_size=SECRET, auth_token=SECRET)
            run = run_command(*tap_process.command(config, args=["--discover"]), folder=tap_process.folder)
            assert api.requests == []
        assert run.returncode == 0
        assert SECRET.encode() not in run.stdout + run.stderr
        assert b"Traceback" not in run.stderr


class TestConnectionTest:
    """The option `--test`."""

    def test_a_connection_test_sends_one_request_and_reports_how_many_calls_are_visible(
        self, tap: TapRunner, settings: Settings
    ) -> None:
        with Sandbox(CALLS) as api:
            run = tap(settings(api), args=["--test"])
            assert [request.query["per_page"] for request in api.requests] == ["1"]
            assert run.records() == api.calls[:1]
        assert run.exit_code == 0
        assert run.errors == []
        assert "Connection test passed: 25 calls are visible" in run.log

    def test_a_connection_test_does_not_estimate_the_remaining_time(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox(CALLS) as api:
            run = tap(settings(api), args=["--test"])
        assert "remaining" not in run.log
        assert "Run complete" not in run.log

    def test_a_team_without_calls_passes_the_connection_test(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox() as api:
            run = tap(settings(api), args=["--test"])
            assert len(api.requests) == 1
        assert run.exit_code == 0
        assert run.errors == []
        assert "0 calls are visible" in run.log

    def test_a_wrong_token_fails_the_connection_test_in_one_line(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox(CALLS) as api:
            run = tap(settings(api, auth_token=SECRET), args=["--test"])
            assert [request.status for request in api.requests] == [401]
        assert run.exit_code == 1
        assert len(run.errors) == 1
        assert "auth_token" in run.errors[0]
        assert SECRET not in run.log
        assert "Traceback" not in run.log

    def test_a_connection_test_passes_without_a_total(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox(CALLS, faults=[Fault(headers={"X-Total-Count": None})]) as api:
            run = tap(settings(api), args=["--test"])
            assert len(api.requests) == 1
        assert run.exit_code == 0
        assert "total unknown" in run.log

    def test_the_schema_test_prints_the_schemas_without_a_request(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox(CALLS) as api:
            run = tap(settings(api), args=["--test=schema"])
            assert api.requests == []
        assert run.exit_code == 0
        assert {(m["type"], m["stream"]) for m in run.messages} == {
            ("SCHEMA", "call_counts"),
            ("SCHEMA", "call_participations"),
            ("SCHEMA", "calls"),
        }


class TestInvalidCommandLines:
    """Unknown options, unexpected arguments and invalid values."""

    @pytest.mark.parametrize(
        ("args", "message"),
        [
            (["--no-such-option"], "No such option: --no-such-option. See --help."),
            ([f"--{SECRET}"], "No such option. See --help."),
            ([f"--auth-token={SECRET}"], "No such option: --auth-token. See --help."),
            ([f"-{SECRET}"], "No such option. See --help."),
            (["calls"], "Unexpected argument. See --help."),
            ([SECRET], "Unexpected argument. See --help."),
            (["--config"], "Option --config requires a value. See --help."),
            (["--state", "/no/such/file"], "Invalid value for --state: No such file or directory. See --help."),
            (["--catalog", "/"], "Invalid value for --catalog: Is a directory. See --help."),
            (["--about", "--format", SECRET], "Invalid value for --format: not one of its choices. See --help."),
            (["--test", SECRET], "Invalid value for --test: not one of its choices. See --help."),
            ([f"--test={SECRET}"], "Invalid value for --test: not one of its choices. See --help."),
        ],
    )
    def test_an_invalid_argument_is_an_error_in_one_line_without_its_value(
        self, tap: TapRunner, args: list[str], message: str
    ) -> None:
        run = tap(None, args=args)
        assert run.exit_code == 2
        assert run.output == b""
        assert run.errors == [message]
        assert len(run.log.strip().splitlines()) == 1, run.log

    def test_without_settings_the_error_names_the_missing_token(self, tap: TapRunner) -> None:
        run = tap(None)
        assert run.exit_code == 1
        assert len(run.errors) == 1
        assert "Missing required setting `auth_token`" in run.errors[0]
        assert run.output == b""


class TestLogLevel:
    """The environment variables that configure the log."""

    @pytest.mark.parametrize(
        ("env", "level"),
        [
            ({"LOGLEVEL": ""}, "INFO"),
            ({"TAP_TUPLE_LOGLEVEL": ""}, "INFO"),
            ({"LOGLEVEL": "debug"}, "DEBUG"),
            ({"TAP_TUPLE_LOGLEVEL": "Debug"}, "DEBUG"),
            ({"TAP_TUPLE_LOGLEVEL": "", "LOGLEVEL": "DEBUG"}, "DEBUG"),
            ({"TAP_TUPLE_LOGLEVEL": "INFO", "LOGLEVEL": "DEBUG"}, "INFO"),
            # LOGLEVEL may be meant for another program.
            ({"TAP_TUPLE_LOGLEVEL": "INFO", "LOGLEVEL": "verbose"}, "INFO"),
            ({"SINGER_SDK_LOG_CONFIG": ""}, "INFO"),
        ],
    )
    def test_the_taps_own_variable_takes_precedence_and_empty_variables_are_ignored(
        self, tap: TapRunner, settings: Settings, env: dict[str, str], level: str
    ) -> None:
        with Sandbox() as api:
            run = tap(settings(api), env=env)
        assert run.exit_code == 0, run.log
        assert ("| DEBUG " in run.log) == (level == "DEBUG")

    @pytest.mark.parametrize("variable", ["LOGLEVEL", "TAP_TUPLE_LOGLEVEL"])
    @pytest.mark.parametrize("level", ["verbose", "5", SECRET, "WARN ING", "\udcff"])
    def test_an_invalid_log_level_is_rejected(
        self, tap: TapRunner, settings: Settings, variable: str, level: str
    ) -> None:
        with Sandbox() as api:
            run = tap(settings(api), env={variable: level})
            assert api.requests == []
        assert run.exit_code == 1
        expected = f"Environment variable {variable} must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL."
        assert run.errors == [expected]

    @pytest.mark.parametrize(
        "content", [None, "- [", "version: 5", "\0", "version: 1\nhandlers: {a: {class: no.Such}}"]
    )
    def test_an_invalid_logging_configuration_is_rejected(
        self, tap: TapRunner, settings: Settings, content: str | None
    ) -> None:
        path = tap.folder / SECRET
        if content is not None:
            path.write_text(content, encoding="utf-8")
        with Sandbox() as api:
            run = tap(settings(api), env={"SINGER_SDK_LOG_CONFIG": str(path)})
            assert api.requests == []
        assert run.exit_code == 1
        assert "Environment variable SINGER_SDK_LOG_CONFIG must name a valid logging configuration." in run.log
        assert SECRET not in run.log
        assert "Traceback" not in run.log

    def test_a_configuration_that_disables_other_loggers_does_not_hide_errors(
        self, tap_process: TapRunner, settings: Settings
    ) -> None:
        path = tap_process.folder / "log.yaml"
        path.write_text(
            "version: 1\nhandlers: {h: {class: logging.StreamHandler}}\nroot: {level: INFO, handlers: [h]}\n", "utf-8"
        )
        with Sandbox(CALLS) as api:
            run = tap_process(settings(api, auth_token=SECRET), env={"SINGER_SDK_LOG_CONFIG": str(path)})
        assert run.exit_code == 1
        assert "Authentication failed (401)" in run.log
        assert SECRET not in run.log
