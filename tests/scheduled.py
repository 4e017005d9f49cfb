"""The tap as a scheduler runs it: repeatedly, each run with the last state, into the same target."""

from __future__ import annotations

import atexit
import json
import shutil
import signal
import tempfile
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factories import TOKEN
from inprocess import InProcessTap

from tap_tuple.tap import TapTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runners import Run

    from tap_tuple.sandbox import Sandbox
    from tap_tuple.sandbox.http_server import Received

KILLED = -signal.SIGKILL
MAX_STATE_BYTES = 4096
FOLDER = Path(tempfile.mkdtemp())
atexit.register(shutil.rmtree, FOLDER)


@dataclass
class ScheduledTap:
    """Runs the tap repeatedly, and checks after every run what the tap guarantees.

    Attributes:
        api: The sandbox.
        config: Settings, in addition to those for the sandbox.
        selected: The names of the selected streams; None for those that are selected by default.
        expect_complete: Whether each run with exit code 0 must have loaded every call that the API had at its start
            and still has.
        state: The last state.
        calls: The loaded calls by id, upserted up to the last STATE.
        participations: The loaded participations by id.
        requests: The requests of the last run.
    """

    api: Sandbox
    config: dict[str, Any] = field(default_factory=dict)
    selected: tuple[str, ...] | None = None
    expect_complete: bool = True
    state: dict[str, Any] = field(default_factory=dict)
    calls: dict[int, dict[str, Any]] = field(default_factory=dict)
    participations: dict[int, dict[str, Any]] = field(default_factory=dict)
    requests: list[Received] = field(default_factory=list)

    def run(self, *, kill_after_lines: int | None = None, **config: Any) -> Run:
        """Run the tap, load its records, and keep its state."""
        held, sent = self.api.calls, len(self.api.requests)
        config = {**self.config, **config}
        settings = {"auth_token": TOKEN, "api_url": self.api.url, "requests_per_minute": 1_000_000, **config}
        state, catalog = self.state, None if self.selected is None else _catalog(self.selected)
        tap = InProcessTap(FOLDER)
        if kill_after_lines is None:
            run = tap(settings, state=state, catalog=catalog)
        else:
            run = tap.kill_after(kill_after_lines, settings, state=state, catalog=catalog)
        # The rate limit that these tests set causes a warning.
        run.log = "\n".join(line for line in run.log.splitlines() if "`requests_per_minute` is above" not in line)
        self.requests = self.api.requests[sent:]
        self._load(run)
        assert run.exit_code in {0, 1, KILLED}, run.log
        if run.exit_code == 0 and self.expect_complete:
            present = {call["id"] for call in self.api.calls}
            since, until = config.get("start_date", ""), config.get("end_date", "9999")
            expected = {call["id"] for call in held if call["id"] in present and since <= call["ended_at"] < until}
            assert expected <= self.ids, f"a complete run missed calls {sorted(expected - self.ids)[:20]}:\n{run.log}"
        return run

    def green_run(self, **config: Any) -> Run:
        """Run the tap, and check that it exits with code 0."""
        run = self.run(**config)
        assert run.exit_code == 0, run.log
        return run

    @property
    def ids(self) -> set[int]:
        """The ids of the loaded calls."""
        return set(self.calls)

    @property
    def bookmark(self) -> str:
        """The bookmark of `calls`."""
        return str(self._entry("calls").get("replication_key_value", ""))

    def span_counts(self, stream: str = "calls") -> list[tuple[str, int | None, int]]:
        """Return the start and the count of each span in the state, and the number of its calls in the API."""
        spans = self._entry(stream).get("call_counts", [])
        marks = [mark if "." in mark else mark.replace("Z", ".000Z") for mark, _ in spans]
        ends = [call["ended_at"] for call in self.api.calls]
        held = [sum(mark <= end < following for end in ends) for mark, following in pairwise([*marks, "9999"])]
        return [(mark, count, actual) for (mark, count), actual in zip(spans, held, strict=True)]

    def counts_match(self) -> bool:
        """Return whether the count of every span in the state matches the API."""
        return all(count == held for _, count, held in self.span_counts())

    def _entry(self, stream: str) -> dict[str, Any]:
        entry: dict[str, Any] = self.state.get("bookmarks", {}).get(stream, {})
        return entry

    def _load(self, run: Run) -> None:
        streams = {"calls": self.calls, "call_participations": self.participations}
        pending: list[dict[str, Any]] = []
        for message in run.messages:
            if message["type"] == "RECORD":
                pending.append(message)
            elif message["type"] == "STATE":
                for record in pending:
                    if record["stream"] in streams:
                        streams[record["stream"]][record["record"]["id"]] = record["record"]
                pending, bookmark, self.state = [], self.bookmark, message["value"]
                assert self.bookmark >= bookmark, "the bookmark moved back"
                for entry in self.state["bookmarks"].values():
                    assert len(json.dumps(entry, separators=(",", ":"))) <= MAX_STATE_BYTES
        assert run.exit_code or not pending, "records after the last STATE"


def _catalog(selected: Iterable[str]) -> dict[str, Any]:
    """Return a catalog that selects these streams only."""
    catalog: dict[str, Any] = TapTuple(config={"auth_token": TOKEN}).catalog_dict
    for entry in catalog["streams"]:
        for metadata in entry["metadata"]:
            if not metadata["breadcrumb"]:
                metadata["metadata"]["selected"] = entry["tap_stream_id"] in selected
    return catalog
