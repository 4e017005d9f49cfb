"""No secret in any log, no token at another origin, and proxies and certificates as users of `requests` expect."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from background import hurried
from conftest import TOKEN, TapRunner, a_call

from tap_tuple.sandbox import Fault, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Settings = Callable[..., dict[str, Any]]

SECRET_TOKEN = "sk-tuple-0123456789abcdef"
EMAIL = "alice@example.com"
BODY = "what-stood-in-the-body"
DEBUG = {"TAP_TUPLE_LOGLEVEL": "DEBUG"}
ALL = list(range(1, 31))

# Trusted by nobody who is not told to.
AUTHORITY = trustme.CA()
CERTIFICATE = AUTHORITY.issue_cert("localhost", "api.example.com", "127.0.0.1")


def calls() -> list[dict[str, Any]]:
    participation = {"id": 7, "joined_at": None, "left_at": None, "user": {"email": EMAIL}}
    return [
        a_call(number, f"2026-03-15T00:{number:02}:00.000Z", call_participations=[{**participation, "id": number}])
        for number in ALL
    ]


def assert_no_secrets(log: str) -> None:
    for secret in (SECRET_TOKEN, TOKEN, "Bearer", EMAIL, BODY):
        assert secret not in log


def page_with(call: dict[str, Any]) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    return lambda page: [*page[:-1], {**page[-1], **call}]


HTML = f"<html>{BODY} {EMAIL} {SECRET_TOKEN}</html>".encode()
FAILURES: dict[str, dict[str, Any]] = {
    **{f"{status}": {"status": status, "body": HTML} for status in (401, 404, 422, 500)},
    "refused too long": {"status": 429, "body": HTML, "headers": {"Retry-After": "7200"}},
    "redirect": {
        "status": 302,
        "body": HTML,
        "headers": {"Location": f"https://{EMAIL}:{SECRET_TOKEN}@elsewhere.invalid/?{EMAIL}={SECRET_TOKEN}"},
    },
    "HTML": {"body": HTML},
    "half a JSON": {"body": f'[{{"id": 1, "user": "{BODY} {EMAIL} {SECRET_TOKEN}'.encode()},
    "object": {"body": f'{{"{BODY}": "{EMAIL} {SECRET_TOKEN}"}}'.encode()},
    "string": {"body": f'"{BODY} {EMAIL} {SECRET_TOKEN}"'.encode()},
    "text as id": {"calls": page_with({"id": EMAIL})},
    "text as ended_at": {"calls": page_with({"ended_at": f"{BODY} {EMAIL}"})},
    "text as duration": {"calls": page_with({"duration_seconds": f"{BODY} {EMAIL}"})},
    "text as participations": {"calls": page_with({"call_participations": EMAIL})},
    "text as participation": {"calls": page_with({"call_participations": [EMAIL]})},
    "text as user": {"calls": page_with({"call_participations": [{"id": 1, "user": EMAIL}]})},
    "array as e-mail": {"calls": page_with({"call_participations": [{"id": 1, "user": {"email": [EMAIL]}}]})},
    "participation without id": {"calls": page_with({"call_participations": [{"user": {"email": EMAIL}}]})},
    "link with a user": {"headers": {"Link": f'<https://{EMAIL}:{SECRET_TOKEN}@127.0.0.1/>; rel="next"'}},
    "no link": {"headers": {"Link": None}},
    "reset": {"connection": "reset"},
    "cut": {"connection": "cut"},
}


@pytest.mark.parametrize("name", FAILURES)
def test_no_failure_puts_a_token_a_body_or_an_address_into_a_log(name: str, settings: Settings, tmp_path: Path) -> None:
    with Sandbox(calls(), token=SECRET_TOKEN, faults=[Fault(page=2, times=None, **FAILURES[name])]) as api:
        config = settings(api, auth_token=SECRET_TOKEN, page_size=10, request_timeout=1)
        run = hurried(tmp_path)(config, env=DEBUG)
        assert run.exit_code == 1
        assert len(run.errors) == 1
        assert "| DEBUG " in run.log
        assert len(api.requests) >= 2
        assert_no_secrets(run.log)


def test_a_good_run_puts_no_token_body_or_address_into_a_log(tap: TapRunner, settings: Settings) -> None:
    with Sandbox(calls(), token=SECRET_TOKEN) as api:
        run = tap(settings(api, auth_token=SECRET_TOKEN, page_size=10), env=DEBUG)
        assert run.exit_code == 0
        assert run.ids() == ALL
        assert {request.headers["authorization"] for request in api.requests} == {f"Bearer {SECRET_TOKEN}"}
        assert all(SECRET_TOKEN not in request.raw_target for request in api.requests)
        assert "| DEBUG " in run.log
        assert_no_secrets(run.log)
        assert SECRET_TOKEN.encode() not in run.output


def test_unknown_fields_are_named_and_what_they_hold_is_not(tap: TapRunner, settings: Settings) -> None:
    new = [{**call, "recorded_by": f"{BODY} {EMAIL}", "nested": {"of": [EMAIL]}} for call in calls()]
    with Sandbox(new) as api:
        run = tap(settings(api), env=DEBUG)
        assert run.exit_code == 0
        assert "recorded_by" in run.log
        assert_no_secrets(run.log)


def test_a_field_that_is_called_after_an_address_is_not_named(tap: TapRunner, settings: Settings) -> None:
    with Sandbox([{**call, EMAIL: True} for call in calls()]) as api:
        run = tap(settings(api), env=DEBUG)
        assert run.exit_code == 0
        assert run.ids() == ALL
        assert EMAIL not in run.log


@pytest.mark.parametrize("config", [{"auth_token": f"{SECRET_TOKEN}\n"}, {"auth_token": [SECRET_TOKEN]}])
def test_a_token_that_cannot_be_used_is_refused_without_being_repeated(
    config: dict[str, Any], tap: TapRunner, settings: Settings
) -> None:
    with Sandbox(calls()) as api:
        run = tap(settings(api, **config), env=DEBUG)
        assert run.exit_code == 1
        assert "auth_token" in run.errors[0]
        assert_no_secrets(run.log)
        assert api.requests == []


# ---------------------------------------------------------------- other origins


@contextmanager
def untouched() -> Iterator[str]:
    """An origin to which nobody may so much as connect."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield f"http://127.0.0.1:{other.getsockname()[1]}"
        other.setblocking(False)  # noqa: FBT003 - the method's only argument
        with pytest.raises(BlockingIOError):
            other.accept()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_the_other_origin_sees_no_connection(
    status: int, tap: TapRunner, settings: Settings
) -> None:
    with untouched() as other:
        headers = {"Location": f"{other}/api/v2/call_usage"}
        with Sandbox(calls(), faults=[Fault(on=1, times=None, status=status, headers=headers)]) as api:
            run = tap(settings(api))
            assert run.exit_code == 1
            assert f"{other}/api/v2/call_usage" in run.errors[0]
            assert "api_url" in run.errors[0]
            assert len(api.requests) == 1


def test_a_redirect_on_the_apis_own_origin_is_not_followed_either(tap: TapRunner, settings: Settings) -> None:
    headers = {"Location": "/api/v3/call_usage"}
    with Sandbox(calls(), faults=[Fault(on=1, times=None, status=308, headers=headers)]) as api:
        run = tap(settings(api))
        assert run.exit_code == 1
        assert api.url.replace("/v2", "/v3/call_usage") in run.errors[0]
        assert len(api.requests) == 1


@pytest.mark.parametrize("page", [1, 2])
def test_a_next_link_to_another_origin_is_not_followed_and_that_origin_sees_no_connection(
    page: int, tap: TapRunner, settings: Settings
) -> None:
    with untouched() as other:
        link = f'<{other}{{path}}?{{query}}&page={page + 1}>; rel="next"'
        with Sandbox(calls(), faults=[Fault(page=page, link=link)]) as api:
            run = tap(settings(api, page_size=10))
            assert run.exit_code == 1
            assert f"leads to another place on {other} " in run.errors[0]
            assert len(api.requests) == page
            assert run.ids() == ALL[: 10 * page]


def test_another_sandbox_that_a_link_names_gets_no_request(tap: TapRunner, settings: Settings) -> None:
    with Sandbox(calls()) as other:
        link = f'<{other.url}/call_usage?{{query}}&page=2>; rel="next"'
        with Sandbox(calls(), faults=[Fault(page=1, link=link)]) as api:
            assert tap(settings(api, page_size=10)).exit_code == 1
        assert other.requests == []


def test_a_login_in_netrc_does_not_take_the_place_of_the_token(
    tap: TapRunner, settings: Settings, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login alice password wonderland\n", encoding="utf-8")
    netrc.chmod(0o600)
    with Sandbox(calls()) as api:
        assert tap(settings(api), env={"NETRC": str(netrc)}).exit_code == 0
        assert [request.headers["authorization"] for request in api.requests] == [f"Bearer {TOKEN}"]


# ---------------------------------------------------------------- TLS and proxies


class Tunnel:
    """Takes connections and passes their bytes on, behind TLS or as a proxy that is asked to CONNECT."""

    def __init__(self, target_port: int | None, *, tls: bool) -> None:
        self.connects: list[bytes] = []
        self.seen = bytearray()
        self._target_port = target_port
        self._context = None
        if tls:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            CERTIFICATE.configure_cert(self._context)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = [self._socket]
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Tunnel:  # noqa: PYI034 - `Self` is not in Python 3.10
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                self._open.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError):
            if self._context:
                client = self._context.wrap_socket(client, server_side=True)
                self._open.append(client)
            else:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    if not (byte := client.recv(1)):
                        return
                    head += byte
                self.connects.append(head)
                if self._target_port is None:
                    client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    client.shutdown(socket.SHUT_WR)
                    return
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            target = socket.create_connection(("127.0.0.1", self._target_port))
            self._open.append(target)
            threading.Thread(target=self._pass, args=(target, client), daemon=True).start()
            self._pass(client, target)

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while taken := source.recv(1 << 16):
                self.seen += taken
                target.sendall(taken)
            target.shutdown(socket.SHUT_WR)


def port_of(api: Sandbox) -> int:
    return int(api.url.split(":")[2].partition("/")[0])


def trusting(folder: Path) -> dict[str, str]:
    bundle = folder / "bundle.pem"
    AUTHORITY.cert_pem.write_to_path(str(bundle))
    return {"REQUESTS_CA_BUNDLE": str(bundle), "NO_PROXY": "", "no_proxy": ""}


def test_certificates_in_requests_ca_bundle_are_trusted_and_an_http_link_stays_on_https(
    tap: TapRunner, settings: Settings, tmp_path: Path
) -> None:
    with Sandbox(calls()) as api, Tunnel(port_of(api), tls=True) as front:
        # Behind it, the API writes its links with `http`, as it does not know better.
        run = tap(
            settings(SimpleNamespace(url=f"https://localhost:{front.port}/api/v2"), page_size=10),
            env=trusting(tmp_path),
        )
        assert run.exit_code == 0, run.log
        assert run.ids() == ALL
        assert [request.query.get("page", "1") for request in api.requests] == ["1", "2", "3"]


def test_a_certificate_that_nobody_vouches_for_is_refused_before_the_token_is_sent(
    settings: Settings, tmp_path: Path
) -> None:
    with Sandbox(calls()) as api, Tunnel(port_of(api), tls=True) as front:
        stranger = {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": ""}
        config = settings(SimpleNamespace(url=f"https://localhost:{front.port}/api/v2"))
        run = hurried(tmp_path)(config, env=stranger)
        assert run.exit_code == 1
        assert len(run.errors) == 1
        assert "no certificate that is trusted here" in run.errors[0]
        assert "REQUESTS_CA_BUNDLE" in run.errors[0]
        assert api.requests == []
        assert not front.seen


def test_https_proxy_is_asked_to_connect_and_sees_neither_token_nor_calls(
    tap: TapRunner, settings: Settings, tmp_path: Path
) -> None:
    with (
        Sandbox(calls()) as api,
        Tunnel(port_of(api), tls=True) as front,
        Tunnel(front.port, tls=False) as proxy,
    ):
        env = {**trusting(tmp_path), "HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}
        run = tap(settings(SimpleNamespace(url="https://api.example.com/api/v2"), page_size=10), env=env)
        assert run.exit_code == 0, run.log
        assert run.ids() == ALL
        assert len(api.requests) == 3
        assert {head.split(b" HTTP/")[0] for head in proxy.connects} == {b"CONNECT api.example.com:443"}
        for secret in (TOKEN, EMAIL):
            assert secret.encode() not in b"".join(proxy.connects) + proxy.seen


def test_a_proxy_that_refuses_is_named_by_its_variable(settings: Settings, tmp_path: Path) -> None:
    with Tunnel(None, tls=False) as proxy:
        env = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}", "NO_PROXY": "", "no_proxy": ""}
        run = hurried(tmp_path)(settings(SimpleNamespace(url="https://api.example.com/api/v2")), env=env)
        assert run.exit_code == 1
        assert len(run.errors) == 1
        assert "HTTPS_PROXY" in run.errors[0]
        assert len(proxy.connects) == 3
        assert TOKEN.encode() not in b"".join(proxy.connects)


def test_http_proxy_gets_the_requests_of_an_http_address(tap: TapRunner, settings: Settings) -> None:
    with Sandbox(calls()) as proxy:
        env = {"HTTP_PROXY": proxy.url.removesuffix("/api/v2"), "NO_PROXY": "", "no_proxy": ""}
        run = tap(settings(SimpleNamespace(url="http://127.0.0.1:1/api/v2")), env=env)
        assert [request.raw_target.partition("?")[0] for request in proxy.requests] == [
            "http://127.0.0.1:1/api/v2/call_usage"
        ]
        assert run.exit_code == 1


def test_no_proxy_goes_around_the_proxy(tap: TapRunner, settings: Settings) -> None:
    with untouched() as other, Sandbox(calls()) as api:
        run = tap(settings(api), env={"HTTP_PROXY": other, "NO_PROXY": "127.0.0.1"})
        assert run.exit_code == 0
        assert len(api.requests) == 1
