"""The output contains no secrets, and only the API receives the token."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airbyte_source import SourceRunner
from factories import TOKEN, a_call, minute
from tunnels import tuple_hosts, unused_host

from tap_tuple.sandbox import Fault, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runners import TapRunner

    Settings = Callable[..., dict[str, Any]]

SECRET_TOKEN = "sk-tuple-0123456789abcdef"
EMAIL = "alice@example.com"
BODY = "content-of-the-body"
DEBUG = {"TAP_TUPLE_LOGLEVEL": "DEBUG"}
ALL = list(range(1, 31))
APP = "https://app.tuple.app/api/v2"
PRODUCTION = "https://production.tuple.app/api/v2"


def calls() -> list[dict[str, Any]]:
    participation = {"joined_at": None, "left_at": None, "user": {"email": EMAIL}}
    return [a_call(number, minute(number), call_participations=[{"id": number, **participation}]) for number in ALL]


def assert_no_secrets(log: str) -> None:
    for secret in (SECRET_TOKEN, TOKEN, "Bearer", EMAIL, BODY):
        assert secret not in log


def page_with(**fields: object) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    return lambda page: [*page[:-1], {**page[-1], **fields}]


HTML = f"<html>{BODY} {EMAIL} {SECRET_TOKEN}</html>".encode()
AFTER_FIRST_PAGE: dict[str, Any] = {"when": lambda request: request.query["since"] > minute(5), "times": None}
FAILURES: dict[str, dict[str, Any]] = {
    **{f"{status}": {"status": status, "body": HTML} for status in (401, 403, 418, 451, 500, 599, 999)},
    "rate limit": {"status": 429, "body": HTML, "headers": {"Retry-After": "7200"}},
    "redirect": {
        "status": 302,
        "body": HTML,
        "headers": {
            "Location": f"https://{EMAIL}:{SECRET_TOKEN}@elsewhere.invalid/{SECRET_TOKEN}?{EMAIL}={SECRET_TOKEN}"
        },
    },
    "HTML": {"body": HTML},
    "truncated JSON": {"body": f'[{{"id": 1, "user": "{BODY} {EMAIL} {SECRET_TOKEN}'.encode()},
    "object": {"body": f'{{"{BODY}": "{EMAIL} {SECRET_TOKEN}"}}'.encode()},
    "string": {"body": f'"{BODY} {EMAIL} {SECRET_TOKEN}"'.encode()},
    "invalid id": {"calls": page_with(id=EMAIL)},
    "invalid ended_at": {"calls": page_with(ended_at=f"{BODY} {EMAIL}")},
    "participation without id": {"calls": page_with(call_participations=[{"user": {"email": EMAIL}}])},
    "reset": {"connection": "reset"},
    "cut": {"connection": "cut"},
}
WARNINGS: dict[str, dict[str, Any]] = {
    "invalid duration": {"calls": page_with(duration_seconds=f"{BODY} {EMAIL}")},
    "invalid participations": {"calls": page_with(call_participations=EMAIL)},
    "invalid participation": {"calls": page_with(call_participations=[EMAIL])},
    "invalid user": {"calls": page_with(call_participations=[{"id": 1, "user": EMAIL}])},
    "invalid e-mail address": {"calls": page_with(call_participations=[{"id": 1, "user": {"email": [EMAIL]}}])},
    "link with a user": {"headers": {"Link": f'<https://{EMAIL}:{SECRET_TOKEN}@127.0.0.1/>; rel="next"'}},
    "unknown field": {"calls": page_with(recorded_by=f"{BODY} {EMAIL}", nested={"of": [EMAIL]})},
    "unknown field that is an address": {"calls": page_with(**{EMAIL: True})},
    "unknown field that is the token": {"calls": page_with(**{SECRET_TOKEN: True})},
}


@pytest.mark.usefixtures("_short_waits")
class TestLogs:
    """The log at level DEBUG."""

    @pytest.mark.parametrize("name", FAILURES)
    def test_no_failure_logs_a_token_a_body_or_an_address(self, name: str, tap: TapRunner, settings: Settings) -> None:
        with Sandbox(calls(), token=SECRET_TOKEN, faults=[Fault(**AFTER_FIRST_PAGE, **FAILURES[name])]) as api:
            run = tap(settings(api, auth_token=SECRET_TOKEN, page_size=10, request_timeout=1), env=DEBUG)
        assert run.exit_code == 1, run.log
        assert len(run.errors) == 1
        assert "| DEBUG " in run.log
        assert "bug" not in run.errors[0]
        assert_no_secrets(run.log)

    @pytest.mark.parametrize("name", WARNINGS)
    def test_no_warning_logs_a_token_a_body_or_an_address(self, name: str, tap: TapRunner, settings: Settings) -> None:
        with Sandbox(calls(), token=SECRET_TOKEN, faults=[Fault(**AFTER_FIRST_PAGE, **WARNINGS[name])]) as api:
            run = tap(settings(api, auth_token=SECRET_TOKEN, page_size=10), env=DEBUG)
        assert run.exit_code == 0, run.log
        assert_no_secrets(run.log)

    def test_a_complete_run_logs_no_token_body_or_address(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox(calls(), token=SECRET_TOKEN) as api:
            run = tap(settings(api, auth_token=SECRET_TOKEN, page_size=10), env=DEBUG)
            assert {request.headers["authorization"] for request in api.requests} == {f"Bearer {SECRET_TOKEN}"}
            assert all(SECRET_TOKEN not in request.raw_target for request in api.requests)
        assert run.exit_code == 0
        assert run.ids() == ALL
        assert "| DEBUG " in run.log
        assert_no_secrets(run.log)
        assert SECRET_TOKEN.encode() not in run.output

    def test_a_token_in_a_redirect_is_masked(self, tap_process: TapRunner, settings: Settings) -> None:
        headers = {"Location": f"https://{SECRET_TOKEN}.example.com/"}
        config = tap_process.folder / "log.yaml"
        config.write_text(
            "version: 1\ndisable_existing_loggers: false\n"
            "handlers: {h: {class: logging.StreamHandler}}\nloggers: {tap-tuple: {handlers: [h]}}\n",
            encoding="utf-8",
        )
        with Sandbox(token=SECRET_TOKEN, faults=[Fault(status=302, headers=headers)]) as api:
            run = tap_process(settings(api, auth_token=SECRET_TOKEN), env={"SINGER_SDK_LOG_CONFIG": str(config)})
        assert run.exit_code == 1
        assert "redirects to https://***.example.com/ (302)" in run.log
        assert SECRET_TOKEN not in run.log

    @pytest.mark.parametrize(
        "config",
        [
            {"auth_token": f"{SECRET_TOKEN}\n"},
            {"auth_token": [SECRET_TOKEN]},
            {SECRET_TOKEN: 1},
            {"user_agent": f"{SECRET_TOKEN}\n"},
            {"start_date": SECRET_TOKEN},
            {"api_url": SECRET_TOKEN},
            {"stream_maps": {SECRET_TOKEN: {}}},
            {"stream_maps": {"calls": {SECRET_TOKEN: "__NULL__"}}},
        ],
    )
    def test_an_invalid_setting_is_not_logged(self, config: dict[str, Any], tap: TapRunner, settings: Settings) -> None:
        with Sandbox(calls()) as api:
            run = tap(settings(api, **config), env=DEBUG)
            assert api.requests == []
        assert run.exit_code == 1
        assert len(run.errors) == 1
        assert SECRET_TOKEN not in run.log


class TestAirbyteSource:
    """`source-tuple`, which logs to stdout."""

    @pytest.mark.parametrize(
        "arguments",
        [
            ["check", "--config", json.dumps({"auth_token": SECRET_TOKEN})],
            ["check", "--config", SECRET_TOKEN],
            ["check", SECRET_TOKEN],
            [SECRET_TOKEN],
            ["check", f"--{SECRET_TOKEN}", "x"],
            ["read", "--config", SECRET_TOKEN, "--catalog", SECRET_TOKEN, "--state", SECRET_TOKEN],
        ],
    )
    def test_invalid_arguments_are_not_printed(self, tmp_path: Path, arguments: list[str]) -> None:
        run = SourceRunner(tmp_path).run_arguments(arguments)
        assert run.exit_code == 1
        assert SECRET_TOKEN not in run.output.decode() + run.stderr


@pytest.mark.usefixtures("_short_waits")
class TestOtherHosts:
    """The token goes to the API only."""

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_to_another_host_is_not_followed(self, status: int, tap: TapRunner, settings: Settings) -> None:
        with unused_host() as other:
            headers = {"Location": f"{other}/api/v2/call_usage"}
            with Sandbox(calls(), faults=[Fault(times=None, status=status, headers=headers)]) as api:
                run = tap(settings(api))
                assert run.exit_code == 1
                assert (
                    f"The API redirects to {other}/api/v2/call_usage ({status}), which is not followed" in run.errors[0]
                )
                assert "Check `api_url`." in run.errors[0]
                assert len(api.requests) == 1

    def test_a_redirect_on_the_same_host_is_not_followed(self, tap: TapRunner, settings: Settings) -> None:
        headers = {"Location": "/api/v3/call_usage"}
        with Sandbox(calls(), faults=[Fault(times=None, status=308, headers=headers)]) as api:
            run = tap(settings(api))
            assert run.exit_code == 1
            assert api.url.replace("/v2", "/v3/call_usage") in run.errors[0]
            assert len(api.requests) == 1

    def test_a_link_to_another_host_is_requested_from_the_api(self, tap: TapRunner, settings: Settings) -> None:
        with unused_host() as other:
            link = f'<{other}{{path}}?{{query}}&page=2>; rel="next"'
            with Sandbox(calls(), faults=[Fault(times=None, link=link)]) as api:
                run = tap(settings(api, page_size=10))
        assert run.exit_code == 0
        assert run.ids() == ALL

    def test_credentials_in_netrc_do_not_replace_the_token(
        self, tap: TapRunner, settings: Settings, tmp_path: Path
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("default login alice password wonderland\n", encoding="utf-8")
        netrc.chmod(0o600)
        with Sandbox(calls()) as api:
            assert tap(settings(api), env={"NETRC": str(netrc)}).exit_code == 0
            assert {request.headers["authorization"] for request in api.requests} == {f"Bearer {TOKEN}"}


class TestTupleHosts:
    """The two hosts that Tuple documents serve the same API over https."""

    @pytest.mark.parametrize(("configured", "other"), [(APP, PRODUCTION), (PRODUCTION, APP)])
    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_a_redirect_between_the_two_hosts_is_followed_and_logged_once(
        self, tap: TapRunner, settings: Settings, configured: str, other: str, status: int
    ) -> None:
        def is_configured(request: Any) -> bool:
            return f"https://{request.headers['host']}" == configured.removesuffix("/api/v2")

        headers = {"Location": f"{other}/call_usage"}
        redirect = Fault(when=is_configured, times=None, status=status, headers=headers)
        with Sandbox(calls(), faults=[redirect]) as api, tuple_hosts(api, tap.folder) as env:
            run = tap(settings(api, api_url=configured, page_size=10), env=env)
            assert len([request for request in api.requests if is_configured(request)]) == 1
            assert {request.headers["authorization"] for request in api.requests} == {f"Bearer {TOKEN}"}
        assert run.exit_code == 0, run.log
        assert run.ids() == ALL
        suggestion = f"{configured} redirects to {other}. Set `api_url` to {other} to save a request"
        assert len([line for line in run.log.splitlines() if suggestion in line and "| INFO " in line]) == 1

    @pytest.mark.parametrize(
        "target",
        [
            "http://production.tuple.app/api/v2/call_usage",
            "https://production.tuple.app/users/sign_in",
            "https://production.tuple.app/api/v2/call_usage/",
            "https://production.tuple.app:8443/api/v2/call_usage",
            "https://alice@production.tuple.app/api/v2/call_usage",
            "https://production.tuple.app.example.com/api/v2/call_usage",
            "https://tuple.app/api/v2/call_usage",
            "https://app.tuple.app/api/v2/call_usage",
            "//production.tuple.app",
            "",
        ],
    )
    def test_other_redirects_are_not_followed_and_the_error_names_both_addresses(
        self, tap: TapRunner, settings: Settings, target: str
    ) -> None:
        redirect = Fault(times=None, status=302, headers={"Location": target})
        with Sandbox(calls(), faults=[redirect]) as api, tuple_hosts(api, tap.folder) as env:
            run = tap(settings(api, api_url=APP), env=env)
            assert [request.headers["host"] for request in api.requests] == ["app.tuple.app"]
        assert run.exit_code == 1
        assert "which is not followed" in run.errors[0]
        assert APP in run.errors[0]
        assert PRODUCTION in run.errors[0]

    def test_the_error_for_an_invalid_redirect_names_both_addresses(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox(faults=[Fault(times=None, status=302, headers={"Location": "http://[::1"})]) as api:
            run = tap(settings(api))
        assert run.exit_code == 1
        assert "Invalid API, redirect or proxy URL." in run.errors[0]
        assert PRODUCTION in run.errors[0]

    def test_a_redirect_loop_between_both_hosts_is_an_error(self, tap: TapRunner, settings: Settings) -> None:
        faults = [
            Fault(
                when=lambda request, host=host: request.headers["host"] == host,  # type: ignore[misc]
                times=None,
                status=307,
                headers={"Location": f"{target}/call_usage"},
            )
            for host, target in (("app.tuple.app", PRODUCTION), ("production.tuple.app", APP))
        ]
        with Sandbox(calls(), faults=faults) as api, tuple_hosts(api, tap.folder) as env:
            run = tap(settings(api, api_url=APP), env=env)
            assert len(api.requests) == 2
        assert run.exit_code == 1
        assert f"The API redirects to {APP}/call_usage (307)" in run.errors[0]

    def test_a_redirect_from_another_host_to_tuple_is_not_followed(self, tap: TapRunner, settings: Settings) -> None:
        redirect = Fault(times=None, status=307, headers={"Location": f"{PRODUCTION}/call_usage"})
        with Sandbox(calls(), faults=[redirect]) as api, tuple_hosts(api, tap.folder) as env:
            run = tap(settings(api, api_url="https://api.example.com/api/v2"), env=env)
            assert [request.headers["host"] for request in api.requests] == ["api.example.com"]
        assert run.exit_code == 1

    @pytest.mark.parametrize("host", [APP, PRODUCTION])
    def test_a_link_may_name_either_host(self, tap: TapRunner, settings: Settings, host: str) -> None:
        link = f'<{host}/call_usage?{{query}}&page=2>; rel="next"'
        with Sandbox(calls(), faults=[Fault(times=None, link=link)]) as api, tuple_hosts(api, tap.folder) as env:
            run = tap(settings(api, api_url=APP, page_size=10), env=env)
            assert {request.headers["host"] for request in api.requests} == {"app.tuple.app"}
        assert run.exit_code == 0
        assert run.ids() == ALL

    def test_the_error_for_a_404_names_the_other_address(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox(calls(), faults=[Fault(status=404)]) as api, tuple_hosts(api, tap.folder) as env:
            run = tap(settings(api, api_url=APP), env=env)
        assert run.exit_code == 1
        assert f"Not found (404): no usage API at {APP}." in run.errors[0]
        assert PRODUCTION in run.errors[0]
