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

    from conftest import TapRunner

CALLS = generate_calls(25, now=datetime(2024, 4, 1, tzinfo=timezone.utc))
MODULE = [sys.executable, "-m", "tap_tuple"]
SCRIPT = [str(Path(sys.executable).with_name("tap-tuple"))]
SETTINGS = list(tap_settings.DEFINITIONS.to_dict()["properties"])


def done(command: list[str], *args: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*command, *args], capture_output=True, text=True, cwd=folder, timeout=30, check=False)


@pytest.mark.parametrize("command", [MODULE, SCRIPT], ids=["module", "script"])
def test_both_commands_say_their_name_and_version(command: list[str], tmp_path: Path) -> None:
    run = done(command, "--version", folder=tmp_path)
    assert run.returncode == 0
    assert run.stdout.startswith(f"tap-tuple v{metadata.version('tap-tuple')}, ")
    assert "ERROR" not in run.stderr


@pytest.mark.parametrize("command", [MODULE, SCRIPT], ids=["module", "script"])
def test_both_commands_read_calls(
    command: list[str], tap: TapRunner, settings: Callable[..., Any], tmp_path: Path
) -> None:
    with Sandbox(CALLS) as api:
        run = done([*command, *tap.command(settings(api))[3:]], folder=tmp_path)
        assert len(api.requests) == 1
    assert run.returncode == 0
    assert run.stdout.count('"type":"RECORD","stream":"calls"') == 25


def test_help_names_every_option(tmp_path: Path) -> None:
    run = done(MODULE, "--help", folder=tmp_path)
    assert run.returncode == 0
    assert run.stdout.startswith("Usage: tap-tuple [OPTIONS]")
    for option in ("--version", "--about", "--discover", "--test", "--config", "--catalog", "--state"):
        assert option in run.stdout
    assert "ERROR" not in run.stderr


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_about_tells_what_the_tap_is_for_and_every_setting(form: str, tmp_path: Path) -> None:
    args = [] if form == "text" else [f"--format={form}"]
    run = done(MODULE, "--about", *args, folder=tmp_path)
    assert run.returncode == 0
    assert "Singer tap for Tuple's usage API" in run.stdout
    assert "None" not in run.stdout.partition("ettings")[0], "a description is there"
    for name in SETTINGS:
        assert name in run.stdout
    if form == "json":
        properties = json.loads(run.stdout)["settings"]["properties"]
        for name in SETTINGS:
            assert properties[name]["title"]
            assert len(properties[name]["description"]) > 30
        assert properties["auth_token"]["secret"] is True
        assert json.loads(run.stdout)["settings"]["required"] == ["auth_token"]
        assert [name for name, schema in properties.items() if schema.get("secret")] == ["auth_token"]


def test_discover_works_without_settings_and_prints_the_catalog_alone(tmp_path: Path) -> None:
    run = done(MODULE, "--discover", folder=tmp_path)
    assert run.returncode == 0
    assert "ERROR" not in run.stderr
    streams = {stream["tap_stream_id"]: stream for stream in json.loads(run.stdout)["streams"]}
    calls = streams["calls"]
    assert calls["key_properties"] == ["id"]
    assert calls["replication_key"] == "ended_at"
    assert calls["replication_method"] == "INCREMENTAL"
    schema = json.loads((Path(__file__).parent.parent / "schemas" / "calls.json").read_text("utf-8"))
    assert calls["schema"]["properties"] == schema["properties"]


def test_discover_asks_nothing_of_the_api_and_shows_no_secret(
    tap: TapRunner, settings: Callable[..., Any], tmp_path: Path
) -> None:
    with Sandbox() as api:
        config = settings(api, page_size="very-secret", auth_token="very-secret")
        run = done([*tap.command(config, args=["--discover"])], folder=tmp_path)
        assert api.requests == []
    assert "very-secret" not in run.stdout + run.stderr
    assert "Traceback" not in run.stderr


def test_the_connection_test_is_a_single_request_that_says_how_many_calls_are_visible(
    tap: TapRunner, settings: Callable[..., Any]
) -> None:
    with Sandbox(CALLS) as api:
        run = tap(settings(api), args=["--test"])
        assert [request.query["per_page"] for request in api.requests] == ["1"]
        assert run.records() == api.calls[:1]
    assert run.exit_code == 0
    assert run.errors == []
    assert "25 calls are visible" in run.log


def test_the_connection_test_of_a_team_without_calls_passes(tap: TapRunner, settings: Callable[..., Any]) -> None:
    with Sandbox() as api:
        run = tap(settings(api), args=["--test"])
        assert len(api.requests) == 1
    assert run.exit_code == 0
    assert run.errors == []
    assert "0 calls are visible" in run.log


def test_the_connection_test_with_a_wrong_token_fails_in_one_line(tap: TapRunner, settings: Callable[..., Any]) -> None:
    with Sandbox(CALLS) as api:
        run = tap(settings(api, auth_token="sk-tuple-wrong"), args=["--test"])
        assert [request.status for request in api.requests] == [401]
    assert run.exit_code == 1
    assert len(run.errors) == 1
    assert "auth_token" in run.errors[0]
    assert "sk-tuple-wrong" not in run.log
    assert "Traceback" not in run.log


def test_the_connection_test_without_an_announced_total_says_so(tap: TapRunner, settings: Callable[..., Any]) -> None:
    with Sandbox(CALLS, faults=[Fault(headers={"X-Total-Count": None})]) as api:
        run = tap(settings(api), args=["--test"])
        assert len(api.requests) == 1
    assert run.exit_code == 0
    assert "unknown number of calls are visible" in run.log


def test_the_schema_test_prints_the_schemas_and_asks_nothing(tap: TapRunner, settings: Callable[..., Any]) -> None:
    with Sandbox(CALLS) as api:
        run = tap(settings(api), args=["--test=schema"])
        assert api.requests == []
    assert run.exit_code == 0
    assert [(m["type"], m["stream"]) for m in run.messages] == [
        ("SCHEMA", "call_participations"),
        ("SCHEMA", "calls"),
    ]


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["--no-such-option"], "--no-such-option"),
        (["calls"], "calls"),
        (["--config"], "--config"),
        (["--state", "/no/such/file"], "/no/such/file"),
        (["--about", "--format=xml"], "xml"),
    ],
)
def test_arguments_that_do_not_exist_end_with_2_and_one_line(args: list[str], named: str, tmp_path: Path) -> None:
    run = done(MODULE, *args, folder=tmp_path)
    assert run.returncode == 2
    assert run.stdout == ""
    assert len(run.stderr.strip().splitlines()) == 1, run.stderr
    assert "| ERROR " in run.stderr
    assert named in run.stderr


def test_without_any_settings_the_missing_token_is_named(tap: TapRunner) -> None:
    run = tap(None)
    assert run.exit_code == 1
    assert len(run.errors) == 1
    assert "auth_token is missing" in run.errors[0]
    assert run.output == b""
