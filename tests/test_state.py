"""The state says up to where calls have been read; it is a public contract."""

from __future__ import annotations

import json
import re
import signal
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from background import running, until
from conftest import a_call, a_state

from tap_tuple.sandbox import Fault, Sandbox, generate_calls

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Run, TapRunner

FIXTURES = Path(__file__).parent / "fixtures"
CALLS = [a_call(number, f"2024-03-{number:02}T10:00:00.438Z") for number in range(1, 25)]


def test_a_state_follows_each_page_with_the_end_of_the_last_call_written(
    tap: TapRunner, settings: Callable[..., Any]
) -> None:
    with Sandbox(generate_calls(25, now=datetime(2024, 4, 1, tzinfo=timezone.utc))) as api:
        run = tap(settings(api, page_size=10))
        assert len(api.requests) == 3
    written: list[str] = []
    after: dict[int, str] = {}
    for message in run.messages:
        if message["type"] == "RECORD":
            written += [message["record"]["ended_at"]] if message["stream"] == "calls" else []
        elif message["type"] == "STATE" and not written:
            assert message["value"] == {"bookmarks": {"call_participations": {}}}
        elif message["type"] == "STATE":
            assert message["value"] == a_state(written[-1]), "the whole of the state, and nothing else"
            after[len(written)] = message["value"]["bookmarks"]["calls"]["replication_key_value"]
    assert list(after) == [10, 20, 25]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", bookmark) for bookmark in after.values())
    assert list(after.values()) == sorted(after.values())


def test_a_team_without_calls_leaves_a_state_without_a_bookmark(tap: TapRunner, settings: Callable[..., Any]) -> None:
    with Sandbox() as api:
        run = tap(settings(api))
        assert len(api.requests) == 1
        assert tap(settings(api), state=run.state).exit_code == 0
        assert [request.query["since"] for request in api.requests] == ["1970-01-01T00:00:00.000Z"] * 2
    assert run.exit_code == 0
    assert run.state == {"bookmarks": {"call_participations": {}, "calls": {}}}


@pytest.mark.parametrize(
    ("ended_at", "bookmark"),
    [
        ("2024-03-01T10:00:00Z", "2024-03-01T10:00:00.000Z"),
        ("2024-03-01T12:00:00.438999+02:00", "2024-03-01T10:00:00.438Z"),
    ],
)
def test_a_bookmark_is_utc_with_milliseconds_and_a_z_however_the_api_writes(
    tap: TapRunner, settings: Callable[..., Any], ended_at: str, bookmark: str
) -> None:
    with Sandbox([a_call(1, ended_at)]) as api:
        run = tap(settings(api))
        again = tap(settings(api, lookback_window=0), state=run.state)
        assert api.requests[-1].query["since"] == bookmark
    assert run.records()[0]["ended_at"] == ended_at
    assert run.state == again.state == a_state(bookmark)
    assert again.ids() == [1]


def test_a_lookback_reads_again_without_moving_the_bookmark_back(tap: TapRunner, settings: Callable[..., Any]) -> None:
    start = a_state("2024-03-20T10:00:00.438Z")
    with Sandbox(CALLS[:15]) as api:
        run = tap(settings(api, lookback_window=10 * 86400, page_size=2), state=start)
        assert len(api.requests) == 3
    assert run.ids() == [10, 11, 12, 13, 14, 15]
    assert len(run.states) >= 3
    assert [value for value in run.states if value != start] == []


def test_a_late_call_within_the_lookback_is_read_by_the_next_run(tap: TapRunner, settings: Callable[..., Any]) -> None:
    with Sandbox(CALLS[:2]) as api:
        first = tap(settings(api))
        api.add(a_call(99, "2024-03-02T09:30:00.000Z"), a_call(98, "2024-03-02T08:30:00.000Z"))
        second = tap(settings(api), state=first.state)
    assert second.ids() == [99, 2], "an hour before the bookmark, and no more"
    assert second.state == first.state


def test_a_bookmark_never_passes_the_end_of_the_window(tap: TapRunner, settings: Callable[..., Any]) -> None:
    beyond = Fault(on=1, times=None, calls=lambda calls: [*calls, a_call(99, "2024-03-05T00:00:00.000Z")])
    with Sandbox(CALLS, faults=[beyond]) as api:
        run = tap(settings(api, end_date="2024-03-05"))
    assert run.exit_code == 0
    assert run.ids() == [1, 2, 3, 4]
    assert [value for value in run.states[1:] if value != a_state("2024-03-04T10:00:00.438Z")] == []


@pytest.mark.parametrize(
    ("bookmark", "since"),
    [
        ("2024-03-04T10:00:00.438+00:00", "2024-03-04T10:00:00.438Z"),
        ("2024-03-04T10:00:00.438999+00:00", "2024-03-04T10:00:00.438Z"),
        ("2024-03-04T10:00:00Z", "2024-03-04T10:00:00.000Z"),
        ("2024-03-04T10:00:00", "2024-03-04T10:00:00.000Z"),
        ("2024-03-04T12:00:00.438+02:00", "2024-03-04T10:00:00.438Z"),
        ("2024-03-04", "2024-03-04T00:00:00.000Z"),
    ],
)
def test_a_state_file_of_any_format_resumes_at_its_instant(
    tap: TapRunner, settings: Callable[..., Any], bookmark: str, since: str
) -> None:
    with Sandbox(CALLS[:4]) as api:
        # Where no zone is named it is UTC, wherever the machine stands.
        run = tap(settings(api, lookback_window=0), state=a_state(bookmark), env={"TZ": "EST5"})
        assert [request.query["since"] for request in api.requests] == [since]
    assert run.exit_code == 0
    assert run.ids() == [4]
    assert run.bookmark() == "2024-03-04T10:00:00.438Z", "compared as instants, not as texts"


def test_a_bookmark_that_sorts_the_other_way_as_text_is_not_moved_back(
    tap: TapRunner, settings: Callable[..., Any]
) -> None:
    with Sandbox(CALLS[:4]) as api:
        run = tap(settings(api, lookback_window=86400), state=a_state("2024-03-04T09:00:00.438-02:00"))
    assert run.ids() == [4]
    assert run.bookmark() == "2024-03-04T11:00:00.438Z"


def test_the_state_of_version_0_1_0_resumes_for_ever(tap: TapRunner, settings: Callable[..., Any]) -> None:
    text = (FIXTURES / "state-0.1.0.json").read_text("utf-8")
    calls = [a_call(1, "2024-03-15T13:29:59.999Z"), a_call(2, "2024-03-15T14:30:00.438Z")]
    with Sandbox(calls) as api:
        run = tap(settings(api), state=text)
        assert [request.query["since"] for request in api.requests] == ["2024-03-15T13:30:00.438Z"]
    assert run.exit_code == 0
    assert run.ids() == [2]
    assert run.state == json.loads(text), "this version writes the same format"


@pytest.mark.parametrize("empty", ["{}", '{"bookmarks": {"calls": {}}}'])
def test_a_state_without_a_bookmark_begins_at_the_beginning(
    tap: TapRunner, settings: Callable[..., Any], empty: str
) -> None:
    with Sandbox(CALLS[:1]) as api:
        run = tap(settings(api), state=empty)
        assert [request.query["since"] for request in api.requests] == ["1970-01-01T00:00:00.000Z"]
    assert run.state == a_state("2024-03-01T10:00:00.438Z")


def test_what_the_sdk_notes_in_a_state_while_it_runs_is_not_kept(tap: TapRunner, settings: Callable[..., Any]) -> None:
    found = a_state("2024-03-01T10:00:00.438Z")
    found["bookmarks"]["calls"] |= {
        "starting_replication_value": "2024-03-01T10:00:00.438Z",
        "replication_key_signpost": "2024-03-01T10:00:00.438Z",
        "progress_markers": {"replication_key_value": "2024-03-02T10:00:00.438Z"},
    }
    with Sandbox(CALLS[:4]) as api:
        run = tap(settings(api), state=found)
    assert run.exit_code == 0
    assert run.state == a_state("2024-03-04T10:00:00.438Z")


def test_other_streams_in_a_state_are_kept_as_they_are(tap: TapRunner, settings: Callable[..., Any]) -> None:
    other = {"replication_key": "left_at", "replication_key_value": "2024-03-02T00:00:00.000Z"}
    found = {"bookmarks": {"something_else": other, **a_state("2024-03-01T10:00:00.438Z")["bookmarks"]}}
    with Sandbox(CALLS[:4]) as api:
        run = tap(settings(api), state=found)
    assert run.state["bookmarks"] == {"something_else": other, **a_state("2024-03-04T10:00:00.438Z")["bookmarks"]}


def test_a_run_killed_on_page_9_resumes_on_page_9(tap: TapRunner, settings: Callable[..., Any], tmp_path: Path) -> None:
    eighth = a_state("2024-03-16T10:00:00.438Z")
    with Sandbox(CALLS, faults=[Fault(page=9, connection="stall")]) as api:
        config = settings(api, page_size=2, lookback_window=0)
        with running(tap, config, tmp_path) as process:
            process.read()
            until(
                lambda: len(api.requests) == 9 and json.dumps(eighth, separators=(",", ":")).encode() in process.output
            )
            process.signal(signal.SIGKILL)
            killed = process.ended()
        resumed = tap(config, state=killed.state)
        requests = api.requests[9:]
    assert killed.exit_code == -signal.SIGKILL
    assert killed.ids() == list(range(1, 17))
    assert killed.state == eighth
    assert requests[0].query["since"] == "2024-03-16T10:00:00.438Z"
    assert len(requests) == 5, "16 to 24, two a page"
    assert resumed.ids() == list(range(16, 25))
    assert resumed.state == a_state("2024-03-24T10:00:00.438Z")


def test_a_second_run_makes_one_request_and_brings_only_the_lookback(
    tap: TapRunner, settings: Callable[..., Any]
) -> None:
    with Sandbox(CALLS) as api:
        first: Run = tap(settings(api, page_size=10))
        assert len(api.requests) == 3
        second: Run = tap(settings(api, page_size=10), state=first.state)
        assert len(api.requests) == 4
    assert first.ids() == list(range(1, 25))
    assert second.ids() == [24]
    assert second.state == first.state
