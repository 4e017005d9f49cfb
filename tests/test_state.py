"""The state is a public contract: it contains the bookmark and the call counts of each stream."""

from __future__ import annotations

import copy
import json
import random
import re
from bisect import bisect_left
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from factories import REPLICATION_KEYS, a_call, a_call_per_minute, a_state, minute
from scheduled import ScheduledTap

from tap_tuple.api.calls import Call, Calls, CallTimes
from tap_tuple.reading import Batch
from tap_tuple.sandbox import Fault, Sandbox
from tap_tuple.state import Progress
from tap_tuple.tap import TapTuple
from tap_tuple.timestamps import EPOCH, Window, floor_to_millisecond, format_timestamp, parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from inprocess import InProcessTap

    Settings = Callable[..., dict[str, Any]]

FIXTURES = Path(__file__).parent / "fixtures"
CALLS = [a_call(number, f"2024-03-{number:02}T10:00:00.438Z") for number in range(1, 25)]


def fixture(name: str) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((FIXTURES / name).read_text("utf-8"))
    return state


def merged(old: Any, new: Any) -> Any:
    """Merge a state into an earlier one as Meltano does: objects are merged, everything else is replaced."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: merged(old.get(key), value) for key, value in new.items()}}
    return new


class TestFormat:
    def test_a_state_has_the_bookmark_and_the_call_counts_of_each_stream(
        self, tap: InProcessTap, settings: Settings
    ) -> None:
        with Sandbox(a_call_per_minute()) as api:
            run = tap(settings(api, page_size=10))
        assert set(run.state) == {"bookmarks"}
        assert set(run.state["bookmarks"]) == set(REPLICATION_KEYS)
        for stream, key in REPLICATION_KEYS.items():
            entry = run.state["bookmarks"][stream]
            assert set(entry) == {"replication_key", "replication_key_value", "call_counts", "comparisons"}
            assert entry["replication_key"] == key
            assert entry["replication_key_value"] == minute(30)
            instants, counts = zip(*entry["call_counts"], strict=True)
            assert instants[0] == "1970-01-01T00:00:00Z"
            assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", instant) for instant in instants)
            assert list(instants) == sorted(set(instants))
            assert sum(counts) == 30

    def test_the_state_after_each_page_has_the_end_of_the_last_call_written(
        self, tap: InProcessTap, settings: Settings
    ) -> None:
        with Sandbox(a_call_per_minute(last=25)) as api:
            run = tap(settings(api, page_size=10))
        ended_at, sums = "", []
        for message in run.messages:
            if message["type"] == "RECORD" and message["stream"] == "calls":
                ended_at = message["record"]["ended_at"]
            elif message["type"] == "STATE" and ended_at:
                for entry in message["value"]["bookmarks"].values():
                    assert entry["replication_key_value"] == ended_at
                    sums.append(sum(max(0, count) for _, count in entry["call_counts"]))
        assert sums == sorted(sums)
        assert sums[-1] == 25
        assert len(run.states) >= 3

    def test_a_team_without_calls_leaves_a_state_without_a_bookmark(
        self, tap: InProcessTap, settings: Settings
    ) -> None:
        with Sandbox() as api:
            run = tap(settings(api))
            assert run.bookmark() is None
            again = tap(settings(api), state=run.state)
            assert {request.query["since"] for request in api.requests} == {"1970-01-01T00:00:00.000Z"}
        assert again.exit_code == 0

    @pytest.mark.parametrize(
        ("ended_at", "bookmark"),
        [
            ("2024-03-01T10:00:00Z", "2024-03-01T10:00:00.000Z"),
            ("2024-03-01T12:00:00.438999+02:00", "2024-03-01T10:00:00.438Z"),
        ],
    )
    def test_a_bookmark_is_in_utc_with_milliseconds_for_any_format_of_the_api(
        self, tap: InProcessTap, settings: Settings, ended_at: str, bookmark: str
    ) -> None:
        with Sandbox([a_call(1, ended_at)]) as api:
            run = tap(settings(api))
            again = tap(settings(api, lookback_window=0), state=run.state)
        assert run.records()[0]["ended_at"] == ended_at
        assert run.bookmark() == again.bookmark() == bookmark


class TestBookmark:
    def test_the_lookback_window_does_not_move_the_bookmark_back(self, tap: InProcessTap, settings: Settings) -> None:
        with Sandbox(CALLS[:15]) as api:
            state = a_state("2024-03-20T10:00:00.438Z")
            run = tap(settings(api, lookback_window=10 * 86400, page_size=2), state=state)
        assert run.ids() == [10, 11, 12, 13, 14, 15]
        bookmarks = {value["bookmarks"]["calls"]["replication_key_value"] for value in run.states}
        assert bookmarks == {"2024-03-20T10:00:00.438Z"}

    def test_the_deletion_of_the_newest_call_does_not_move_the_bookmark_back(self) -> None:
        with Sandbox(CALLS) as api:
            tap = ScheduledTap(api)
            tap.green_run()
            api.delete(24, 23, 22)
            tap.green_run()
            assert tap.bookmark == "2024-03-24T10:00:00.438Z"
            api.add(a_call(99, "2024-03-22T12:00:00.000Z"))
            tap.green_run()
            assert 99 in tap.ids

    @pytest.mark.parametrize(
        "bookmark",
        [
            "2024-03-04T10:00:00.438+00:00",
            "2024-03-04T10:00:00.438999+00:00",
            "2024-03-04T10:00:00Z",
            "2024-03-04T10:00:00",
            "2024-03-04T12:00:00.438+02:00",
            "2024-03-04T05:00:00.438-05:00",
            "2024-03-04",
        ],
    )
    def test_a_bookmark_is_accepted_in_any_iso_8601_format(
        self, tap: InProcessTap, settings: Settings, bookmark: str
    ) -> None:
        with Sandbox(CALLS[:4]) as api:
            # A bookmark without a time zone is in UTC, whatever the time zone of the machine.
            run = tap(settings(api, lookback_window=0), state=a_state(bookmark), env={"TZ": "EST5"})
            assert api.requests[0].query["since"] == format_timestamp(parse_timestamp(bookmark))
        assert run.ids() == [4]
        assert run.bookmark() == "2024-03-04T10:00:00.438Z"

    def test_bookmarks_are_compared_as_instants_and_not_as_strings(self, tap: InProcessTap, settings: Settings) -> None:
        with Sandbox(CALLS[:4]) as api:
            run = tap(settings(api, lookback_window=86400), state=a_state("2024-03-04T09:00:00.438-02:00"))
        assert run.ids() == [4]
        assert run.bookmark() == "2024-03-04T11:00:00.438Z"

    @pytest.mark.parametrize("empty", [{}, {"bookmarks": {}}, {"bookmarks": {"calls": {}}}])
    def test_without_a_bookmark_a_run_starts_from_the_beginning(
        self, tap: InProcessTap, settings: Settings, empty: dict[str, Any]
    ) -> None:
        with Sandbox(CALLS[:1]) as api:
            run = tap(settings(api), state=empty)
        assert run.ids() == [1]
        assert run.bookmark() == "2024-03-01T10:00:00.438Z"

    def test_a_run_that_fails_on_page_9_resumes_on_page_9(self) -> None:
        with Sandbox(CALLS, faults=[Fault(on=9, status=403)]) as api:
            tap = ScheduledTap(api, {"page_size": 2, "lookback_window": 0})
            failed = tap.run()
            resumed = tap.green_run()
        assert failed.exit_code == 1
        # The call that was written last may be repeated, as others may have ended at the same instant.
        assert resumed.ids()[0] in {failed.ids()[-1], failed.ids()[-1] + 1}
        assert {*failed.ids(), *resumed.ids()} == set(range(1, 25))


class TestOrchestrators:
    """Changes that orchestrators make to a state between runs."""

    def test_a_state_survives_meltanos_merge_into_the_previous_state(self) -> None:
        with Sandbox(CALLS) as api:
            tap = ScheduledTap(api, {"page_size": 5})
            tap.green_run(end_date="2024-03-10")
            before = tap.state
            api.delete(7, 8)
            api.add(a_call(99, "2024-03-03T12:00:00.000Z"))
            tap.green_run()
            assert merged(before, tap.state) == tap.state
            tap.state = merged(before, tap.state)
            tap.green_run()
            assert tap.counts_match()

    @pytest.mark.parametrize("written", range(4, 40, 5))
    def test_the_state_of_an_interrupted_run_survives_meltanos_merge(self, written: int) -> None:
        with Sandbox(CALLS) as api:
            tap = ScheduledTap(api, {"page_size": 5})
            tap.green_run(end_date="2024-03-10")
            before = tap.state
            api.add(a_call(99, "2024-03-03T12:00:00.000Z"))
            tap.run(kill_after_lines=written)
            tap.state = merged(before, tap.state)
            tap.green_run()
            assert tap.ids >= {*range(1, 25), 99}

    def test_a_state_with_a_different_key_order_and_white_space_is_accepted(
        self, tap: InProcessTap, settings: Settings
    ) -> None:
        with Sandbox(CALLS) as api:
            state = tap(settings(api)).state
            reordered = json.dumps(state, indent=4, sort_keys=True)
            run = tap(settings(api), state=reordered)
            assert len(api.requests) == 3
        assert {**run.state["bookmarks"]["calls"], "comparisons": 0} == {
            **state["bookmarks"]["calls"],
            "comparisons": 0,
        }

    def test_fields_that_the_sdk_added_to_a_state_are_removed(self, tap: InProcessTap, settings: Settings) -> None:
        state = a_state("2024-03-01T10:00:00.438Z")
        state["bookmarks"]["calls"] |= {
            "starting_replication_value": "2024-03-01T10:00:00.438Z",
            "replication_key_signpost": "2024-03-01T10:00:00.438Z",
            "progress_markers": {"replication_key_value": "2024-03-02T10:00:00.438Z"},
        }
        with Sandbox(CALLS[:4]) as api:
            run = tap(settings(api), state=state)
        assert set(run.state["bookmarks"]["calls"]) == set(run.state["bookmarks"]["call_participations"])

    def test_other_streams_in_a_state_are_not_changed(self, tap: InProcessTap, settings: Settings) -> None:
        other = {"replication_key": "left_at", "replication_key_value": "2024-03-02T00:00:00.000Z"}
        state = {"bookmarks": {"something_else": other, **a_state("2024-03-01T10:00:00.438Z")["bookmarks"]}}
        with Sandbox(CALLS[:4]) as api:
            run = tap(settings(api), state=state)
        assert run.state["bookmarks"]["something_else"] == other

    @pytest.mark.parametrize("stream", ["calls", "call_participations"])
    def test_a_stream_without_an_entry_in_the_state_reads_everything(self, stream: str) -> None:
        stored = a_call_per_minute(participations=1)
        with Sandbox(stored) as api:
            tap = ScheduledTap(api, {"lookback_window": 0})
            tap.green_run()
            del tap.state["bookmarks"][stream]
            run = tap.green_run()
        assert {name: len(run.records(name)) for name in REPLICATION_KEYS} == {
            **dict.fromkeys(REPLICATION_KEYS, 0),
            stream: 30,
        }

    def test_counts_that_were_removed_are_taken_from_the_totals(self) -> None:
        with Sandbox(CALLS) as api:
            tap = ScheduledTap(api)
            tap.green_run()
            for entry in tap.state["bookmarks"].values():
                del entry["call_counts"]
            run = tap.green_run()
            assert run.ids() == [24]
            assert tap.counts_match()


class TestEarlierVersions:
    def test_the_state_of_version_0_1_0_can_be_resumed(self) -> None:
        calls = [a_call(1, "2024-03-15T13:29:59.999Z"), a_call(2, "2024-03-15T14:30:00.438Z")]
        with Sandbox(calls) as api:
            tap = ScheduledTap(api, state=fixture("state-0.1.0.json"), expect_complete=False)
            run = tap.green_run()
            assert api.requests[0].query["since"] == "2024-03-15T13:30:00.438Z"
            assert tap.counts_match()
        assert run.ids() == [2]
        assert run.warnings == []
        for stream, entry in fixture("state-0.1.0.json")["bookmarks"].items():
            assert entry.items() <= run.state["bookmarks"][stream].items()

    def test_the_state_of_version_0_2_0_can_be_resumed(self) -> None:
        calls = a_call_per_minute(participations=1)
        with Sandbox(calls) as api:
            tap = ScheduledTap(api, {"lookback_window": 300}, state=fixture("state-0.2.0.json"), expect_complete=False)
            assert tap.green_run().ids() == [25, 26, 27, 28, 29, 30]
            assert len(tap.requests) == 2
            assert tap.counts_match()
            api.add(a_call(100, minute(4)))
            api.delete(12, 13)
            tap.green_run()
            assert 100 in tap.ids
            assert tap.counts_match()

    def test_version_0_2_0_writes_the_format_of_its_fixture(self) -> None:
        with Sandbox(a_call_per_minute(participations=1)) as api:
            tap = ScheduledTap(api, {"lookback_window": 300, "page_size": 10})
            tap.green_run()
        written = fixture("state-0.2.0.json")["bookmarks"]
        for stream, entry in tap.state["bookmarks"].items():
            assert set(entry) == set(written[stream])
            assert {**entry, "call_counts": 0, "comparisons": 0} == {
                **written[stream],
                "call_counts": 0,
                "comparisons": 0,
            }
            assert [type(item) for item in entry["call_counts"][0]] == [str, int]


class TestInvalidCounts:
    @pytest.mark.parametrize(
        "call_counts",
        [
            "many",
            [["2026-01-01T00:00:00Z"]],
            [["2026-01-01T00:00:00Z", -2]],
            [["2026-01-01T00:00:00Z", True]],
            [["2026-01-02T00:00:00Z", 1], ["2026-01-01T00:00:00Z", 1]],
            [["2026-01-01T00:00:00Z", 1, 1, 4]],
            [["2026-01-01T00:00:00Z", 1, -1]],
            [["2026-01-01T00:00:00Z", 1, "1"]],
        ],
    )
    def test_they_are_an_error_that_names_the_stream_and_what_to_remove(
        self, tap: InProcessTap, settings: Settings, call_counts: object
    ) -> None:
        state = a_state("2026-01-03T00:00:00.000Z")
        state["bookmarks"]["calls"]["call_counts"] = call_counts
        with Sandbox(CALLS) as api:
            run = tap(settings(api), state=state)
            assert api.requests == []
        assert run.exit_code == 1
        assert "Invalid `call_counts` for stream `calls`" in run.errors[-1]
        assert "Remove `call_counts`" in run.errors[-1]


class TestSize:
    """The size of the state after many runs, which are simulated without requests."""

    @pytest.mark.parametrize(
        ("weeks", "days", "hours", "lookback_window"),
        [(420, 700, 900, 3600), (0, 500, 300, 0), (0, 500, 300, 3 * 86400), (0, 800, 300, 365 * 86400)],
    )
    def test_the_state_takes_at_most_4_kb_per_stream_after_ten_years(
        self, weeks: int, days: int, hours: int, lookback_window: int
    ) -> None:
        # Earlier runs are less frequent, as their spans are merged in any case.
        rng = random.Random(days)  # noqa: S311 - not for security
        now = datetime(2016, 1, 1, tzinfo=timezone.utc)
        tap = TapTuple(config={"auth_token": "sk-tuple-test", "lookback_window": lookback_window})
        stream = tap.streams["calls"]
        entry: dict[str, Any] = {}
        ended_at: list[datetime] = []
        bookmark = ""
        for step in [timedelta(weeks=1)] * weeks + [timedelta(days=1)] * days + [timedelta(hours=1)] * hours:
            now += step
            count = rng.randrange(2 + step // timedelta(hours=2))
            ended_at += sorted(floor_to_millisecond(now - step * rng.random()) for _ in range(count))
            progress = Progress({stream: entry}, Window(EPOCH, now), tap.message_writer)
            for unread in progress.unread:
                part = ended_at[bisect_left(ended_at, unread.since) : bisect_left(ended_at, unread.until)]
                calls = Calls([Call(id=0, ended_at="") for _ in part], list(map(CallTimes, part)))
                list(progress.take(Batch(calls, unread.until, len(part), len(part))))
            size = len(json.dumps(entry, separators=(",", ":")))
            assert size <= 4096
            assert entry.get("replication_key_value", "") >= bookmark
            bookmark = entry.get("replication_key_value", "")
        assert sum(count for _, count in entry["call_counts"]) == len(ended_at)

    def test_reading_an_entry_does_not_change_it(self) -> None:
        entry = copy.deepcopy(fixture("state-0.2.0.json")["bookmarks"]["calls"])
        tap = TapTuple(config={"auth_token": "sk-tuple-test"})
        window = Window(EPOCH, datetime(2027, 1, 1, tzinfo=timezone.utc))
        assert Progress({tap.streams["calls"]: entry}, window, tap.message_writer).unread
        assert entry == fixture("state-0.2.0.json")["bookmarks"]["calls"]
