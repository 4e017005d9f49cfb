"""What cannot be used is refused in one line that says what is wanted, and before anything is sent."""

from __future__ import annotations

import json
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pytest
from conftest import TOKEN, a_call

from tap_tuple.exceptions import InputError
from tap_tuple.sandbox import Sandbox
from tap_tuple.tap import TapTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Run, TapRunner

SECRET = "very-secret"
STATE = {"bookmarks": {"calls": {"replication_key_value": "2024-03-15T14:30:00.000Z"}}}


def proxied(api: Sandbox) -> dict[str, str]:
    """Variables by which a request to any other host would come to the sandbox."""
    origin = api.url.removesuffix("/api/v2")
    return {"HTTP_PROXY": origin, "HTTPS_PROXY": origin, "NO_PROXY": "127.0.0.1"}


def assert_refused(run: Run, api: Sandbox, *named: str, exit_code: int = 1) -> None:
    assert run.exit_code == exit_code, run.log
    assert api.requests == []
    assert len(run.errors) == 1, run.log
    for name in named:
        assert name in run.errors[0]
    assert "This should not happen" not in run.log
    assert "Traceback" not in run.log
    assert SECRET not in run.log
    assert run.records() == []
    assert run.states == []


@pytest.mark.parametrize(
    ("refused", "named"),
    [
        ({"auth_token": f"{SECRET} sk-tuple"}, ["auth_token"]),
        ({"auth_token": None}, ["auth_token", "missing"]),
        ({"auth_token": [SECRET]}, ["auth_token"]),
        ({"start_date": "yesterday"}, ["start_date", "ISO 8601", "2026-01-31"]),
        ({"start_date": "2024-03-02", "end_date": "2024-03-02T00:00:00Z"}, ["end_date", "after start_date"]),
        ({"lookback_window": -1}, ["lookback_window", "0 or more"]),
        ({"page_size": 1001}, ["page_size", "1 to 1000"]),
        ({"api_url": f"https://someone:{SECRET}@app.tuple.app/api/v2"}, ["api_url"]),
        ({"api_url": "http://app.tuple.app/api/v2"}, ["api_url", "https"]),
        ({"request_timeout": 0}, ["request_timeout", "above 0"]),
        ({"requests_per_minute": 0}, ["requests_per_minute", "1 or more"]),
        ({"user_agent": "two\nlines"}, ["user_agent"]),
        ({"start_dat": "2024-03-01"}, ["start_dat", "start_date may be meant"]),
        ({"acces_token": SECRET}, ["acces_token", "auth_token"]),
        ({"flattening_enabled": True}, ["flattening_max_depth"]),
        ({"batch_config": {"encoding": {"format": "jsonl"}}}, ["batch_config"]),
        ({"page_size": 0, "lookback_window": "many", "zzz": SECRET}, ["page_size", "lookback_window", "zzz"]),
    ],
)
def test_a_refused_setting_is_one_line_that_names_it_and_nothing_is_sent(
    tap: TapRunner, settings: Callable[..., Any], refused: dict[str, Any], named: list[str]
) -> None:
    with Sandbox() as api:
        run = tap(settings(api, **refused), env=proxied(api))
        assert_refused(run, api, *named)


REFUSED = {
    "auth_token": [
        "",
        " ",
        "sk tuple",
        "sk-tuple-\n",
        "\tsk-tuple",
        "sk-tuple-\x00",
        "sk-tuple-é",
        "sk-tuple-\u200b",
        5,
    ],
    "start_date": [
        *[
            "",
            "yesterday",
            "2024",
            "2024-13-01",
            "2024-02-30",
            "2024-01-01T25:00:00Z",
            "12:00",
            "2024-01-01T00:00:00 UTC",
        ],
        *["01/02/2024", "0001-01-01T00:00:00+14:00", 20240101, ["2024-01-01"]],
    ],
    "end_date": ["", "tomorrow", "2024-03-01T", 1.5],
    "lookback_window": [-1, 1.5, "3600", True],
    "page_size": [0, -5, 1001, 2.5, "abc", "10", True],
    "api_url": [
        *[
            "",
            "tuple",
            "app.tuple.app/api/v2",
            "ftp://app.tuple.app",
            "file:///etc/passwd",
            "https://",
            "https:///api/v2",
        ],
        *["https://[::1", "https://app.tuple.app:99999", "https://app.tuple.app:port", "https://app tuple.app/api/v2"],
        *["https://app.tuple.app/api/v2?a=b", "https://app.tuple.app/api/v2#a", f"https://{SECRET}@app.tuple.app"],
        *["http://app.tuple.app", "http://localhost.example.com", "http://127.0.0.1.example.com", "http://10.0.0.1", 5],
        "https://app.tuple.app/api/v2\nX-Injected: yes",
    ],
    "request_timeout": [0, -1, "60", True, float("nan"), float("inf")],
    "requests_per_minute": [0, -1, 1.5, "60"],
    "user_agent": ["", " ", "two\nlines", "tab\t", "é", 5],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in REFUSED.items() for value in values])
def test_each_value_that_a_setting_cannot_have_is_refused_by_its_name(name: str, value: object) -> None:
    with pytest.raises(InputError) as refused:
        TapTuple(config={"auth_token": "sk-tuple-a", name: value})
    assert f"The setting {name} wants " in str(refused.value)
    assert "\n" not in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("start_date", "2024-01-31"),
        ("start_date", "2024-01-31T09:00:00+02:00"),
        ("end_date", "2999-01-01"),
        ("lookback_window", 0),
        ("page_size", 1),
        ("page_size", 1000),
        ("api_url", "https://production.tuple.app/api/v2/"),
        ("api_url", "http://localhost:8765/api/v2"),
        ("api_url", "http://[::1]:8765/api/v2"),
        ("api_url", "http://127.1.2.3/api/v2"),
        ("request_timeout", 0.5),
        ("requests_per_minute", 1),
        ("user_agent", "pairing report/1.0 (team@example.com)"),
    ],
)
def test_what_a_setting_may_be_is_taken(name: str, value: object) -> None:
    assert TapTuple(config={"auth_token": "sk-tuple-a", name: value}).config[name] == value


def test_what_nobody_has_set_is_the_documented_default(tap: TapRunner, settings: Callable[..., Any]) -> None:
    defaults = {"lookback_window": 3600, "page_size": 1000, "request_timeout": 60, "requests_per_minute": 60}
    config = TapTuple(config={"auth_token": "sk-tuple-a"}).config
    assert {name: config[name] for name in defaults} == defaults
    assert config["api_url"] == "https://app.tuple.app/api/v2"
    with Sandbox() as api:
        unset = dict.fromkeys(["start_date", "end_date", "lookback_window", "page_size", "user_agent"])
        run = tap(settings(api, **unset))
        assert api.requests[0].headers["user-agent"] == f"tap-tuple/{metadata.version('tap-tuple')}"
        assert api.requests[0].query["per_page"] == "1000"
    assert run.exit_code == 0


@pytest.mark.parametrize("setting", [{"request_timeout": 1e12}, {"requests_per_minute": 10**20}])
def test_a_number_has_no_upper_bound_that_is_not_documented(
    tap: TapRunner, settings: Callable[..., Any], setting: dict[str, Any]
) -> None:
    with Sandbox([a_call(1, "2024-03-01T10:00:00.000Z")]) as api:
        run = tap(settings(api, **setting))
    assert run.exit_code == 0, run.log
    assert run.ids() == [1]


def test_the_request_carries_what_the_settings_say(tap: TapRunner, settings: Callable[..., Any]) -> None:
    with Sandbox(token="sk-tuple-other") as api:
        run = tap(settings(api, auth_token="sk-tuple-other", user_agent="pairing report/1.0", page_size=17))
        headers = api.requests[0].headers
        assert headers["authorization"] == "Bearer sk-tuple-other"
        assert headers["user-agent"] == "pairing report/1.0"
        assert headers["accept"] == "application/json"
        assert api.requests[0].query["per_page"] == "17"
    assert run.exit_code == 0
    assert "sk-tuple-other" not in run.log


@pytest.mark.parametrize(("pace", "warnings"), [(60, 0), (61, 1)])
def test_a_pace_above_the_documented_limit_is_warned_of_once(
    tap: TapRunner, settings: Callable[..., Any], pace: int, warnings: int
) -> None:
    with Sandbox() as api:
        run = tap(settings(api, requests_per_minute=pace))
    assert run.exit_code == 0
    assert len(run.warnings) == warnings
    assert len([line for line in run.log.splitlines() if "requests_per_minute" in line]) == warnings


def test_settings_are_read_from_variables_with_their_types(tap: TapRunner) -> None:
    with Sandbox([a_call(1, "2024-03-01T10:00:00.000Z")]) as api:
        variables = {
            "TAP_TUPLE_AUTH_TOKEN": TOKEN,
            "TAP_TUPLE_API_URL": api.url,
            "TAP_TUPLE_START_DATE": "2024-01-31",
            "TAP_TUPLE_END_DATE": "2024-04-01",
            "TAP_TUPLE_PAGE_SIZE": "7",
            "TAP_TUPLE_LOOKBACK_WINDOW": "60",
            "TAP_TUPLE_REQUEST_TIMEOUT": "2.5",
            "TAP_TUPLE_REQUESTS_PER_MINUTE": "30",
            "TAP_TUPLE_USER_AGENT": "2024",
            "TAP_TUPLE_FLATTENING_ENABLED": "true",
            "TAP_TUPLE_FLATTENING_MAX_DEPTH": "1",
            "TAP_TUPLE_STREAM_MAPS": json.dumps({"calls": {"length": "duration_seconds"}}),
        }
        state = {"bookmarks": {"calls": {"replication_key_value": "2024-03-01T10:01:00Z"}}}
        run = tap(None, args=["--config", "ENV"], env=variables, state=state)
        query = api.requests[0].query
    assert run.exit_code == 0, run.log
    assert query["per_page"] == "7"
    assert query["since"] == "2024-01-31T00:00:00.000Z"
    assert query["until"] == "2024-04-01T00:00:00.000Z"
    assert api.requests[0].headers["user-agent"] == "2024"
    assert run.records()[0]["length"] == 0
    assert run.bookmark() == "2024-03-01T10:01:00.000Z"


def test_variables_are_read_under_config_env_alone_and_go_before_a_file(
    tap: TapRunner, settings: Callable[..., Any]
) -> None:
    variables = {"TAP_TUPLE_PAGE_SIZE": "7"}
    with Sandbox() as api:
        tap(settings(api, page_size=5), env=variables)
        tap(settings(api, page_size=5), args=["--config", "ENV"], env=variables)
        assert [request.query["per_page"] for request in api.requests] == ["5", "7"]


def test_a_dotenv_file_in_the_working_folder_is_read_as_variables_are(
    tap: TapRunner, settings: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("TAP_TUPLE_PAGE_SIZE=7\n", encoding="utf-8")
    with Sandbox() as api:
        tap(settings(api), args=["--config", "ENV"])
        assert [request.query["per_page"] for request in api.requests] == ["7"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TAP_TUPLE_PAGE_SIZE", "abc"),
        ("TAP_TUPLE_PAGE_SIZE", ""),
        ("TAP_TUPLE_PAGE_SIZE", "null"),
        ("TAP_TUPLE_PAGE_SIZE", "1e1"),
        ("TAP_TUPLE_REQUEST_TIMEOUT", "soon"),
        ("TAP_TUPLE_STREAM_MAPS", "{"),
        ("TAP_TUPLE_START_DATE", "yesterday"),
        ("TAP_TUPLE_AUTH_TOKEN", f"{SECRET} and more"),
    ],
)
def test_a_variable_that_its_setting_cannot_have_is_refused(
    tap: TapRunner, settings: Callable[..., Any], variable: str, value: str
) -> None:
    with Sandbox() as api:
        run = tap(settings(api), args=["--config", "ENV"], env={variable: value, **proxied(api)})
        assert_refused(run, api)
    setting = variable.removeprefix("TAP_TUPLE_")
    assert setting in run.errors[0] or setting.lower() in run.errors[0]


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("config", '{"auth_token": "very-secret"', "JSON"),
        ("config", '["very-secret"]', "JSON object"),
        ("state", "", "JSON"),
        ("state", "[]", "JSON object"),
        ("state", json.dumps({"type": "STATE", "value": STATE}), "bookmarks"),
        ("state", '{"bookmarks": []}', "bookmarks"),
        ("state", '{"bookmarks": {"calls": "2024-03-15"}}', "bookmarks"),
        ("state", '{"bookmarks": {"calls": {"replication_key_value": "yesterday"}}}', "2026-03-15T14:30:00.000Z"),
        ("state", '{"bookmarks": {"calls": {"replication_key_value": 5}}}', "2026-03-15T14:30:00.000Z"),
        ("catalog", "{", "JSON"),
        ("catalog", "null", "JSON object"),
        ("catalog", '{"streams": 5}', "--discover"),
        ("catalog", '{"streams": [{}]}', "--discover"),
    ],
)
def test_a_broken_file_is_one_line_that_names_it(
    tap: TapRunner, settings: Callable[..., Any], name: str, content: str, wanted: str
) -> None:
    with Sandbox() as api:
        files = {} if name == "config" else {name: content}
        config = content if name == "config" else settings(api)
        run = tap(config, **files)  # type: ignore[arg-type]
        assert_refused(run, api, name, wanted)


@pytest.mark.parametrize("name", ["config", "state", "catalog"])
@pytest.mark.parametrize("kind", ["missing", "folder", "bytes"])
def test_a_file_that_cannot_be_read_is_one_line_that_names_it(
    tap: TapRunner, settings: Callable[..., Any], tmp_path: Path, name: str, kind: str
) -> None:
    path = tmp_path / f"some-{kind}"
    if kind == "folder":
        path.mkdir()
    elif kind == "bytes":
        path.write_bytes(b"\xff\xfe\x00\x80")
    with Sandbox() as api:
        config = None if name == "config" else settings(api)
        run = tap(config, args=[f"--{name}", path])
        assert_refused(run, api, name, str(path), exit_code=run.exit_code or 1)
