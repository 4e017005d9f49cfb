"""Random histories, changes, settings and kills: complete runs miss no calls, and the counts match again.

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
MAX_REQUESTS_WITHOUT_CHANGES = 2
MAX_REQUESTS = 700

with_examples = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES == 40, suppress_health_check=list(HealthCheck)
)


@dataclass
class Change:
    """Calls that are added and deleted at once.

    Attributes:
        added: The ends of the added calls, as fractions of the history.
        deleted: The positions of the deleted calls, as fractions of all calls in their order.
    """

    added: list[float]
    deleted: list[float]


@dataclass
class ScheduledRun:
    """One run.

    Attributes:
        before: The change before the run.
        during: Changes during the run, by the number of the request that they precede.
        kill_after_lines: The number of lines written before the run is killed; None if it is not killed.
    """

    before: Change
    during: dict[int, Change]
    kill_after_lines: int | None


@dataclass
class Team:
    """A team's calls.

    Attributes:
        length: The length of its history.
        resolution: Every call ends at a multiple of this, so that some end at the same instant.
        calls: The ends of the calls, as fractions of the history.
    """

    length: timedelta
    resolution: timedelta
    calls: list[float]


FRACTIONS = st.floats(0, 1, exclude_max=True)


def changes(max_added: int, max_deleted: int) -> st.SearchStrategy[Change]:
    return st.builds(Change, st.lists(FRACTIONS, max_size=max_added), st.lists(FRACTIONS, max_size=max_deleted))


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
    st.lists(FRACTIONS, max_size=60),
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
        """Run the tap once; it must succeed unless it is killed or calls change during the run."""
        self._apply(scheduled.before)
        self._during, self._first_request = dict(scheduled.during), len(self.api.requests)
        run = self.tap.run(kill_after_lines=scheduled.kill_after_lines)
        assert len(self.tap.requests) <= MAX_REQUESTS
        assert run.exit_code == 0 or scheduled.kill_after_lines or scheduled.during, run.log
        self._during = {}

    def run_until_counts_match(self, max_runs: int) -> None:
        """Run the tap without changes until its counts match; assert that the next run takes few requests."""
        for _ in range(max_runs):
            self.tap.green_run()
            if self.tap.counts_match():
                break
        assert self.tap.counts_match(), self.tap.span_counts()
        run = self.tap.green_run()
        assert len(self.tap.requests) <= MAX_REQUESTS_WITHOUT_CHANGES + self._pages(len(run.ids()))
        assert self.tap.counts_match()

    def _pages(self, calls: int) -> int:
        return 2 * calls // int(self.tap.config["page_size"])

    def _change_during(self, _: Sandbox) -> None:
        if change := self._during.pop(len(self.api.requests) - self._first_request, None):
            self._apply(change)

    def _apply(self, change: Change) -> None:
        for fraction in change.added:
            self._last_id += 1
            steps = int(fraction * (self._team.length / self._team.resolution))
            self.api.add(a_call(self._last_id, format_timestamp(BEGIN + steps * self._team.resolution)))
        for fraction in change.deleted:
            if calls := self.api.calls:
                self.api.delete(calls[int(fraction * len(calls))]["id"])


@with_examples
@given(TEAMS, CONFIGS, schedules(max_deleted=0))
def test_without_deletions_complete_runs_miss_no_calls(
    team: Team, config: dict[str, Any], schedule: list[ScheduledRun]
) -> None:
    model = Model(team, config)
    with model.api:
        for scheduled in schedule:
            model.run(scheduled)
        model.run_until_counts_match(max_runs=1)
        assert model.tap.ids == {call["id"] for call in model.api.calls}


@with_examples
@given(TEAMS, CONFIGS, schedules(max_deleted=4))
def test_with_deletions_the_counts_match_after_some_runs_without_changes(
    team: Team, config: dict[str, Any], schedule: list[ScheduledRun]
) -> None:
    model = Model(team, config)
    model.tap.expect_complete = False
    with model.api:
        for scheduled in schedule:
            model.run(scheduled)
        model.run_until_counts_match(max_runs=3 * len(model.tap.span_counts()) + 10)


@with_examples
@given(TEAMS, CONFIGS, changes(0, 6), schedules(max_deleted=0))
def test_calls_deleted_between_runs_do_not_hide_calls_that_appear_in_other_runs(
    team: Team, config: dict[str, Any], deletion: Change, schedule: list[ScheduledRun]
) -> None:
    model = Model(team, config)
    with model.api:
        for scheduled in schedule:
            model.run(scheduled)
            model.run(ScheduledRun(Change([], []), {}, None))
            model.run(ScheduledRun(deletion, {}, None))
        assert {call["id"] for call in model.api.calls} <= model.tap.ids
        model.run_until_counts_match(max_runs=1)
