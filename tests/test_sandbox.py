"""The sandbox keeps the API's contract, and breaks it where its script of faults says so."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tap_tuple.sandbox import DEFAULT_TOKEN, Fault, Sandbox, generate_calls
from tap_tuple.sandbox.__main__ import main
from tap_tuple.sandbox.fault_file import load_faults
from tap_tuple.sandbox.rate_limit import RateLimit

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 11, 1, tzinfo=timezone.utc)
BEGINNING = "2000-01-01T00:00:00Z"


def call(number: int, ended_at: Any = None) -> dict[str, Any]:
    """A call of one minute that ended `number` minutes after midnight."""
    return {"id": number, "ended_at": ended_at or f"2026-03-15T00:{number:02}:00.000Z", "call_participations": []}


def get(api: Sandbox, token: str = DEFAULT_TOKEN, **query: Any) -> requests.Response:
    return requests.get(
        f"{api.url}/call_usage",
        params={"since": BEGINNING, **query},
        headers={"Authorization": f"Bearer {token}"},
        timeout=10,
    )


def ids(response: requests.Response) -> list[Any]:
    assert response.status_code == 200, response.text
    return [each["id"] for each in response.json()]


@contextmanager
def sandbox(*faults: Fault, **settings: Any) -> Iterator[Sandbox]:
    """A sandbox of nine calls with the ids 1 to 9."""
    with Sandbox([call(number) for number in range(1, 10)], faults=faults, **{"now": NOW, **settings}) as api:
        yield api


@pytest.fixture(name="api")
def _api() -> Iterator[Sandbox]:
    with sandbox() as api:
        yield api


class TestContract:
    def test_calls_come_sorted_by_end_then_id_with_their_total(self) -> None:
        calls = [call(3), call(1), call(12, ended_at=call(3)["ended_at"]), call(2)]
        with Sandbox(calls, now=NOW) as api:
            response = get(api)
            assert ids(response) == [1, 2, 3, 12]
            assert [each["id"] for each in api.calls] == [1, 2, 3, 12]
        assert response.json()[0] == call(1)
        assert response.headers["X-Total-Count"] == "4"
        assert response.headers["Content-Type"].startswith("application/json")
        assert "Link" not in response.headers

    def test_since_is_inclusive_and_until_exclusive(self, api: Sandbox) -> None:
        assert ids(get(api, since="2026-03-15T00:03:00.000Z", until="2026-03-15T00:05:00.000Z")) == [3, 4]

    def test_instants_compare_by_the_millisecond(self, api: Sandbox) -> None:
        assert ids(get(api, since="2026-03-15T00:08:00.000999Z")) == [8, 9]
        assert ids(get(api, since="2026-03-15T00:08:00.001Z")) == [9]

    def test_until_defaults_to_the_present(self) -> None:
        present = datetime(2026, 3, 15, 0, 5, tzinfo=timezone.utc)
        with sandbox(now=present) as api:
            assert ids(get(api)) == [1, 2, 3, 4]
        with sandbox(now=None) as api:
            hour = timedelta(hours=1)
            api.add(call(10, (datetime.now(timezone.utc) + hour).isoformat()))
            assert 10 not in ids(get(api))

    def test_a_window_that_ends_before_it_begins_is_empty(self, api: Sandbox) -> None:
        assert ids(get(api, since="2026-03-15T00:05:00Z", until="2026-03-15T00:03:00Z")) == []

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
    def test_iso_8601_is_understood_with_and_without_fraction_and_zone(self, api: Sandbox, since: str) -> None:
        assert ids(get(api, since=since)) == [9]

    def test_a_date_stands_for_its_first_instant_in_utc(self, api: Sandbox) -> None:
        assert len(ids(get(api, since="2026-03-15", until="2026-03-16"))) == 9
        assert ids(get(api, since="2026-03-16")) == []

    @pytest.mark.parametrize("name", ["since", "until"])
    @pytest.mark.parametrize(
        "value", ["", "yesterday", "2026-02-30", "2026-03-15T25:00:00Z", "2026-03-15 00:09:00Z", "1773532800"]
    )
    def test_malformed_instants_are_refused_by_name(self, api: Sandbox, name: str, value: str) -> None:
        response = get(api, **{name: value})
        assert response.status_code == 422
        assert name in response.json()["error"]

    def test_since_must_be_sent(self, api: Sandbox) -> None:
        assert get(api, since=None).status_code == 422

    def test_a_plus_that_is_not_encoded_is_a_space(self, api: Sandbox) -> None:
        assert get(api, since=None, until=None).status_code == 422
        url = f"{api.url}/call_usage?since=2026-03-15T02:09:00+02:00"
        response = requests.get(url, headers={"Authorization": f"Bearer {DEFAULT_TOKEN}"}, timeout=10)
        assert response.status_code == 422
        assert api.requests[-1].query["since"] == "2026-03-15T02:09:00 02:00"

    @pytest.mark.parametrize("name", ["page", "per_page"])
    @pytest.mark.parametrize("value", ["0", "-1", "x", "", "1.5", "9" * 30])
    def test_page_numbers_are_positive(self, api: Sandbox, name: str, value: str) -> None:
        response = get(api, **{name: value})
        assert response.status_code == 422
        assert name in response.json()["error"]

    def test_a_page_holds_100_calls_unless_asked_for_more_and_never_above_1000(self) -> None:
        with Sandbox(generate_calls(1200, now=NOW), now=NOW) as api:
            assert len(get(api).json()) == 100
            response = get(api, per_page=5000)
            assert len(response.json()) == 1000
            assert "per_page=1000" in response.links["next"]["url"]

    def test_pages_are_linked_to_their_neighbours(self, api: Sandbox) -> None:
        first = get(api, per_page=4)
        second = get(api, per_page=4, page=2)
        third = get(api, per_page=4, page=3)
        assert (ids(first), ids(second), ids(third)) == ([1, 2, 3, 4], [5, 6, 7, 8], [9])
        assert set(first.links) == {"next"}
        assert set(second.links) == {"prev", "next"}
        assert set(third.links) == {"prev"}
        assert second.headers["X-Total-Count"] == "9"
        assert ids(get(api, per_page=4, page=7)) == []

    def test_a_link_is_absolute_and_repeats_the_parameters_percent_encoded(self, api: Sandbox) -> None:
        url = get(api, since="2026-03-15T01:00:00+01:00", per_page=4).links["next"]["url"]
        assert url == f"{api.url}/call_usage?since=2026-03-15T01%3A00%3A00%2B01%3A00&page=2&per_page=4"
        headers = {"Authorization": f"Bearer {DEFAULT_TOKEN}"}
        assert ids(requests.get(url, headers=headers, timeout=10)) == [5, 6, 7, 8]

    def test_a_link_carries_until_only_if_it_was_sent(self, api: Sandbox) -> None:
        assert "until" not in get(api, per_page=4).links["next"]["url"]
        assert "until=2026-03-16&" in get(api, per_page=4, until="2026-03-16").links["next"]["url"]

    def test_a_link_repeats_the_host_that_was_asked(self, api: Sandbox) -> None:
        url = f"{api.url.replace('127.0.0.1', 'localhost')}/call_usage"
        headers = {"Authorization": f"Bearer {DEFAULT_TOKEN}"}
        response = requests.get(url, params={"since": BEGINNING, "per_page": "4"}, headers=headers, timeout=10)
        assert response.links["next"]["url"].startswith(f"{url}?")

    @pytest.mark.parametrize("header", [None, "Bearer wrong", DEFAULT_TOKEN, f"Basic {DEFAULT_TOKEN}", "Bearer "])
    def test_no_calls_without_the_token(self, api: Sandbox, header: str | None) -> None:
        headers = {"Authorization": header} if header else {}
        response = requests.get(f"{api.url}/call_usage", params={"since": BEGINNING}, headers=headers, timeout=10)
        assert response.status_code == 401
        assert response.json() == {"error": "Unauthorized"}

    def test_another_token_can_be_set(self) -> None:
        with sandbox(token="sk-tuple-mine") as api:
            assert get(api).status_code == 401
            assert get(api, token="sk-tuple-mine").status_code == 200

    def test_a_trailing_slash_is_tolerated_and_other_paths_are_not_found(self, api: Sandbox) -> None:
        headers = {"Authorization": f"Bearer {DEFAULT_TOKEN}"}
        query = f"?since={BEGINNING}"
        assert requests.get(f"{api.url}/call_usage/{query}", headers=headers, timeout=10).status_code == 200
        assert requests.get(f"{api.url}/calls{query}", headers=headers, timeout=10).status_code == 404

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW"])
    def test_other_methods_are_not_allowed(self, api: Sandbox, method: str) -> None:
        with requests.Session() as session:
            for _ in range(2):  # the connection stays in step
                response = session.request(method, f"{api.url}/call_usage", data="GET / HTTP/1.1", timeout=10)
                assert response.status_code == 405

    def test_beyond_the_rate_limit_it_answers_429_and_names_no_time(self) -> None:
        with sandbox(requests_per_minute=2) as api:
            statuses = [get(api, token="wrong").status_code for _ in range(3)]
            statuses += [get(api).status_code, get(api, since="?").status_code, get(api).status_code]
            response = get(api)
            assert statuses == [401, 401, 401, 200, 422, 429]
            assert response.status_code == 429
            assert "Retry-After" not in response.headers
            assert [each.status for each in api.requests] == [*statuses, 429]

    def test_the_rate_limit_slides_and_does_not_count_what_it_refused(self) -> None:
        times = [0.0, 30.0, 59.0, 60.0, 61.0, 89.0, 90.0]
        limit = RateLimit(2, clock=iter(times).__next__)
        assert [limit.admit() for _ in times] == [True, True, False, True, False, False, True]

    def test_a_large_page_is_compressed_for_those_who_take_gzip(self) -> None:
        with Sandbox(generate_calls(100, now=NOW), now=NOW) as api:
            headers = {"Authorization": f"Bearer {DEFAULT_TOKEN}"}
            answers = {}
            for encoding in ("gzip, deflate", "identity", "gzip;q=0, *"):
                answers[encoding] = requests.get(
                    f"{api.url}/call_usage",
                    params={"since": BEGINNING},
                    headers={**headers, "Accept-Encoding": encoding},
                    timeout=10,
                )
        assert answers["gzip, deflate"].headers["Content-Encoding"] == "gzip"
        assert "Content-Encoding" not in answers["identity"].headers
        assert "Content-Encoding" not in answers["gzip;q=0, *"].headers
        assert answers["gzip, deflate"].json() == answers["identity"].json()

    def test_a_connection_serves_many_requests_without_waiting(self, api: Sandbox) -> None:
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {DEFAULT_TOKEN}"
            url = f"{api.url}/call_usage?since={BEGINNING}"
            ports = set()
            begun = time.monotonic()
            for _ in range(50):
                with session.get(url, timeout=10, stream=True) as response:
                    assert response.raw.connection is not None
                    ports.add(response.raw.connection.sock.getsockname()[1])
                    assert len(response.json()) == 9
        assert len(ports) == 1
        assert time.monotonic() - begun < 1.0  # an ACK that is waited for would cost 40 ms each

    def test_what_is_not_http_is_refused(self, api: Sandbox) -> None:
        with connect(api) as client:
            client.sendall(b"hello\r\n\r\n")
            assert read_all(client).startswith(b"HTTP/1.1 400 ")
        assert api.requests == []


def connect(api: Sandbox) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(re.findall(r":(\d+)/", api.url)[0])), timeout=10)


def ask(api: Sandbox) -> socket.socket:
    """A connection on which the calls have been asked for."""
    client = connect(api)
    query = f"/api/v2/call_usage?since={BEGINNING}"
    client.sendall(f"GET {query} HTTP/1.1\r\nAuthorization: Bearer {DEFAULT_TOKEN}\r\n\r\n".encode())
    return client


def read_all(client: socket.socket) -> bytes:
    received = b""
    while more := client.recv(65536):
        received += more
    return received


class TestInProcess:
    def test_requests_are_kept_as_they_arrived(self, api: Sandbox) -> None:
        before = time.monotonic()
        get(api, since="2026-03-15", page=2)
        get(api, since="")
        first, second = api.requests
        assert (first.number, first.method, first.path, first.status) == (1, "GET", "/api/v2/call_usage", 200)
        assert first.query == {"since": "2026-03-15", "page": "2"}
        assert first.raw_target == "/api/v2/call_usage?since=2026-03-15&page=2"
        assert first.headers["authorization"] == f"Bearer {DEFAULT_TOKEN}"
        assert (second.number, second.query, second.status) == (2, {"since": ""}, 422)
        assert before < first.arrived_at < second.arrived_at < time.monotonic()

    def test_calls_can_be_added_and_deleted_in_their_place(self, api: Sandbox) -> None:
        api.delete(2, 3, 4, "no such id")
        api.add(call(30), call(3), call(1))
        assert ids(get(api)) == [1, 1, 3, 5, 6, 7, 8, 9, 30]

    @pytest.mark.parametrize("ended_at", [None, 17, "soon", ["2026"], {"at": 1}])
    def test_a_call_whose_end_cannot_be_read_comes_last_in_every_window(self, ended_at: Any) -> None:
        odd = {"id": [1], "ended_at": ended_at, "new_field": {"é": None}}
        with Sandbox([odd, {}, call(1), call(2)], now=NOW) as api:
            assert get(api).json() == [call(1), call(2), {}, odd]
            assert get(api, since="2026-10-01").json() == [{}, odd]
            assert get(api, per_page=3, page=2).json() == [odd]
            assert get(api, since="2026-03-15T00:02:00Z", per_page=2, page=1).json() == [call(2), {}]
            assert get(api, page=9).headers["X-Total-Count"] == "4"
            api.delete([1])
            assert len(get(api).json()) == 3

    def test_calls_may_change_while_they_are_read(self, api: Sandbox) -> None:
        def change() -> None:
            for number in range(100, 200):
                api.add(call(number, "2026-03-16"))
                api.delete(number)

        threads = [threading.Thread(target=change) for _ in range(4)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            assert ids(get(api))[:9] == list(range(1, 10))
        for thread in threads:
            thread.join()
        assert len(api.calls) == 9

    def test_new_calls_end_after_the_newest_and_move_a_present_that_stands_still(self) -> None:
        calls = generate_calls(20, now=NOW)
        with Sandbox(calls, now=NOW) as api:
            assert len(get(api).json()) == 20
            new = api.new_calls(3) + api.new_calls(2)
            assert get(api).json() == api.calls == calls + new
        assert all(each["ended_at"] > "2026-11-01" for each in new)
        assert len({each["id"] for each in api.calls}) == 25
        assert min(each["id"] for each in new) > max(each["id"] for each in calls)

    def test_new_calls_have_just_ended_where_the_time_is_real(self) -> None:
        calls = generate_calls(20)
        with Sandbox(calls) as api:
            new = api.new_calls(3)
            now = datetime.now(timezone.utc).isoformat()
            assert get(api, until=now).json() == get(api).json() == calls + new
            assert api.new_calls(0) == []
            later = api.new_calls(100)  # too many for the milliseconds that have passed
            assert get(api, per_page=1000).json() == calls + new + later

    def test_new_calls_appear_in_an_empty_team(self) -> None:
        with Sandbox() as api:
            assert api.new_calls(2) == get(api).json()

    def test_latency_delays_each_answer(self) -> None:
        with sandbox(latency_seconds=0.05) as api:
            begun = time.monotonic()
            get(api)
            assert time.monotonic() - begun >= 0.05

    def test_it_answers_many_at_once(self) -> None:
        with sandbox(Fault(times=None, delay_seconds=0.2)) as api:
            threads = [threading.Thread(target=get, args=(api,)) for _ in range(10)]
            begun = time.monotonic()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert time.monotonic() - begun < 1.0

    @pytest.mark.parametrize(
        "fault", [Fault(connection="stall"), Fault(connection="drip"), Fault(delay_seconds=60)], ids=str
    )
    def test_it_stops_at_once_whatever_it_is_in_the_middle_of(self, fault: Fault) -> None:
        with sandbox(fault) as api:
            client, idle = ask(api), connect(api)
            with client, idle:
                while not api.requests:
                    time.sleep(0.001)
                begun = time.monotonic()
                api.__exit__(None, None, None)
                assert time.monotonic() - begun < 1.0
                with pytest.raises(ConnectionError):
                    connect(api)

    def test_an_error_in_the_code_of_a_fault_is_heard_of(self) -> None:
        heard = threading.Event()

        def run(_: Sandbox) -> None:
            raise RuntimeError

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(threading, "excepthook", lambda _: heard.set())
            with sandbox(Fault(run=run)) as api:
                with pytest.raises(requests.ConnectionError):
                    get(api)
                assert heard.wait(10)


class TestFaults:
    def test_a_fault_happens_to_the_request_of_its_number(self) -> None:
        with sandbox(Fault(on=2, status=503), Fault(on=4, times=2, status=500)) as api:
            assert [get(api).status_code for _ in range(6)] == [200, 503, 200, 500, 500, 200]
            assert [each.status for each in api.requests] == [200, 503, 200, 500, 500, 200]

    def test_a_fault_may_last_for_ever(self) -> None:
        with sandbox(Fault(on=2, times=None, status=503)) as api:
            assert [get(api).status_code for _ in range(4)] == [200, 503, 503, 503]

    def test_a_fault_may_happen_to_a_page(self) -> None:
        with sandbox(Fault(page=2, times=2, status=503), Fault(page=1, status=500)) as api:
            pages = [3, 2, None, 2, 2, 1]
            assert [get(api, page=page).status_code for page in pages] == [200, 503, 500, 503, 200, 200]

    @pytest.mark.parametrize("wrong", [{"on": 1, "page": 1}, {"connection": "refuse"}])
    def test_a_fault_that_cannot_be_is_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"exclude|none of"):
            Fault(**wrong)

    def test_an_error_has_no_calls_and_its_headers(self) -> None:
        with sandbox(Fault(status=429, headers={"Retry-After": "2"})) as api:
            response = get(api)
        assert response.json() == {"error": "Too Many Requests"}
        assert response.headers["Retry-After"] == "2"
        assert "X-Total-Count" not in response.headers

    def test_it_redirects(self) -> None:
        with sandbox(Fault(status=302, headers={"Location": "/api/v2/call_usage?since=2026-10-01"})) as api:
            response = get(api)
            assert [each.status_code for each in response.history] == [302]
            assert ids(response) == []

    @pytest.mark.parametrize("status", [204, 299, 599])
    def test_any_status_is_framed_so_that_the_connection_stays_in_step(self, status: int) -> None:
        with sandbox(Fault(status=status)) as api, requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {DEFAULT_TOKEN}"
            url = f"{api.url}/call_usage?since={BEGINNING}"
            assert [session.get(url, timeout=10).status_code for _ in range(2)] == [status, 200]

    def test_headers_are_replaced_left_out_and_repeated(self) -> None:
        headers: dict[str, Any] = {"x-total-count": None, "LINK": ["<a>; rel=x", "<b>; rel=y"], "X-New": "1"}
        with sandbox(Fault(headers=headers)) as api:
            response = get(api, per_page=4)
        assert "X-Total-Count" not in response.headers
        assert response.raw.headers.getlist("Link") == headers["LINK"]
        assert response.headers["X-New"] == "1"
        assert ids(response) == [1, 2, 3, 4]

    def test_a_body_without_its_length_ends_with_the_connection(self) -> None:
        with sandbox(Fault(headers={"Content-Length": None})) as api, ask(api) as client:
            head, _, body = read_all(client).partition(b"\r\n\r\n")
        assert b"Content-Length" not in head
        assert len(json.loads(body)) == 9

    def test_a_length_that_is_not_true_ends_with_the_connection(self) -> None:
        with sandbox(Fault(headers={"Content-Length": "9999"})) as api, pytest.raises(requests.RequestException):
            get(api)

    def test_a_body_is_replaced_or_made_of_the_one_there_was(self) -> None:
        with sandbox(Fault(body=b"<html>"), Fault(on=2, body=lambda body: body[:-1])) as api:
            assert get(api).content == b"<html>"
            assert get(api).content == json.dumps([call(n) for n in range(1, 10)], separators=(",", ":"))[:-1].encode()

    def test_calls_of_a_page_are_edited_before_they_are_sent(self) -> None:
        def edit(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
            calls[0]["id"] = None
            return calls[:2]

        with sandbox(Fault(calls=edit)) as api:
            response = get(api)
            assert ids(response) == [None, 2]
            assert response.headers["X-Total-Count"] == "9"
            assert ids(get(api))[0] == 1

    def test_a_link_is_made_of_the_parts_of_the_request(self) -> None:
        with sandbox(Fault(link='<{origin}{path}?{query}&page=7>; rel="next"')) as api:
            response = get(api, since="2026-03-15", per_page=4)
            assert response.links["next"]["url"] == f"{api.url}/call_usage?since=2026-03-15&per_page=4&page=7"

    def test_a_delay_comes_before_the_answer(self) -> None:
        with sandbox(Fault(delay_seconds=0.1)) as api:
            begun = time.monotonic()
            get(api)
            first = time.monotonic()
            get(api)
            assert first - begun >= 0.1 > time.monotonic() - first

    def test_calls_disappear_and_appear_before_the_answer(self) -> None:
        with sandbox(Fault(on=2, delete=[1, 9], insert=[call(5), call(20)])) as api:
            assert ids(get(api)) == list(range(1, 10))
            assert ids(get(api)) == [2, 3, 4, 5, 5, 6, 7, 8, 20]

    def test_the_first_calls_asked_for_disappear_whatever_the_page(self) -> None:
        with sandbox(Fault(page=2, delete=2), Fault(on=2, delete=5)) as api:
            response = get(api, since="2026-03-15T00:03:00Z", per_page=2, page=2)
            assert ids(response) == [7, 8]
            assert response.headers["X-Total-Count"] == "5"
            assert get(api, since="?").status_code == 422
            assert [each["id"] for each in api.calls] == [1, 2, 5, 6, 7, 8, 9]

    def test_code_runs_before_the_answer(self) -> None:
        with sandbox(Fault(run=lambda api: api.delete(*range(1, 9)))) as api:
            assert ids(get(api)) == [9]

    def test_faults_on_the_same_request_add_up(self) -> None:
        faults = [Fault(status=503), Fault(headers={"Retry-After": "1"}), Fault(body=b"down"), Fault(delete=[1])]
        with sandbox(*faults) as api:
            response = get(api)
            assert (response.status_code, response.headers["Retry-After"], response.text) == (503, "1", "down")
            assert ids(get(api)) == list(range(2, 10))

    def test_what_goes_wrong_counts_to_the_rate_limit(self) -> None:
        with sandbox(Fault(status=503), requests_per_minute=1) as api:
            assert [get(api).status_code for _ in range(2)] == [503, 429]

    def test_a_request_that_is_refused_is_numbered(self) -> None:
        with sandbox(Fault(on=2, status=503)) as api:
            assert get(api, token="wrong").status_code == 401
            assert get(api).status_code == 503


class TestConnections:
    def test_a_reset_comes_before_any_byte(self) -> None:
        with sandbox(Fault(connection="reset")) as api:
            with ask(api) as client, pytest.raises(ConnectionResetError):
                client.recv(1)
            assert api.requests[0].status is None
            assert len(ids(get(api))) == 9

    def test_an_orderly_close_comes_before_any_byte(self) -> None:
        with sandbox(Fault(connection="close")) as api:
            with ask(api) as client:
                assert client.recv(1) == b""
            assert api.requests[0].status is None
            assert len(ids(get(api))) == 9

    def test_a_cut_body_is_half_of_what_was_announced(self) -> None:
        with sandbox(Fault(connection="cut")) as api:
            with ask(api) as client:
                head, _, body = read_all(client).partition(b"\r\n\r\n")
            assert len(body) == int(re.findall(rb"Content-Length: (\d+)", head)[0]) // 2
            assert api.requests[0].status == 200
            assert len(ids(get(api))) == 9

    def test_a_stalled_body_falls_silent_half_way(self) -> None:
        with sandbox(Fault(connection="stall")) as api, ask(api) as client:
            received = b""
            while not received.partition(b"\r\n\r\n")[2]:
                received += client.recv(65536)
            client.settimeout(0.1)
            with pytest.raises(TimeoutError):
                client.recv(1)
            client.close()
            assert len(ids(get(api))) == 9

    def test_a_dripping_body_comes_a_byte_at_a_time(self) -> None:
        with sandbox(Fault(connection="drip", body=b"[]")) as api, ask(api) as client:
            begun = time.monotonic()
            head, _, body = read_all(client).partition(b"\r\n\r\n")
            assert time.monotonic() - begun >= 0.4
            assert b"Content-Length: 2\r\n" in head + b"\r\n"
            assert body == b"[]"

    def test_an_error_may_be_cut_as_well(self) -> None:
        with sandbox(Fault(connection="cut", status=503)) as api, ask(api) as client:
            assert read_all(client).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")


class TestCalls:
    def test_the_same_arguments_make_the_same_calls(self) -> None:
        assert generate_calls(50, seed=3, now=NOW) == generate_calls(50, seed=3, now=NOW)
        assert generate_calls(50, seed=3, now=NOW) != generate_calls(50, seed=4, now=NOW)

    @pytest.mark.parametrize(("count", "users"), [(0, 2), (1, 2), (300, 2), (300, 3), (300, 200)])
    def test_there_are_as_many_as_asked_for_by_no_more_people_than_there_are(self, count: int, users: int) -> None:
        calls = generate_calls(count, users=users, now=NOW)
        assert len(calls) == count
        assert len({each["user"]["email"] for one in calls for each in one["call_participations"]}) <= users

    def test_one_person_makes_no_call(self) -> None:
        with pytest.raises(ValueError, match="2 users, not 1"):
            generate_calls(1, users=1, now=NOW)

    def test_every_call_has_the_shape_of_the_api(self) -> None:
        instant = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
        for each in generate_calls(500, now=NOW):
            assert list(each) == ["id", "started_at", "ended_at", "duration_seconds", "call_participations"]
            stays = each["call_participations"]
            assert [list(stay) for stay in stays] == [["id", "joined_at", "left_at", "user"]] * len(stays)
            assert each["started_at"] == min(stay["joined_at"] for stay in stays)
            assert each["ended_at"] == max(stay["left_at"] for stay in stays)
            assert all(stay["joined_at"] < stay["left_at"] for stay in stays)
            assert all(stay["user"]["email"].endswith("@example.com") for stay in stays)
            assert all(map(instant.fullmatch, [each["started_at"], each["ended_at"], stays[0]["left_at"]]))
            length = parsed(each["ended_at"]) - parsed(each["started_at"])
            assert each["duration_seconds"] == length // timedelta(seconds=1)
            assert timedelta(minutes=5) <= length <= timedelta(hours=3)
            assert 2 <= len({stay["user"]["email"] for stay in stays}) <= 6

    def test_ten_thousand_calls_are_the_history_of_a_plausible_team(self) -> None:
        calls = generate_calls(10_000, now=NOW)
        assert calls == sorted(calls, key=lambda each: (each["ended_at"], each["id"]))
        assert calls[-1]["ended_at"] < "2026-11-01"
        days = (NOW - parsed(calls[0]["ended_at"])).days
        assert 400 < days < 550
        assert len({each["id"] for each in calls}) == 10_000
        by_start = sorted(calls, key=lambda each: each["started_at"])
        assert [each["id"] for each in by_start] == sorted(each["id"] for each in calls)
        stays = [stay for each in calls for stay in each["call_participations"]]
        assert len({stay["id"] for stay in stays}) == len(stays)
        people = [{stay["user"]["email"] for stay in each["call_participations"]} for each in calls]
        assert len(set().union(*people)) == 25
        assert sum(len(each) == 2 for each in people) > 5_000
        rejoined = sum(len(each["call_participations"]) > len(who) for each, who in zip(calls, people, strict=True))
        assert 100 < rejoined < 2_000
        assert {parsed(each["started_at"]).weekday() for each in calls} <= set(range(6))

    def test_names_go_on_by_number(self) -> None:
        calls = generate_calls(4_000, users=200, now=NOW)
        emails = {stay["user"]["email"] for each in calls for stay in each["call_participations"]}
        assert len(emails) > 190
        assert {"ines.moreau@example.com", "ines.moreau2@example.com"} <= emails


def parsed(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def start(*options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tap_tuple.sandbox", "--port", "0", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@contextmanager
def running(*options: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """The command, once it has said its URL and its token."""
    with start(*options) as process:
        try:
            assert process.stdout is not None
            words = re.fullmatch(
                r"Tuple sandbox: TAP_TUPLE_API_URL=(http://127\.0\.0\.1:\d+/api/v2) TAP_TUPLE_AUTH_TOKEN=(\S+)\n",
                process.stdout.readline(),
            )
            assert words is not None
            yield process, *words.groups()  # type: ignore[misc]
        finally:
            process.kill()


class TestCommand:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_it_says_where_it_is_answers_and_stops_cleanly(self, number: int) -> None:
        with running("--calls", "20", "--now", "2026-11-01T00:00:00Z", "--requests-per-minute", "2") as (
            process,
            url,
            token,
        ):
            headers = {"Authorization": f"Bearer {token}"}
            answers = [
                requests.get(f"{url}/call_usage", params={"since": BEGINNING}, headers=headers, timeout=10)
                for _ in range(3)
            ]
            process.send_signal(number)
            out, err = process.communicate(timeout=10)
        assert (process.returncode, out, err) == (0, "", "")
        assert token == DEFAULT_TOKEN
        assert answers[0].json() == generate_calls(20, now=NOW)
        assert [each.status_code for each in answers] == [200, 200, 429]

    def test_it_takes_a_token_users_a_seed_and_faults(self, tmp_path: Path) -> None:
        faults = tmp_path / "faults.json"
        faults.write_text(json.dumps([{"on": 1, "status": 503, "headers": {"Retry-After": "1"}, "body": "down"}]))
        options = ["--users", "3", "--seed", "7", "--calls", "5", "--now", "2026-11-01", "--token", "sk-tuple-x"]
        with running(*options, "--faults", str(faults), "--access-log") as (process, url, token):
            headers = {"Authorization": f"Bearer {token}"}
            target = f"{url}/call_usage?since={BEGINNING}"
            first = requests.get(target, headers=headers, timeout=10)
            second = requests.get(target, headers=headers, timeout=10)
            process.terminate()
            _, err = process.communicate(timeout=10)
        assert token == "sk-tuple-x"
        assert (first.status_code, first.headers["Retry-After"], first.text) == (503, "1", "down")
        assert second.json() == generate_calls(5, users=3, seed=7, now=NOW)
        line = f"GET /api/v2/call_usage?since={BEGINNING}"
        assert err.splitlines() == [f"{line} 503", f"{line} 200"]

    def test_new_calls_appear_while_it_runs(self) -> None:
        with running("--calls", "5", "--new-call-every", "0.05", "--requests-per-minute", "100000") as (_, url, token):
            headers = {"Authorization": f"Bearer {token}"}
            seen = 5
            deadline = time.monotonic() + 10
            while seen < 8 and time.monotonic() < deadline:
                query = {"since": BEGINNING, "until": datetime.now(timezone.utc).isoformat()}
                seen = len(requests.get(f"{url}/call_usage", params=query, headers=headers, timeout=10).json())
        assert seen >= 8

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("--port", "65536"),
            ("--calls", "-1"),
            ("--users", "1"),
            ("--seed", "x"),
            ("--now", "tomorrow"),
            ("--now", "0001-01-01"),
            ("--token", ""),
            ("--token", "two words"),
            ("--requests-per-minute", "0"),
            ("--new-call-every", "nan"),
            ("--faults", "no-such-file.json"),
        ],
    )
    def test_a_wrong_argument_is_named_in_one_sentence(
        self, capsys: pytest.CaptureFixture[str], option: str, value: str
    ) -> None:
        assert option in complaint(capsys, option, value)

    def test_a_port_that_is_taken_is_named(self, capsys: pytest.CaptureFixture[str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            assert f"--port: {port}" in complaint(capsys, "--port", port, "--calls", "0")

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            ("[", "not JSON"),
            ("{}", "not a list of faults"),
            ("[1]", "fault 1 is not an object"),
            ('[{}, {"statsu": 503}]', "fault 2 has an unknown key 'statsu'"),
            ('[{"run": "rm"}]', "unknown key 'run'"),
            ('[{"on": true}]', "on of fault 1 is not a number from 1"),
            ('[{"times": 0}]', "times of fault 1"),
            ('[{"status": "503"}]', "status of fault 1"),
            ('[{"status": 99}]', "status of fault 1"),
            ('[{"delay_seconds": -1}]', "delay_seconds of fault 1"),
            ('[{"headers": {"A": 1}}]', "headers of fault 1"),
            ('[{"headers": []}]', "headers of fault 1"),
            ('[{"body": null}]', "body of fault 1 is not text"),
            ('[{"connection": "refuse"}]', "connection of fault 1 is not one of reset"),
            ('[{"connection": []}]', "connection of fault 1 is not one of reset"),
            ('[{"delete": "1"}]', "delete of fault 1"),
            ('[{"insert": [1]}]', "insert of fault 1"),
            ('[{"on": 1, "page": 1}]', "fault 1: on and page exclude each other"),
        ],
    )
    def test_a_malformed_file_of_faults_is_named_with_what_is_wrong(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str, words: str
    ) -> None:
        path = tmp_path / "faults.json"
        path.write_text(content)
        sentence = complaint(capsys, "--faults", str(path))
        assert str(path) in sentence
        assert words in sentence

    def test_a_file_of_faults_may_use_every_key(self, tmp_path: Path) -> None:
        fault: dict[str, Any] = {
            "page": 1,
            "times": None,
            "delay_seconds": 0.01,
            "delete": 1,
            "insert": [call(9)],
            "status": 200,
            "link": "<x>; rel=next",
            "headers": {"A": ["1", "2"], "B": "3", "X-Total-Count": None},
            "connection": "cut",
        }
        path = tmp_path / "faults.json"
        path.write_text(json.dumps([fault, {"on": 1, "delete": [1], "body": "é"}]))
        loaded = load_faults(path)
        assert loaded == [Fault(**fault), Fault(on=1, delete=[1], body="é".encode())]

    def test_it_needs_nothing_but_the_standard_library(self) -> None:
        package = Path(__file__).parent.parent
        code = f"import sys; sys.path.insert(0, {str(package)!r}); import tap_tuple.sandbox.__main__"
        subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, timeout=20)


def complaint(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """What the command has to say about its options, after its usage."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["tap-tuple-sandbox", *options])
            with pytest.raises(SystemExit) as error:
                main()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert error.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    return err.splitlines()[-1]
