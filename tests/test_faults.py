"""Temporary failures of the API, the network and the proxy are retried; others end the run with a one-line error."""

from __future__ import annotations

import itertools
import re
import signal
import socket
import threading
import time
from datetime import datetime, timedelta, timezone
from email.utils import formatdate
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from background import running
from factories import TOKEN, a_call_per_minute, minute
from tunnels import AUTHORITY, Tunnel, port_of, trusting_environment, tuple_hosts

from tap_tuple.api import errors, retries
from tap_tuple.api.retries import RUN_LIMITS, TEST_LIMITS, Retries, RetryLimits
from tap_tuple.exceptions import RetriableError
from tap_tuple.sandbox import Fault, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from runners import Run, TapRunner

    from tap_tuple.sandbox import Received

    Settings = Callable[..., dict[str, Any]]

ALL = list(range(1, 31))
NO_DATA_LOST = "No data was lost; the next run resumes from the last bookmark."
BOTH_ADDRESSES = "Check `api_url`. Tuple documents https://app.tuple.app/api/v2, the default, and https://production.tuple.app/api/v2."


def after_first_page(request: Received) -> bool:
    """Return whether a request is for the calls after the first ten."""
    return request.query["since"] >= minute(9)


def failing_api(**fault: Any) -> Sandbox:
    """Return a sandbox with 30 calls in which requests fail after the first page of ten."""
    return Sandbox(a_call_per_minute(), faults=[Fault(**{"when": after_first_page, "times": None, **fault})])


def retry_warnings(log: str) -> list[str]:
    return [line.split("|", 3)[3].strip() for line in log.splitlines() if ". Retrying in " in line]


def assert_failed(run: Run) -> str:
    """Assert that a run failed with one line, and return it."""
    assert run.exit_code == 1, run.log
    assert len(run.errors) == 1, run.log
    assert "Traceback" not in run.log
    assert "bug" not in run.errors[0]
    return run.errors[0]


def api_at(url: str) -> Any:
    return SimpleNamespace(url=url)


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port: int = reserved.getsockname()[1]
    return port


def body(content: bytes, **headers: str) -> dict[str, Any]:
    return {"body": content, "headers": headers}


TEMPORARY: dict[str, tuple[dict[str, Any], str]] = {
    "408": ({"status": 408}, "Request timeout (408)"),
    **{f"{status}": ({"status": status}, f"Server error ({status})") for status in (500, 502, 503, 504, 599)},
    "206": ({"status": 206}, "Unexpected status 206"),
    "reset": ({"connection": "reset"}, "Cannot connect to http://127.0.0.1"),
    "closed": ({"connection": "close"}, "Cannot connect to http://127.0.0.1"),
    "cut short": ({"connection": "cut"}, "Connection closed before the response was complete"),
    "stalled": ({"connection": "stall"}, " timed out"),
    "one byte at a time": ({"connection": "drip"}, " timed out"),
    "slow": ({"delay_seconds": 3}, " timed out"),
    "truncated JSON": ({"body": lambda content: content[: len(content) // 2]}, "truncated JSON"),
    "truncated object": (body(b'{"error": "alice@exam'), "truncated JSON"),
    "HTML": (body(b"<html>alice@example.com</html>"), "an HTML or XML page"),
    "text": (body(b"alice@example.com is at lunch"), "invalid JSON"),
    "empty body": (body(b""), "an empty body"),
    "null": (body(b"null"), "null (JSON)"),
    "object": (body(b'{"calls": []}'), "an object (JSON)"),
    "string": (body(b'"alice@example.com"'), "a string (JSON)"),
    "number": (body(b"17"), "a number (JSON)"),
    "boolean": (body(b"true"), "a boolean (JSON)"),
    "array of numbers": (body(b"[1, 2, 3]"), "an array of other values"),
    "array of arrays": (body(b"[[]]"), "an array of other values"),
    "array with a null": (body(b"[null]"), "an array of other values"),
    "two arrays": (body(b"[][]"), "invalid JSON"),
    "invalid UTF-8": (body(b'[{"id": 1, "ended_at": "\xff"}]'), "Expected a JSON array of calls"),
    "deeply nested": (body(b"[" * 100_000), "Expected a JSON array of calls"),
    "invalid gzip": (body(b"[]", **{"Content-Encoding": "gzip"}), "The response could not be decompressed"),
}


@pytest.mark.usefixtures("_short_waits")
class TestTemporaryFailures:
    """Failures that are retried."""

    @pytest.mark.parametrize("name", TEMPORARY)
    def test_a_temporary_failure_is_retried(self, name: str, tap: TapRunner, settings: Settings) -> None:
        fault, cause = TEMPORARY[name]
        with failing_api(times=2, **fault) as api:
            run = tap(settings(api, page_size=10, request_timeout=1))
        assert run.exit_code == 0, run.log
        assert run.ids() == ALL
        assert run.errors == []
        assert [cause in warning for warning in retry_warnings(run.log)] == [True, True]

    @pytest.mark.parametrize("name", sorted(TEMPORARY.keys() - {"stalled", "one byte at a time"}))
    def test_a_failure_that_persists_ends_the_run_with_the_last_state(
        self, name: str, tap: TapRunner, settings: Settings
    ) -> None:
        fault, cause = TEMPORARY[name]
        with failing_api(**fault) as api:
            run = tap(settings(api, page_size=10, request_timeout=1))
        error = assert_failed(run)
        assert cause in error
        assert NO_DATA_LOST in error
        assert run.ids() == ALL[:10]
        assert run.bookmark() == minute(10)
        assert "@" not in run.log

    def test_nine_consecutive_rate_limit_errors_are_retried(self, tap: TapRunner, settings: Settings) -> None:
        with failing_api(times=9, status=429) as api:
            run = tap(settings(api, page_size=10))
        assert run.exit_code == 0
        assert run.ids() == ALL
        assert len([line for line in retry_warnings(run.log) if "Rate limit exceeded (429)" in line]) == 9

    def test_an_empty_page_can_have_status_204(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox(faults=[Fault(times=None, status=204, body=b"")]) as api:
            run = tap(settings(api))
            assert len(api.requests) <= 2
        assert run.exit_code == 0, run.log
        assert run.ids() == []
        assert run.warnings == [line for line in run.warnings if "requests_per_minute" in line]

    @pytest.mark.parametrize("status", [404, 410])
    def test_a_page_that_no_longer_exists_is_requested_by_time_instead(
        self, tap: TapRunner, settings: Settings, status: int
    ) -> None:
        with failing_api(times=1, status=status) as api:
            run = tap(settings(api, page_size=10))
        assert run.exit_code == 0, run.log
        assert run.ids() == ALL

    def test_the_error_for_a_page_that_never_exists_names_the_page(self, tap: TapRunner, settings: Settings) -> None:
        with failing_api(status=404) as api:
            error = assert_failed(tap(settings(api, page_size=10)))
            assert len(api.requests) < 20
        assert "status 404" in error
        assert "page: since=" in error
        assert "no usage API" not in error


class TestWaits:
    """How long the tap waits before it retries."""

    def test_the_waits_between_attempts_grow(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox(a_call_per_minute(), faults=[Fault(times=2, status=500)]) as api:
            run = tap(settings(api))
            assert run.exit_code == 0
            first, second, third = (request.arrived_at for request in api.requests[:3])
        assert 1 <= second - first < 3
        assert 2 <= third - second < 4

    @pytest.mark.parametrize("status", [429, 503])
    def test_retry_after_in_seconds_is_respected(self, status: int, tap: TapRunner, settings: Settings) -> None:
        with Sandbox(faults=[Fault(status=status, headers={"Retry-After": "2"})]) as api:
            run = tap(settings(api))
            first, second, *_ = (request.arrived_at for request in api.requests)
        assert run.exit_code == 0
        assert 2 <= second - first < 4
        assert re.search(rf"{status}.*Retrying in [23] s", retry_warnings(run.log)[0])

    def test_retry_after_as_a_date_is_respected(self, tap: TapRunner, settings: Settings) -> None:
        due = int(time.time()) + 3
        with Sandbox(faults=[Fault(status=429, headers={"Retry-After": formatdate(due, usegmt=True)})]) as api:
            run = tap(settings(api))
            arrived = time.time() - time.monotonic() + api.requests[1].arrived_at
        assert run.exit_code == 0
        assert -0.05 <= arrived - due < 2

    @pytest.mark.parametrize("value", [None, "0", "-5", "soon", "Wed, 21 Oct 2015 07:28:00 GMT", "٣"])
    def test_without_a_valid_retry_after_the_tap_waits_a_whole_minute(
        self, value: str | None, tap_process: TapRunner, settings: Settings, tmp_path: Path
    ) -> None:
        headers = {"Retry-After": value and value.encode().decode("latin-1")}
        with (
            Sandbox(faults=[Fault(status=429, headers=headers)]) as api,
            running(tap_process, settings(api), tmp_path) as process,
        ):
            process.until(lambda: retry_warnings(process.log))
            assert re.search(r"Rate limit exceeded \(429\)\. Retrying in 6[12] s", retry_warnings(process.log)[0])
            process.signal(signal.SIGTERM)
            assert process.wait(within_seconds=2).exit_code == -signal.SIGTERM
            assert len(api.requests) == 1

    @pytest.mark.parametrize("retry_after", ["601", "86400", "in an hour"])
    def test_a_wait_that_is_too_long_fails_at_once_with_the_time_to_retry(
        self, retry_after: str, tap: TapRunner, settings: Settings
    ) -> None:
        seconds = 3600 if retry_after == "in an hour" else int(retry_after)
        value = formatdate(time.time() + seconds, usegmt=True) if retry_after == "in an hour" else retry_after
        with failing_api(status=429, headers={"Retry-After": value}) as api:
            run = tap(settings(api, page_size=10))
        error = assert_failed(run)
        assert "Rate limit exceeded (429); the wait in `Retry-After` is too long" in error
        when = re.search(r"Do not run again before (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC\.", error)
        assert when
        due = datetime.fromisoformat(f"{when[1]}+00:00").timestamp()
        assert abs(due - time.time() - seconds) < 10
        assert run.bookmark() == minute(10)

    def test_a_retry_after_above_two_minutes_fails_at_once(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox(faults=[Fault(status=503, headers={"Retry-After": "200"})]) as api:
            error = assert_failed(tap(settings(api)))
            assert len(api.requests) == 1
        assert "Server error (503)" in error
        assert "Do not run again before" in error


class Clock:
    """A clock that only the test moves forward."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    patched = SimpleNamespace(monotonic=clock.monotonic, time=time.time, gmtime=time.gmtime, strftime=time.strftime)
    monkeypatch.setattr(retries, "time", patched)
    return clock


RATE_LIMITED = RetriableError("rate limited", "Wait.", rate_limited=True)
FAILED = RetriableError("failed", "Wait.")
JITTER_SECONDS = 1.0
"""The maximum that is added to a wait."""


def waits_of(
    limits: RetryLimits, clock: Clock, failures: Iterable[RetriableError], request_seconds: float = 0.1
) -> tuple[list[float], str]:
    """Return the waits until the retries end, and the error. Requests and the maximum jitter move the clock forward."""
    attempts = Retries(limits)
    waits: list[float] = []
    generator = attempts.waits()
    next(generator)
    for failure in failures:
        assert attempts.left_seconds() > 0
        clock.now += request_seconds
        try:
            waits.append(generator.send(failure))
        except RetriableError as error:
            return waits, str(error)
        clock.now += waits[-1] + JITTER_SECONDS
        assert len(waits) < 10_000
    raise AssertionError


class TestTimeLimits:
    """How long one request is retried."""

    def test_rate_limit_errors_are_retried_every_minute_for_ten_minutes(self, clock: Clock) -> None:
        start = clock.now
        waits, _ = waits_of(RUN_LIMITS, clock, itertools.repeat(RATE_LIMITED))
        assert all(wait > 60 for wait in waits)
        assert 500 < clock.now - start <= 602

    @pytest.mark.parametrize("retry_after_seconds", [1, 7, 60])
    def test_rate_limit_errors_with_retry_after_are_retried_for_ten_minutes(
        self, retry_after_seconds: int, clock: Clock
    ) -> None:
        error = RetriableError("limited", "Wait.", rate_limited=True, retry_after_seconds=retry_after_seconds)
        start = clock.now
        waits, _ = waits_of(RUN_LIMITS, clock, itertools.repeat(error))
        assert all(wait >= retry_after_seconds for wait in waits)
        assert 600 - retry_after_seconds - 2 <= clock.now - start <= 602

    def test_the_ten_minutes_begin_with_the_first_rate_limit_error(self, clock: Clock) -> None:
        start = clock.now
        waits_of(RUN_LIMITS, clock, itertools.chain([FAILED] * 4, itertools.repeat(RATE_LIMITED)))
        assert clock.now - start > 520

    def test_a_timeout_longer_than_the_limit_extends_it_except_for_a_connection_test(self) -> None:
        assert RUN_LIMITS.fitting(300).failure_seconds == 300
        assert RUN_LIMITS.fitting(60) == RUN_LIMITS
        assert TEST_LIMITS.fitting(300) == TEST_LIMITS

    @pytest.mark.parametrize("request_seconds", [0.01, 5.0, 20.0])
    @pytest.mark.parametrize("limits", [RUN_LIMITS, TEST_LIMITS])
    def test_other_failures_are_retried_for_two_minutes_or_half_a_minute_in_a_connection_test(
        self, limits: RetryLimits, request_seconds: float, clock: Clock
    ) -> None:
        start = clock.now
        waits, error = waits_of(limits, clock, itertools.repeat(FAILED), request_seconds)
        assert limits.failure_seconds == (120 if limits is RUN_LIMITS else 30)
        assert (
            limits.failure_seconds / 3 < clock.now - start <= limits.failure_seconds + JITTER_SECONDS + request_seconds
        )
        assert waits[:2] == [1, 2][: len(waits)]
        assert waits == sorted(waits)
        assert max(waits) <= 30
        assert f"gave up after {clock.now - start:.0f} s of retries" in error

    def test_rate_limit_waits_do_not_count_towards_the_limit_for_other_failures(self, clock: Clock) -> None:
        waits, error = waits_of(RUN_LIMITS, clock, itertools.chain([RATE_LIMITED] * 5, itertools.repeat(FAILED)))
        assert waits[5:7] == [1, 2]
        assert sum(waits) > 5 * 61 + 60
        # The time in the error does not include the waits for the rate limit.
        assert float(re.findall(r"gave up after (\d+) s", error)[0]) <= 122

    def test_many_short_rate_limit_waits_do_not_count_as_other_failures(self, clock: Clock) -> None:
        error = RetriableError("limited", "Wait.", rate_limited=True, retry_after_seconds=1)
        waits, _ = waits_of(RUN_LIMITS, clock, itertools.chain([error] * 200, itertools.repeat(FAILED)))
        assert waits[200:202] == [1, 2]

    @pytest.mark.parametrize("retry_after_seconds", [20.0, 29.0, 29.85])
    def test_a_wait_for_retry_after_leaves_time_for_another_attempt(
        self, retry_after_seconds: float, clock: Clock
    ) -> None:
        error = RetriableError("failed", "Wait.", retry_after_seconds=retry_after_seconds)
        waits, _ = waits_of(TEST_LIMITS, clock, itertools.repeat(error))
        assert waits
        assert all(wait >= retry_after_seconds for wait in waits)

    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            ("7", 7),
            (" 7 ", 7),
            *((header, None) for header in ("0", "-1", "1.5", "soon", "")),
            ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        ],
    )
    def test_retry_after_is_seconds_from_now_or_invalid(self, header: str, seconds: float | None) -> None:
        response: Any = SimpleNamespace(
            status_code=429, url="http://127.0.0.1/", headers={"Retry-After": header}, is_redirect=False
        )
        error = errors.from_status(response, "http://127.0.0.1")
        assert isinstance(error, RetriableError)
        assert error.retry_after_seconds == seconds


TOKEN_HELP = (
    'Set `auth_token` to a valid token. Owners and managers create tokens in Tuple\'s team settings, under "API tokens"'
)
PERMANENT: dict[int, list[str]] = {
    401: ["Authentication failed (401): the API rejected `auth_token`.", TOKEN_HELP],
    403: ["Permission denied (403): the token has no access to the usage API.", TOKEN_HELP],
    407: ["Proxy authentication required (407).", "HTTP_PROXY"],
    400: ["400"],
    418: ["The API rejected the request (418).", BOTH_ADDRESSES],
    451: ["The API rejected the request (451).", BOTH_ADDRESSES],
    **{
        status: [f"redirects to https://elsewhere.example/api/v3/call_usage ({status}), which is not", BOTH_ADDRESSES]
        for status in (301, 302, 303, 307, 308)
    },
}


@pytest.mark.usefixtures("_short_waits")
class TestPermanentFailures:
    """Failures that are not retried."""

    @pytest.mark.parametrize("status", PERMANENT)
    def test_a_permanent_failure_ends_the_run_at_once_with_the_remedy(
        self, status: int, tap: TapRunner, settings: Settings
    ) -> None:
        headers = {"Location": "https://user:secret@elsewhere.example/api/v3/call_usage?secret=1"}
        with Sandbox(a_call_per_minute(), faults=[Fault(times=None, status=status, headers=headers)]) as api:
            error = assert_failed(run := tap(settings(api)))
            assert len(api.requests) == 1
        for text in PERMANENT[status]:
            assert text in error
        assert "secret" not in run.log

    @pytest.mark.parametrize("status", [401, 403, 418, 307])
    def test_calls_read_before_a_permanent_failure_are_kept(
        self, status: int, tap: TapRunner, settings: Settings
    ) -> None:
        with failing_api(status=status, headers={"Location": "/elsewhere"}) as api:
            assert_failed(run := tap(settings(api, page_size=10)))
        assert run.ids() == ALL[:10]
        assert run.bookmark() == minute(10)

    def test_the_error_for_a_wrong_address_names_it_and_the_documented_ones(
        self, tap: TapRunner, settings: Settings
    ) -> None:
        with Sandbox() as api:
            wrong = api.url.replace("/v2", "/v3")
            error = assert_failed(tap(settings(api, api_url=wrong)))
        assert f"Not found (404): no usage API at {wrong}. {BOTH_ADDRESSES}" in error

    def test_the_error_for_an_invalid_token_names_the_setting(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox(token="sk-tuple-another") as api:
            error = assert_failed(run := tap(settings(api)))
            assert [request.status for request in api.requests] == [401]
        assert TOKEN_HELP in error
        assert TOKEN not in run.log

    def test_the_error_for_a_rejected_time_range_shows_it_as_sent(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox(faults=[Fault(status=422)]) as api:
            run = tap(settings(api, start_date="2026-03-01", end_date="2026-03-31T12:00:00+02:00"))
            assert len(api.requests) == 1
        error = assert_failed(run)
        assert "rejected the time range since=2026-03-01T00:00:00.000Z until=2026-03-31T10:00:00.000Z (422)" in error
        assert "`start_date`" in error


INVALID_KEYS: dict[str, tuple[Callable[[dict[str, Any]], Any], list[str]]] = {
    "no id": (lambda call: call.pop("id"), ["Invalid call without a valid `id`", "`id`"]),
    "null id": (lambda call: call.update(id=None), ["Invalid call without a valid `id`", "$.id"]),
    "string id": (lambda call: call.update(id="13"), ["Invalid call without a valid `id`", "$.id"]),
    "no ended_at": (lambda call: call.pop("ended_at"), ["Invalid call 13", "`ended_at`"]),
    "null ended_at": (lambda call: call.update(ended_at=None), ["Invalid call 13", "$.ended_at"]),
    "number ended_at": (lambda call: call.update(ended_at=1773532800), ["Invalid call 13", "$.ended_at"]),
    "not a datetime": (lambda call: call.update(ended_at="yesterday"), ["Invalid call 13", "`ended_at`"]),
    "no time zone": (lambda call: call.update(ended_at="2026-03-15T00:13:00"), ["Invalid call 13", "`ended_at`"]),
    "unknown field": (lambda call: call.update(id=None, new="alice@example.com"), ["without a valid `id`"]),
}


class TestInvalidCalls:
    """Calls without a valid key."""

    @pytest.mark.parametrize("name", INVALID_KEYS)
    def test_a_call_without_a_valid_key_fails_the_run_at_once(
        self, name: str, tap: TapRunner, settings: Settings
    ) -> None:
        damage, texts = INVALID_KEYS[name]

        def damaged(page: list[dict[str, Any]]) -> list[dict[str, Any]]:
            for call in page:
                if call["id"] == 13:
                    damage(call)
            return page

        with Sandbox(a_call_per_minute(), faults=[Fault(times=None, calls=damaged)]) as api:
            error = assert_failed(run := tap(settings(api, page_size=10)))
            assert len(api.requests) == 2
        for text in texts:
            assert text in error
        assert "The page was not written." in error
        assert "@" not in run.log
        assert run.ids() == ALL[:10]
        assert run.bookmark() == minute(10)


class TestUnreachable:
    """An API that cannot be reached."""

    def test_an_api_that_is_not_reachable_yet_is_retried(
        self, tap_process: TapRunner, settings: Settings, tmp_path: Path
    ) -> None:
        port = unused_port()
        url = f"http://127.0.0.1:{port}/api/v2"
        with running(tap_process, settings(api_at(url)), tmp_path) as process:
            process.read()
            process.until(lambda: retry_warnings(process.log))
            with Sandbox(a_call_per_minute(), port=port):
                run = process.wait()
        assert run.exit_code == 0
        assert run.ids() == ALL
        assert retry_warnings(run.log)[0].startswith(f"Cannot connect to {url}. Retrying in ")

    @pytest.mark.usefixtures("_short_waits")
    def test_the_error_for_an_unreachable_api_names_the_documented_addresses(
        self, tap: TapRunner, settings: Settings
    ) -> None:
        url = f"http://127.0.0.1:{unused_port()}/api/v2"
        error = assert_failed(tap(settings(api_at(url))))
        assert f"Cannot connect to {url}; " in error
        assert BOTH_ADDRESSES in error

    @pytest.mark.usefixtures("_short_waits")
    def test_the_error_for_a_server_that_does_not_speak_http_names_its_address(
        self, tap: TapRunner, settings: Settings
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:

            def greet() -> None:
                for _ in range(3):
                    client, _ = other.accept()
                    with client:
                        client.recv(1 << 16)
                        client.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")

            greeter = threading.Thread(target=greet, daemon=True)
            greeter.start()
            url = f"http://127.0.0.1:{other.getsockname()[1]}/api/v2"
            assert f"Cannot connect to {url}; " in assert_failed(tap(settings(api_at(url), request_timeout=2)))
            greeter.join()


@pytest.mark.usefixtures("_short_waits")
class TestTls:
    """TLS certificates."""

    def test_certificates_in_requests_ca_bundle_are_trusted(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox(a_call_per_minute()) as api, Tunnel(port_of(api), tls=True) as front:
            # The links of the API behind it begin with `http`.
            url = f"https://localhost:{front.port}/api/v2"
            run = tap(settings(api_at(url), page_size=10), env=trusting_environment(tap.folder))
        assert run.exit_code == 0, run.log
        assert run.ids() == ALL

    @pytest.mark.parametrize(
        ("certificate", "reason"),
        [
            ({"identities": ["localhost"]}, "unable to get local issuer certificate"),
            ({"identities": ["localhost"], "trusted": True, "expired": True}, "certificate has expired"),
            ({"identities": ["example.com"], "trusted": True}, "certificate is not valid for 'localhost'"),
        ],
    )
    def test_an_untrusted_certificate_fails_with_the_reason_before_the_token_is_sent(
        self, tap: TapRunner, settings: Settings, certificate: dict[str, Any], reason: str
    ) -> None:
        expiry = datetime.now(timezone.utc) - timedelta(days=1) if certificate.get("expired") else None
        issued = AUTHORITY.issue_cert(*certificate["identities"], not_after=expiry)
        env = (
            trusting_environment(tap.folder)
            if certificate.get("trusted")
            else {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": ""}
        )
        with Sandbox() as api, Tunnel(port_of(api), tls=True, certificate=issued) as front:
            url = f"https://localhost:{front.port}/api/v2"
            error = assert_failed(run := tap(settings(api_at(url)), env=env))
            assert api.requests == []
            assert not front.seen
        assert f"TLS certificate verification failed for {url}: " in error
        assert reason in error
        assert "REQUESTS_CA_BUNDLE" in error
        assert retry_warnings(run.log) == []

    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
    @pytest.mark.parametrize("kind", ["missing", "empty", "binary", "text"])
    def test_an_invalid_certificate_bundle_fails_the_run_at_once(
        self, tap: TapRunner, settings: Settings, variable: str, kind: str
    ) -> None:
        path = tap.folder / kind
        if kind != "missing":
            path.write_bytes({"empty": b"", "binary": b"\xff\x00", "text": b"hello"}[kind])
        env = {"REQUESTS_CA_BUNDLE": "", variable: str(path), "NO_PROXY": "*"}
        with Sandbox() as api, Tunnel(port_of(api), tls=True) as front:
            error = assert_failed(tap(settings(api_at(f"https://localhost:{front.port}/api/v2")), env=env))
            assert api.requests == []
        assert f"Cannot read the TLS certificates in {variable}." in error


@pytest.mark.usefixtures("_short_waits")
class TestProxies:
    """Proxies, which work as in other programs that use `requests`."""

    def test_a_proxy_tunnels_the_connection_and_sees_neither_token_nor_calls(
        self, tap: TapRunner, settings: Settings
    ) -> None:
        with Sandbox(a_call_per_minute()) as api, Tunnel(port_of(api), tls=True) as front:  # noqa: SIM117 - the proxy needs its port
            with Tunnel(front.port, tls=False) as proxy:
                env = {**trusting_environment(tap.folder), "HTTPS_PROXY": proxy.proxy_url}
                run = tap(settings(api_at("https://api.example.com/api/v2"), page_size=10), env=env)
                assert {head.split(b" HTTP/")[0] for head in proxy.connects} == {b"CONNECT api.example.com:443"}
                assert TOKEN.encode() not in b"".join(proxy.connects) + proxy.seen
        assert run.exit_code == 0, run.log
        assert run.ids() == ALL

    @pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
    @pytest.mark.parametrize(
        ("status", "cause"),
        [
            ("407 Proxy Authentication Required", "Proxy authentication required (407). Add the user and the password"),
            ("403 Forbidden", "The proxy refused the connection to https://api.example.com/api/v2 (403)"),
        ],
    )
    def test_a_proxy_that_refuses_fails_the_run_at_once_and_the_error_names_its_variable(
        self, tap: TapRunner, settings: Settings, variable: str, status: str, cause: str
    ) -> None:
        with Tunnel(None, tls=False, status=status) as proxy:
            env = {variable: proxy.proxy_url, "NO_PROXY": "", "no_proxy": ""}
            error = assert_failed(run := tap(settings(api_at("https://api.example.com/api/v2")), env=env))
            assert len(proxy.connects) == 1
            assert TOKEN.encode() not in proxy.connects[0]
        assert cause in error
        assert f"in {variable}" in error
        assert retry_warnings(run.log) == []

    def test_a_connection_to_an_overloaded_proxy_is_retried(self, tap: TapRunner, settings: Settings) -> None:
        with Tunnel(None, tls=False, status="503 Service Unavailable") as proxy:
            env = {"HTTPS_PROXY": proxy.proxy_url, "NO_PROXY": "", "no_proxy": ""}
            error = assert_failed(tap(settings(api_at("https://api.example.com/api/v2")), env=env))
            assert len(proxy.connects) == 3
        assert "Cannot connect to the proxy" in error
        assert "HTTPS_PROXY" in error

    @pytest.mark.parametrize(
        "url",
        [
            *("socks5://127.0.0.1:1", "socks5h://user:sk-tuple-secret@127.0.0.1:1", "://", "http://", "http://[::1"),
            *(
                "http://a b",
                "http://h:99999",
                "http://h:port",
                "ftp://h:1",
                ":",
                f"http://{'a' * 70}.com:1",
                "\udcff://x",
            ),
        ],
    )
    def test_an_invalid_proxy_fails_the_run_at_once_and_the_error_names_its_variable(
        self, tap: TapRunner, settings: Settings, url: str
    ) -> None:
        env = {"HTTPS_PROXY": url, "NO_PROXY": "", "no_proxy": ""}
        error = assert_failed(run := tap(settings(api_at("https://api.example.com/api/v2")), env=env))
        assert "HTTPS_PROXY" in error
        assert "secret" not in run.log
        assert retry_warnings(run.log) == []
        assert ('pip install "requests[socks]"' in error) == url.startswith("socks")

    def test_http_proxy_receives_requests_for_http_addresses(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox() as proxy:
            env = {"HTTP_PROXY": proxy.url.removesuffix("/api/v2"), "NO_PROXY": "", "no_proxy": ""}
            run = tap(settings(api_at("http://127.0.0.1:1/api/v2")), env=env)
            targets = {request.raw_target.partition("?")[0] for request in proxy.requests}
        assert targets == {"http://127.0.0.1:1/api/v2/call_usage"}
        assert run.exit_code == 1

    def test_no_proxy_bypasses_the_proxy(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox() as api:
            run = tap(settings(api), env={"HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": "127.0.0.1"})
            assert len(api.requests) == 1
        assert run.exit_code == 0

    def test_the_default_address_works_through_a_proxy(self, tap: TapRunner) -> None:
        with Sandbox(a_call_per_minute()) as api, tuple_hosts(api, tap.folder) as env:
            run = tap({"auth_token": TOKEN}, env=env)
            assert {request.headers["host"] for request in api.requests} == {"app.tuple.app"}
        assert run.exit_code == 0
        assert run.ids() == ALL
