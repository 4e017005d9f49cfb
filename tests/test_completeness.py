"""Exit 0 means that every call that the API's total and links reveal has been written."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest
from background import running
from conftest import Run, a_call

from tap_tuple.sandbox import Fault, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import TapRunner

    Settings = Callable[..., dict[str, Any]]

ALL = list(range(1, 31))


def minute(number: int) -> str:
    return f"2026-03-15T{number // 60:02}:{number % 60:02}:00.000Z"


def calls(first: int = 1, last: int = 30) -> list[dict[str, Any]]:
    """A call a minute, whose id is the minute in which it ended."""
    return [a_call(number, minute(number)) for number in range(first, last + 1)]


def asked(api: Sandbox) -> list[tuple[str, str]]:
    """What the server was asked for: where each chain starts, and the page."""
    return [(request.query["since"], request.query.get("page", "1")) for request in api.requests]


START = "1970-01-01T00:00:00.000Z"


def assert_no_state_runs_ahead(run: Run, there: list[dict[str, Any]]) -> None:
    """No bookmark goes back, nor past a call that was there all the time and had not been written by then."""
    ended = {call["id"]: call["ended_at"] for call in there}
    written: set[int] = set()
    last = ""
    for message in run.messages:
        if message["type"] == "RECORD" and message["stream"] == "calls":
            written.add(message["record"]["id"])
        elif message["type"] == "STATE":
            bookmark = message["value"].get("bookmarks", {}).get("calls", {}).get("replication_key_value", "")
            assert bookmark >= last
            assert not [number for number, at in ended.items() if at < bookmark and number not in written]
            last = bookmark


def test_calls_deleted_while_paging_take_no_others_with_them(tap: TapRunner, settings: Settings) -> None:
    with Sandbox(calls(), faults=[Fault(on=2, delete=[1, 2, 3])]) as api:
        run = tap(settings(api, page_size=10))
        assert run.exit_code == 0
        # Page 2 began with call 14 by then; nothing of it was written before the fresh chain had come up to it.
        assert list(dict.fromkeys(run.ids())) == ALL
        assert run.bookmark() == minute(30)
        assert asked(api)[:4] == [(START, "1"), (START, "2"), (minute(10), "1"), (minute(10), "2")]
        assert_no_state_runs_ahead(run, api.calls)


def test_calls_deleted_before_every_page_take_no_others_with_them(tap: TapRunner, settings: Settings) -> None:
    faults = [Fault(on=on, delete=3) for on in range(2, 8)]
    with Sandbox(calls(last=60), faults=faults) as api:
        run = tap(settings(api, page_size=10))
        assert run.exit_code == 0
        assert {call["id"] for call in api.calls} <= set(run.ids())
        assert len(api.calls) == 42
        assert_no_state_runs_ahead(run, api.calls)


def test_unread_calls_deleted_while_paging_are_simply_not_there(tap: TapRunner, settings: Settings) -> None:
    with Sandbox(calls(), faults=[Fault(on=2, delete=[28, 29])]) as api:
        run = tap(settings(api, page_size=10))
        assert run.exit_code == 0
        assert set(run.ids()) == set(ALL) - {28, 29}
        assert "WARNING  | tap-tuple.calls" not in run.log


def test_calls_inserted_in_the_unread_part_while_paging_are_read(tap: TapRunner, settings: Settings) -> None:
    late = [a_call(100 + number, minute(20)) for number in range(4)]
    with Sandbox(calls(), faults=[Fault(on=2, insert=late)]) as api:
        run = tap(settings(api, page_size=10))
        assert run.exit_code == 0
        assert set(run.ids()) == {*ALL, 100, 101, 102, 103}
        assert (minute(10), "1") in asked(api)
        assert_no_state_runs_ahead(run, calls())


def test_a_call_that_arrives_in_the_read_part_is_read_too_and_the_bookmark_never_goes_back(
    tap: TapRunner, settings: Settings
) -> None:
    with Sandbox(calls(), faults=[Fault(on=2, insert=[a_call(100, minute(5))])]) as api:
        run = tap(settings(api, page_size=10))
        assert run.exit_code == 0
        assert set(run.ids()) == {*ALL, 100}
        assert run.bookmark() == minute(30)
        assert asked(api).count((START, "1")) == 2, "the window was not read once more"
        assert_no_state_runs_ahead(run, calls())


def test_a_call_that_arrives_before_the_last_page_comes_is_read_too(tap: TapRunner, settings: Settings) -> None:
    with Sandbox(calls(), faults=[Fault(on=3, insert=[a_call(100, minute(1))])]) as api:
        run = tap(settings(api, page_size=10))
        assert run.exit_code == 0
        assert set(run.ids()) == {*ALL, 100}


def test_a_changed_total_starts_a_fresh_chain_from_the_bookmark(tap: TapRunner, settings: Settings) -> None:
    with Sandbox(calls(), faults=[Fault(on=2, headers={"X-Total-Count": "31"})]) as api:
        run = tap(settings(api, page_size=10))
        assert run.exit_code == 0
        assert set(run.ids()) == set(ALL)
        assert asked(api)[:3] == [(START, "1"), (START, "2"), (minute(10), "1")]
        assert "Calls may have moved: the announced total changed" in run.log
        # The refused page is not written: what comes after call 10 comes with the fresh chain, call 10 aside.
        assert run.ids()[:30] == ALL


def test_a_page_that_begins_before_the_end_of_the_last_one_starts_a_fresh_chain(
    tap: TapRunner, settings: Settings
) -> None:
    # One call fewer in the unread part, one more in the read part: the total stays, and page 2 begins with call 10.
    with Sandbox(calls(), faults=[Fault(on=2, delete=[25], insert=[a_call(100, minute(5))])]) as api:
        run = tap(settings(api, page_size=10))
        assert run.exit_code == 0
        assert set(run.ids()) == {*ALL, 100} - {25} | ({25} & set(run.ids()))
        assert asked(api)[:3] == [(START, "1"), (START, "2"), (minute(10), "1")]
        assert "a page does not begin where the last one ended" in run.log
        assert_no_state_runs_ahead(run, [call for call in calls() if call["id"] != 25])


def test_an_old_page_in_place_of_the_next_one_loses_nothing(tap: TapRunner, settings: Settings) -> None:
    with Sandbox(calls(), faults=[Fault(on=3, calls=lambda _: calls(1, 10))]) as api:
        run = tap(settings(api, page_size=10))
        assert run.exit_code == 0
        assert set(run.ids()) == set(ALL)
        assert asked(api)[3] == (minute(20), "1")
        assert_no_state_runs_ahead(run, calls())


def test_a_short_page_with_a_next_link_starts_a_fresh_chain(tap: TapRunner, settings: Settings) -> None:
    with Sandbox(calls(), faults=[Fault(page=2, calls=lambda page: page[:6])]) as api:
        run = tap(settings(api, page_size=10))
        assert run.exit_code == 0
        assert list(dict.fromkeys(run.ids())) == ALL
        assert asked(api)[:3] == [(START, "1"), (START, "2"), (minute(10), "1")]
        assert "a page is short" in run.log


def test_a_page_that_is_short_again_is_taken_as_it_is_and_its_link_followed(tap: TapRunner, settings: Settings) -> None:
    # A fresh chain gets no further than call 2, as both calls of its first page ended then.
    there = [a_call(1, minute(1)), a_call(2, minute(1)), a_call(3, minute(2)), a_call(4, minute(3))]
    short = {"body": b"[]", "link": '<{path}?{query}&again=1>; rel="next"'}
    with Sandbox(there, faults=[Fault(on=2, **short), Fault(on=4, **short)]) as api:
        run = tap(settings(api, page_size=2))
        assert run.exit_code == 0
        assert run.ids() == [1, 2, 3, 4]
        assert asked(api) == [(START, "1"), (START, "2"), (minute(1), "1"), (minute(1), "2"), (minute(1), "2")]
        assert api.requests[4].query["again"] == "1"
        assert_no_state_runs_ahead(run, there)


@pytest.mark.parametrize("page", [1, 2, 3])
def test_an_empty_page_with_a_next_link_is_not_the_end(page: int, tap: TapRunner, settings: Settings) -> None:
    with Sandbox(calls(last=35), faults=[Fault(page=page, calls=lambda _: [])]) as api:
        run = tap(settings(api, page_size=10))
        assert run.exit_code == 0
        assert set(run.ids()) == set(range(1, 36))
        assert run.bookmark() == minute(35)
        assert_no_state_runs_ahead(run, api.calls)


def test_a_page_that_is_empty_each_time_does_not_make_a_green_run(tap: TapRunner, settings: Settings) -> None:
    with Sandbox(calls(), faults=[Fault(page=1, times=None, calls=lambda _: [])]) as api:
        run = tap(settings(api, page_size=10, lookback_window=0))
        assert run.exit_code == 1
        assert len(run.errors) == 1
        assert_no_state_runs_ahead(run, api.calls)
    with Sandbox(calls()) as api:
        again = tap(settings(api, page_size=10, lookback_window=0), state=run.state)
        assert {*run.ids(), *again.ids()} == set(ALL)


def test_a_call_that_is_only_shown_out_of_place_is_written_all_the_same(tap: TapRunner, settings: Settings) -> None:
    # The calls 10 and 11 have changed places over the border of two pages, whenever it is asked for those.
    first = Fault(page=1, times=None, calls=lambda page: page if page[0]["id"] > 1 else [*page[:9], calls()[10]])
    second = Fault(page=2, times=None, calls=lambda page: page if page[0]["id"] != 11 else [calls()[9], *page[1:]])
    with Sandbox(calls(), faults=[first, second]) as api:
        run = tap(settings(api, page_size=10))
        assert set(run.ids()) == set(ALL)
        assert "reading the window once more" in run.log


def test_links_that_skip_a_page_are_found_out_by_the_total_and_lose_nothing(tap: TapRunner, settings: Settings) -> None:
    skip = '<{path}?page=3&per_page=10>; rel="next"'
    for last in (30, 35):
        with Sandbox(calls(last=last), faults=[Fault(page=1, times=None, link=skip)]) as api:
            run = tap(settings(api, page_size=10))
            assert run.exit_code == 0
            assert set(run.ids()) == set(range(1, last + 1))


def test_a_first_page_that_is_short_is_not_taken_for_the_measure_of_the_others(
    tap: TapRunner, settings: Settings
) -> None:
    with Sandbox(calls(), faults=[Fault(on=1, calls=lambda page: page[:7])]) as api:
        run = tap(settings(api, page_size=10))
        assert run.exit_code == 0
        assert set(run.ids()) == set(ALL)
        assert asked(api)[:3] == [(START, "1"), (START, "2"), (START, "1")]
        assert_no_state_runs_ahead(run, api.calls)


def test_calls_that_change_places_over_the_border_of_two_pages_are_all_written(
    tap: TapRunner, settings: Settings
) -> None:
    faults = [
        Fault(on=1, calls=lambda page: [*page[:9], a_call(11, minute(11))]),
        Fault(on=2, calls=lambda page: [a_call(10, minute(10)), *page[1:]]),
    ]
    with Sandbox(calls(), faults=faults) as api:
        run = tap(settings(api, page_size=10))
        assert run.exit_code == 0
        assert set(run.ids()) == set(ALL)


def test_links_from_empty_page_to_empty_page_end_with_an_error(tap: TapRunner, settings: Settings) -> None:
    faults = [Fault(on=on, body=b"[]", link=f'<{{path}}?page={on + 1}>; rel="next"') for on in range(1, 111)]
    with Sandbox(calls(), faults=faults) as api:
        run = tap(settings(api, page_size=10))
        assert run.exit_code == 1
        assert run.ids() == []
        assert 100 <= len(api.requests) <= 102
        assert len(run.errors) == 1
        assert "from one empty page to another" in run.errors[0]


def test_the_eleventh_fresh_chain_from_the_same_bookmark_is_an_error_instead(
    tap: TapRunner, settings: Settings
) -> None:
    with Sandbox(calls(last=5), faults=[Fault(page=2, times=None, headers={"X-Total-Count": "99"})]) as api:
        run = tap(settings(api, page_size=1))
        assert run.exit_code == 1
        assert run.bookmark() == minute(1)
        assert set(run.ids()) == {1}
        assert asked(api) == [(START, "1"), (START, "2"), *[(minute(1), "1"), (minute(1), "2")] * 10]
        assert len(run.errors) == 1
        assert f"from {minute(1)} on cannot be read completely" in run.errors[0]
        assert "the announced total changed" in run.errors[0]


def test_fresh_chains_that_get_further_each_time_are_no_error(tap: TapRunner, settings: Settings) -> None:
    faults = [Fault(page=2, times=None, headers={"X-Total-Count": "99"})]
    with Sandbox(calls(last=40), faults=faults) as api:
        run = tap(settings(api, page_size=3))
        # The 99 are never announced where no page 2 is asked for: read by `since`, the window adds up.
        assert run.exit_code == 0
        assert set(run.ids()) == set(range(1, 41))
        assert run.log.count("the announced total changed") > 10


def test_a_shortfall_is_made_good_by_reading_the_window_once_more(tap: TapRunner, settings: Settings) -> None:
    with Sandbox(calls(last=25), faults=[Fault(page=3, calls=lambda page: page[:3])]) as api:
        run = tap(settings(api, page_size=10))
        assert run.exit_code == 0
        assert set(run.ids()) == set(range(1, 26))
        assert run.bookmark() == minute(25)
        by_links = [(START, "1"), (START, "2"), (START, "3")]
        by_since = [(START, "1"), (minute(10), "1"), (minute(19), "1"), (minute(25), "1")]
        assert asked(api)[:3] == by_links
        assert [since for since, _ in asked(api)[3:]][:2] == [since for since, _ in by_since][:2]
        assert "2 calls were announced, but did not come; reading the window once more" in run.log
        assert_no_state_runs_ahead(run, api.calls)


def test_the_same_shortfall_twice_is_a_warning_with_both_numbers_and_the_bookmark_moves(
    tap: TapRunner, settings: Settings
) -> None:
    with Sandbox(calls(last=25), faults=[Fault(on=1, times=None, headers={"X-Total-Count": "27"})]) as api:
        run = tap(settings(api, page_size=10))
        assert run.exit_code == 0
        assert set(run.ids()) == set(range(1, 26))
        assert run.bookmark() == minute(25)
        assert asked(api)[:4] == [(START, "1"), (START, "2"), (START, "3"), (START, "1")]
        warnings = [line for line in run.log.splitlines() if "| WARNING " in line and "announces" in line]
        assert len(warnings) == 1
        assert "announces 27 calls" in warnings[0]
        assert "gives 25 of them" in warnings[0]


def test_a_shortfall_that_lies_behind_a_short_last_page_is_made_good_by_since(
    tap: TapRunner, settings: Settings
) -> None:
    with Sandbox(calls(last=25), faults=[Fault(page=3, times=None, calls=lambda page: page[:3])]) as api:
        run = tap(settings(api, page_size=10))
        assert run.exit_code == 0
        assert set(run.ids()) == set(range(1, 26))
        assert run.bookmark() == minute(25)


def test_a_shortfall_that_differs_each_time_is_never_a_green_run(tap: TapRunner, settings: Settings) -> None:
    faults = [
        Fault(on=on, calls=lambda page, gone=on: page and [c for c in page if c["id"] != 11 + gone % 10])
        for on in range(1, 100)
    ]
    with Sandbox(calls(last=25), faults=faults) as api:
        run = tap(settings(api, page_size=10))
        assert run.exit_code == 1
        assert len(run.errors) == 1
        assert "readings of the window" in run.errors[0]


@pytest.mark.parametrize("page", [1, 2])
def test_a_full_page_that_has_lost_its_next_link_is_an_error_and_the_next_run_makes_it_good(
    page: int, tap: TapRunner, settings: Settings
) -> None:
    with Sandbox(calls(), faults=[Fault(page=page, headers={"Link": None})]) as api:
        run = tap(settings(api, page_size=10, lookback_window=0))
        assert run.exit_code == 1
        assert len(run.errors) == 1
        assert f"links end after {page * 10} calls, and there are more behind them" in run.errors[0]
        assert len(api.requests) == page + 1
        assert run.bookmark() == (minute(10) if page == 2 else None)
        assert_no_state_runs_ahead(run, api.calls)
        again = tap(settings(api, page_size=10, lookback_window=0), state=run.state)
        assert again.exit_code == 0
        assert {*run.ids(), *again.ids()} == set(ALL)
        assert again.bookmark() == minute(30)


def test_a_page_as_long_as_any_before_it_that_has_lost_its_next_link_is_an_error(
    tap: TapRunner, settings: Settings
) -> None:
    # A server that gives ten calls a page, whatever it is asked for.
    faults = [
        Fault(on=1, calls=lambda _: calls(1, 10)),
        Fault(on=2, calls=lambda _: calls(11, 20), headers={"Link": None}),
    ]
    with Sandbox(calls(), faults=faults) as api:
        run = tap(settings(api, page_size=20))
        assert run.exit_code == 1
        assert "links end after 20 calls, and there are more behind them" in run.errors[0]
        # The first page was shorter than was asked for, and nothing has shown yet that it was whole.
        assert run.bookmark() is None
        assert len(api.requests) == 3


def test_a_link_header_of_another_shape_that_hides_the_next_page_is_an_error(
    tap: TapRunner, settings: Settings
) -> None:
    with Sandbox(calls(), faults=[Fault(on=1, times=None, headers={"Link": "page=2; rel=next"})]) as api:
        run = tap(settings(api, page_size=10))
        assert run.exit_code == 1
        assert len(run.errors) == 1
        assert run.bookmark() is None


@pytest.mark.parametrize("total", [None, "many", "-1", "1e3", "30, 30", "", "9" * 40])
def test_without_a_usable_total_one_line_says_so_and_the_account_is_left_out(
    total: str | None, tap: TapRunner, settings: Settings
) -> None:
    with Sandbox(calls(), faults=[Fault(on=1, times=None, headers={"X-Total-Count": total})]) as api:
        run = tap(settings(api, page_size=10))
        assert run.exit_code == 0
        assert run.ids() == ALL
        assert run.bookmark() == minute(30)
        # The last page is as long as any, so one request more looks behind it.
        assert asked(api) == [(START, "1"), (START, "2"), (START, "3"), (minute(30), "1")]
        said = [line for line in run.log.splitlines() if "X-Total-Count" in line]
        assert len(said) == 1
        assert "| INFO " in said[0]


def test_a_short_page_loses_nothing_where_there_is_no_total_either(tap: TapRunner, settings: Settings) -> None:
    faults = [
        Fault(on=1, times=None, headers={"X-Total-Count": None}),
        Fault(page=2, calls=lambda page: page[2:]),
    ]
    with Sandbox(calls(), faults=faults) as api:
        run = tap(settings(api, page_size=10))
        assert run.exit_code == 0
        assert set(run.ids()) == set(ALL)
        assert_no_state_runs_ahead(run, api.calls)


@pytest.mark.parametrize("times", [1, None])
def test_a_page_out_of_order_is_read_and_no_bookmark_jumps_over_what_has_not_been(
    times: int | None, tap: TapRunner, settings: Settings
) -> None:
    with Sandbox(calls(), faults=[Fault(page=2, times=times, calls=lambda page: page[::-1])]) as api:
        run = tap(settings(api, page_size=10))
        assert run.exit_code == 0
        assert set(run.ids()) == set(ALL)
        assert run.bookmark() == minute(30)
        assert_no_state_runs_ahead(run, api.calls)


def test_pages_that_are_all_out_of_order_are_read_and_the_bookmark_moves_at_the_end(
    tap: TapRunner, settings: Settings
) -> None:
    with Sandbox(calls(), faults=[Fault(on=1, times=None, calls=lambda page: page[::-1])]) as api:
        run = tap(settings(api, page_size=10))
        assert run.exit_code == 0
        assert set(run.ids()) == set(ALL)
        assert run.bookmark() == minute(30)
        assert_no_state_runs_ahead(run, api.calls)


def test_calls_in_no_order_at_all_are_an_error_and_never_a_bookmark_past_the_unread(
    tap: TapRunner, settings: Settings
) -> None:
    # Sorted by something else: each page reaches over the whole of the window.
    faults = [
        Fault(page=page, times=None, calls=lambda _, page=page: [c for c in calls() if c["id"] % 3 == page % 3][::-1])
        for page in (1, 2, 3)
    ]
    with Sandbox(calls(), faults=faults) as api:
        run = tap(settings(api, page_size=10))
        assert_no_state_runs_ahead(run, api.calls)
        assert run.exit_code == 1
        assert len(run.errors) == 1


TIE = minute(30)
TIED = [
    *calls(1, 29),
    *[a_call(1000 + number, TIE) for number in range(2500)],
    *calls(31, 60),
]


def test_2500_calls_of_one_instant_cut_off_in_their_middle_by_a_failure_resume_without_loss(
    tap: TapRunner, settings: Settings
) -> None:
    with Sandbox(TIED, faults=[Fault(on=3, status=401)]) as api:
        first = tap(settings(api, lookback_window=0))
        assert first.exit_code == 1
        assert len(first.ids()) == 2000
        assert first.bookmark() == TIE
        second = tap(settings(api, lookback_window=0), state=first.state)
        assert second.exit_code == 0
        assert api.requests[3].query["since"] == TIE
        assert {*first.ids(), *second.ids()} == {call["id"] for call in TIED}
        assert_no_state_runs_ahead(first, TIED)


def test_2500_calls_of_one_instant_cut_off_in_their_middle_by_a_signal_resume_without_loss(
    tap: TapRunner, settings: Settings, tmp_path: Path
) -> None:
    with Sandbox(TIED, faults=[Fault(on=3, delay_seconds=30)]) as api:
        config = settings(api, lookback_window=0)
        with running(tap, config, tmp_path) as process:
            process.read()
            process.until(lambda: len(api.requests) == 3 and process.output.count(b'"RECORD","stream":"calls"') == 2000)
            process.signal(signal.SIGTERM)
            first = process.ended(within_seconds=2)
        assert first.exit_code == -signal.SIGTERM
        assert first.bookmark() == TIE
        second = tap(config, state=first.state)
        assert second.exit_code == 0
        assert {*first.ids(), *second.ids()} == {call["id"] for call in TIED}


def test_calls_deleted_among_2500_of_one_instant_take_no_others_with_them(tap: TapRunner, settings: Settings) -> None:
    with Sandbox(TIED, faults=[Fault(on=2, delete=[1000, 1001, 1002]), Fault(on=4, delete=[1500])]) as api:
        run = tap(settings(api))
        assert run.exit_code == 0
        assert {call["id"] for call in api.calls} <= set(run.ids())
        assert run.bookmark() == minute(60)
        assert_no_state_runs_ahead(run, api.calls)


def test_a_failure_after_a_fresh_chain_leaves_a_state_from_which_the_next_run_makes_all_good(
    tap: TapRunner, settings: Settings
) -> None:
    with Sandbox(calls(), faults=[Fault(on=2, delete=[1, 2, 3]), Fault(on=4, status=403)]) as api:
        first = tap(settings(api, page_size=10, lookback_window=0))
        assert first.exit_code == 1
        assert_no_state_runs_ahead(first, api.calls)
        second = tap(settings(api, page_size=10, lookback_window=0), state=first.state)
        assert second.exit_code == 0
        assert {*first.ids(), *second.ids()} >= {call["id"] for call in api.calls}
