"""Random histories, changes, settings and kills: a complete run lacks no call, and counts become right again.

TAP_TUPLE_MODEL_EXAMPLES sets how many examples each test tries.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from factories import a_call
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scheduled import ScheduledTap

from tap_tuple.sandbox import Fault, Sandbox
from tap_tuple.timestamps import format_timestamp

EXAMPLES = int(os.environ.get("TAP_TUPLE_MODEL_EXAMPLES", "40"))
BEGIN = datetime(2026, 1, 1, tzinfo=timezone.utc)
MAX_QUIET_REQUESTS = 2
MAX_REQUESTS = 700

tries = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES == 40, suppress_health_check=list(HealthCheck)
)


@dataclass
class Change:
    """Calls that are added and deleted at once.

    Attributes:
        added: When they ended, as parts of the history.
        deleted: Which ones, as parts of the calls in their order.
    """

    added: list[float]
    deleted: list[float]


@dataclass
class ScheduledRun:
    """One run.

    Attributes:
        before: What changes before it.
        during: What changes before its requests, by the number of the request.
        kill_after_lines: How much it writes before it is killed; None if it is not.
    """

    before: Change
    during: dict[int, Change]
    kill_after_lines: int | None


@dataclass
class Team:
    """A team's calls.

    Attributes:
        length: How long its history is.
        resolution: Every call ended at a multiple of it, so that some end at the same instant.
        calls: When they ended, as parts of the history.
    """

    length: timedelta
    resolution: timedelta
    calls: list[float]


PARTS = st.floats(0, 1, exclude_max=True)


def changes(max_added: int, max_deleted: int) -> st.SearchStrategy[Change]:
    return st.builds(Change, st.lists(PARTS, max_size=max_added), st.lists(PARTS, max_size=max_deleted))


def schedules(max_deleted: int) -> st.SearchStrategy[list[ScheduledRun]]:
    runs = st.builds(
        ScheduledRun,
        changes(4, max_deleted),
        st.just({}) | st.dictionaries(st.integers(1, 20), changes(2, max_deleted), max_size=3),
        st.none() | st.integers(1, 60),
    )
    return st.lists(runs, min_size=1, max_size=5)


TEAMS = st.builds(
    Team,
    st.sampled_from([timedelta(minutes=1), timedelta(hours=1), timedelta(days=30), timedelta(days=300)]),
    st.sampled_from([timedelta(milliseconds=1), timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)]),
    st.lists(PARTS, max_size=60),
)
CONFIGS = st.fixed_dictionaries(
    {
        "page_size": st.sampled_from([1, 2, 3, 7, 10, 1000]),
        "lookback_window": st.sampled_from([0, 0, 30, 3600, 3 * 86400]),
    }
)


class Model:
    """The API and the tap of one example."""

    def __init__(self, team: Team, config: dict[str, Any]) -> None:
        self._team = team
        self._last_id = 0
        self._during: dict[int, Change] = {}
        self._first_request = 0
        self.api = Sandbox(faults=[Fault(times=None, run=self._change_during)])
        self.tap = ScheduledTap(self.api, config)
        self._apply(Change(team.calls, []))

    def run(self, scheduled: ScheduledRun) -> None:
        """Run the tap once; it must succeed if nothing disturbs it."""
        self._apply(scheduled.before)
        self._during, self._first_request = dict(scheduled.during), len(self.api.requests)
        run = self.tap.run(kill_after_lines=scheduled.kill_after_lines)
        assert len(self.tap.requests) <= MAX_REQUESTS
        assert run.exit_code == 0 or scheduled.kill_after_lines or scheduled.during, run.log
        self._during = {}

    def settle(self, max_runs: int) -> None:
        """Run the tap without changes until its counts are right, and check that it is quiet from then on."""
        for _ in range(max_runs):
            self.tap.green_run()
            if self.tap.counts_match():
                break
        assert self.tap.counts_match(), self.tap.span_counts()
        run = self.tap.green_run()
        assert len(self.tap.requests) <= MAX_QUIET_REQUESTS + self._pages(len(run.ids()))
        assert self.tap.counts_match()

    def _pages(self, calls: int) -> int:
        return 2 * calls // int(self.tap.config["page_size"])

    def _change_during(self, _: Sandbox) -> None:
        if change := self._during.pop(len(self.api.requests) - self._first_request, None):
            self._apply(change)

    def _apply(self, change: Change) -> None:
        for part in change.added:
            self._last_id += 1
            steps = int(part * (self._team.length / self._team.resolution))
            self.api.add(a_call(self._last_id, format_timestamp(BEGIN + steps * self._team.resolution)))
        for part in change.deleted:
            if calls := self.api.calls:
                self.api.delete(calls[int(part * len(calls))]["id"])


@tries
@given(TEAMS, CONFIGS, schedules(max_deleted=0))
def test_without_deletions_no_complete_run_lacks_a_call(
    team: Team, config: dict[str, Any], schedule: list[ScheduledRun]
) -> None:
    model = Model(team, config)
    with model.api:
        for scheduled in schedule:
            model.run(scheduled)
        model.settle(max_runs=1)
        assert model.tap.ids == {call["id"] for call in model.api.calls}


@tries
@given(TEAMS, CONFIGS, schedules(max_deleted=4))
def test_with_deletions_the_counts_are_right_after_some_quiet_runs(
    team: Team, config: dict[str, Any], schedule: list[ScheduledRun]
) -> None:
    model = Model(team, config)
    model.tap.expect_complete = False
    with model.api:
        for scheduled in schedule:
            model.run(scheduled)
        model.settle(max_runs=3 * len(model.tap.span_counts()) + 10)


@tries
@given(TEAMS, CONFIGS, changes(0, 6), schedules(max_deleted=0))
def test_calls_deleted_between_runs_hide_no_call_that_appears_in_another_run(
    team: Team, config: dict[str, Any], deletion: Change, schedule: list[ScheduledRun]
) -> None:
    model = Model(team, config)
    with model.api:
        for scheduled in schedule:
            model.run(scheduled)
            model.run(ScheduledRun(Change([], []), {}, None))
            model.run(ScheduledRun(deletion, {}, None))
        assert {call["id"] for call in model.api.calls} <= model.tap.ids
        model.settle(max_runs=1)
