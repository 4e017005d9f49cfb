"""The sandbox behaves as the API is documented, except for configured faults."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tap_tuple.sandbox import DEFAULT_TOKEN, Fault, Received, Sandbox, generate_calls
from tap_tuple.sandbox.__main__ import main
from tap_tuple.sandbox.usage_api import RequestQuota

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parent.parent
NOW = datetime(2026, 11, 1, tzinfo=timezone.utc)
BEGINNING = "2000-01-01T00:00:00Z"
AUTHORIZATION = {"Authorization": f"Bearer {DEFAULT_TOKEN}"}
TIMEOUT_SECONDS = 10


def call(number: int, ended_at: Any = None) -> dict[str, Any]:
    """Return a call that ended `number` minutes after midnight."""
    return {"id": number, "ended_at": ended_at or f"2026-03-15T00:{number:02}:00.000Z", "call_participations": []}


def get(api: Sandbox | str, token: str = DEFAULT_TOKEN, **query: Any) -> requests.Response:
    return requests.get(
        f"{api if isinstance(api, str) else api.url}/call_usage",
        params={"since": BEGINNING, **query},
        headers={"Authorization": f"Bearer {token}"},
        timeout=TIMEOUT_SECONDS,
    )


def ids(response: requests.Response) -> list[Any]:
    assert response.status_code == 200, response.text
    return [each["id"] for each in response.json()]


def statuses(api: Sandbox, count: int) -> list[int]:
    return [get(api).status_code for _ in range(count)]


def sandbox(*faults: Fault, **options: Any) -> Sandbox:
    """Return a sandbox with nine calls, whose ids are 1 to 9."""
    return Sandbox([call(number) for number in range(1, 10)], faults=faults, **{"now": NOW, **options})


@pytest.fixture(scope="module")
def unchanged_api() -> Iterator[Sandbox]:
    """A sandbox that is shared by tests that do not change it."""
    with sandbox() as api:
        yield api


@pytest.fixture
def api() -> Iterator[Sandbox]:
    with sandbox() as api:
        yield api


def connect(api: Sandbox) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(api.url.split(":")[2].split("/")[0])), timeout=TIMEOUT_SECONDS)


def send_request(api: Sandbox) -> socket.socket:
    client = connect(api)
    target = f"/api/v2/call_usage?since={BEGINNING}"
    client.sendall(f"GET {target} HTTP/1.1\r\nAuthorization: Bearer {DEFAULT_TOKEN}\r\n\r\n".encode())
    return client


def receive_all(client: socket.socket) -> tuple[bytes, bytes]:
    """Read until the connection is closed; return the headers and the body."""
    received = b""
    while more := client.recv(65536):
        received += more
    headers, _, body = received.partition(b"\r\n\r\n")
    return headers, body


class TestWindow:
    def test_since_is_inclusive_and_until_is_exclusive(self, unchanged_api: Sandbox) -> None:
        assert ids(get(unchanged_api, since="2026-03-15T00:03:00.000Z", until="2026-03-15T00:05:00.000Z")) == [3, 4]

    def test_times_are_compared_by_millisecond(self, unchanged_api: Sandbox) -> None:
        assert ids(get(unchanged_api, since="2026-03-15T00:08:00.000999Z")) == [8, 9]
        assert ids(get(unchanged_api, since="2026-03-15T00:08:00.001Z")) == [9]

    def test_until_defaults_to_a_fixed_now(self) -> None:
        with sandbox(now=datetime(2026, 3, 15, 0, 5, tzinfo=timezone.utc)) as api:
            assert ids(get(api)) == [1, 2, 3, 4]

    def test_until_defaults_to_the_current_time(self) -> None:
        now = datetime.now(timezone.utc)
        calls = [call(number, (now + timedelta(hours=number)).isoformat()) for number in (-1, 1)]
        with Sandbox(calls) as api:
            assert ids(get(api)) == [-1]

    def test_a_window_that_ends_before_it_starts_is_empty(self, unchanged_api: Sandbox) -> None:
        response = get(unchanged_api, since="2026-03-15T00:05:00Z", until="2026-03-15T00:03:00Z")
        assert ids(response) == []
        assert response.headers["X-Total-Count"] == "0"

    @pytest.mark.parametrize(
        "since",
        [
            "2026-03-15T00:09:00Z",
            "2026-03-15T00:09Z",
            "2026-03-15T00:09:00.0Z",
            "2026-03-15T00:08:59.999123Z",
            "2026-03-15T00:09:00",
            "2026-03-15T02:09:00+02:00",
            "2026-03-14T19:09:00.000-0500",
            "2026-03-15T02:09:00+02",
        ],
    )
    def test_iso_8601_variants_are_accepted(self, unchanged_api: Sandbox, since: str) -> None:
        assert ids(get(unchanged_api, since=since)) == [9]

    def test_a_date_means_midnight_in_utc(self, unchanged_api: Sandbox) -> None:
        assert len(ids(get(unchanged_api, since="2026-03-15", until="2026-03-16"))) == 9
        assert ids(get(unchanged_api, since="2026-03-16")) == []

    @pytest.mark.parametrize("name", ["since", "until"])
    @pytest.mark.parametrize(
        "value",
        ["", "yesterday", "2026-02-30", "2026-03-15T25:00:00Z", "2026-03-15 00:09:00Z", "1773532800", "2026-03-15T0"],
    )
    def test_the_error_for_an_invalid_datetime_names_the_parameter(
        self, unchanged_api: Sandbox, name: str, value: str
    ) -> None:
        response = get(unchanged_api, **{name: value})
        assert response.status_code == 422
        assert response.json() == {"error": f"{name} is not an ISO 8601 datetime"}

    def test_since_is_required(self, unchanged_api: Sandbox) -> None:
        response = get(unchanged_api, since=None)
        assert (response.status_code, response.json()) == (422, {"error": "since is missing"})

    def test_a_plus_that_is_not_percent_encoded_is_a_space(self, unchanged_api: Sandbox) -> None:
        url = f"{unchanged_api.url}/call_usage?since=2026-03-15T02:09:00+02:00"
        assert requests.get(url, headers=AUTHORIZATION, timeout=TIMEOUT_SECONDS).status_code == 422
        assert unchanged_api.requests[-1].query["since"] == "2026-03-15T02:09:00 02:00"


class TestPages:
    def test_calls_are_sorted_by_end_then_by_id(self) -> None:
        calls = [call(3), call(1), call(12, ended_at=call(3)["ended_at"]), call(2)]
        with Sandbox(calls, now=NOW) as api:
            response = get(api)
            assert response.json() == api.calls
        assert ids(response) == [1, 2, 3, 12]
        assert response.json()[0] == call(1)

    def test_a_single_page_has_a_total_and_no_links(self, unchanged_api: Sandbox) -> None:
        response = get(unchanged_api)
        assert response.headers["X-Total-Count"] == "9"
        assert response.headers["Content-Type"].startswith("application/json")
        assert "Link" not in response.headers

    def test_pages_link_to_the_previous_and_the_next_page(self, unchanged_api: Sandbox) -> None:
        first, second, third = (get(unchanged_api, per_page=4, page=page) for page in (1, 2, 3))
        assert (ids(first), ids(second), ids(third)) == ([1, 2, 3, 4], [5, 6, 7, 8], [9])
        assert [set(page.links) for page in (first, second, third)] == [{"next"}, {"prev", "next"}, {"prev"}]
        assert second.headers["X-Total-Count"] == "9"
        assert ids(get(unchanged_api, per_page=4, page=7)) == []

    def test_a_link_repeats_the_parameters(self, unchanged_api: Sandbox) -> None:
        url = get(unchanged_api, since="2026-03-15T01:00:00+01:00", until="2026-03-16", per_page=4).links["next"]["url"]
        window = "since=2026-03-15T01%3A00%3A00%2B01%3A00&until=2026-03-16"
        assert url == f"{unchanged_api.url}/call_usage?{window}&page=2&per_page=4"
        assert ids(requests.get(url, headers=AUTHORIZATION, timeout=TIMEOUT_SECONDS)) == [5, 6, 7, 8]

    def test_a_link_has_no_until_if_the_request_had_none(self, unchanged_api: Sandbox) -> None:
        assert "until" not in get(unchanged_api, per_page=4).links["next"]["url"]

    def test_a_link_repeats_the_host_of_the_request(self, unchanged_api: Sandbox) -> None:
        url = unchanged_api.url.replace("127.0.0.1", "localhost")
        assert get(url, per_page=4).links["next"]["url"].startswith(f"{url}/call_usage?")

    @pytest.mark.parametrize("name", ["page", "per_page"])
    @pytest.mark.parametrize("value", ["0", "-1", "x", "", "1.5", "9" * 30])
    def test_page_numbers_and_sizes_are_positive_integers(self, unchanged_api: Sandbox, name: str, value: str) -> None:
        response = get(unchanged_api, **{name: value})
        assert response.status_code == 422
        assert response.json() == {"error": f"{name} is not a positive integer"}

    def test_a_page_has_100_calls_by_default_and_1000_at_most(self) -> None:
        with Sandbox([call(number, "2026-03-15") for number in range(1001)], now=NOW) as api:
            assert len(ids(get(api))) == 100
            response = get(api, per_page=5000)
            assert len(ids(response)) == 1000
            assert "per_page=1000" in response.links["next"]["url"]

    def test_the_maximum_page_size_can_be_reduced(self) -> None:
        with sandbox(max_per_page=4) as api:
            response = get(api, per_page=1000)
            assert ids(response) == [1, 2, 3, 4]
            assert "page=2&per_page=4" in response.links["next"]["url"]
            assert ids(get(api, per_page=3)) == [1, 2, 3]


class TestAccess:
    @pytest.mark.parametrize("header", [None, "Bearer wrong", DEFAULT_TOKEN, f"Basic {DEFAULT_TOKEN}", "Bearer "])
    def test_a_request_without_the_token_is_unauthorized(self, unchanged_api: Sandbox, header: str | None) -> None:
        url = f"{unchanged_api.url}/call_usage?since={BEGINNING}"
        response = requests.get(url, headers={"Authorization": header or ""}, timeout=TIMEOUT_SECONDS)
        assert response.status_code == 401
        assert response.json() == {"error": "Unauthorized"}

    def test_the_token_can_be_changed(self) -> None:
        with sandbox(token="sk-tuple-mine") as api:
            assert get(api).status_code == 401
            assert get(api, token="sk-tuple-mine").status_code == 200

    @pytest.mark.parametrize(("path", "status"), [("call_usage/", 200), ("calls", 404), ("", 404)])
    def test_other_paths_are_not_found(self, unchanged_api: Sandbox, path: str, status: int) -> None:
        url = f"{unchanged_api.url}/{path}?since={BEGINNING}"
        assert requests.get(url, headers=AUTHORIZATION, timeout=TIMEOUT_SECONDS).status_code == status

    def test_other_methods_are_not_supported(self, unchanged_api: Sandbox) -> None:
        url = f"{unchanged_api.url}/call_usage"
        assert requests.post(url, headers=AUTHORIZATION, data="{}", timeout=TIMEOUT_SECONDS).status_code == 501

    def test_bytes_that_are_not_http_are_a_bad_request(self, api: Sandbox) -> None:
        with connect(api) as client:
            client.sendall(b"hello\r\n\r\n")
            assert b"400" in client.recv(65536)
        assert api.requests == []

    def test_requests_above_the_rate_limit_receive_429_without_retry_after(self) -> None:
        with sandbox(requests_per_minute=2) as api:
            assert [get(api, token="wrong").status_code for _ in range(3)] == [401, 401, 401]
            assert get(api, since="?").status_code == 422
            assert get(api).status_code == 200
            response = get(api)
            assert response.status_code == 429
            assert "Retry-After" not in response.headers
            assert [each.status for each in api.requests] == [401, 401, 401, 422, 200, 429]

    def test_the_rate_limit_applies_to_any_60_seconds_and_ignores_rejected_requests(self) -> None:
        times = [0.0, 30.0, 59.0, 60.0, 61.0, 89.0, 90.0]
        quota = RequestQuota(2, clock=iter(times).__next__)
        assert [quota.accepts_request() for _ in times] == [True, True, False, True, False, False, True]


class TestConnections:
    def test_a_large_page_is_compressed_if_the_client_accepts_gzip(self) -> None:
        calls = generate_calls(10, now=NOW)
        with Sandbox(calls, now=NOW) as api:
            url = f"{api.url}/call_usage?since={BEGINNING}"
            plain, compressed = (
                requests.get(url, headers={**AUTHORIZATION, "Accept-Encoding": encoding}, timeout=TIMEOUT_SECONDS)
                for encoding in ("identity", "gzip, deflate")
            )
        assert compressed.headers["Content-Encoding"] == "gzip"
        assert "Content-Encoding" not in plain.headers
        assert compressed.json() == plain.json() == calls

    def test_a_connection_serves_many_requests_without_delay(self, unchanged_api: Sandbox) -> None:
        with requests.Session() as session:
            url = f"{unchanged_api.url}/call_usage?since={BEGINNING}"
            ports = set()
            started = time.monotonic()
            for _ in range(50):
                with session.get(url, headers=AUTHORIZATION, timeout=TIMEOUT_SECONDS, stream=True) as response:
                    assert response.raw.connection is not None
                    ports.add(response.raw.connection.sock.getsockname()[1])
                    assert len(response.json()) == 9
        assert len(ports) == 1
        assert time.monotonic() - started < 1.0, "each request waits for a delayed ACK (40 ms)"

    def test_requests_are_served_in_parallel(self) -> None:
        barrier = threading.Barrier(5, timeout=TIMEOUT_SECONDS)
        with sandbox(Fault(times=None, run=lambda _: barrier.wait())) as api:
            threads = [threading.Thread(target=get, args=(api,)) for _ in range(5)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert [each.status for each in api.requests] == [200] * 5

    @pytest.mark.parametrize(
        "fault", [Fault(connection="stall"), Fault(connection="drip"), Fault(delay_seconds=60)], ids=str
    )
    def test_leaving_the_with_block_closes_all_connections_at_once(self, fault: Fault) -> None:
        received = threading.Event()
        with sandbox(Fault(run=lambda _: received.set()), fault) as api:
            client, idle = send_request(api), connect(api)
            assert received.wait(TIMEOUT_SECONDS)
            started = time.monotonic()
        with client, idle:
            assert time.monotonic() - started < 1.0
            with pytest.raises(ConnectionError):
                connect(api)

    def test_a_client_that_resets_its_connection_is_ignored(self) -> None:
        errors: list[object] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(threading, "excepthook", errors.append)
            with sandbox() as api:
                client = send_request(api)
                client.recv(1)  # the rest of the response is unread
                client.close()
                assert len(ids(get(api))) == 9
        assert errors == []

    def test_an_error_in_the_code_of_a_fault_is_raised_in_its_thread(self) -> None:
        errors: list[BaseException | None] = []

        def fail(_: Sandbox) -> None:
            raise RuntimeError

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(threading, "excepthook", lambda args: errors.append(args.exc_value))
            with sandbox(Fault(run=fail)) as api, pytest.raises(requests.ConnectionError):
                get(api)
        assert [type(error) for error in errors] == [RuntimeError]


class TestChanges:
    def test_requests_are_recorded_as_received(self, api: Sandbox) -> None:
        before = time.monotonic()
        get(api, since="2026-03-15", page=2)
        get(api, since="")
        first, second = api.requests
        assert (first.number, first.path, first.status) == (1, "/api/v2/call_usage", 200)
        assert first.query == {"since": "2026-03-15", "page": "2"}
        assert first.raw_target == "/api/v2/call_usage?since=2026-03-15&page=2"
        assert first.headers["authorization"] == f"Bearer {DEFAULT_TOKEN}"
        assert (second.number, second.query, second.status) == (2, {"since": ""}, 422)
        assert before < first.arrived_at < second.arrived_at < time.monotonic()

    def test_calls_can_be_added_and_deleted(self, api: Sandbox) -> None:
        api.delete(2, 3, 4, "unknown id")
        api.add(call(30), call(3), call(1))
        assert ids(get(api)) == [1, 1, 3, 5, 6, 7, 8, 9, 30]

    def test_a_call_can_be_replaced_by_an_edited_one(self, api: Sandbox) -> None:
        get(api)
        api.replace({**call(3), "duration_seconds": 7}, call(5, "2026-03-15T01:00:00.000Z"))
        calls = get(api).json()
        assert [each["id"] for each in calls] == [1, 2, 3, 4, 6, 7, 8, 9, 5]
        assert calls[2]["duration_seconds"] == 7

    @pytest.mark.parametrize("ended_at", [None, 17, "soon", ["2026"], {"at": 1}])
    def test_a_call_without_a_valid_ended_at_comes_last_in_every_window(self, ended_at: Any) -> None:
        invalid = {"id": [1], "ended_at": ended_at, "new_field": {"é": None}}
        with Sandbox([{}, invalid, call(1), call(2)], now=NOW) as api:
            assert get(api).json() == [call(1), call(2), {}, invalid]
            assert get(api, since="2026-10-01").json() == [{}, invalid]
            assert get(api, per_page=3, page=2).json() == [invalid]
            assert get(api, since="2026-03-15T00:02:00Z", per_page=2).json() == [call(2), {}]
            assert get(api, page=9).headers["X-Total-Count"] == "4"
            api.delete([1])
            assert len(get(api).json()) == 3

    def test_calls_can_change_while_they_are_read(self, api: Sandbox) -> None:
        def change() -> None:
            for number in range(100, 150):
                api.add(call(number, "2026-03-16"))
                api.delete(number)

        threads = [threading.Thread(target=change) for _ in range(4)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            assert ids(get(api))[:9] == list(range(1, 10))
        assert len(api.calls) == 9

    def test_new_calls_end_after_all_others_and_before_now(self) -> None:
        calls = generate_calls(20, now=NOW)
        with Sandbox(calls, now=NOW) as api:
            api.delete(calls[-1]["id"])
            new = api.new_calls(3) + api.new_calls(2)
            assert get(api, until=NOW.isoformat()).json() == get(api).json() == calls[:-1] + new
        assert min(each["id"] for each in new) > max(each["id"] for each in calls), "ids are never used again"

    def test_new_calls_are_visible_at_once_in_real_time(self) -> None:
        calls = generate_calls(20)
        with Sandbox(calls) as api:
            new = api.new_calls(3)
            until = datetime.now(timezone.utc).isoformat()
            assert get(api, until=until).json() == calls + new
            assert api.new_calls(0) == []

    def test_now_moves_forward_if_there_is_no_time_for_new_calls(self) -> None:
        with Sandbox([call(1, NOW.isoformat())], now=NOW) as api:
            assert ids(get(api)) == []
            new = api.new_calls(3)
            assert get(api).json()[1:] == new

    def test_an_empty_team_can_have_new_calls(self) -> None:
        with Sandbox() as api:
            assert api.new_calls(2) == get(api).json()

    def test_latency_delays_every_response(self) -> None:
        with sandbox(latency_seconds=0.05) as api:
            assert get(api).elapsed.total_seconds() >= 0.05
            assert get(api).elapsed.total_seconds() >= 0.05


class TestFaultSelection:
    def test_on_is_the_number_of_the_first_request(self) -> None:
        with sandbox(Fault(on=2, status=503), Fault(on=4, times=2, status=500)) as api:
            assert statuses(api, 6) == [200, 503, 200, 500, 500, 200]
            assert [each.status for each in api.requests] == [200, 503, 200, 500, 500, 200]

    def test_times_none_means_all_further_requests(self) -> None:
        with sandbox(Fault(on=2, times=None, status=503)) as api:
            assert statuses(api, 4) == [200, 503, 503, 503]

    def test_page_selects_requests_for_a_page(self) -> None:
        with sandbox(Fault(page=2, times=2, status=503), Fault(page=1, status=500)) as api:
            pages = [3, 2, None, 2, 2, 1]
            assert [get(api, page=page).status_code for page in pages] == [200, 503, 500, 503, 200, 200]

    def test_when_selects_requests_by_a_predicate(self) -> None:
        with sandbox(Fault(when=lambda request: "until" in request.query, times=2, status=503)) as api:
            untils = [None, "2026-04-01", None, "2026-04-01", "2026-04-01"]
            assert [get(api, until=until).status_code for until in untils] == [200, 503, 200, 503, 200]

    def test_on_counts_the_selected_requests_only(self) -> None:
        def starts_later(request: Received) -> bool:
            return request.query["since"] > BEGINNING

        with sandbox(Fault(when=starts_later, on=2, status=503), Fault(page=3, on=2, status=500)) as api:
            sinces = [BEGINNING, "2026-03-01", BEGINNING, "2026-03-02", "2026-03-03"]
            assert [get(api, since=since).status_code for since in sinces] == [200, 200, 200, 503, 200]
            assert [get(api, page=page).status_code for page in (1, 3, 3, 3)] == [200, 200, 500, 200]

    def test_page_and_when_must_both_select_a_request(self) -> None:
        with sandbox(Fault(page=2, when=lambda request: request.number > 2, status=503)) as api:
            assert [get(api, page=page).status_code for page in (2, 2, 1, 2)] == [200, 200, 200, 503]

    def test_on_counts_rejected_requests_too(self) -> None:
        with sandbox(Fault(on=2, status=503)) as api:
            assert get(api, token="wrong").status_code == 401
            assert get(api).status_code == 503

    def test_an_unknown_connection_fault_is_an_error(self) -> None:
        options: dict[str, Any] = {"connection": "refuse"}
        with pytest.raises(ValueError, match="connection must be one of reset, close, cut, stall, drip"):
            Fault(**options)


class TestFaultEffects:
    def test_an_error_status_replaces_the_calls(self) -> None:
        with sandbox(Fault(status=429, headers={"Retry-After": "2"})) as api:
            response = get(api)
        assert response.json() == {"error": "Too Many Requests"}
        assert response.headers["Retry-After"] == "2"
        assert "X-Total-Count" not in response.headers

    def test_a_redirect_has_a_location(self) -> None:
        with sandbox(Fault(status=302, headers={"Location": "/api/v2/call_usage?since=2026-10-01"})) as api:
            response = get(api)
            assert [each.status_code for each in response.history] == [302]
            assert ids(response) == []

    @pytest.mark.parametrize("status", [204, 299, 304, 599])
    def test_a_session_can_continue_after_any_status(self, status: int) -> None:
        with sandbox(Fault(status=status)) as api, requests.Session() as session:
            url = f"{api.url}/call_usage?since={BEGINNING}"
            responses = [session.get(url, headers=AUTHORIZATION, timeout=TIMEOUT_SECONDS) for _ in range(2)]
            assert [response.status_code for response in responses] == [status, 200]

    def test_headers_are_replaced_removed_and_repeated(self) -> None:
        headers: dict[str, Any] = {"x-total-count": None, "LINK": ["<a>; rel=x", "<b>; rel=y"], "X-New": "1"}
        with sandbox(Fault(headers=headers)) as api:
            response = get(api, per_page=4)
        assert "X-Total-Count" not in response.headers
        assert response.raw.headers.getlist("Link") == headers["LINK"]
        assert response.headers["X-New"] == "1"
        assert ids(response) == [1, 2, 3, 4]

    @pytest.mark.parametrize(
        ("change", "expected"), [(lambda total: str(int(total) - 1), "8"), (lambda _: None, None)], ids=["less", "none"]
    )
    def test_a_header_is_changed_by_a_function(self, change: Callable[[str], str | None], expected: str | None) -> None:
        with sandbox(Fault(times=None, headers={"x-total-count": change, "Missing": str.upper})) as api:
            responses = [get(api), get(api, since="2026-10-01", token="wrong")]
        assert [response.headers.get("X-Total-Count") for response in responses] == [expected, None]
        assert "Missing" not in responses[0].headers

    def test_an_api_can_have_no_links_and_no_totals(self) -> None:
        with sandbox(Fault(times=None, headers={"Link": None, "X-Total-Count": None})) as api:
            for page in (1, 2, 3):
                assert not {"Link", "X-Total-Count"} & set(get(api, page=page, per_page=4).headers)

    def test_a_body_without_a_length_ends_with_the_connection(self) -> None:
        with sandbox(Fault(headers={"Content-Length": None})) as api, send_request(api) as client:
            headers, body = receive_all(client)
        assert b"Content-Length" not in headers
        assert len(json.loads(body)) == 9

    def test_a_body_that_is_shorter_than_its_length_ends_with_the_connection(self) -> None:
        with sandbox(Fault(headers={"Content-Length": "9999"})) as api, pytest.raises(requests.RequestException):
            get(api)

    def test_a_body_is_replaced_or_changed(self) -> None:
        with sandbox(Fault(body=b"<html>"), Fault(on=2, body=lambda body: body[:-1])) as api:
            assert get(api).content == b"<html>"
            assert json.loads(get(api).content + b"]") == [call(number) for number in range(1, 10)]

    def test_the_calls_of_a_page_are_changed_in_the_response_only(self) -> None:
        def edit(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
            calls[0]["id"] = None
            return calls[:2]

        with sandbox(Fault(calls=edit)) as api:
            response = get(api)
            assert ids(response) == [None, 2]
            assert response.headers["X-Total-Count"] == "9"
            assert ids(get(api))[0] == 1

    def test_a_link_uses_parts_of_the_request(self) -> None:
        with sandbox(Fault(link='<{origin}{path}?{query}&page=7>; rel="next"')) as api:
            response = get(api, since="2026-03-15", per_page=4)
            assert response.links["next"]["url"] == f"{api.url}/call_usage?since=2026-03-15&per_page=4&page=7"

    def test_a_delay_applies_to_one_response(self) -> None:
        with sandbox(Fault(delay_seconds=0.1)) as api:
            assert get(api).elapsed.total_seconds() >= 0.1 > get(api).elapsed.total_seconds()

    def test_calls_are_deleted_and_inserted_before_the_response(self) -> None:
        with sandbox(Fault(on=2, delete=[1, 9], insert=[call(5), call(20)])) as api:
            assert ids(get(api)) == list(range(1, 10))
            assert ids(get(api)) == [2, 3, 4, 5, 5, 6, 7, 8, 20]

    def test_a_number_deletes_the_first_calls_of_the_window(self) -> None:
        with sandbox(Fault(page=2, delete=2), Fault(on=2, delete=5)) as api:
            response = get(api, since="2026-03-15T00:03:00Z", per_page=2, page=2)
            assert ids(response) == [7, 8]
            assert response.headers["X-Total-Count"] == "5"
            assert get(api, since="?").status_code == 422
            assert [each["id"] for each in api.calls] == [1, 2, 5, 6, 7, 8, 9]

    def test_code_runs_before_the_response(self) -> None:
        with sandbox(Fault(run=lambda api: api.delete(*range(1, 9)))) as api:
            assert ids(get(api)) == [9]

    def test_faults_of_the_same_request_are_combined(self) -> None:
        faults = [Fault(status=503), Fault(headers={"Retry-After": "1"}), Fault(body=b"down"), Fault(delete=[1])]
        with sandbox(*faults) as api:
            response = get(api)
            assert (response.status_code, response.headers["Retry-After"], response.text) == (503, "1", "down")
            assert ids(get(api)) == list(range(2, 10))

    def test_failed_requests_count_towards_the_rate_limit(self) -> None:
        with sandbox(Fault(status=503), requests_per_minute=1) as api:
            assert statuses(api, 2) == [503, 429]


class TestConnectionFaults:
    def test_reset_sends_rst_instead_of_a_response(self) -> None:
        with sandbox(Fault(connection="reset")) as api:
            with send_request(api) as client, pytest.raises(ConnectionResetError):
                client.recv(1)
            assert api.requests[0].status is None
            assert len(ids(get(api))) == 9

    def test_close_sends_fin_instead_of_a_response(self) -> None:
        with sandbox(Fault(connection="close")) as api:
            with send_request(api) as client:
                assert client.recv(1) == b""
            assert api.requests[0].status is None
            assert len(ids(get(api))) == 9

    @pytest.mark.parametrize("status", [None, 503])
    def test_cut_closes_the_connection_after_half_of_the_body(self, status: int | None) -> None:
        with sandbox(Fault(connection="cut", status=status)) as api:
            with send_request(api) as client:
                headers, body = receive_all(client)
            assert len(body) == int(re.findall(rb"Content-Length: (\d+)", headers)[0]) // 2
            assert api.requests[0].status == (status or 200)
            assert len(ids(get(api))) == 9

    def test_stall_stops_sending_after_half_of_the_body(self) -> None:
        with sandbox(Fault(connection="stall")) as api, send_request(api) as client:
            received = b""
            while not received.partition(b"\r\n\r\n")[2]:
                received += client.recv(65536)
            client.settimeout(0.1)
            with pytest.raises(TimeoutError):
                client.recv(1)
            client.close()
            assert len(ids(get(api))) == 9

    def test_drip_sends_one_byte_every_fifth_of_a_second(self) -> None:
        with sandbox(Fault(connection="drip", body=b"[]")) as api, send_request(api) as client:
            started = time.monotonic()
            headers, body = receive_all(client)
            assert time.monotonic() - started >= 0.4
            assert b"Content-Length: 2" in headers
            assert body == b"[]"


class TestGeneratedCalls:
    def test_the_same_arguments_generate_the_same_calls(self) -> None:
        assert generate_calls(50, seed=3, now=NOW) == generate_calls(50, seed=3, now=NOW)
        assert generate_calls(50, seed=3, now=NOW) != generate_calls(50, seed=4, now=NOW)

    @pytest.mark.parametrize(("count", "users"), [(0, 2), (1, 2), (300, 2), (300, 3), (300, 100)])
    def test_count_and_users_are_respected(self, count: int, users: int) -> None:
        calls = generate_calls(count, users=users, now=NOW)
        emails = {each["user"]["email"] for one in calls for each in one["call_participations"]}
        assert len(calls) == count
        assert len(emails) <= users

    def test_a_team_has_at_least_two_users(self) -> None:
        with pytest.raises(ValueError, match="users must be at least 2, got 1"):
            generate_calls(1, users=1, now=NOW)

    def test_every_call_has_the_format_of_the_api(self) -> None:
        datetimes = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
        for each in generate_calls(500, now=NOW):
            assert list(each) == ["id", "started_at", "ended_at", "duration_seconds", "call_participations"]
            participations = each["call_participations"]
            assert all(list(one) == ["id", "joined_at", "left_at", "user"] for one in participations)
            assert each["started_at"] == min(one["joined_at"] for one in participations)
            assert each["ended_at"] == max(one["left_at"] for one in participations)
            assert all(one["joined_at"] < one["left_at"] for one in participations)
            assert all(one["user"]["email"].endswith("@example.com") for one in participations)
            assert all(map(datetimes.fullmatch, [each["started_at"], each["ended_at"], participations[0]["left_at"]]))
            duration = parsed(each["ended_at"]) - parsed(each["started_at"])
            assert each["duration_seconds"] == duration // timedelta(seconds=1)
            assert timedelta(minutes=5) <= duration <= timedelta(hours=3)
            assert 2 <= len({one["user"]["email"] for one in participations}) <= 6

    def test_ten_thousand_calls_are_a_plausible_history(self) -> None:
        calls = generate_calls(10_000, now=NOW)
        assert calls == sorted(calls, key=lambda each: (each["ended_at"], each["id"]))
        assert calls[-1]["ended_at"] < "2026-11-01"
        assert 400 < (NOW - parsed(calls[0]["ended_at"])).days < 550
        assert len({each["id"] for each in calls}) == 10_000
        participations = [one for each in calls for one in each["call_participations"]]
        assert len({one["id"] for one in participations}) == len(participations)
        people = [{one["user"]["email"] for one in each["call_participations"]} for each in calls]
        assert len(set().union(*people)) == 25
        assert sum(len(each) == 2 for each in people) > 5_000
        rejoined = sum(len(each["call_participations"]) > len(who) for each, who in zip(calls, people, strict=True))
        assert 100 < rejoined < 2_000
        assert {parsed(each["started_at"]).weekday() for each in calls} == set(range(5))

    def test_no_person_is_in_two_calls_at_once(self) -> None:
        last_left: dict[str, str] = {}
        for each in sorted(generate_calls(1_000, now=NOW), key=lambda each: str(each["started_at"])):
            for one in each["call_participations"]:
                assert last_left.get(one["user"]["email"], "") <= one["joined_at"]
                last_left[one["user"]["email"]] = one["left_at"]

    def test_names_are_numbered_if_there_are_fewer_names_than_users(self) -> None:
        calls = generate_calls(2_000, users=100, now=NOW)
        emails = {one["user"]["email"] for each in calls for one in each["call_participations"]}
        assert len(emails) > 90
        assert {"ines.moreau@example.com", "ines.moreau1@example.com"} <= emails


def parsed(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


@contextmanager
def command(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command; provide its process and the URL that it prints."""
    arguments = [sys.executable, "-m", "tap_tuple.sandbox", "--port", "0", *options]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(2)]
            assert lines[1] == f"export TAP_TUPLE_AUTH_TOKEN={DEFAULT_TOKEN}\n"
            assert re.fullmatch(r"export TAP_TUPLE_API_URL=http://127\.0\.0\.1:\d+/api/v2\n", lines[0])
            yield process, lines[0].strip().partition("=")[2]
        finally:
            process.kill()


def usage_error(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """Return the error that the command prints after its usage for invalid options."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["tap-tuple-sandbox", *options])
        with pytest.raises(SystemExit) as error:
            main()
    assert error.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()[-1]


class TestCommand:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_the_command_serves_generated_calls_until_a_signal(self, number: int) -> None:
        with command("--calls", "20") as (process, url):
            assert get(url).headers["X-Total-Count"] == "20"
            process.send_signal(number)
            out, err = process.communicate(timeout=TIMEOUT_SECONDS)
        assert (process.returncode, out, err) == (0, "", "")

    def test_new_calls_appear_at_an_interval(self) -> None:
        with command("--calls", "5", "--new-call-every", "0.05") as (_, url):
            totals = [5]
            deadline = time.monotonic() + TIMEOUT_SECONDS
            while totals[-1] < 8 and time.monotonic() < deadline:
                time.sleep(0.05)
                until = datetime.now(timezone.utc).isoformat()
                totals.append(int(get(url, until=until, per_page=1).headers["X-Total-Count"]))
        assert totals[-1] >= 8

    @pytest.mark.parametrize(
        ("option", "value", "message"),
        [
            ("--port", "65536", "must be an integer between 0 and 65535, got '65536'"),
            ("--port", "http", "must be an integer between 0 and 65535, got 'http'"),
            ("--calls", "-1", "must be an integer between 0 and 100000, got '-1'"),
            ("--new-call-every", "nan", "must be a number between 0.01 and 86400, got 'nan'"),
            ("--new-call-every", "0", "must be a number between 0.01 and 86400, got '0'"),
        ],
    )
    def test_an_invalid_option_is_an_error_in_one_line(
        self, capsys: pytest.CaptureFixture[str], option: str, value: str, message: str
    ) -> None:
        assert usage_error(capsys, option, value) == f"tap-tuple-sandbox: error: argument {option}: {message}"

    def test_a_port_in_use_is_an_error_in_one_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            error = usage_error(capsys, "--port", str(port))
        assert f"argument --port: cannot listen on port {port}: Address already in use" in error

    def test_the_sandbox_needs_only_the_standard_library(self) -> None:
        code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import tap_tuple.sandbox.__main__"
        subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, timeout=20)


def code_blocks(language: str, text: str) -> list[tuple[str, str]]:
    """Return the blocks in a language that contain a string, each with its page: the README or the sandbox page."""
    return [
        (page, block)
        for page in ("README.md", "docs/sandbox.md")
        for block in re.findall(
            rf"^```{language}\n(.*?)^```$", (ROOT / page).read_text("utf-8"), re.DOTALL | re.MULTILINE
        )
        if text in block
    ]


class TestDocumentation:
    @pytest.mark.parametrize(("page", "script"), code_blocks("(?:sh|shell)", "tap-tuple-sandbox"))
    def test_the_commands_of_a_page_read_all_calls_from_the_sandbox(
        self, page: str, script: str, tmp_path: Path
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        assert "8765" in script, page
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TAP_TUPLE_")}
        environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
        arguments = ["bash", "-euo", "pipefail", "-c", script.replace("8765", str(port))]
        with subprocess.Popen(
            arguments, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as process:
            try:
                _, log = process.communicate(timeout=60)  # until the sandbox has ended as well
                assert process.returncode == 0, log
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        messages = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text("utf-8").splitlines()]
        calls = [each for each in messages if each["type"] == "RECORD" and each["stream"] == "calls"]
        assert len({each["record"]["id"] for each in calls}) == 10_000

    def test_the_python_code_of_the_page_runs(self, capsys: pytest.CaptureFixture[str]) -> None:
        [(_, code)] = code_blocks("python", "tap_tuple.sandbox")
        exec(compile(code, "docs/sandbox.md", "exec"), {})  # noqa: S102 - the project's own documentation
        assert DEFAULT_TOKEN in capsys.readouterr().out
