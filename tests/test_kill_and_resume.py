"""A run that is killed at any place, and the run that resumes from its last STATE, write every call.

TAP_TUPLE_FUZZ_PLACES sets the number of places; each is derived from a seed, so that a failure can be reproduced.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import select
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from background import SET_PIPE_BYTES
from factories import a_call
from forked import start_tap
from inprocess import InProcessTap

from tap_tuple.sandbox import Fault, Sandbox, generate_calls

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Settings = Callable[..., dict[str, Any]]
    Messages = list[dict[str, Any]]

PLACES = int(os.environ.get("TAP_TUPLE_FUZZ_PLACES", "200"))
PARALLEL_RUNS = 4
CALLS = 100
RUN_BYTES = 90_000
"""Approximate output of a run over the calls of this test, in bytes."""
REPAIR_BYTES = 30_000
RUN_SECONDS = 0.3
LATE_CALLS = 8
FIRST_LATE_ID = 10_000_000


@dataclass(frozen=True)
class Place:
    """Where and how a run is killed."""

    seed: int
    number: signal.Signals
    is_slowly_read: bool
    bytes_read: int | None
    """Number of bytes to read before the run is killed; None if it is killed after `seconds`."""
    seconds: float
    page_size: int
    is_repair: bool
    """Whether a second run is killed, which reads late calls."""
    has_deletions: bool
    """Whether calls are deleted during the run."""


def place(seed: int) -> Place:
    rng = random.Random(seed)  # noqa: S311 - not for security
    is_repair = rng.random() < 0.4
    return Place(
        seed=seed,
        number=(signal.SIGKILL, signal.SIGTERM)[seed % 2],
        is_slowly_read=seed // 2 % 2 == 1,
        bytes_read=rng.randrange(REPAIR_BYTES if is_repair else RUN_BYTES) if rng.random() < 0.8 else None,
        seconds=rng.uniform(0, RUN_SECONDS),
        page_size=rng.choice([7, 20, 50, 1000]),
        is_repair=is_repair,
        has_deletions=not is_repair and rng.random() < 0.4,
    )


class KilledRun:
    """A sandbox, a run that is killed at a place, and the run that resumes.

    Args:
        at: The place.
        folder: A folder for the files of the runs.
        settings: Makes the settings for a sandbox.
    """

    def __init__(self, at: Place, folder: Path, settings: Settings) -> None:
        self._at = at
        self._tap = InProcessTap(folder)
        rng = random.Random(f"changes {at.seed}")  # noqa: S311 - not for security
        faults = [Fault(on=rng.randrange(2, 9), delete=rng.randrange(1, 5)) for _ in range(2 * at.has_deletions)]
        self._api = Sandbox(generate_calls(CALLS, seed=at.seed + 1), faults=faults, latency_seconds=0.003)
        self._config = settings(self._api, page_size=at.page_size, lookback_window=0)
        self._loaded: Messages = []
        self._state: dict[str, Any] | None = None
        self._stack = ExitStack()
        self._stack.enter_context(self._api)
        if at.is_repair:
            self._load(self._tap(self._config).messages)
            ends = [call["ended_at"] for call in rng.sample(self._api.calls, LATE_CALLS)]
            self._api.add(*(a_call(FIRST_LATE_ID + number, end) for number, end in enumerate(ends)))

    def kill(self) -> tuple[int, bytes]:
        """Start a run, kill it at the place, and return its exit code and output."""
        at, output, killed = self._at, bytearray(), False
        reader, writer = os.pipe()
        if at.is_slowly_read and SET_PIPE_BYTES:
            fcntl.fcntl(writer, SET_PIPE_BYTES, 4096)
        started_at = time.monotonic()
        arguments = self._tap.arguments(self._config, state=self._state)
        process = start_tap(arguments, writer, self._tap.folder / "log")
        os.close(writer)
        while True:
            elapsed_seconds = time.monotonic() - started_at
            is_reached = elapsed_seconds >= at.seconds if at.bytes_read is None else len(output) >= at.bytes_read
            if is_reached and not killed and process.pid:
                os.kill(process.pid, at.number)
                killed = True
            if select.select([reader], [], [], 0.001)[0]:
                chunk = os.read(reader, 3000 if at.is_slowly_read else 1 << 16)
                if not chunk:
                    break
                output += chunk
                time.sleep(0.002 * at.is_slowly_read)
        os.close(reader)
        process.join()
        return process.exitcode or 0, bytes(output)

    def resume(self, exit_code: int, output: bytes) -> str:
        """Run the tap to its end, check that every call has been written, and return how the killed run ended."""
        at, before = self._at, self._state
        with self._stack:
            self._load([json.loads(line) for line in output[: output.rfind(b"\n") + 1].splitlines()])
            if exit_code:
                log = self._tap.folder / "log"
                assert exit_code == -at.number, f"{exit_code}: {log.read_text('utf-8') if log.exists() else 'no log'}"
                if at.number == signal.SIGTERM and output:
                    assert output.endswith(b"\n"), "the last line is incomplete"
                    kinds = [json.loads(line)["type"] for line in output.splitlines()]
                    assert kinds[-1] == "STATE" or "RECORD" not in kinds, "the last line is not a STATE"
                resumed = self._tap(self._config, state=self._state)
                assert resumed.exit_code == 0, resumed.log
                self._load(resumed.messages)
            calls = self._api.calls
        participations = [each["id"] for call in calls for each in call["call_participations"]]
        assert {call["id"] for call in calls} <= self._ids("calls")
        assert set(participations) <= self._ids("call_participations")
        if not exit_code:
            return "complete"
        return "killed before its first state" if self._state == before else "killed"

    def _load(self, messages: Messages) -> None:
        """Load the records up to the last STATE, as a target does."""
        states = [index for index, message in enumerate(messages) if message["type"] == "STATE"]
        if states:
            self._state = messages[states[-1]]["value"]
            self._loaded += messages[: states[-1]]

    def _ids(self, stream: str) -> set[int]:
        return {m["record"]["id"] for m in self._loaded if m["type"] == "RECORD" and m["stream"] == stream}


def test_a_killed_run_and_the_run_that_resumes_write_every_call(settings: Settings, tmp_path: Path) -> None:
    endings: dict[Place, str] = {}
    failures: list[str] = []
    for first in range(0, PLACES, PARALLEL_RUNS):
        killed_runs = {}
        for seed in range(first, min(first + PARALLEL_RUNS, PLACES)):
            folder = tmp_path / str(seed)
            folder.mkdir()
            killed_runs[place(seed)] = KilledRun(place(seed), folder, settings)
        with ThreadPoolExecutor(PARALLEL_RUNS) as pool:
            results = list(pool.map(KilledRun.kill, killed_runs.values()))
        # One after another, as they run in this process.
        for (at, killed_run), (exit_code, output) in zip(killed_runs.items(), results, strict=True):
            try:
                endings[at] = killed_run.resume(exit_code, output)
            except (AssertionError, ValueError) as failure:  # noqa: PERF203 - the other places are still tested
                failures.append(f"{at}: {failure}")
    assert not failures, "\n".join(failures)
    killed = [at for at, ending in endings.items() if ending == "killed"]
    assert len(killed) > PLACES // 3, f"too few runs are killed between their first state and their end: {endings}"
    assert sum(at.is_repair for at in killed) > PLACES // 10
