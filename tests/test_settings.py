"""Invalid settings, files and environment variables stop the run in one line, before the first request."""

from __future__ import annotations

import importlib.util
import json
import os
import threading
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from factories import TOKEN, a_call

from tap_tuple.exceptions import InputError
from tap_tuple.sandbox import Sandbox
from tap_tuple.settings import EXTRAS
from tap_tuple.tap import TapTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from runners import Run, TapRunner

    Settings = Callable[..., dict[str, Any]]

SECRET = "sk-tuple-very-secret"
STATE = {"bookmarks": {"calls": {"replication_key_value": "2024-03-15T14:30:00.000Z"}}}
OWN_SETTINGS = [
    *("auth_token", "start_date", "end_date", "lookback_window", "reconcile", "page_size", "api_url"),
    *("request_timeout", "requests_per_minute", "user_agent"),
]
SDK_SETTINGS = [
    *("stream_maps", "stream_map_config", "faker_config", "batch_config", "flattening_enabled"),
    *("flattening_max_depth", "flattening_max_key_length", "flattening_separator"),
]


def proxied(api: Sandbox) -> dict[str, str]:
    """Return environment variables that send requests for any other host to the sandbox."""
    origin = api.url.removesuffix("/api/v2")
    return {"HTTP_PROXY": origin, "HTTPS_PROXY": origin, "NO_PROXY": "127.0.0.1"}


def assert_rejected(run: Run, api: Sandbox, *expected: str, exit_code: int = 1) -> str:
    """Assert that a run stopped with one line before the first request, and return the line."""
    assert run.exit_code == exit_code, run.log
    assert api.requests == []
    assert len(run.errors) == 1, run.log
    for text in expected:
        assert text in run.errors[0]
    assert "Traceback" not in run.log
    assert "bug" not in run.errors[0]
    assert SECRET not in run.log
    assert run.records() == []
    assert run.states == []
    return run.errors[0]


def without_time(line: str) -> str:
    return line.split("|", 3)[3].strip()


class TestValues:
    """The values of settings."""

    @pytest.mark.parametrize(
        ("config", "message"),
        [
            ({"auth_token": f"{SECRET} x"}, "`auth_token` must be a Tuple API token, e.g. sk-tuple-…; it is empty, or"),
            ({"auth_token": ""}, "`auth_token` must be a Tuple API token, e.g. sk-tuple-…; it is empty, or"),
            ({"auth_token": None}, "Missing required setting `auth_token`: API token of your team"),
            ({"auth_token": [SECRET]}, "`auth_token` must be a string."),
            ({"start_date": "yesterday"}, "`start_date` must be an ISO 8601 date or datetime, e.g. 2026-01-31 or"),
            (
                {"start_date": "2024-03-02", "end_date": "2024-03-02T00:00:00Z"},
                "`end_date` must be later than `start_date`.",
            ),
            ({"lookback_window": -1}, "`lookback_window` must be an integer, 0 or greater."),
            ({"reconcile": "often"}, "`reconcile` must be true or false."),
            ({"page_size": 1001}, "`page_size` must be an integer between 1 and 1000."),
            ({"api_url": f"https://x:{SECRET}@app.tuple.app"}, "`api_url` must be a URL, e.g. https://app.tuple.app"),
            ({"api_url": "http://app.tuple.app/api/v2"}, "must use https: http would send the token unencrypted."),
            ({"request_timeout": "2"}, "`request_timeout` must be an integer, 1 or greater."),
            ({"requests_per_minute": 0}, "`requests_per_minute` must be an integer, 1 or greater."),
            ({"user_agent": "two\nlines"}, "`user_agent` must be a single line of printable ASCII."),
            ({"start_dat": "2024-03-01"}, "Unknown setting `start_dat`. Did you mean `start_date`?"),
            ({"acces_token": SECRET}, "Unknown setting `acces_token`. Did you mean `auth_token`?"),
            ({"zzz": SECRET}, "Unknown setting `zzz`. Known settings: api_url, auth_token"),
            ({SECRET: 1}, "Unknown setting. Known settings: api_url, auth_token"),
            ({"flattening_enabled": True}, "flattening_max_depth"),
        ],
    )
    def test_the_error_for_an_invalid_setting_names_it_and_the_valid_values(
        self, tap: TapRunner, settings: Settings, config: dict[str, Any], message: str
    ) -> None:
        with Sandbox() as api:
            run = tap(settings(api, **config), env=proxied(api))
            assert_rejected(run, api, message)

    def test_all_invalid_settings_are_named_at_once(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox() as api:
            run = tap(settings(api, page_size=0, lookback_window="many", zzz=SECRET))
            assert_rejected(run, api, "`page_size`", "`lookback_window`", "`zzz`")

    INVALID: dict[str, list[object]] = {  # noqa: RUF012 - pytest reads it
        "auth_token": ["", " ", "sk tuple", "sk-tuple-\n", "\tsk-tuple", "sk-tuple-\x00", "sk-tuple-é", "sk-\u200b", 5],
        "start_date": [
            *("yesterday", "2024", "2024-13-01", "2024-02-30", "2024-01-01T25:00:00Z", "12:00", "01/02/2024"),
            *("2024-01-01T00:00:00 UTC", "0001-01-01T00:00:00+14:00", 20240101, ["2024-01-01"]),
        ],
        "end_date": ["tomorrow", "2024-03-01T", 1.5],
        "lookback_window": [-1, 1.5, "3600", True],
        "reconcile": [1, 0, "true", []],
        "page_size": [0, -5, 1001, 2.5, "abc", "10", True],
        "api_url": [
            *("tuple", "app.tuple.app/api/v2", "ftp://app.tuple.app", "file:///etc/passwd", "https://"),
            *("https:///api/v2", "https://[::1", "https://app.tuple.app:99999", "https://app.tuple.app:port"),
            *("https://app tuple.app/api/v2", "https://app.tuple.app/api/v2?a=b", "https://app.tuple.app/api/v2#a"),
            *("https://.example.com/api/v2", f"https://{SECRET}@app.tuple.app", "http://app.tuple.app"),
            *("http://localhost.example.com", "http://127.0.0.1.example.com", "http://10.0.0.1", 5),
            "https://app.tuple.app/api/v2\nX-Injected: yes",
        ],
        "request_timeout": [0, -1, -0.5, "60", True, float("nan"), float("inf")],
        "requests_per_minute": [0, -1, 1.5, "60"],
        "user_agent": [" ", "two\nlines", "tab\t", "é", 5],
    }

    @pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in INVALID.items() for value in values])
    def test_the_error_for_an_invalid_value_does_not_repeat_it(self, name: str, value: object) -> None:
        with pytest.raises(InputError, match=f"^`{name}` must ") as error:
            TapTuple(config={"auth_token": TOKEN, name: value})
        assert "\n" not in str(error.value)
        assert SECRET not in str(error.value)

    @pytest.mark.parametrize("name", [*OWN_SETTINGS, *SDK_SETTINGS])
    @pytest.mark.parametrize(
        "value", [None, "", True, 0, -1, 1.5, float("inf"), 10**30, "x", "\ud800", [], ["a"], {}, {"a": 1}]
    )
    def test_a_value_of_any_json_type_is_accepted_or_rejected(self, name: str, value: object) -> None:
        message = ""
        try:
            accepted = TapTuple(config={"auth_token": TOKEN, name: value}).config.get(name)
        except InputError as error:
            message = str(error)
        if message:
            assert name.partition("_")[0] in message
        else:
            assert value is None or value in ("", accepted) or name == "request_timeout"

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("start_date", "2024-01-31"),
            ("start_date", "2024-01-31T09:00:00+02:00"),
            ("end_date", "2999-01-01"),
            ("lookback_window", 0),
            ("reconcile", False),
            ("page_size", 1),
            ("page_size", 1000),
            ("api_url", "https://production.tuple.app/api/v2/"),
            ("api_url", "http://localhost:8765/api/v2"),
            ("api_url", "http://[::1]:8765/api/v2"),
            ("api_url", "http://127.1.2.3/api/v2"),
            ("request_timeout", 60.0),
            ("requests_per_minute", 1),
            ("user_agent", "pairing report/1.0 (team@example.com)"),
        ],
    )
    def test_a_valid_value_is_used(self, name: str, value: object) -> None:
        assert TapTuple(config={"auth_token": TOKEN, name: value}).config[name] == value

    def test_an_unset_setting_has_its_documented_default(self, tap: TapRunner, settings: Settings) -> None:
        defaults = {"lookback_window": 3600, "page_size": 1000, "request_timeout": 60, "requests_per_minute": 60}
        config = TapTuple(config={"auth_token": TOKEN}).config
        assert {name: config[name] for name in defaults} == defaults
        assert config["api_url"] == "https://app.tuple.app/api/v2"
        assert config["reconcile"] is True
        with Sandbox() as api:
            run = tap(settings(api))
            assert api.requests[0].headers["user-agent"] == f"tap-tuple/{metadata.version('tap-tuple')}"
            assert api.requests[0].query["per_page"] == "1000"
        assert run.exit_code == 0

    @pytest.mark.parametrize(("value", "seconds"), [(0.5, 1), (2.5, 3), (60.0, 60), (2, 2)])
    def test_fractions_of_a_second_that_version_0_1_0_allowed_are_rounded_up(
        self, tap: TapRunner, value: float, seconds: int
    ) -> None:
        assert TapTuple(config={"auth_token": TOKEN, "request_timeout": value}).config["request_timeout"] == seconds
        with Sandbox() as api:
            env = {"TAP_TUPLE_REQUEST_TIMEOUT": str(value), "TAP_TUPLE_API_URL": api.url, "TAP_TUPLE_AUTH_TOKEN": TOKEN}
            assert tap(None, args=["--config", "ENV"], env=env).exit_code == 0

    def test_an_integral_float_is_accepted_as_an_integer(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox() as api:
            assert tap(settings(api, page_size=10.0, lookback_window=60.0)).exit_code == 0
            assert api.requests[0].query["per_page"] == "10"

    @pytest.mark.parametrize("empty", [None, ""])
    def test_an_empty_optional_setting_counts_as_unset(
        self, tap: TapRunner, settings: Settings, empty: str | None
    ) -> None:
        names = [name for name in (*OWN_SETTINGS, *SDK_SETTINGS) if name not in {"auth_token", "api_url"}]
        with Sandbox([a_call(1, "2024-03-01T10:00:00.000Z")]) as api:
            run = tap(settings(api, **dict.fromkeys(names, empty)))
            assert api.requests[0].query["per_page"] == "1000"
        assert run.exit_code == 0, run.log
        assert run.ids() == [1]

    @pytest.mark.parametrize("setting", [{"request_timeout": 10**12}, {"requests_per_minute": 10**20}])
    def test_a_number_has_no_undocumented_maximum(
        self, tap: TapRunner, settings: Settings, setting: dict[str, Any]
    ) -> None:
        with Sandbox([a_call(1, "2024-03-01T10:00:00.000Z")]) as api:
            run = tap(settings(api, **setting))
        assert run.exit_code == 0, run.log
        assert run.ids() == [1]

    def test_requests_use_the_settings(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox(token="sk-tuple-other") as api:
            run = tap(settings(api, auth_token="sk-tuple-other", user_agent="pairing report/1.0", page_size=17))
            headers = api.requests[0].headers
            assert headers["authorization"] == "Bearer sk-tuple-other"
            assert headers["user-agent"] == "pairing report/1.0"
            assert headers["accept"] == "application/json"
            assert api.requests[0].query["per_page"] == "17"
        assert run.exit_code == 0

    @pytest.mark.parametrize(("limit", "warnings"), [(60, 0), (61, 1)])
    def test_a_rate_above_the_documented_limit_causes_one_warning(
        self, tap: TapRunner, settings: Settings, limit: int, warnings: int
    ) -> None:
        with Sandbox() as api:
            run = tap(settings(api, requests_per_minute=limit))
        assert run.exit_code == 0
        assert len(run.warnings) == warnings
        assert len([line for line in run.log.splitlines() if "requests_per_minute" in line]) == warnings


class TestExtras:
    """Settings that need an optional dependency."""

    @pytest.mark.parametrize(
        ("extra", "config"),
        [
            ("faker", {"stream_maps": {"calls": {"name": "fake.name()"}}}),
            ("faker", {"faker_config": {"seed": 1}}),
            ("parquet", {"encoding": {"format": "parquet"}, "storage": {"root": "file:///tmp"}}),
            ("s3", {"encoding": {"format": "jsonl"}, "storage": {"root": "s3://bucket"}}),
        ],
    )
    def test_the_error_for_a_missing_extra_has_the_command_that_installs_it(
        self,
        tap: TapRunner,
        settings: Settings,
        monkeypatch: pytest.MonkeyPatch,
        extra: str,
        config: dict[str, Any],
    ) -> None:
        package = EXTRAS[extra]
        find_spec = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find_spec(name))
        with Sandbox() as api:
            run = tap(settings(api, **({"batch_config": config} if "storage" in config else config)))
            assert_rejected(run, api, f'Install it with: pip install "tap-tuple[{extra}]"')

    def test_the_extras_are_those_of_the_sdk(self) -> None:
        requirements = [line for line in metadata.requires("tap-tuple") or [] if "extra ==" in line]
        assert sorted(line.partition(";")[0].strip() for line in requirements) == [
            "singer-sdk[faker]",
            "singer-sdk[parquet]",
            "singer-sdk[s3]",
        ]

    @pytest.mark.parametrize(
        ("config", "message"),
        [
            ({"encoding": {"format": "csv"}}, "`batch_config.encoding.format` must be one of jsonl, parquet."),
            ({"encoding": {"format": "jsonl", "compression": "none"}}, "compression` must be gzip for jsonl."),
            ({"encoding": {"format": "jsonl", "compression": "zip"}}, "compression` must be one of gzip, none."),
            ({"encoding": {"format": "jsonl", "level": 1}}, "`batch_config.encoding` may only have `format`, `compre"),
            ({"encoding": {}}, "`batch_config.encoding` must have `format`."),
            ({"storage": {}}, "`batch_config.storage` must have `root`."),
            ({"storage": {"root": ""}}, "`batch_config.storage.root` must be a string that is not empty."),
            ({"storage": {"root": "gs://bucket"}}, "must be a path, or a URL that begins with file:// or s3://."),
            ({"storage": {"root": "/tmp", "a": 1}}, "`batch_config.storage` may only have `root`, `prefix`, `params`."),  # noqa: S108 - not written to
            ({"batch_size": 0}, "`batch_config.batch_size` must be an integer, 1 or greater."),
            ({"size": 5}, "`batch_config` may only have"),
            ({"storage": None}, "`batch_config.storage` must be a JSON object."),
        ],
    )
    def test_the_error_for_an_invalid_batch_config_names_the_choices(
        self, tap: TapRunner, settings: Settings, config: dict[str, Any], message: str
    ) -> None:
        valid = {"encoding": {"format": "jsonl"}, "storage": {"root": "file:///tmp"}}
        with Sandbox() as api:
            assert_rejected(tap(settings(api, batch_config={**valid, **config})), api, message)

    @pytest.mark.parametrize(
        "other", [{"stream_maps": {"calls": {"id": "id"}}}, {"flattening_enabled": True, "flattening_max_depth": 1}]
    )
    def test_batch_files_cannot_be_combined_with_maps_that_they_bypass(
        self, tap: TapRunner, settings: Settings, other: dict[str, Any]
    ) -> None:
        batch = {"encoding": {"format": "jsonl"}, "storage": {"root": "file:///tmp"}}
        with Sandbox() as api:
            run = tap(settings(api, batch_config=batch, **other))
            assert_rejected(run, api, "`batch_config` cannot be combined with `stream_maps` or `flattening_enabled`")


class TestEnvironment:
    """Settings from environment variables and `.env` files."""

    def test_variables_have_the_types_of_their_settings(self, tap: TapRunner) -> None:
        with Sandbox([a_call(1, "2024-03-01T10:00:00.000Z")]) as api:
            variables = {
                "TAP_TUPLE_AUTH_TOKEN": TOKEN,
                "TAP_TUPLE_API_URL": api.url,
                "TAP_TUPLE_START_DATE": "2024-01-31",
                "TAP_TUPLE_END_DATE": "2024-04-01",
                "TAP_TUPLE_PAGE_SIZE": "7",
                "TAP_TUPLE_LOOKBACK_WINDOW": "60",
                "TAP_TUPLE_RECONCILE": "False",
                "TAP_TUPLE_REQUEST_TIMEOUT": "2",
                "TAP_TUPLE_REQUESTS_PER_MINUTE": "30",
                "TAP_TUPLE_USER_AGENT": "2024",
                "TAP_TUPLE_FLATTENING_ENABLED": "true",
                "TAP_TUPLE_FLATTENING_MAX_DEPTH": "1",
                "TAP_TUPLE_STREAM_MAPS": json.dumps({"calls": {"length": "duration_seconds"}}),
            }
            run = tap(None, args=["--config", "ENV"], env=variables)
            query = api.requests[0].query
        assert run.exit_code == 0, run.log
        assert query["per_page"] == "7"
        assert query["since"] == "2024-01-31T00:00:00.000Z"
        assert query["until"] == "2024-04-01T00:00:00.000Z"
        assert api.requests[0].headers["user-agent"] == "2024"
        assert run.records()[0]["length"] == 0

    def test_variables_need_config_env_and_take_precedence_over_files(self, tap: TapRunner, settings: Settings) -> None:
        variables = {"TAP_TUPLE_PAGE_SIZE": "7"}
        with Sandbox() as api:
            tap(settings(api, page_size=5), env=variables)
            tap(settings(api, page_size=5), args=["--config", "ENV"], env=variables)
            assert [request.query["per_page"] for request in api.requests] == ["5", "7"]

    def test_the_error_for_a_missing_token_mentions_a_token_in_the_environment(self, tap: TapRunner) -> None:
        with Sandbox() as api:
            run = tap({}, env={"TAP_TUPLE_AUTH_TOKEN": SECRET})
            assert_rejected(run, api, "Missing required setting `auth_token`", "add `--config ENV`")
        assert "--config ENV" not in tap({}).errors[0]

    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            *[("TAP_TUPLE_PAGE_SIZE", value) for value in ("abc", "null", "1.5", "0", "[]", "true", "9" * 5000)],
            ("TAP_TUPLE_RECONCILE", "maybe"),
            ("TAP_TUPLE_REQUEST_TIMEOUT", "soon"),
            ("TAP_TUPLE_STREAM_MAPS", "{"),
            ("TAP_TUPLE_STREAM_MAPS", "[" * 100_000),
            ("TAP_TUPLE_START_DATE", "yesterday"),
            ("TAP_TUPLE_AUTH_TOKEN", f"{SECRET} and more"),
        ],
    )
    def test_an_invalid_variable_is_rejected(
        self, tap: TapRunner, settings: Settings, variable: str, value: str
    ) -> None:
        with Sandbox() as api:
            error = assert_rejected(tap(settings(api), args=["--config", "ENV"], env={variable: value}), api)
        setting = variable.removeprefix("TAP_TUPLE_")
        assert setting in error or setting.lower() in error

    def test_an_empty_variable_counts_as_unset(self, tap: TapRunner, settings: Settings) -> None:
        variables = dict.fromkeys([f"TAP_TUPLE_{name.upper()}" for name in (*OWN_SETTINGS, *SDK_SETTINGS)], "")
        with Sandbox() as api:
            run = tap(settings(api, page_size=5), args=["--config", "ENV"], env=variables)
            assert api.requests[0].query["per_page"] == "5"
        assert run.exit_code == 0

    def test_a_variable_of_an_unknown_setting_causes_a_warning(self, tap: TapRunner, settings: Settings) -> None:
        variables = {
            "TAP_TUPLE_START_DAT": "2026-01-31",
            "TAP_TUPLE_QUIET": "1",
            # Meltano sets this one.
            "TAP_TUPLE__SELECT": "[]",
            "TAP_TUPLE_LOGLEVEL": "INFO",
        }
        with Sandbox() as api:
            run = tap(settings(api, requests_per_minute=60), args=["--config", "ENV"], env=variables)
        assert run.exit_code == 0
        assert [without_time(line) for line in run.warnings] == [
            "Environment variable TAP_TUPLE_QUIET is ignored: unknown setting",
            "Environment variable TAP_TUPLE_START_DAT is ignored: unknown setting. Did you mean `start_date`?",
        ]

    def test_a_dotenv_file_is_read_and_its_path_is_logged(
        self, tap: TapRunner, settings: Settings, tmp_path: Path
    ) -> None:
        folder = tmp_path / "project" / "job"
        folder.mkdir(parents=True)
        dotenv = tmp_path / ".env"
        dotenv.write_text("TAP_TUPLE_PAGE_SIZE=7\n", encoding="utf-8")
        tap.folder = folder
        with Sandbox() as api:
            run = tap(settings(api), args=["--config", "ENV"])
            assert [request.query["per_page"] for request in api.requests] == ["7"]
        assert f"Read environment variables from {dotenv}" in run.log
        assert "Read settings from the environment: TAP_TUPLE_PAGE_SIZE" in run.log

    @pytest.mark.parametrize(
        "content", ["TAP_TUPLE_USER_AGENT=é\n".encode("latin-1"), "A=1\n".encode("utf-16"), b"\xff"]
    )
    def test_the_error_for_a_dotenv_file_that_is_not_utf_8_names_it(
        self, tap: TapRunner, settings: Settings, tmp_path: Path, content: bytes
    ) -> None:
        (tmp_path / ".env").write_bytes(content)
        with Sandbox() as api:
            assert_rejected(tap(settings(api), args=["--config", "ENV"]), api, str(tmp_path / ".env"), "UTF-8")

    @pytest.mark.parametrize("variable", ["LOGLEVEL", "TAP_TUPLE_LOGLEVEL"])
    def test_a_log_level_in_a_dotenv_file_is_checked(
        self, tap: TapRunner, settings: Settings, tmp_path: Path, variable: str
    ) -> None:
        (tmp_path / ".env").write_text(f"{variable}=verbose\n", encoding="utf-8")
        with Sandbox() as api:
            assert_rejected(
                tap(settings(api), args=["--config", "ENV"]), api, f"Environment variable {variable} must be one of"
            )


class TestFiles:
    """The files of `--config`, `--state` and `--catalog`."""

    @pytest.mark.parametrize("name", ["config", "state", "catalog"])
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "is empty: it must contain JSON."),
            (b" \n", "is empty: it must contain JSON."),
            (b'{\n "a": "sk-tuple-very-secret",\n}', "is not valid JSON (line "),
            (b'{"a": "sk-tuple-very-secret"', "is not valid JSON (line 1, column "),
            (b"{}\n{}\n", "contains more than one JSON value (from line 2): keep only the last."),
            ('{"a": "sk-tuple-very-secret"}'.encode("utf-16"), "is UTF-16 text: save it as UTF-8."),
            ('{"a": "sk-tuple-very-secret"}'.encode("utf-16-le"), "is UTF-16 text: save it as UTF-8."),
            ('{"a": "é"}'.encode("latin-1"), "is not UTF-8 text."),
            (b"\x80\x81", "is not UTF-8 text."),
            (b'["sk-tuple-very-secret"]', "must contain a JSON object."),
            (b"null", "must contain a JSON object."),
            (b"[" * 100_000, "is not valid JSON: it is nested too deeply"),
            (b"1" * 5000, "contains a number that is too long"),
        ],
    )
    def test_the_error_for_invalid_json_has_its_position_and_no_content(
        self, tap: TapRunner, settings: Settings, name: str, content: bytes, message: str
    ) -> None:
        path = tap.folder / "broken.json"
        path.write_bytes(content)
        with Sandbox() as api:
            run = tap(None if name == "config" else settings(api), args=[f"--{name}", path])
            assert_rejected(run, api, f"The {name} file {path} ", message)

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("state", {"type": "STATE", "value": STATE}, "This is a whole STATE message: pass only its `value`."),
            ("state", {"calls": "2024-03-15"}, 'e.g. {"bookmarks": {"calls": {"replication_key_value":'),
            ("state", {"bookmarks": []}, "`bookmarks` must map stream names to objects"),
            ("state", {"bookmarks": {"calls": "2024-03-15"}}, "`bookmarks` must map stream names to objects"),
            ("state", {"bookmarks": {"calls": {"replication_key_value": "yesterday"}}}, "2026-03-15T14:30:00.000Z"),
            ("state", {"bookmarks": {"calls": {"replication_key_value": 5}}}, "2026-03-15T14:30:00.000Z"),
            ("catalog", {"streams": 5}, "Regenerate it with --discover."),
            ("catalog", {"streams": [{}]}, "Regenerate it with --discover."),
            (
                "catalog",
                {"type": "CATALOG", "catalog": {"streams": []}},
                "The catalog has no `streams`: it is not a Singer catalog.",
            ),
        ],
    )
    def test_the_error_for_a_file_with_unexpected_content_says_what_to_do(
        self, tap: TapRunner, settings: Settings, name: str, content: dict[str, Any], message: str
    ) -> None:
        files: dict[str, Any] = {name: content}
        with Sandbox() as api:
            assert_rejected(tap(settings(api), **files), api, message)

    @pytest.mark.parametrize("name", ["config", "state", "catalog"])
    @pytest.mark.parametrize("kind", ["missing", "folder", "loop", "long name"])
    def test_the_error_for_a_file_that_cannot_be_opened_has_the_reason(
        self, tap: TapRunner, settings: Settings, tmp_path: Path, name: str, kind: str
    ) -> None:
        path = tmp_path / f"{kind}.json"
        if kind == "folder":
            path.mkdir()
        elif kind == "loop":
            path.symlink_to(path)
        elif kind == "long name":
            path = Path("x" * 5000)
        reasons = {"missing": "No such file", "folder": "Is a directory", "loop": "symbolic link"}
        with Sandbox() as api:
            run = tap(None if name == "config" else settings(api), args=[f"--{name}", path])
            assert_rejected(run, api, name, reasons.get(kind, "too long"), exit_code=run.exit_code or 1)

    @pytest.mark.parametrize("name", ["config", "state", "catalog"])
    @pytest.mark.parametrize(
        "argument", ['{{"auth_token": "{secret}"}}', "{secret}", "{secret}.json", "auth_token={secret}"]
    )
    def test_an_argument_that_is_not_a_file_name_is_not_logged(
        self, tap: TapRunner, settings: Settings, name: str, argument: str
    ) -> None:
        with Sandbox() as api:
            run = tap(None if name == "config" else settings(api), args=[f"--{name}", argument.format(secret=SECRET)])
            assert_rejected(run, api, name, exit_code=run.exit_code or 1)
            if name == "config" and argument.startswith("{{"):
                assert "`--config` expects a file name, not JSON." in run.errors[0]

    @pytest.mark.parametrize("name", ["config", "state", "catalog"])
    def test_a_file_can_be_a_pipe(self, tap: TapRunner, settings: Settings, tmp_path: Path, name: str) -> None:
        state = {"bookmarks": {"calls": {"replication_key_value": "2024-03-15T14:30:00.000Z"}}}
        path = tmp_path / "pipe"
        os.mkfifo(path)
        with Sandbox([a_call(1, "2024-03-16T00:00:00.000Z")]) as api:
            contents = {"config": settings(api), "state": state, "catalog": {"streams": []}}
            writer = threading.Thread(target=path.write_text, args=(json.dumps(contents[name]), "utf-8"), daemon=True)
            writer.start()
            run = tap(None if name == "config" else settings(api), args=[f"--{name}", path])
            assert run.exit_code == 0, run.log
            assert run.ids() == ([] if name == "catalog" else [1])
            writer.join()

    def test_a_byte_order_mark_is_ignored(self, tap: TapRunner, settings: Settings, tmp_path: Path) -> None:
        with Sandbox() as api:
            path = tmp_path / "bom.json"
            path.write_text(json.dumps(settings(api)), encoding="utf-8-sig")
            assert tap(None, args=["--config", path]).exit_code == 0
