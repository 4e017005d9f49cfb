"""What goes wrong with a request: asked again where that may help, and else one sentence and exit code 1."""

from __future__ import annotations

import itertools
import re
import signal
import socket
import threading
import time
from email.utils import formatdate
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from background import hurried, running
from conftest import TOKEN, a_call

from tap_tuple import faults, retries
from tap_tuple.exceptions import RetriableError
from tap_tuple.retries import Patience
from tap_tuple.sandbox import Fault, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Run, TapRunner

    Settings = Callable[..., dict[str, Any]]

ALL = list(range(1, 31))
FIRST_PAGE = ALL[:10]


def minute(number: int) -> str:
    return f"2026-03-15T00:{number:02}:00.000Z"


def calls() -> list[dict[str, Any]]:
    return [a_call(number, minute(number)) for number in ALL]


def pages_asked(api: Sandbox) -> list[str]:
    return [request.query.get("page", "1") for request in api.requests]


def warnings(log: str) -> list[str]:
    """What the log tells of requests that are to be made again."""
    return [line.split("|", 3)[3].strip() for line in log.splitlines() if "Asking again in" in line]


def assert_failed_in_a_sentence(run: Run) -> str:
    """It ended with 1 and one line that says why."""
    assert run.exit_code == 1
    assert len(run.errors) == 1
    assert "Traceback" not in run.log
    assert "This should not happen" not in run.log
    return run.errors[0]


# ---------------------------------------------------------------- what is asked again


def faulty_body(body: bytes, **headers: str) -> dict[str, Any]:
    return {"body": body, "headers": headers}


PASSING: dict[str, tuple[dict[str, Any], str]] = {
    "408": ({"status": 408}, "The API waited too long for the request (408)"),
    "500": ({"status": 500}, "The API failed (500)"),
    "502": ({"status": 502}, "The API failed (502)"),
    "503": ({"status": 503}, "The API failed (503)"),
    "504": ({"status": 504}, "The API failed (504)"),
    "599": ({"status": 599}, "The API failed (599)"),
    "204": ({"status": 204}, "The API answered with status 204 in place of calls"),
    "206": ({"status": 206}, "The API answered with status 206 in place of calls"),
    "reset": ({"connection": "reset"}, "cannot be reached"),
    "closed": ({"connection": "close"}, "cannot be reached"),
    "cut short": ({"connection": "cut"}, "The API's answer broke off"),
    "stalled": ({"connection": "stall"}, "did not answer in time"),
    "a byte now and then": ({"connection": "drip"}, "did not answer in time"),
    "slow": ({"delay_seconds": 1}, "did not answer in time"),
    "half a JSON": ({"body": lambda body: body[: len(body) // 2]}, "half a JSON value"),
    "half an object": (faulty_body(b'{"error": "alice@exam'), "half a JSON value"),
    "HTML": (faulty_body(b"<html>alice@example.com</html>"), "an HTML or XML page"),
    "text": (faulty_body(b"alice@example.com is at lunch"), "something that is not JSON"),
    "nothing": (faulty_body(b""), "nothing"),
    "null": (faulty_body(b"null"), "null (JSON)"),
    "object": (faulty_body(b'{"calls": []}'), "an object (JSON)"),
    "string": (faulty_body(b'"alice@example.com"'), "a string (JSON)"),
    "number": (faulty_body(b"17"), "a number (JSON)"),
    "boolean": (faulty_body(b"true"), "a boolean (JSON)"),
    "array of numbers": (faulty_body(b"[1, 2, 3]"), "an array of something else"),
    "array of arrays": (faulty_body(b"[[]]"), "an array of something else"),
    "array with a null": (faulty_body(b"[null]"), "an array of something else"),
    "two arrays": (faulty_body(b"[][]"), "something that is not JSON"),
    "no UTF-8": (faulty_body(b'[{"id": 1, "ended_at": "\xff"}]'), "JSON array"),
    "very deep": (faulty_body(b"[" * 100_000), "JSON array"),
    "no gzip": (faulty_body(b"[]", **{"Content-Encoding": "gzip"}), "cannot be decompressed"),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_may_pass_is_asked_again_until_it_has_passed_or_the_patience_has(
    name: str, settings: Settings, tmp_path: Path
) -> None:
    fault, cause = PASSING[name]
    with Sandbox(calls(), faults=[Fault(page=2, times=2, **fault), Fault(page=3, times=None, **fault)]) as api:
        run = hurried(tmp_path)(settings(api, page_size=10, request_timeout=0.3))
        error = assert_failed_in_a_sentence(run)
        assert cause in error
        assert "given up after" in error
        assert "Run again later: nothing is lost" in error
        # The third answer for page 2 is good; for page 3 there is none.
        assert pages_asked(api) == ["1", "2", "2", "2", "3", "3", "3"]
        assert [cause in warning for warning in warnings(run.log)] == [True] * 4
        assert run.ids() == ALL[:20]
        assert run.bookmark() == minute(20)
        assert "@" not in run.log


def test_a_request_that_got_through_at_last_does_not_spoil_a_green_run(settings: Settings, tmp_path: Path) -> None:
    faults = [Fault(page=page, times=2, status=500) for page in (1, 2, 3)]
    with Sandbox(calls(), faults=faults) as api:
        run = hurried(tmp_path)(settings(api, page_size=10))
        assert run.exit_code == 0
        assert run.ids() == ALL
        assert run.errors == []
        assert pages_asked(api) == [*"111222333"]


def test_the_waits_between_tries_grow(tap: TapRunner, settings: Settings) -> None:
    with Sandbox(calls(), faults=[Fault(on=1, times=2, status=500)]) as api:
        run = tap(settings(api))
        assert run.exit_code == 0
        assert run.ids() == ALL
        first, second, third = (request.arrived_at for request in api.requests)
        assert 1 <= second - first < 3
        assert 2 <= third - second < 4


def test_an_api_that_is_not_there_yet_is_asked_again(tap: TapRunner, settings: Settings, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    absent = SimpleNamespace(url=f"http://127.0.0.1:{port}/api/v2")
    with running(tap, settings(absent), tmp_path) as process:
        process.read()
        process.until(lambda: warnings(process.log))
        with Sandbox(calls(), port=port) as api:
            run = process.ended()
            assert len(api.requests) == 1
    assert run.exit_code == 0
    assert run.ids() == ALL
    assert f"{absent.url} cannot be reached" in warnings(run.log)[0]


def test_an_api_that_is_never_there_is_a_sentence_with_its_address(settings: Settings, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    absent = SimpleNamespace(url=f"http://127.0.0.1:{port}/api/v2")
    error = assert_failed_in_a_sentence(hurried(tmp_path)(settings(absent)))
    assert f"{absent.url} cannot be reached" in error
    assert "check api_url" in error


def test_something_that_does_not_speak_http_is_a_sentence(settings: Settings, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def greet() -> None:
            for _ in range(3):
                client, _ = other.accept()
                with client:
                    client.recv(1 << 16)
                    client.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")

        greeter = threading.Thread(target=greet, daemon=True)
        greeter.start()
        api = SimpleNamespace(url=f"http://127.0.0.1:{other.getsockname()[1]}/api/v2")
        error = assert_failed_in_a_sentence(hurried(tmp_path)(settings(api, request_timeout=2)))
        assert f"{api.url} cannot be reached" in error
        greeter.join()


def test_an_address_that_no_host_can_have_is_a_sentence_that_names_api_url(tap: TapRunner, settings: Settings) -> None:
    impossible = SimpleNamespace(url="https://.example.com/api/v2")
    error = assert_failed_in_a_sentence(tap(settings(impossible)))
    assert "api_url" in error


# ---------------------------------------------------------------- Retry-After and the rate limit


def asked_again_after(api: Sandbox) -> float:
    first, second, *_ = (request.arrived_at for request in api.requests)
    return second - first


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_in_seconds_is_never_undercut(status: int, tap: TapRunner, settings: Settings) -> None:
    with Sandbox(calls(), faults=[Fault(on=1, status=status, headers={"Retry-After": "3"})]) as api:
        run = tap(settings(api))
        assert run.exit_code == 0
        assert run.ids() == ALL
        assert 3 <= asked_again_after(api) < 5
        assert re.search(rf"{status}.*Asking again in [34] s", warnings(run.log)[0])


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_as_a_date_is_never_undercut(status: int, tap: TapRunner, settings: Settings) -> None:
    at = int(time.time()) + 4
    with Sandbox(
        calls(), faults=[Fault(on=1, status=status, headers={"Retry-After": formatdate(at, usegmt=True)})]
    ) as api:
        run = tap(settings(api))
        assert run.exit_code == 0
        assert run.ids() == ALL
        passed_since = time.monotonic() - api.requests[1].arrived_at
        assert -0.05 <= time.time() - passed_since - at < 2


NO_RETRY_AFTER = [None, "0", "-5", "soon", "Wed, 21 Oct 2015 07:28:00 GMT", "٣"]


@pytest.mark.parametrize("value", NO_RETRY_AFTER)
def test_without_a_usable_retry_after_a_refusal_is_waited_out_for_a_whole_minute(
    value: str | None, tap: TapRunner, settings: Settings, tmp_path: Path
) -> None:
    headers = {"Retry-After": value and value.encode().decode("latin-1")}
    with (
        Sandbox(calls(), faults=[Fault(on=1, status=429, headers=headers)]) as api,
        running(tap, settings(api), tmp_path) as process,
    ):
        process.until(lambda: warnings(process.log))
        assert re.search(r"rate limit is used up \(429\)\. Asking again in 6[12] s", warnings(process.log)[0])
        process.signal(signal.SIGTERM)
        assert process.ended(within_seconds=2).exit_code == -signal.SIGTERM
        assert len(api.requests) == 1


def test_nine_refusals_in_a_row_are_waited_out(settings: Settings, tmp_path: Path) -> None:
    with Sandbox(calls(), faults=[Fault(page=2, times=9, status=429)]) as api:
        run = hurried(tmp_path)(settings(api, page_size=10))
        assert run.exit_code == 0
        assert run.ids() == ALL
        assert pages_asked(api) == ["1", *["2"] * 10, "3"]
        assert len(warnings(run.log)) == 9


@pytest.mark.parametrize("retry_after", ["601", "86400", "in an hour"])
def test_told_to_wait_longer_than_the_patience_it_fails_at_once_and_says_when_to_run_again(
    retry_after: str, tap: TapRunner, settings: Settings
) -> None:
    seconds = 3600 if retry_after == "in an hour" else int(retry_after)
    value = formatdate(time.time() + seconds, usegmt=True) if retry_after == "in an hour" else retry_after
    with Sandbox(calls(), faults=[Fault(page=2, status=429, headers={"Retry-After": value})]) as api:
        run = tap(settings(api, page_size=10))
        error = assert_failed_in_a_sentence(run)
        assert "rate limit" in error
        when = re.search(r"Not before (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", error)
        assert when
        at = time.mktime(time.strptime(when[1], "%Y-%m-%d %H:%M:%S")) - time.timezone
        assert abs(at - time.time() - seconds) < 10
        assert pages_asked(api) == ["1", "2"]
        assert run.bookmark() == minute(10)


def test_a_service_that_asks_for_more_than_two_minutes_is_left_at_once(tap: TapRunner, settings: Settings) -> None:
    with Sandbox(calls(), faults=[Fault(on=1, status=503, headers={"Retry-After": "200"})]) as api:
        error = assert_failed_in_a_sentence(tap(settings(api)))
        assert "The API failed (503)" in error
        assert "Not before" in error
        assert len(api.requests) == 1


class Clock:
    """A clock that goes only when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(retries, "time", clock)
    return clock


REFUSED = RetriableError("refused", "Wait.", rate_limited=True)
FAILED = RetriableError("failed", "Wait.")
JITTER_SECONDS = 1.0
"""What the SDK adds to a wait at most."""


def endured(
    patience: Patience, clock: Clock, failures: Iterator[RetriableError], request_seconds: float
) -> list[float]:
    """The waits until the patience ends, each failure taking its time, and each wait its jitter."""
    said: list[float] = []
    waits = patience.waits()
    next(waits)
    for failure in failures:
        assert patience.left_seconds() > 0, "the next attempt has no time at all"
        clock.now += request_seconds
        try:
            said.append(waits.send(failure))
        except RetriableError:
            return said
        clock.now += said[-1] + JITTER_SECONDS
        assert len(said) < 10_000
    return said


def test_refusals_without_a_word_on_when_are_waited_out_by_the_minute_for_ten_minutes(clock: Clock) -> None:
    begun = clock.now
    waits = endured(Patience(), clock, itertools.repeat(REFUSED), request_seconds=0.1)
    assert all(wait > 60 for wait in waits)
    assert 500 < clock.now - begun <= 602


@pytest.mark.parametrize("retry_after_seconds", [1, 2, 7, 60])
def test_refusals_that_say_when_to_come_back_are_waited_out_for_ten_minutes(
    retry_after_seconds: int, clock: Clock
) -> None:
    refused = RetriableError("refused", "Wait.", rate_limited=True, retry_after_seconds=retry_after_seconds)
    begun = clock.now
    waits = endured(Patience(), clock, itertools.repeat(refused), request_seconds=0.1)
    assert all(wait >= retry_after_seconds for wait in waits)
    assert 600 - retry_after_seconds - 2 <= clock.now - begun <= 602


def test_the_ten_minutes_begin_with_the_first_refusal(clock: Clock) -> None:
    failures = itertools.chain([FAILED] * 4, itertools.repeat(REFUSED))
    begun = clock.now
    endured(Patience(), clock, failures, request_seconds=0.1)
    assert clock.now - begun > 520


@pytest.mark.parametrize("request_seconds", [0.01, 5.0, 20.0])
@pytest.mark.parametrize("trouble_seconds", [retries.TROUBLE_SECONDS, retries.TEST_TROUBLE_SECONDS])
def test_trouble_is_borne_for_two_minutes_at_most_and_for_half_a_minute_under_test(
    trouble_seconds: float, request_seconds: float, clock: Clock
) -> None:
    begun = clock.now
    waits = endured(Patience(trouble_seconds), clock, itertools.repeat(FAILED), request_seconds)
    assert trouble_seconds / 3 < clock.now - begun <= trouble_seconds + JITTER_SECONDS + request_seconds
    assert waits[:2] == [1, 2][: len(waits)]
    assert waits == sorted(waits)
    assert max(waits) <= 30


def test_trouble_has_two_minutes_in_all_and_half_a_minute_under_test() -> None:
    assert retries.TROUBLE_SECONDS == 120
    assert retries.TEST_TROUBLE_SECONDS == 30
    assert retries.REFUSAL_SECONDS == 600
    assert retries.RATE_WINDOW_SECONDS > 60


@pytest.mark.parametrize("retry_after_seconds", [20.0, 29.0, 29.85])
def test_a_service_that_says_when_it_is_back_is_given_time_to_answer_then(
    retry_after_seconds: float, clock: Clock
) -> None:
    failed = RetriableError("failed", "Wait.", retry_after_seconds=retry_after_seconds)
    patience = Patience(retries.TEST_TROUBLE_SECONDS)
    waits = endured(patience, clock, itertools.repeat(failed), request_seconds=0.1)
    assert all(wait >= retry_after_seconds for wait in waits)


def test_what_the_rate_limit_takes_is_not_counted_as_trouble(clock: Clock) -> None:
    failures = itertools.chain([REFUSED] * 5, itertools.repeat(FAILED))
    begun = clock.now
    waits = endured(Patience(), clock, failures, request_seconds=0.1)
    assert waits[5:7] == [1, 2]
    assert clock.now - begun > 5 * 61 + 60


def test_what_many_short_refusals_take_is_not_counted_as_trouble_either(clock: Clock) -> None:
    refused = RetriableError("refused", "Wait.", rate_limited=True, retry_after_seconds=1)
    failures = itertools.chain([refused] * 200, itertools.repeat(FAILED))
    waits = endured(Patience(), clock, failures, request_seconds=0.1)
    assert waits[200:202] == [1, 2]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("9" * 400, None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        ("Wed, 99 Oct 2099 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_from_now_or_not_at_all(header: str, seconds: float | None) -> None:
    response: Any = SimpleNamespace(headers={"Retry-After": header})
    assert faults.retry_after_seconds(response) == seconds


# ---------------------------------------------------------------- what fails at once

TOKEN_REMEDY = "Set auth_token to a valid token; whoever manages your Tuple team can make a new one"

FATAL: dict[str, tuple[dict[str, Any], list[str]]] = {
    "401": ({"status": 401}, ["The API does not know the token (401)", TOKEN_REMEDY]),
    "403": ({"status": 403}, ["The API does not let the token read calls (403)", TOKEN_REMEDY]),
    "404": ({"status": 404}, ["There is no usage API at {url} (404)", "Set api_url"]),
    "407": ({"status": 407}, ["The proxy asks for a login (407)", "HTTPS_PROXY"]),
    "400": ({"status": 400}, ["The API refused the request (400)", "{url}"]),
    "451": ({"status": 451}, ["The API refused the request (451)", "{url}"]),
    "301": ({"status": 301}, ["redirects to https://elsewhere.example/api/v3/call_usage (301)", "Set api_url"]),
    "302": ({"status": 302}, ["redirects to https://elsewhere.example/api/v3/call_usage (302)", "Set api_url"]),
    "303": ({"status": 303}, ["redirects to https://elsewhere.example/api/v3/call_usage (303)", "Set api_url"]),
    "307": ({"status": 307}, ["redirects to https://elsewhere.example/api/v3/call_usage (307)", "Set api_url"]),
    "308": ({"status": 308}, ["redirects to https://elsewhere.example/api/v3/call_usage (308)", "Set api_url"]),
}


@pytest.mark.parametrize("name", FATAL)
def test_what_will_not_pass_fails_at_once_with_its_remedy(name: str, tap: TapRunner, settings: Settings) -> None:
    fault, words = FATAL[name]
    location = {"Location": "https://user:secret@elsewhere.example/api/v3/call_usage?secret=1"}
    with Sandbox(calls(), faults=[Fault(page=2, times=None, headers=location, **fault)]) as api:
        run = tap(settings(api, page_size=10))
        error = assert_failed_in_a_sentence(run)
        for each in words:
            assert each.format(url=api.url) in error
        assert "secret" not in run.log
        assert pages_asked(api) == ["1", "2"]
        assert run.ids() == FIRST_PAGE
        assert run.bookmark() == minute(10)


def test_an_unknown_token_is_refused_by_the_api_and_named_by_its_setting(tap: TapRunner, settings: Settings) -> None:
    with Sandbox(calls(), token="sk-tuple-another") as api:
        run = tap(settings(api))
        assert TOKEN_REMEDY in assert_failed_in_a_sentence(run)
        assert [request.status for request in api.requests] == [401]
        assert api.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_a_window_that_the_api_refuses_is_named_as_it_was_sent(tap: TapRunner, settings: Settings) -> None:
    with Sandbox(calls(), faults=[Fault(on=1, status=422)]) as api:
        run = tap(settings(api, start_date="2026-03-01", end_date="2026-03-31T12:00:00+02:00"))
        error = assert_failed_in_a_sentence(run)
        assert "2026-03-01T00:00:00.000Z to 2026-03-31T10:00:00.000Z (422)" in error
        assert api.requests[0].query["since"] == "2026-03-01T00:00:00.000Z"
        assert api.requests[0].query["until"] == "2026-03-31T10:00:00.000Z"
        assert len(api.requests) == 1


def test_a_redirect_without_a_place_to_go_is_a_sentence_too(tap: TapRunner, settings: Settings) -> None:
    for headers in ({}, {"Location": "http://[::1"}, {"Location": "//"}):
        with Sandbox(calls(), faults=[Fault(on=1, status=302, headers=headers)]) as api:
            error = assert_failed_in_a_sentence(tap(settings(api)))
            assert "Set api_url" in error
            assert len(api.requests) == 1


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], Any], list[str]]] = {
    "no id": (lambda call: call.pop("id"), ["call number 3 of a page", "`id`"]),
    "null id": (lambda call: call.update(id=None), ["call number 3 of a page", "field id"]),
    "text id": (lambda call: call.update(id="13"), ["call number 3 of a page", "field id"]),
    "no ended_at": (lambda call: call.pop("ended_at"), ["call 13", "`ended_at`"]),
    "null ended_at": (lambda call: call.update(ended_at=None), ["call 13", "field ended_at"]),
    "number ended_at": (lambda call: call.update(ended_at=1773532800), ["call 13", "field ended_at"]),
    "no datetime": (lambda call: call.update(ended_at="yesterday"), ["call 13", "field ended_at"]),
    "no zone": (lambda call: call.update(ended_at="2026-03-15T00:13:00"), ["call 13", "field ended_at"]),
    "duration": (lambda call: call.update(duration_seconds="long"), ["call 13", "field duration_seconds"]),
    "started_at": (lambda call: call.update(started_at="dawn"), ["call 13", "field started_at"]),
    "participations": (lambda call: call.update(call_participations={}), ["call 13", "field call_participations"]),
    "joined_at": (
        lambda call: call.update(call_participations=[{"id": 1, "joined_at": 5}]),
        ["call 13", "field call_participations", "joined_at"],
    ),
    "email": (
        lambda call: call.update(call_participations=[{"id": 1, "user": {"email": ["alice@example.com"]}}]),
        ["call 13", "field call_participations", "user.email"],
    ),
    "beside an unknown field": (lambda call: call.update(id=None, new="alice@example.com"), ["number 3", "field id"]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_invalid_call_fails_at_once_naming_the_call_and_the_field(
    name: str, tap: TapRunner, settings: Settings
) -> None:
    break_it, words = BROKEN[name]

    def broken(page: list[dict[str, Any]]) -> list[dict[str, Any]]:
        break_it(page[2])
        return page

    with Sandbox(calls(), faults=[Fault(page=2, times=None, calls=broken)]) as api:
        run = tap(settings(api, page_size=10))
        error = assert_failed_in_a_sentence(run)
        for each in words:
            assert each in error
        assert "@" not in run.log
        assert "Nothing of its page is written" in error
        assert run.ids() == FIRST_PAGE
        assert run.bookmark() == minute(10)
        assert len(api.requests) == 2


# ---------------------------------------------------------------- links that must not be followed

STRAY = {
    "another host": ("https://elsewhere.example/api/v2/call_usage?page=2", "place on https://elsewhere.example"),
    "another host, network-path": ("//elsewhere.example/api/v2/call_usage?page=2", "place on http://elsewhere.example"),
    "another port": ("http://127.0.0.1:1/api/v2/call_usage?page=2", "place on http://127.0.0.1:1 "),
    "another name of the host": (
        "http://localhost:{port}/api/v2/call_usage?page=2",
        "place on http://localhost:{port}",
    ),
    "a port that there is not": ("http://elsewhere.example:99999/api/v2/call_usage?page=2", "next link"),
    "another path": ("/api/v3/call_usage?page=2", "another place on http://127.0.0.1:{port}"),
    "a deeper path": ("/api/v2/call_usage/2", "another place on http://127.0.0.1:{port}"),
    "a user": ("http://user:secret@127.0.0.1:{port}/api/v2/call_usage?page=2", "place on http://127.0.0.1:{port}"),
    "another scheme": ("ftp://127.0.0.1:{port}/api/v2/call_usage?page=2", "place on ftp://127.0.0.1:{port}"),
    "no URL": ("http://[::1/api/v2/call_usage?page=2", "not a URL"),
    "another window": ("/api/v2/call_usage?page=2&since=2026-03-15T00:20:00Z", "does not keep to since="),
    "another end": ("/api/v2/call_usage?page=2&until=2026-03-15T00:20:00Z", "does not keep to until="),
    "itself": ("?page=1&per_page=10", "lead back to a page that was read before"),
    "itself, unnamed": ("?per_page=10", "lead back to a page that was read before"),
    "nothing": ("", "lead back to a page that was read before"),
}


@pytest.mark.parametrize("name", STRAY)
def test_a_next_link_that_leads_astray_fails_before_it_is_followed(
    name: str, tap: TapRunner, settings: Settings
) -> None:
    link, words = STRAY[name]
    with Sandbox(calls()) as api:
        port = api.url.split(":")[2].partition("/")[0]
    fault = Fault(page=1, times=None, headers={"Link": f'<{link.format(port=port)}>; rel="next"'})
    with Sandbox(calls(), port=int(port), faults=[fault]) as api:
        run = tap(settings(api, page_size=10, lookback_window=0))
        error = assert_failed_in_a_sentence(run)
        assert words.replace("{port}", port) in error
        assert "api_url" in error
        assert "secret" not in run.log
        assert len(api.requests) == 1
        # The page that bore the link is good, and written.
        assert run.ids() == FIRST_PAGE
        assert run.bookmark() == minute(10)


def test_links_that_go_round_in_two_pages_fail_before_a_page_is_asked_for_again(
    tap: TapRunner, settings: Settings
) -> None:
    fault = Fault(page=2, times=None, headers={"Link": '</api/v2/call_usage?page=1>; rel="next"'})
    with Sandbox(calls(), faults=[fault]) as api:
        run = tap(settings(api, page_size=10))
        error = assert_failed_in_a_sentence(run)
        assert "lead back to a page that was read before" in error
        assert pages_asked(api) == ["1", "2"]
        assert run.ids() == ALL[:20]


@pytest.mark.parametrize(
    "link",
    [
        "{origin}{path}?{query}&page=2",
        "https://127.0.0.1:{port}/api/v2/call_usage?page=2&per_page=10",
        "http://127.0.0.1/api/v2/call_usage?page=2&per_page=10",
        "/api/v2/call_usage?page=2",
        "?page=2",
        "call_usage?page=2",
        "/api/v2/call_usage/?page=2",
    ],
)
def test_a_next_link_to_the_apis_own_place_is_followed_there_however_it_is_written(
    link: str, tap: TapRunner, settings: Settings
) -> None:
    with Sandbox(calls()) as api:
        port = api.url.split(":")[2].partition("/")[0]
    written = f'<{link.replace("{port}", port)}>; rel="next"'
    with Sandbox(calls(), port=int(port), faults=[Fault(page=1, link=written)]) as api:
        run = tap(settings(api, page_size=10))
        assert run.exit_code == 0
        assert run.ids() == ALL
        assert pages_asked(api) == ["1", "2", "3"]
        assert [request.path for request in api.requests] == ["/api/v2/call_usage"] * 3
        assert len({(request.query["since"], request.query["until"]) for request in api.requests}) == 1
