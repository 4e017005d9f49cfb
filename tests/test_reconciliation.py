"""Runs reconcile their call counts with the API's totals, so that they find calls however late they appear."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from factories import a_call, a_state
from scheduled import KILLED, ScheduledTap

from tap_tuple.sandbox import Fault, Sandbox

if TYPE_CHECKING:
    from runners import Run

    from tap_tuple.sandbox.http_server import Received

    Calls = list[dict[str, Any]]

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)
YEAR = timedelta(days=365)
AGES = [timedelta(hours=3), timedelta(days=1), timedelta(days=5), YEAR]
COUNT = 120


def ago(age: timedelta) -> str:
    """Return the timestamp this long before NOW."""
    return (NOW - age).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def history(count: int = COUNT) -> Calls:
    """Return calls evenly spread over two years, oldest first, with one participation each."""
    ends = [ago(2 * YEAR * (count - number) / count - timedelta(minutes=1)) for number in range(count)]
    return [a_call(number + 1, end, call_participations=[{"id": number + 1}]) for number, end in enumerate(ends)]


def late(*ages: timedelta) -> Calls:
    """Return calls that ended this long before NOW."""
    return [a_call(1000 + number, ago(age)) for number, age in enumerate(ages)]


def synced_tap(api: Sandbox, **config: Any) -> ScheduledTap:
    """Return a tap that has run once."""
    tap = ScheduledTap(api, {"page_size": 25, **config})
    tap.green_run()
    return tap


def run_until_counts_match(tap: ScheduledTap, max_runs: int) -> int:
    """Run the tap every hour until its counts match the API; return the number of runs."""
    for number in range(1, max_runs + 1):
        tap.green_run(end_date=ago(timedelta(hours=-number)))
        if tap.counts_match():
            return number
    raise AssertionError(f"the counts do not match after {max_runs} runs: {tap.span_counts()}")


def lines(run: Run, text: str) -> list[str]:
    return [line for line in run.log.splitlines() if text in line]


class Unreturned:
    """Calls that the API counts, but does not return."""

    def __init__(self) -> None:
        self.calls: Calls = []
        self._more = 0
        self.fault = Fault(
            when=self._matches, times=None, headers={"X-Total-Count": lambda total: str(int(total) + self._more)}
        )

    def show(self, api: Sandbox) -> None:
        """Let the API return the calls."""
        api.add(*self.calls)
        self.calls.clear()

    def _matches(self, request: Received) -> bool:
        since, until = request.query["since"], request.query["until"]
        self._more = sum(since <= call["ended_at"] < until for call in self.calls)
        return self._more > 0


class TestLateCalls:
    @pytest.mark.parametrize("age", AGES)
    @pytest.mark.parametrize("lookback_window", [0, 3600, 86400 * 30])
    def test_a_call_is_found_by_the_next_run_however_late_it_appears(
        self, age: timedelta, lookback_window: int
    ) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api, lookback_window=lookback_window)
            api.add(*late(age))
            tap.green_run()
            assert 1000 in tap.ids
            assert tap.counts_match()
            tap.green_run()
            assert len(tap.requests) <= 3

    def test_a_call_older_than_all_others_is_found(self) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api)
            api.add(a_call(1000, "1999-12-31T23:59:59.999Z"))
            tap.green_run()
            assert 1000 in tap.ids

    def test_calls_that_appear_in_many_places_are_all_found_by_one_run(self) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api)
            api.add(*late(*(YEAR * number / 8 for number in range(1, 16))))
            tap.green_run()
            assert tap.ids >= set(range(1000, 1015))
            assert len(tap.requests) < 150

    def test_as_many_late_calls_as_new_ones_are_found(self) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api)
            api.add(*late(timedelta(days=3), timedelta(seconds=10), timedelta(seconds=5)))
            tap.green_run()
            assert tap.ids >= {1000, 1001, 1002}

    def test_a_late_call_in_a_team_without_calls_is_found(self) -> None:
        with Sandbox() as api:
            tap = synced_tap(api)
            api.add(*late(YEAR))
            tap.green_run()
            assert tap.ids == {1000}

    def test_the_log_reports_the_difference_and_the_number_of_recovered_calls(self) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api)
            api.add(*late(timedelta(days=200), timedelta(days=200)))
            run = tap.green_run()
        [difference] = lines(run, "re-reading")
        assert f"The API reports {COUNT + 2} calls" not in difference
        assert len(lines(run, "Recovered 2 missing calls")) == 1
        assert run.warnings == []
        assert f"{COUNT + 2} calls" in lines(run, "Run complete")[0]

    def test_only_the_span_that_differs_is_read_again(self) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api, lookback_window=0)
            api.add(*late(timedelta(days=400)))
            run = tap.green_run()
            assert len(run.ids()) < COUNT / 4
            assert len(tap.requests) <= 16

    def test_a_state_follows_the_repair_of_each_span(self) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api, lookback_window=0)
            api.add(*late(timedelta(days=600), timedelta(days=100)))
            run = tap.green_run()
        kinds = [message["type"] for message in run.messages]
        positions = [
            index for index, message in enumerate(run.messages) if message.get("record", {}).get("id") in {1000, 1001}
        ]
        assert len(positions) == 2
        assert "STATE" in kinds[positions[0] : positions[1]]

    @pytest.mark.parametrize("lines_written", range(1, 60, 3))
    def test_the_next_run_resumes_a_repair_that_was_killed(self, lines_written: int) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api, page_size=3, lookback_window=0)
            api.add(*late(timedelta(days=600), timedelta(days=599), timedelta(days=100), timedelta(days=30)))
            tap.run(kill_after_lines=lines_written)
            tap.green_run()
            assert tap.ids >= {1000, 1001, 1002, 1003}
            assert tap.counts_match()

    def test_the_next_run_resumes_a_repair_that_failed(self) -> None:
        for number in range(3, 18, 2):
            with Sandbox(history()) as api:
                tap = synced_tap(api, page_size=10, lookback_window=0)
            faults = [Fault(on=number, status=403)]
            with Sandbox([*history(), *late(timedelta(days=600), timedelta(days=100))], faults=faults) as api:
                tap.api = api
                while tap.run().exit_code:
                    pass
                assert tap.ids >= {1000, 1001}


class TestRequestBudget:
    def test_a_first_run_without_changes_takes_one_request(self) -> None:
        with Sandbox(history(20)) as api:
            tap = synced_tap(api)
            assert len(tap.requests) == 1

    @pytest.mark.parametrize("lookback_window", [0, 3600, 86400 * 30])
    def test_a_run_without_changes_takes_two_requests(self, lookback_window: int) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api, lookback_window=lookback_window)
            for _ in range(3):
                tap.green_run()
                assert len(tap.requests) == 2
            assert int(tap.requests[-1].query["per_page"]) <= 50, "reconciliation requests a small page"

    def test_a_run_with_only_new_calls_takes_two_requests(self) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api)
            api.add(*late(timedelta(seconds=50), timedelta(seconds=40)))
            tap.green_run()
            assert tap.ids >= {1000, 1001}
            assert len(tap.requests) == 2

    def test_one_late_call_takes_few_requests_in_a_long_history(self) -> None:
        with Sandbox(history(2000)) as api:
            tap = synced_tap(api, page_size=1000)
            api.add(*late(timedelta(days=123)))
            tap.green_run()
            assert len(tap.requests) <= 20

    def test_a_run_limits_its_repairs_and_the_next_runs_resume_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tap_tuple.reconciliation.MAX_REQUESTS", 50)
        with Sandbox(history()) as api:
            tap = synced_tap(api, page_size=1, lookback_window=0)
            api.add(*late(*(YEAR * number / 5 for number in range(1, 9))))
            exit_codes: list[int] = []
            while not exit_codes or exit_codes[-1]:
                run = tap.run()
                exit_codes.append(run.exit_code)
                assert len(tap.requests) <= 160
                assert len(exit_codes) < 10, "the repairs make no progress"
        assert exit_codes[0] == 1
        assert tap.ids >= set(range(1000, 1008))


class TestDeletions:
    def test_deleted_calls_are_logged_once_and_nothing_is_read_again(self) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api, lookback_window=0)
            api.delete(50, 51, 52)
            run = tap.green_run()
            assert run.ids() == []
            assert sum(int(line.rpartition("| ")[2].split()[0]) for line in lines(run, "deleted")) == 3
            assert run.warnings == []
            run = tap.green_run()
            assert lines(run, "deleted") == []
            assert len(tap.requests) == 2
            assert tap.counts_match()

    def test_calls_are_found_after_the_whole_history_was_deleted(self) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api)
            api.delete(*range(1, COUNT + 1))
            tap.green_run()
            api.add(*late(timedelta(days=90), timedelta(seconds=1)))
            tap.green_run()
            assert tap.ids >= {1000, 1001}
            assert tap.counts_match()

    def test_a_retention_policy_takes_few_requests_per_run(self) -> None:
        with Sandbox(history(400)) as api:
            tap = synced_tap(api, page_size=1000, lookback_window=0)
            requests = []
            for number in range(1, 60, 2):
                api.delete(number, number + 1)
                run = tap.green_run()
                assert run.warnings == []
                requests.append(len(tap.requests))
        assert sum(requests) / len(requests) <= 5
        assert tap.bookmark == history(400)[-1]["ended_at"]

    @pytest.mark.parametrize(("deleted", "age"), [(2, 30), (60, 700), (100, 500), (110, 300), (30, 10)])
    def test_a_deletion_and_a_late_call_that_cancel_out_are_found_within_a_few_runs(
        self, deleted: int, age: int
    ) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api, page_size=1000)
            tap.expect_complete = False
            api.delete(deleted)
            api.add(*late(timedelta(days=age)))
            runs = run_until_counts_match(tap, max_runs=2 * len(tap.span_counts()))
            assert 1000 in tap.ids
            assert runs <= 60

    def test_many_deletions_and_late_calls_that_cancel_out_are_found_in_one_run(self) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api)
            tap.expect_complete = False
            api.delete(*range(1, 30))
            api.add(*late(*(timedelta(days=100 + number) for number in range(29))))
            run_until_counts_match(tap, max_runs=20)
            assert tap.ids >= set(range(1000, 1029))

    def test_calls_deleted_during_a_repair_do_not_hide_other_calls(self) -> None:
        faults = [Fault(on=number, delete=[number + 10]) for number in range(16, 30)]
        with Sandbox(history(), faults=faults) as api:
            tap = synced_tap(api, page_size=10)
            tap.expect_complete = False
            api.add(*late(timedelta(days=700), timedelta(days=300)))
            run_until_counts_match(tap, max_runs=60)
            assert tap.ids >= {1000, 1001}

    @pytest.mark.parametrize("on", range(1, 14))
    def test_a_call_that_appears_during_a_run_is_found_by_the_next_run(self, on: int) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api, page_size=10)
        new = Fault(on=on, insert=[a_call(2000, ago(timedelta(days=500)))])
        with Sandbox([*history(), *late(timedelta(days=400))], faults=[new]) as api:
            tap.api = api
            tap.green_run()
            tap.green_run()
            assert len(api.requests) < on or 2000 in tap.ids


class TestWrongTotals:
    """An API whose total differs from the number of calls that it returns."""

    def test_a_total_that_is_always_too_high_causes_one_warning_and_no_error(self) -> None:
        more = {"X-Total-Count": lambda total: str(int(total) + 1)}
        with Sandbox(history(), faults=[Fault(times=None, headers=more)]) as api:
            tap = ScheduledTap(api, {"page_size": 25})
            run = tap.green_run()
            assert len(run.warnings) == 1
            assert "returned" in run.warnings[0]
            assert "did not return 1 of them" in lines(run, "Run complete")[0]
            requests = []
            for _ in range(16):
                run = tap.green_run()
                requests.append(len(tap.requests))
                assert run.warnings == []
                assert "did not return 1 of them" in lines(run, "Run complete")[0]
            assert max(requests) <= 6

    @pytest.mark.parametrize("lookback_window", [0, 3600, 86400 * 30])
    @pytest.mark.parametrize(("age", "hidden_runs"), [(0.02, 1), (0.02, 5), (1, 1), (100, 1), (100, 9), (600, 2)])
    def test_a_call_that_the_total_counts_is_found_as_soon_as_a_page_shows_it(
        self, age: float, hidden_runs: int, lookback_window: int
    ) -> None:
        unreturned = Unreturned()
        with Sandbox(history(), faults=[unreturned.fault]) as api:
            tap = synced_tap(api, page_size=1000, lookback_window=lookback_window)
            unreturned.calls += late(timedelta(days=age))
            assert len(tap.green_run().warnings) == 1
            for _ in range(hidden_runs - 1):
                run = tap.green_run()
                assert run.warnings == []
                assert "did not return 1 of them" in lines(run, "Run complete")[0]
                assert len(tap.requests) <= 5
            unreturned.show(api)
            run = tap.green_run()
            assert 1000 in tap.ids
            assert run.warnings == []
            assert "all have been read" in lines(run, "Run complete")[0]
            assert tap.counts_match()
            tap.green_run()
            assert len(tap.requests) == 2

    @pytest.mark.parametrize(("deleted", "deleted_unreturned"), [([60], 0), ([], 1), ([60], 1), ([61, 62], 0)])
    def test_deletions_do_not_hide_a_call_that_is_not_returned_yet(
        self, deleted: list[int], deleted_unreturned: int
    ) -> None:
        unreturned = Unreturned()
        with Sandbox(history(), faults=[unreturned.fault]) as api:
            tap = synced_tap(api, page_size=1000)
            unreturned.calls += late(timedelta(days=366), timedelta(days=367))
            tap.green_run()
            api.delete(*deleted)
            del unreturned.calls[:deleted_unreturned]
            run = tap.green_run()
            assert f"did not return {2 - deleted_unreturned} of them" in lines(run, "Run complete")[0]
            unreturned.show(api)
            tap.green_run()
            assert tap.counts_match()

    @pytest.mark.parametrize("lines_written", range(1, 50, 4))
    def test_the_search_for_a_call_that_was_not_returned_survives_a_kill(self, lines_written: int) -> None:
        unreturned = Unreturned()
        with Sandbox(history(), faults=[unreturned.fault]) as api:
            tap = synced_tap(api, page_size=3)
            unreturned.calls += late(timedelta(days=400))
            tap.green_run()
            unreturned.show(api)
            tap.run(kill_after_lines=lines_written)
            tap.green_run()
            assert tap.counts_match()

    @pytest.mark.parametrize("first", [0, 1])
    def test_calls_that_the_api_returns_one_after_another_are_all_found(self, first: int) -> None:
        unreturned = Unreturned()
        with Sandbox(history(), faults=[unreturned.fault]) as api:
            tap = synced_tap(api, page_size=1000)
            unreturned.calls += late(timedelta(days=100), timedelta(days=400))
            tap.green_run()
            api.add(unreturned.calls.pop(first))
            run = tap.green_run()
            assert 1000 + first in tap.ids
            assert "did not return 1 of them" in lines(run, "Run complete")[0]
            unreturned.show(api)
            tap.green_run()
            assert tap.ids >= {1000, 1001}

    @pytest.mark.parametrize("setting", ["start_date", "end_date"])
    def test_a_changed_window_does_not_hide_a_call_that_is_not_returned_yet(self, setting: str) -> None:
        unreturned = Unreturned()
        with Sandbox(history(), faults=[unreturned.fault]) as api:
            tap = synced_tap(api, page_size=1000)
            unreturned.calls += late(timedelta(days=400))
            tap.green_run()
            for _ in range(2):
                run = tap.green_run(**{setting: ago(timedelta(days=401))})
                assert lines(run, "deleted") == []
            unreturned.show(api)
            tap.green_run()
            assert tap.counts_match()

    @pytest.mark.parametrize("cap", [10, 50, 119])
    def test_runs_succeed_without_loss_if_the_total_is_capped(self, cap: int) -> None:
        capped = {"X-Total-Count": lambda total: str(min(int(total), cap))}
        with Sandbox(history(), faults=[Fault(times=None, headers=capped)]) as api:
            tap = ScheduledTap(api, {"page_size": 25})
            for _ in range(3):
                run = tap.green_run()
                assert run.warnings == []
            assert tap.ids == set(range(1, COUNT + 1))
            assert len(tap.requests) <= 40

    def test_no_calls_are_lost_if_the_total_fluctuates(self) -> None:
        numbers = iter(range(10_000))
        fluctuating = {"X-Total-Count": lambda total: str(int(total) + next(numbers) % 2)}
        with Sandbox(history(), faults=[Fault(times=None, headers=fluctuating)]) as api:
            tap = ScheduledTap(api, {"page_size": 25})
            for _ in range(6):
                run = tap.run()
                assert run.exit_code == 0 or run.errors
                assert len(tap.requests) <= 400
            assert tap.ids == set(range(1, COUNT + 1))

    def test_a_total_that_is_temporarily_too_low_loses_no_calls(self) -> None:
        lower = {"X-Total-Count": lambda total: str(max(0, int(total) - 20))}
        with Sandbox(
            history(), faults=[Fault(when=lambda request: request.number in {8, 9, 10}, times=None, headers=lower)]
        ) as api:
            tap = synced_tap(api)
            api.add(*late(timedelta(days=77)))
            for _ in range(4):
                tap.run()
            assert 1000 in tap.ids
            assert tap.counts_match()

    def test_a_call_that_the_api_does_not_return_causes_a_warning_only_once(self) -> None:
        withheld = Fault(times=None, calls=lambda page: [call for call in page if call["id"] != 60])
        with Sandbox(history(), faults=[withheld]) as api:
            tap = ScheduledTap(api, {"page_size": 25}, expect_complete=False)
            run = tap.green_run()
            assert len(run.warnings) == 1
            assert "did not return 1 of them" in lines(run, "Run complete")[0]
            for _ in range(5):
                assert tap.green_run().warnings == []
                assert len(tap.requests) <= 3
            assert 60 not in tap.ids

    @pytest.mark.parametrize("total", [None, "many"])
    def test_without_a_total_one_line_says_that_the_counts_are_not_verified(self, total: str | None) -> None:
        with Sandbox(history(), faults=[Fault(times=None, headers={"X-Total-Count": total})]) as api:
            tap = synced_tap(api)
            api.add(*late(timedelta(minutes=10)))
            run = tap.green_run()
            assert 1000 in tap.ids, "the call is in the lookback window"
            assert len(lines(run, "X-Total-Count")) == 1
            assert len(tap.requests) <= 2

    def test_late_calls_are_found_once_the_api_sends_totals_again(self) -> None:
        with Sandbox(history(), faults=[Fault(times=None, headers={"X-Total-Count": None})]) as api:
            tap = synced_tap(api)
        with Sandbox([*history(), *late(timedelta(days=200))]) as api:
            tap.api = api
            tap.green_run()
            assert 1000 in tap.ids

    @pytest.mark.parametrize("number", range(1, 8))
    def test_a_response_without_a_total_hides_no_late_call(self, number: int) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api)
        fault = Fault(on=number, headers={"X-Total-Count": None})
        with Sandbox([*history(), *late(timedelta(days=200))], faults=[fault]) as api:
            tap.api = api
            tap.green_run()
            assert tap.counts_match()

    @pytest.mark.parametrize("number", range(1, 8))
    def test_totals_that_disappear_in_the_middle_of_a_run_do_not_hide_a_known_difference(self, number: int) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api)
        fault = Fault(on=number, times=None, headers={"X-Total-Count": None})
        with Sandbox([*history(), *late(timedelta(days=200))], faults=[fault]) as api:
            tap.api = api
            tap.expect_complete = number > 2
            run = tap.green_run()
            assert 1000 in tap.ids or len(lines(run, "cannot be verified")) == 1

    def test_a_late_call_is_found_though_only_full_pages_have_a_total(self) -> None:
        fault = Fault(
            when=lambda request: request.query["per_page"] == "1", times=None, headers={"X-Total-Count": None}
        )
        with Sandbox(history(), faults=[fault]) as api:
            tap = synced_tap(api)
            api.add(*late(timedelta(days=200)))
            run = tap.green_run()
            assert len(lines(run, "re-reading")) == 1
            assert tap.counts_match()


class TestProbe:
    """The request for the total of the whole history and for the calls at one mark."""

    @staticmethod
    def is_probe(request: Received) -> bool:
        return request.number > 8 and "page" in request.query and request.query["page"] != "1"

    @pytest.mark.parametrize("status", [400, 404, 410, 416, 422])
    def test_a_rejected_page_number_does_not_stop_the_run(self, status: int) -> None:
        with Sandbox(history(), faults=[Fault(when=self.is_probe, times=None, status=status)]) as api:
            tap = synced_tap(api)
            for number in range(4):
                api.add(a_call(1000 + number, ago(timedelta(days=100 * number + 1))))
                tap.green_run()
                assert 1000 + number in tap.ids

    def test_pages_shorter_than_requested_do_not_hide_late_calls(self) -> None:
        with Sandbox(history(), max_per_page=10) as api:
            tap = synced_tap(api)
            api.add(*late(timedelta(days=100), timedelta(days=400)))
            tap.green_run()
            assert tap.ids >= {1000, 1001}

    def test_runs_without_changes_take_two_requests_if_pages_are_shorter_than_requested(self) -> None:
        with Sandbox(history(), max_per_page=10) as api:
            tap = synced_tap(api)
            for _ in range(10):
                tap.green_run()
                assert len(tap.requests) <= 2

    def test_an_empty_page_does_not_stop_the_run(self) -> None:
        with Sandbox(history(), faults=[Fault(when=self.is_probe, times=None, calls=lambda _: [])]) as api:
            tap = synced_tap(api)
            api.add(*late(timedelta(days=100)))
            tap.green_run()
            tap.green_run()
            assert 1000 in tap.ids


class TestStartAndEndDate:
    def test_after_moving_start_date_back_the_next_run_reads_only_the_earlier_calls(self) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api, start_date=ago(YEAR), lookback_window=0)
            assert tap.ids == set(range(61, 121))
            run = tap.green_run(start_date=ago(1.5 * YEAR))
            assert tap.ids == set(range(31, 121))
            assert set(run.ids()) <= {*range(31, 61), 120}
            run = tap.green_run(start_date="1970-01-01")
            assert tap.ids == set(range(1, 121))
            assert set(run.ids()) <= {*range(1, 31), 120}
            assert tap.counts_match()
            assert tap.green_run(start_date="1970-01-01").ids() == []

    def test_after_removing_start_date_the_next_run_reads_all_earlier_calls(self) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api, start_date=ago(YEAR))
            del tap.config["start_date"]
            tap.green_run()
            assert tap.ids == set(range(1, 121))

    @pytest.mark.parametrize("written", range(1, 40, 4))
    def test_a_run_killed_while_reading_earlier_calls_is_resumed(self, written: int) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api, start_date=ago(YEAR), page_size=5)
            tap.run(kill_after_lines=written, start_date="2000-01-01")
            tap.green_run(start_date="2000-01-01")
            assert tap.ids == set(range(1, 121))
            assert tap.counts_match()

    def test_calls_before_a_later_start_date_are_not_reconciled(self) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api)
            tap.config["start_date"] = ago(YEAR)
            api.add(*late(timedelta(days=500), timedelta(days=100)))
            api.delete(1, 2, 3)
            tap.green_run()
            assert 1001 in tap.ids
            assert 1000 not in tap.ids
            del tap.config["start_date"]
            tap.green_run()
            assert 1000 in tap.ids
            assert tap.counts_match()

    def test_a_late_call_is_found_while_start_date_moves_forward_within_a_span(self) -> None:
        start = timedelta(days=700)
        with Sandbox(history()) as api:
            tap = synced_tap(api, start_date=ago(start))
            api.add(*late(timedelta(days=690)))
            for hours in range(1, 4):
                tap.green_run(start_date=ago(start - timedelta(hours=hours)))
                assert 1000 in tap.ids

    def test_a_start_date_after_the_bookmark_skips_calls_with_a_warning(self) -> None:
        stored = history()
        with Sandbox(stored[:60]) as api:
            tap = synced_tap(api)
            api.add(*stored[60:])
            tap.config["start_date"] = stored[90]["ended_at"]
            run = tap.green_run()
            assert len(lines(run, "skipping calls")) == 2, "one line per stream"
            assert tap.ids == {*range(1, 61), *range(91, 121)}
            del tap.config["start_date"]
            tap.green_run()
            tap.green_run()
            assert tap.ids == set(range(1, 121))

    def test_moving_end_date_forward_reads_the_history_in_parts(self) -> None:
        with Sandbox(history()) as api:
            tap = ScheduledTap(api, {"page_size": 10, "lookback_window": 0})
            for days in range(700, -10, -50):
                tap.green_run(end_date=ago(timedelta(days=days)))
            assert tap.ids == set(range(1, 121))
            assert tap.counts_match()

    @pytest.mark.parametrize("days_before_end", [0, 1, 20, 300])
    @pytest.mark.parametrize("end", [timedelta(days=3), timedelta(days=40), YEAR])
    def test_a_late_call_is_found_before_an_end_date_that_is_before_the_bookmark(
        self, end: timedelta, days_before_end: int
    ) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api)
            api.add(*late(end + timedelta(days=days_before_end, hours=1)))
            tap.green_run(end_date=ago(end))
            assert 1000 in tap.ids

    def test_late_calls_are_written_after_start_date_moved_into_the_last_lookback_window(self) -> None:
        recent = [a_call(500 + minutes, ago(timedelta(minutes=minutes))) for minutes in (50, 40, 10)]
        with Sandbox([*history()[:-1], *recent]) as api:
            tap = synced_tap(api, end_date=ago(timedelta()))
            api.add(*late(timedelta(minutes=20), timedelta(minutes=15)))
            tap.config |= {"start_date": ago(timedelta(minutes=30)), "lookback_window": 0}
            tap.green_run()
            assert tap.ids >= {1000, 1001}

    def test_a_late_call_is_written_after_end_date_divided_the_last_second(self) -> None:
        recent = [a_call(500 + number, f"2026-05-31T23:59:59.{number}00Z") for number in range(5)]
        with Sandbox([*history()[:-1], *recent]) as api:
            tap = synced_tap(api, lookback_window=0)
            tap.green_run(end_date="2026-05-31T23:59:59.250Z")
            api.delete(500, 501, 502)
            api.add(a_call(1000, "2026-05-31T23:59:59.350Z"))
            tap.green_run()
            assert 1000 in tap.ids

    @pytest.mark.parametrize("lines_written", range(10, 50, 8))
    def test_an_end_date_within_an_unread_span_divides_it(self, lines_written: int) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api, start_date=ago(YEAR / 2), page_size=5)
            tap.run(kill_after_lines=lines_written, start_date="2000-01-01")
            tap.green_run(start_date="2000-01-01", end_date=ago(YEAR))
            tap.green_run(start_date="2000-01-01")
            assert tap.ids == set(range(1, 121))
            assert tap.counts_match()

    def test_a_run_with_end_date_before_the_bookmark_leaves_later_calls_to_the_next_run(self) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api)
            api.add(*late(timedelta(days=500), timedelta(days=100)))
            tap.green_run(end_date=ago(YEAR))
            assert 1001 not in tap.ids
            tap.green_run()
            assert tap.ids >= {1000, 1001}


class TestStreams:
    def test_both_streams_are_reconciled_with_the_same_requests(self) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api)
            api.add(a_call(1000, ago(timedelta(days=50)), call_participations=[{"id": 1000}]))
            tap.green_run()
            both = len(tap.requests)
            assert set(tap.participations) == {*range(1, 121), 1000}
        with Sandbox(history()) as api:
            tap = ScheduledTap(api, {"page_size": 25}, selected=("calls",))
            tap.green_run()
            api.add(a_call(1000, ago(timedelta(days=50)), call_participations=[{"id": 1000}]))
            tap.green_run()
            assert abs(both - len(tap.requests)) <= 1

    def test_a_stream_that_was_deselected_in_a_quiet_run_costs_no_further_requests(self) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api)
            tap.selected = ("calls",)
            tap.green_run()
            tap.selected = None
            tap.green_run()
            assert len(tap.requests) == 2

    def test_a_newly_selected_stream_reads_its_whole_history_and_finds_late_calls(self) -> None:
        with Sandbox(history()) as api:
            tap = ScheduledTap(api, {"page_size": 25, "lookback_window": 0}, selected=("calls",))
            tap.green_run()
            assert tap.participations == {}
            tap.selected = ("calls", "call_participations")
            run = tap.green_run()
            assert set(tap.participations) == set(range(1, 121))
            assert run.ids() == []
            api.add(a_call(1000, ago(timedelta(days=50)), call_participations=[{"id": 1000}]))
            tap.green_run()
            assert 1000 in tap.ids
            assert 1000 in tap.participations

    def test_a_stream_that_is_selected_again_reads_the_calls_it_missed(self) -> None:
        with Sandbox(history()) as api:
            tap = ScheduledTap(api, {"page_size": 25}, selected=("calls", "call_participations"))
            tap.green_run()
            tap.selected = ("calls",)
            api.add(a_call(1000, ago(timedelta(days=50)), call_participations=[{"id": 1000}]))
            tap.green_run()
            assert 1000 not in tap.participations
            tap.selected = ("call_participations",)
            tap.green_run()
            assert 1000 in tap.participations

    def test_streams_with_different_bookmarks_are_read_in_one_pass(self) -> None:
        stored = history()
        with Sandbox(stored[:60]) as api:
            tap = ScheduledTap(
                api, {"page_size": 1000, "lookback_window": 0}, selected=("calls", "call_participations")
            )
            tap.green_run()
            api.add(*stored[60:])
            tap.selected = ("calls",)
            tap.green_run()
            tap.selected = ("calls", "call_participations")
            run = tap.green_run()
            assert set(tap.participations) == set(range(1, 121))
            assert run.ids() == []
            assert len(tap.requests) <= 3
            for _ in range(3):
                tap.green_run()
            assert len(tap.requests) <= 3

    def test_only_requests_for_repaired_spans_are_repeated_in_a_run(self) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api, page_size=1000)
            api.add(*late(*(timedelta(days=100 * number) for number in range(1, 7))))
            tap.green_run()
            targets = [request.raw_target for request in tap.requests]
            assert len(targets) - len(set(targets)) <= 6, "requests other than those for repaired spans are repeated"


class TestSettings:
    def test_reconcile_false_makes_one_request_and_finds_no_late_calls(self) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api, reconcile=False)
            tap.expect_complete = False
            api.add(*late(timedelta(days=50)))
            tap.green_run()
            assert len(tap.requests) == 1
            assert 1000 not in tap.ids
            tap.config["reconcile"] = True
            tap.green_run()
            assert 1000 in tap.ids

    def test_a_full_table_sync_reads_everything_and_does_not_change_the_state(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api)
            before = tap.state
            monkeypatch.setattr("tap_tuple.streams.CallsStream.replication_method", "FULL_TABLE", raising=False)
            monkeypatch.setattr(
                "tap_tuple.streams.CallParticipationsStream.replication_method", "FULL_TABLE", raising=False
            )
            run = tap.green_run()
            assert sorted(run.ids()) == list(range(1, 121))
            assert tap.state == before

    @pytest.mark.parametrize(("tied", "page_size"), [(1, 3), (1, 25), (7, 10), (7, 25)])
    def test_without_a_lookback_window_each_call_is_written_once(self, tied: int, page_size: int) -> None:
        newest = [a_call(1000 + number, ago(timedelta(seconds=1))) for number in range(tied)]
        with Sandbox([*history(), *newest]) as api:
            tap = ScheduledTap(api, {"lookback_window": 0, "page_size": page_size})
            written = tap.green_run().ids()
            for number in range(5):
                written += tap.green_run().ids()
                api.add(a_call(2000 + number, ago(timedelta(seconds=-number, milliseconds=-number % 2))))
            written += tap.green_run().ids()
        assert len(written) == len(set(written)) == len(tap.ids) == COUNT + tied + 5

    def test_a_lookback_window_repeats_only_the_calls_within_it(self) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api, lookback_window=86400 * 10)
            assert 1 <= len(tap.green_run().ids()) <= 4

    def test_a_longer_lookback_window_reads_further_back(self) -> None:
        with Sandbox(history()) as api:
            tap = synced_tap(api, lookback_window=3600)
            assert len(tap.green_run(lookback_window=86400 * 100).ids()) >= 16
            tap.green_run(lookback_window=0)
            assert tap.counts_match()


class TestStatesOfVersion010:
    def test_counts_before_the_bookmark_are_taken_from_the_totals(self) -> None:
        stored = history()
        with Sandbox(stored) as api:
            tap = ScheduledTap(api, state=a_state(stored[99]["ended_at"]), expect_complete=False)
            run = tap.green_run()
            assert run.ids() == list(range(100, 121))
            assert run.warnings == []
            assert len(tap.requests) <= 4
            assert tap.counts_match()
            tap.green_run()
            assert len(tap.requests) == 2
            api.add(*late(timedelta(days=600), timedelta(days=10)))
            tap.green_run()
            assert tap.ids >= {1000, 1001}

    @pytest.mark.parametrize("written", range(1, 30, 3))
    def test_a_run_killed_before_it_has_taken_counts_from_the_totals_is_resumed(self, written: int) -> None:
        stored = history()
        with Sandbox(stored) as api:
            tap = ScheduledTap(api, {"page_size": 5}, state=a_state(stored[99]["ended_at"]), expect_complete=False)
            tap.run(kill_after_lines=written)
            tap.green_run()
            assert tap.ids == set(range(100, 121))
            assert tap.counts_match()
            api.add(*late(timedelta(days=600)))
            tap.green_run()
            assert 1000 in tap.ids

    def test_counts_remain_unknown_until_the_api_sends_totals(self) -> None:
        stored = history()
        state = a_state(stored[99]["ended_at"])
        with Sandbox(stored, faults=[Fault(times=None, headers={"X-Total-Count": None})]) as api:
            tap = ScheduledTap(api, state=state, expect_complete=False)
            tap.green_run()
        with Sandbox(stored) as api:
            tap.api = api
            run = tap.green_run()
            assert run.warnings == []
            assert tap.counts_match()


def test_a_killed_first_run_is_resumed_without_loss() -> None:
    for written in range(1, 300, 17):
        with Sandbox(history()) as api:
            tap = ScheduledTap(api, {"page_size": 7, "lookback_window": 0})
            if tap.run(kill_after_lines=written).exit_code == KILLED:
                tap.green_run()
            assert tap.ids == set(range(1, 121))
            assert tap.counts_match()
