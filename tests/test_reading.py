"""A window is read by time, so no call is skipped, even if calls are inserted or deleted meanwhile."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from factories import a_call, minute
from factories import a_call_per_minute as calls
from scheduled import KILLED, ScheduledTap

from tap_tuple.sandbox import Fault, Sandbox
from tap_tuple.sandbox.iso8601 import parse_ms

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_tuple.sandbox.http_server import Received

    Page = list[dict[str, Any]]

ALL = set(range(1, 31))


def tied(count: int, at: str = minute(15)) -> Page:
    """Return calls that all ended at one instant."""
    return [a_call(1000 + number, at) for number in range(count)]


def many_calls() -> Page:
    """Return 10,000 calls, some of which ended at the same instant."""
    return [
        a_call(number, f"2026-03-{1 + number // 500:02}T00:{number // 30 % 60:02}:00.000Z") for number in range(10_000)
    ]


def tap_for(api: Sandbox, page_size: int = 10, *, expect_complete: bool = True) -> ScheduledTap:
    return ScheduledTap(api, {"page_size": page_size, "lookback_window": 0}, expect_complete=expect_complete)


def endless_pages(page: Page, first: int = 1) -> list[Fault]:
    """Return faults that make every response, starting with number `first`, the same page with a link to a new one."""
    link = '<{path}?page=%d&per_page=10>; rel="next"'
    return [Fault(on=on, calls=lambda _: page, link=link % (on + 50)) for on in range(first, first + 100)]


def is_linked(request: Received) -> bool:
    return "page" in request.query


def is_later_page(request: Received) -> bool:
    return not request.query["since"].startswith("1970") and request.query["per_page"] == "10"


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class TestRequests:
    def test_10_000_calls_take_at_most_12_requests(self) -> None:
        with Sandbox(many_calls()) as api:
            tap = ScheduledTap(api)
            tap.green_run()
            assert len(tap.ids) == 10_000
            assert len(tap.requests) <= 12

    @pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 19, 30])
    def test_each_call_is_written_once_if_nothing_changes(self, count: int) -> None:
        with Sandbox(calls(last=count)) as api:
            tap = tap_for(api)
            run = tap.green_run()
            assert run.ids() == list(range(1, count + 1))
            assert len(tap.requests) <= 1 + count // 9
        assert run.warnings == []

    def test_every_request_continues_from_the_last_call_received(self) -> None:
        with Sandbox(calls()) as api:
            tap_for(api).green_run()
            since = [request.query["since"] for request in api.requests]
            assert {(request.query["until"], request.query["per_page"]) for request in api.requests} == {
                (api.requests[0].query["until"], "10")
            }
        assert since == [
            "1970-01-01T00:00:00.000Z",
            "2026-03-15T00:09:59.999Z",
            "2026-03-15T00:18:59.999Z",
            "2026-03-15T00:27:59.999Z",
        ]

    def test_the_next_page_is_requested_before_a_page_is_written(self) -> None:
        with Sandbox(calls()) as api:
            tap = tap_for(api)
            assert tap.run(kill_after_lines=5).exit_code == KILLED
            wait_for(lambda: len(api.requests) == 2)

    def test_a_state_follows_every_page(self) -> None:
        with Sandbox(calls()) as api:
            run = tap_for(api).green_run()
        bookmarks = [value["bookmarks"].get("calls", {}).get("replication_key_value") for value in run.states]
        assert list(dict.fromkeys(bookmarks))[-4:] == [minute(10), minute(19), minute(28), minute(30)]


class TestChangesWhilePaging:
    @pytest.mark.parametrize("total", [True, False])
    @pytest.mark.parametrize("on", [2, 3, 4])
    def test_calls_deleted_while_paging_do_not_hide_other_calls(self, on: int, *, total: bool) -> None:
        headers = {} if total else {"X-Total-Count": None}
        faults = [Fault(on=on, delete=[1, 2, 3, on * 7]), Fault(times=None, headers=headers)]
        with Sandbox(calls(), faults=faults) as api:
            tap = tap_for(api)
            tap.green_run()
            assert ALL - {14, 21, 28} <= tap.ids

    @pytest.mark.parametrize("total", [True, False])
    def test_calls_deleted_before_every_page_do_not_hide_other_calls(self, *, total: bool) -> None:
        faults = [Fault(times=15, delete=3), Fault(times=None, headers={} if total else {"X-Total-Count": None})]
        with Sandbox(calls(last=100), faults=faults) as api:
            tap = tap_for(api)
            tap.green_run()
            assert {call["id"] for call in api.calls} <= tap.ids
            assert len(api.calls) < 80

    def test_calls_inserted_after_the_position_are_read(self) -> None:
        late = [a_call(100 + number, minute(20)) for number in range(15)]
        with Sandbox(calls(), faults=[Fault(on=2, insert=late)]) as api:
            tap = tap_for(api)
            tap.green_run()
            assert tap.ids == {*ALL, *range(100, 115)}

    @pytest.mark.parametrize("on", [1, 2, 3, 4])
    def test_calls_inserted_before_the_position_are_read_by_the_next_run_at_the_latest(self, on: int) -> None:
        late = [a_call(100, minute(1)), a_call(101, minute(8))]
        with Sandbox(calls(), faults=[Fault(on=on, insert=late[:1]), Fault(on=on + 1, insert=late[1:])]) as api:
            tap = tap_for(api)
            tap.green_run()
            tap.green_run()
            assert tap.ids == {*ALL, 100, 101} if len(api.calls) == 32 else {*ALL, 100}

    def test_calls_inserted_before_the_position_on_every_page_are_read_by_the_next_run(self) -> None:
        faults = [Fault(on=on, insert=[a_call(100 + on, minute(on))]) for on in range(1, 8)]
        with Sandbox(calls(last=60), faults=faults) as api:
            tap = tap_for(api)
            tap.green_run()
            tap.green_run()
            assert tap.ids == {*range(1, 61), *range(101, 108)}

    def test_deleting_and_inserting_calls_while_paging_loses_none_of_10_000_calls(self) -> None:
        stored = many_calls()
        deleted = [call["id"] for call in stored[::1000]]

        def swap(api: Sandbox) -> None:
            if deleted:
                number = deleted.pop(0)
                # One call is deleted before the position, and another is inserted after it.
                api.delete(number)
                api.add(a_call(10_000_000 + number, stored[-1]["ended_at"]))

        with Sandbox(stored, faults=[Fault(times=None, run=swap)]) as api:
            tap = ScheduledTap(api)
            tap.green_run()
            assert {call["id"] for call in api.calls} <= tap.ids

    @pytest.mark.parametrize("total", [True, False])
    def test_deleting_and_inserting_calls_at_every_page_boundary_loses_no_calls(self, *, total: bool) -> None:
        new_ids = iter(range(1000, 2000))

        def swap(api: Sandbox) -> None:
            number = len(api.requests)
            api.delete(number * 9 - 2, number * 9 - 4)
            api.add(a_call(next(new_ids), minute(150)), a_call(next(new_ids), minute(number * 9 + 5)))

        headers = {} if total else {"X-Total-Count": None}
        with Sandbox(calls(last=120), faults=[Fault(times=12, run=swap, headers=headers)]) as api:
            tap = tap_for(api)
            tap.green_run()
            assert set(range(1, 121)) & {call["id"] for call in api.calls} <= tap.ids

    def test_a_call_that_ends_during_a_run_is_not_written_by_that_run(self) -> None:
        ended = a_call(99, "2999-01-01T00:00:00.000Z")
        with Sandbox(calls(), faults=[Fault(on=2, insert=[ended])]) as api:
            run = tap_for(api).green_run()
        assert set(run.ids()) == ALL
        assert run.bookmark() == minute(30)


class TestTies:
    """Calls that ended at the same instant, so that time does not advance from one to the next."""

    @pytest.mark.parametrize("page_size", [1, 2, 3, 10, 25, 1000])
    @pytest.mark.parametrize("total", [True, False])
    def test_ties_that_take_several_pages_are_each_read_once(self, page_size: int, *, total: bool) -> None:
        faults = [Fault(times=None, headers={} if total else {"X-Total-Count": None})]
        with Sandbox([*calls(1, 3), *tied(25), *calls(16, 18)], faults=faults) as api:
            tap = tap_for(api, page_size)
            run = tap.green_run()
            assert len(tap.requests) <= 3 * (31 // page_size + 1)
        assert len(run.ids()) == len(set(run.ids())) == 31

    @pytest.mark.parametrize("page_size", [1, 3, 10])
    def test_a_history_of_only_ties_is_read(self, page_size: int) -> None:
        with Sandbox(tied(25)) as api:
            tap = tap_for(api, page_size)
            assert len(tap.green_run().ids()) == 25

    @pytest.mark.parametrize("page_size", [1, 10])
    def test_calls_deleted_among_ties_do_not_hide_other_calls(self, page_size: int) -> None:
        stored = [*calls(1, 3), *tied(40), *calls(16, 18)]
        faults = [Fault(on=number, delete=[stored[number]["id"]]) for number in (2, 3, 4, 5, 30, 31)]
        with Sandbox(stored, faults=faults) as api:
            tap = tap_for(api, page_size)
            tap.green_run()
            assert {call["id"] for call in api.calls} <= tap.ids

    @pytest.mark.parametrize(
        ("page_size", "linked_page"), [*((1, number) for number in range(1, 40, 6)), (10, 1), (10, 2), (10, 3)]
    )
    def test_one_call_deleted_while_links_are_followed_hides_no_other(self, page_size: int, linked_page: int) -> None:
        stored = [*calls(1, 3), *tied(25), *calls(16, 60)]
        deletion = Fault(when=is_linked, on=linked_page, delete=[1 if page_size == 1 else 1000])
        with Sandbox(stored, faults=[deletion]) as api:
            tap = tap_for(api, page_size)
            tap.green_run()
            assert len(tap.ids) == len(stored)
            assert all(count >= held for _, count, held in tap.span_counts() if count is not None)

    @pytest.mark.parametrize("times", [1, 2, None])
    @pytest.mark.parametrize("later", [0, 3, 45])
    @pytest.mark.parametrize(
        ("ties", "linked_page"), [(25, 1), (25, 2), (28, 2), *((65, number) for number in range(1, 8))]
    )
    def test_a_call_deleted_while_totals_are_missing_hides_no_other(
        self, ties: int, linked_page: int, later: int, times: int | None
    ) -> None:
        deletion = Fault(when=is_linked, on=linked_page, delete=[1000])
        without_total = Fault(when=is_linked, on=linked_page, times=times, headers={"X-Total-Count": None})
        stored = [*calls(1, 3), *tied(ties), *calls(16, 15 + later)]
        with Sandbox(stored, faults=[deletion, without_total]) as api:
            tap = tap_for(api)
            tap.green_run()
            assert len(tap.ids) == len(stored)

    @pytest.mark.parametrize("times", [1, 2, None])
    @pytest.mark.parametrize(("page_size", "on"), [(1, 2), (1, 5), (10, 1), (10, 2), (10, 4)])
    def test_ties_are_read_even_if_totals_are_missing(self, page_size: int, on: int, times: int | None) -> None:
        without_total = Fault(on=on, times=times, headers={"X-Total-Count": None})
        with Sandbox([*calls(1, 3), *tied(45), *calls(16, 60)], faults=[without_total]) as api:
            tap_for(api, page_size).green_run()

    def test_ties_are_read_if_only_some_responses_have_a_total(self) -> None:
        without_total = [Fault(on=on, headers={"X-Total-Count": None}) for on in range(1, 200) if on % 3]
        with Sandbox([*calls(1, 3), *tied(45), *calls(16, 60)], faults=without_total) as api:
            tap_for(api, page_size=1).green_run()

    @pytest.mark.parametrize(("ties", "page_size", "pages"), [(2, 1, 2), (5, 3, 2), (4, 2, 2)])
    def test_ties_read_before_a_failure_and_deleted_after_it_hide_no_others(
        self, ties: int, page_size: int, pages: int
    ) -> None:
        with Sandbox([*calls(1, 1), *tied(ties)], faults=[Fault(on=pages + 1, status=401)]) as api:
            tap = tap_for(api, page_size)
            assert tap.run().exit_code == 1
            read = tap.ids - {1}
            assert 0 < len(read) < ties
            api.delete(*read)
            tap.green_run()
            assert len(tap.ids) == ties + 1

    def test_a_run_interrupted_within_2_500_ties_is_resumed_without_loss(self) -> None:
        stored = [*calls(1, 14), *tied(2500), *calls(16, 60)]
        with Sandbox(stored, faults=[Fault(on=3, status=401)]) as api:
            tap = tap_for(api, 1000)
            assert tap.run().exit_code == 1
            assert tap.bookmark == minute(15)
            tap.green_run()
            assert len(tap.ids) == len(stored)

    def test_no_call_is_lost_if_the_api_rounds_timestamps_up(self) -> None:
        def rounded_up(page: Page) -> Page:
            return [{**call, "ended_at": call["ended_at"].replace("000Z", "001Z")} for call in page]

        with Sandbox([*calls(1, 14), *tied(15)], faults=[Fault(times=None, calls=rounded_up)]) as api:
            tap = tap_for(api)
            run = tap.green_run()
        assert len(run.ids()) == len(tap.ids) == 29
        assert run.warnings == []

    def test_calls_that_end_within_one_millisecond_are_all_read(self) -> None:
        stored = [a_call(number, f"2026-03-15T00:00:00.000{number:03}Z") for number in range(1, 26)]
        with Sandbox(stored) as api:
            run = tap_for(api, 4).green_run()
        assert run.ids() == list(range(1, 26))
        assert run.bookmark() == "2026-03-15T00:00:00.000Z"


class TestPageSizes:
    @pytest.mark.parametrize("page_size", [1, 2, 7, 29, 30, 31, 1000])
    def test_every_page_size_reads_every_call_once(self, page_size: int) -> None:
        with Sandbox(calls()) as api:
            assert tap_for(api, page_size).green_run().ids() == sorted(ALL)

    @pytest.mark.parametrize("max_per_page", [1, 2, 7])
    @pytest.mark.parametrize("total", [True, False])
    def test_pages_shorter_than_requested_are_read_to_the_end(self, max_per_page: int, *, total: bool) -> None:
        faults = [Fault(times=None, headers={} if total else {"X-Total-Count": None})]
        with Sandbox(calls(), max_per_page=max_per_page, faults=faults) as api:
            assert set(tap_for(api).green_run().ids()) == ALL

    @pytest.mark.parametrize("page", [1, 2, 3])
    @pytest.mark.parametrize("times", [1, None])
    def test_reading_continues_after_a_short_page(self, page: int, times: int | None) -> None:
        fault = Fault(on=page, times=times, calls=lambda shown: shown[: len(shown) // 2 + 1])
        with Sandbox(calls(), faults=[fault]) as api:
            tap = tap_for(api)
            tap.green_run()
            assert tap.ids == ALL


class TestMissingPages:
    @pytest.mark.parametrize("on", [1, 2, 3])
    @pytest.mark.parametrize("status", [None, 204])
    def test_reading_continues_after_an_empty_page_with_a_next_link(self, on: int, status: int | None) -> None:
        with Sandbox(calls(), faults=[Fault(on=on, calls=lambda _: [], status=status)]) as api:
            tap = tap_for(api)
            tap.green_run()
            assert tap.ids == ALL

    @pytest.mark.parametrize("pages", [(1,), (1, 2), (2,)])
    def test_a_page_that_is_always_empty_causes_an_error_or_a_warning(self, pages: tuple[int, ...]) -> None:
        stored = [*calls(1, 3), *tied(25), *calls(16, 18)]
        with Sandbox(stored, faults=[Fault(page=page, times=None, calls=lambda _: []) for page in pages]) as api:
            tap = tap_for(api, expect_complete=False)
            run = tap.run()
            assert len(tap.ids) < 31
            assert run.exit_code == 1 or "but returned" in run.warnings[0]
            assert len(api.requests) <= 60

    def test_endless_empty_pages_are_an_error_that_describes_the_last_response(self) -> None:
        with Sandbox(calls(), faults=endless_pages([])) as api:
            run = tap_for(api).run()
            assert len(api.requests) <= 15
        assert run.exit_code == 1
        assert run.ids() == []
        assert "no new calls" in run.errors[-1]
        assert "0 calls, X-Total-Count 30" in run.errors[-1]
        assert run.bookmark() is None

    def test_endless_pages_without_new_calls_are_an_error_that_keeps_the_progress(self) -> None:
        with Sandbox(calls(), faults=endless_pages(calls(11, 19), first=3)) as api:
            tap = tap_for(api)
            run = tap.run()
            assert len(api.requests) <= 15
        assert run.exit_code == 1
        assert "no new calls" in run.errors[-1]
        assert tap.bookmark == minute(19)
        assert tap.ids == set(range(1, 20))

    def test_the_error_for_endless_pages_contains_nothing_from_their_links(self) -> None:
        link = '<{path}?page=%d&cursor=ann%%40example.com%%0Aforged>; rel="next"'
        faults = [Fault(on=on, calls=lambda _: [], link=link % (on + 50)) for on in range(1, 100)]
        with Sandbox(calls(), faults=faults) as api:
            run = tap_for(api).run()
            assert "ann@example.com\nforged" in {request.query.get("cursor") for request in api.requests}
        assert "no new calls" in run.errors[-1]
        assert "example.com" not in run.log
        assert "forged" not in run.log

    def test_a_page_that_links_to_itself_is_not_requested_forever(self) -> None:
        with Sandbox(calls(), faults=[Fault(times=None, link='<{path}?{query}>; rel="next"')]) as api:
            tap = tap_for(api)
            tap.green_run()
            assert tap.ids == ALL
            assert len(api.requests) <= 5

    @pytest.mark.parametrize("times", [1, None])
    @pytest.mark.parametrize("headers", [{"Link": None}, {"Link": "page=2; rel=next"}, {"Link": "<?page=2>"}])
    def test_a_missing_next_link_is_detected_by_the_total(self, times: int | None, headers: dict[str, Any]) -> None:
        with Sandbox(calls(), faults=[Fault(times=times, headers=headers)]) as api:
            run = tap_for(api).green_run()
        assert run.ids() == sorted(ALL)

    @pytest.mark.parametrize("page_size", [1, 10])
    def test_ties_are_read_without_any_link(self, page_size: int) -> None:
        stored = [*calls(1, 3), *tied(25), *calls(16, 18)]
        with Sandbox(stored, faults=[Fault(times=None, headers={"Link": None})]) as api:
            tap = tap_for(api, page_size)
            tap.green_run()
            assert len(tap.ids) == 31

    @pytest.mark.parametrize("page_size", [7, 10])
    def test_links_that_skip_pages_lose_no_calls(self, page_size: int) -> None:
        skip = Fault(page=1, times=None, link=f'<?page=3&per_page={page_size}>; rel="next"')
        with Sandbox(calls(), faults=[skip]) as api:
            assert set(tap_for(api, page_size).green_run().ids()) == ALL

    def test_links_that_skip_a_page_of_ties_cause_a_warning_with_both_numbers(self) -> None:
        skip = Fault(page=1, times=None, link='<?page=3&per_page=10>; rel="next"')
        with Sandbox([*calls(1, 14), *tied(35), *calls(16, 30)], faults=[skip]) as api:
            tap = tap_for(api, expect_complete=False)
            run = tap.run()
        assert len(tap.ids) == 54
        assert len(run.warnings) == 1
        assert "35 calls" in run.warnings[0]
        assert "returned 25" in run.warnings[0]

    @pytest.mark.parametrize("status", [404, 410])
    @pytest.mark.parametrize("on", [1, 2, 3])
    def test_a_later_page_that_is_missing_once_is_requested_again(self, status: int, on: int) -> None:
        with Sandbox(calls(), faults=[Fault(when=is_later_page, on=on, status=status)]) as api:
            run = tap_for(api).green_run()
        assert set(run.ids()) == ALL

    @pytest.mark.parametrize("status", [400, 404, 410, 416, 422])
    def test_a_linked_page_that_is_missing_is_read_by_time_instead(self, status: int) -> None:
        stored = [*calls(1, 14), *tied(15), *calls(16, 30)]
        with Sandbox(stored, faults=[Fault(when=is_linked, status=status)]) as api:
            tap = tap_for(api)
            tap.green_run()
            assert len(tap.ids) == len(stored)

    @pytest.mark.parametrize("status", [404, 422, 500, 503])
    def test_linked_pages_that_always_fail_are_not_needed_where_time_advances(self, status: int) -> None:
        with Sandbox(calls(last=100), faults=[Fault(when=is_linked, times=None, status=status)]) as api:
            assert tap_for(api).green_run().ids() == list(range(1, 101))

    @pytest.mark.parametrize("status", [404, 410])
    def test_later_pages_that_are_always_missing_cause_an_error_without_loss(self, status: int) -> None:
        with Sandbox(calls(), faults=[Fault(when=is_later_page, times=40, status=status)]) as api:
            tap = tap_for(api)
            run = tap.run()
            assert run.exit_code == 1
            assert len(api.requests) <= 15
            assert str(status) in run.errors[-1]
            assert tap.bookmark == minute(10)
            while tap.run().exit_code:
                pass
            assert tap.ids == ALL

    @pytest.mark.parametrize("status", [404, 410, 422])
    def test_a_rejected_first_request_is_an_error(self, status: int) -> None:
        with Sandbox(calls(), faults=[Fault(status=status)]) as api:
            assert tap_for(api).run().exit_code == 1
            assert len(api.requests) == 1

    def test_ties_whose_linked_pages_always_fail_cause_an_error_instead_of_a_loop(self) -> None:
        with Sandbox([*calls(1, 14), *tied(15)], faults=[Fault(when=is_linked, times=None, status=404)]) as api:
            run = tap_for(api).run()
            assert len(api.requests) <= 20
        assert run.exit_code == 1
        assert "no new calls" in run.errors[-1]

    def test_ties_without_links_cause_an_error_if_further_pages_are_rejected(self) -> None:
        faults = [Fault(when=lambda request: request.query.get("page", "1") != "1", times=None, status=404)]
        with Sandbox([*calls(1, 14), *tied(15)], faults=[*faults, Fault(times=None, headers={"Link": None})]) as api:
            assert tap_for(api).run().exit_code == 1


class TestWithoutTotal:
    @pytest.mark.parametrize("total", [None, "many", "-1", "1e3", "30, 30", "", "9" * 40])
    def test_one_line_says_that_the_number_of_calls_cannot_be_verified(self, total: str | None) -> None:
        with Sandbox(calls(), faults=[Fault(times=None, headers={"X-Total-Count": total})]) as api:
            run = tap_for(api).green_run()
        assert run.ids() == sorted(ALL)
        lines = [line for line in run.log.splitlines() if "X-Total-Count" in line]
        assert len(lines) == 1
        assert "| INFO " in lines[0]
        assert run.warnings == []

    @pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 20, 30])
    def test_without_links_and_totals_a_page_that_is_not_full_is_the_last_one(self, count: int) -> None:
        fault = Fault(times=None, headers={"X-Total-Count": None, "Link": None})
        with Sandbox(calls(last=count), faults=[fault]) as api:
            run = tap_for(api).green_run()
            assert len(api.requests) <= 2 + count // 9
        assert run.ids() == list(range(1, count + 1))

    @pytest.mark.parametrize("page_size", [1, 10])
    def test_ties_are_read_without_links_and_totals(self, page_size: int) -> None:
        stored = [*calls(1, 3), *tied(25), *calls(16, 18)]
        fault = Fault(times=None, headers={"X-Total-Count": None, "Link": None})
        with Sandbox(stored, faults=[fault]) as api:
            assert len(set(tap_for(api, page_size).green_run().ids())) == 31

    @pytest.mark.parametrize("on", [1, 2, 3])
    def test_a_short_page_loses_no_calls_without_a_total(self, on: int) -> None:
        faults = [Fault(times=None, headers={"X-Total-Count": None}), Fault(on=on, calls=lambda page: page[:4])]
        with Sandbox(calls(), faults=faults) as api:
            assert set(tap_for(api).green_run().ids()) == ALL


class Reordered:
    """Makes the sandbox sort the calls of every query by another key than `ended_at`.

    Args:
        stored: All calls.
        key: Returns the sort key of a call.
    """

    def __init__(self, stored: Page, key: Callable[[dict[str, Any]], Any]) -> None:
        self._calls = sorted(stored, key=key)
        self._query: dict[str, str] = {}
        self.fault = Fault(when=self._remember, times=None, calls=self._page)

    def _remember(self, request: Received) -> bool:
        self._query = request.query
        return True

    def _page(self, _: Page) -> Page:
        since, until = (parse_ms(self._query[name]) for name in ("since", "until"))
        shown = [call for call in self._calls if since <= parse_ms(call["ended_at"]) < until]
        page, size = (int(self._query.get(name, "1")) for name in ("page", "per_page"))
        return shown[(page - 1) * size : page * size]


ORDERS: list[Callable[[dict[str, Any]], Any]] = [
    lambda call: -call["id"],
    lambda call: call["id"] ^ 1,
    lambda call: call["id"] * 7 % 31,
    lambda call: (call["id"] % 3, call["id"]),
    lambda call: (call["id"] // 5 % 2, call["id"]),
]


class TestOrder:
    """An API whose pages are not in the order of `ended_at`."""

    @pytest.mark.parametrize("times", [1, 2, None])
    @pytest.mark.parametrize("on", [1, 2])
    def test_a_page_out_of_order_loses_no_calls(self, on: int, times: int | None) -> None:
        with Sandbox(calls(), faults=[Fault(on=on, times=times, calls=lambda page: page[::-1])]) as api:
            tap = tap_for(api)
            tap.green_run()
            assert tap.ids == ALL
            assert tap.bookmark == minute(30)

    @pytest.mark.parametrize("key", ORDERS)
    @pytest.mark.parametrize("headers", [{}, {"Link": None}])
    @pytest.mark.parametrize("page_size", [1, 4, 10, 1000])
    def test_another_order_loses_no_calls_without_an_error_or_a_warning(
        self, key: Callable[[dict[str, Any]], Any], headers: dict[str, Any], page_size: int
    ) -> None:
        faults = [Reordered(calls(), key).fault, Fault(times=None, headers=headers)]
        with Sandbox(calls(), faults=faults) as api:
            tap = tap_for(api, page_size, expect_complete=False)
            run = tap.run()
        assert run.exit_code == 1 or tap.ids == ALL or "but returned" in run.warnings[0]

    @pytest.mark.parametrize("key", ORDERS[:3])
    @pytest.mark.parametrize("page_size", [4, 10])
    def test_another_order_loses_no_calls_without_a_total(
        self, key: Callable[[dict[str, Any]], Any], page_size: int
    ) -> None:
        faults = [Reordered(calls(), key).fault, Fault(times=None, headers={"X-Total-Count": None})]
        with Sandbox(calls(), faults=faults) as api:
            assert set(tap_for(api, page_size).green_run().ids()) == ALL

    def test_descending_order_is_read_completely(self) -> None:
        faults = [Reordered(calls(), lambda call: -call["id"]).fault]
        with Sandbox(calls(), faults=faults) as api:
            tap = tap_for(api)
            tap.green_run()
            assert tap.ids == ALL
            assert tap.bookmark == minute(30)

    @pytest.mark.parametrize("headers", [{}, {"X-Total-Count": None}])
    def test_the_bookmark_never_passes_an_unread_call_if_pages_are_out_of_order(self, headers: dict[str, Any]) -> None:
        faults = [Reordered(calls(), lambda call: -call["id"]).fault, Fault(times=None, headers=headers)]
        for lines in range(4, 40, 6):
            with Sandbox(calls(), faults=faults) as api:
                tap = tap_for(api)
                assert tap.run(kill_after_lines=lines).exit_code == KILLED
                unread = [call["ended_at"] for call in calls() if call["id"] not in tap.ids]
                assert all(tap.bookmark <= ended_at for ended_at in unread)
                tap.green_run()
                assert tap.ids == ALL
