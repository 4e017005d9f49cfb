"""A signal or a closed pipe ends the tap soon, after a whole line, and never with exit code 0."""

from __future__ import annotations

import array
import fcntl
import gzip
import itertools
import json
import os
import signal
import subprocess
import termios
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from background import SET_PIPE_BYTES, python_runner, running, until
from factories import a_call_per_minute, minute
from inprocess import InProcessTap

from tap_tuple.sandbox import Fault, Sandbox, generate_calls
from tap_tuple.signals import GRACE_SECONDS, SIGNALS
from tap_tuple.tap import TapTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from background import Running
    from runners import Run, TapRunner

    Settings = Callable[..., dict[str, Any]]


@pytest.fixture
def tap(tmp_path: Path) -> InProcessTap:
    """Runs the tap; coverage does not measure the processes that `running` starts, as signals end them."""
    return InProcessTap(tmp_path, is_measured=False)


BOTH_BUFFERINGS = [None, {"PYTHONUNBUFFERED": "1"}]
SOON_SECONDS = GRACE_SECONDS - 1
"""A process that ends within this time did not wait for the end of the grace period."""
TIMEOUT_SECONDS = 30
LONG_SECONDS = 60
"""Longer than a test takes."""

CALLS = a_call_per_minute(1, 30)
ALL = [call["id"] for call in CALLS]
BULK = generate_calls(6000)
BULK_IDS = {call["id"] for call in BULK}


def interrupt(process: Running, number: signal.Signals) -> Run:
    """Send a signal; assert that it ends the tap soon, with one WARNING, whole lines, and a STATE at the end."""
    process.signal(number)
    run = process.wait(SOON_SECONDS)
    assert run.exit_code == -number
    assert "Traceback" not in run.log
    assert run.errors == []
    if run.output:
        assert run.messages[-1]["type"] == "STATE"
        [warning] = [line for line in run.warnings if "Interrupted" in line]
        bookmark = run.bookmark()
        resume = f"resumes from the bookmark {bookmark}" if bookmark else "starts from the beginning"
        assert warning.endswith(f"Interrupted by {number.name}. No data was lost; the next run {resume}.")
    return run


def assert_next_run_completes(run: Run, api: Sandbox, tap: TapRunner, config: dict[str, Any]) -> None:
    """Assert that a run from the last STATE writes every call that the interrupted run did not write."""
    following = tap(config, state=run.states[-1] if run.states else None)
    assert following.exit_code == 0
    assert {*run.ids(), *following.ids()} == {call["id"] for call in api.calls}


@pytest.mark.parametrize("number", SIGNALS)
class TestSignalWhileWaiting:
    """Most of the time, a run waits for the API."""

    @pytest.mark.parametrize("env", BOTH_BUFFERINGS)
    def test_a_signal_while_waiting_for_a_response_ends_the_tap_with_the_last_state(
        self,
        number: signal.Signals,
        env: dict[str, str] | None,
        tap: TapRunner,
        settings: Settings,
        tmp_path: Path,
    ) -> None:
        with Sandbox(CALLS, faults=[Fault(on=3, delay_seconds=LONG_SECONDS)]) as api:
            config = settings(api, page_size=10, lookback_window=0)
            with running(tap, config, tmp_path, env=env) as process:
                process.read()
                process.until(lambda: len(api.requests) == 3 and "19 of 30 calls" in process.log)
                run = interrupt(process, number)
            assert run.ids() == ALL[:19]
            assert run.bookmark() == minute(19)
            assert_next_run_completes(run, api, tap, config)

    @pytest.mark.parametrize(
        "fault", [{"connection": "stall"}, {"connection": "drip"}, {"delay_seconds": LONG_SECONDS}]
    )
    def test_a_signal_before_the_first_response_ends_the_tap_without_a_bookmark(
        self, fault: dict[str, Any], number: signal.Signals, tap: TapRunner, settings: Settings, tmp_path: Path
    ) -> None:
        with Sandbox(CALLS, faults=[Fault(**fault)]) as api, running(tap, settings(api), tmp_path) as process:
            process.read()
            until(lambda: api.requests)
            run = interrupt(process, number)
        assert run.ids() == []
        assert run.bookmark() is None

    def test_a_signal_during_a_rate_limit_ends_the_tap_with_the_last_state(
        self, number: signal.Signals, tap: TapRunner, settings: Settings, tmp_path: Path
    ) -> None:
        with Sandbox(CALLS, faults=[Fault(on=2, status=429, headers={"Retry-After": "60"})]) as api:
            config = settings(api, page_size=10, lookback_window=0)
            with running(tap, config, tmp_path) as process:
                process.read()
                process.until(lambda: "Retrying in" in process.log)
                run = interrupt(process, number)
            assert len(api.requests) == 2
            assert run.bookmark() == minute(10)
            assert_next_run_completes(run, api, tap, config)

    def test_a_signal_during_the_taps_own_rate_limit_ends_the_tap_with_the_last_state(
        self, number: signal.Signals, tap: TapRunner, settings: Settings, tmp_path: Path
    ) -> None:
        with (
            Sandbox(CALLS) as api,
            running(tap, settings(api, page_size=10, requests_per_minute=2), tmp_path) as process,
        ):
            process.read()
            process.until(lambda: "Next request in" in process.log and "19 of 30 calls" in process.log)
            run = interrupt(process, number)
        assert len(api.requests) == 2
        assert run.bookmark() == minute(19)

    def test_a_signal_before_a_retry_ends_the_tap(
        self, number: signal.Signals, tap: TapRunner, settings: Settings, tmp_path: Path
    ) -> None:
        with (
            Sandbox(CALLS, faults=[Fault(status=503, headers={"Retry-After": "60"})]) as api,
            running(tap, settings(api), tmp_path) as process,
        ):
            process.read()
            process.until(lambda: "Retrying in" in process.log)
            interrupt(process, number)
        assert len(api.requests) == 1

    @pytest.mark.parametrize("file", ["config", "state"])
    def test_a_signal_while_waiting_for_a_file_ends_the_tap_before_any_request(
        self, file: str, number: signal.Signals, tap: TapRunner, settings: Settings, tmp_path: Path
    ) -> None:
        with Sandbox(CALLS) as api:
            command = tap.command(settings(api), state={})
            pipe = tmp_path / "pipe"
            os.mkfifo(pipe)
            command[command.index(f"--{file}") + 1] = str(pipe)
            writers: list[int] = []
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as process:
                until(lambda: _open_for_writing(pipe, writers))
                process.send_signal(number)
                output, _ = process.communicate(timeout=SOON_SECONDS)
            os.close(*writers)
        assert process.returncode == -number
        assert output == b""
        assert api.requests == []


def _open_for_writing(pipe: Path, writers: list[int]) -> bool:
    """Open a pipe once the tap reads from it. It remains open, so that the tap does not reach the end of the file."""
    with suppress(OSError):
        writers.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    return bool(writers)


INTERRUPTED_AT = """
import os, signal
from pkgutil import resolve_name
owner, name = resolve_name({owner!r}), {name!r}
original = getattr(owner, name)
def interrupted(*args, **kwargs):
    os.kill(os.getpid(), {number})
    return original(*args, **kwargs)
setattr(owner, name, interrupted)
from tap_tuple.__main__ import main
main()
"""


STEPS = [
    "tap_tuple.cli.run",
    "singer_sdk.Tap.invoke",
    "singer_sdk.Tap.setup_mapper",
    "singer_sdk.Tap.load_state",
    "tap_tuple.settings.check",
    "singer_sdk.Tap.sync_all",
    "tap_tuple.streams.TupleStream.get_records",
    "tap_tuple.api.client.UsageClient.start",
    "tap_tuple.api.calls.CallDecoder.decode",
    "tap_tuple.counts.CallCounts.take",
    "tap_tuple.writer.LineWriter.write_message",
    "tap_tuple.writer.RecordWriter.write",
    "tap_tuple.writer.LineWriter.write_records",
    "tap_tuple.logs.PageLog.log",
]

# As with a signal that arrives just before a system call, the system call of the main thread is not interrupted.
RECEIVED_BY_ANOTHER_THREAD = """
import os, signal, threading, time
def receive():
    while not os.path.exists("now"):
        time.sleep(0.01)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
threading.Thread(target=receive, daemon=True).start()
from tap_tuple.__main__ import main
main()
"""


# Python prints an exception that a finalizer raises, and ignores it.
RECEIVED_IN_A_FINALIZER = """
import os, signal
from tap_tuple import reading
class Finalized:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
batches = reading.WindowReader.batches
def interrupted(self):
    Finalized()
    return batches(self)
reading.WindowReader.batches = interrupted
from tap_tuple.__main__ import main
main()
"""


class TestSignalAtAnyStep:
    """The signal ends the process, whatever the main thread is doing."""

    def test_a_signal_in_a_finalizer_ends_the_tap_soon(self, settings: Settings, tmp_path: Path) -> None:
        with Sandbox(CALLS, faults=[Fault(on=1, delay_seconds=LONG_SECONDS)]) as api:
            begin = time.monotonic()
            run = python_runner(tmp_path, RECEIVED_IN_A_FINALIZER)(settings(api))
            assert time.monotonic() - begin < SOON_SECONDS
        assert run.exit_code == -signal.SIGTERM
        assert run.warnings[-1].endswith("No data was lost; the next run starts from the beginning.")

    @pytest.mark.parametrize(("step", "number"), [*zip(STEPS, itertools.cycle(SIGNALS), strict=False)])
    def test_a_signal_at_any_step_ends_the_tap_by_that_signal(
        self, step: str, number: signal.Signals, settings: Settings, tmp_path: Path
    ) -> None:
        owner, _, name = step.rpartition(".")
        code = INTERRUPTED_AT.format(owner=owner, name=name, number=int(number))
        with Sandbox(CALLS) as api:
            run = python_runner(tmp_path, code)(settings(api, page_size=10))
        assert run.exit_code == -number
        assert "Traceback" not in run.log
        # At the first step, the tap does not handle signals yet.
        assert run.log.count(f"Interrupted by {number.name}. No data was lost") == (0 if step == STEPS[0] else 1)
        assert len(api.requests) <= 2
        # A STATE without bookmarks would make the next run start from the beginning.
        assert [state for state in run.states if not state.get("bookmarks")] == []

    def test_several_signals_have_the_effect_of_one(self, tap: TapRunner, settings: Settings, tmp_path: Path) -> None:
        with Sandbox(CALLS, faults=[Fault(on=2, delay_seconds=LONG_SECONDS)]) as api:
            with running(tap, settings(api, page_size=10), tmp_path) as process:
                process.read()
                process.until(lambda: len(api.requests) == 2 and "10 of 30 calls" in process.log)
                process.signal(signal.SIGTERM)
                process.signal(signal.SIGINT)
                process.signal(signal.SIGTERM)
                run = process.wait(SOON_SECONDS)
            # Signals that arrive together reach the process in any order.
            assert -run.exit_code in SIGNALS
            assert run.messages[-1]["type"] == "STATE"
            assert run.bookmark() == minute(10)

    def test_a_signal_that_another_thread_receives_ends_the_tap(self, settings: Settings, tmp_path: Path) -> None:
        with Sandbox(CALLS, faults=[Fault(on=2, delay_seconds=LONG_SECONDS)]) as api:
            tap = python_runner(tmp_path, RECEIVED_BY_ANOTHER_THREAD)
            with running(tap, settings(api, page_size=10), tmp_path) as process:
                process.read()
                process.until(lambda: len(api.requests) == 2 and "10 of 30 calls" in process.log)
                (tmp_path / "now").touch()
                run = process.wait(SOON_SECONDS)
        assert run.exit_code == -signal.SIGTERM
        assert run.bookmark() == minute(10)

    def test_a_signal_at_the_end_of_a_run_loses_nothing(self, settings: Settings, tmp_path: Path) -> None:
        code = INTERRUPTED_AT.format(owner="tap_tuple.cli", name="flush_stdout", number=int(signal.SIGTERM))
        with Sandbox(CALLS) as api:
            run = python_runner(tmp_path, code)(settings(api))
        assert run.exit_code == -signal.SIGTERM
        assert run.ids() == ALL
        assert run.bookmark() == minute(30)


class TestSlowReader:
    """The pipe to the target is full, and the tap waits until the target reads."""

    @pytest.mark.parametrize("mapping", [{}, {"flattening_enabled": True, "flattening_max_depth": 1}])
    @pytest.mark.parametrize(("number", "env"), [*zip(SIGNALS, BOTH_BUFFERINGS, strict=True)])
    def test_a_slow_reader_receives_whole_lines_and_the_last_state_after_a_signal(  # noqa: PLR0913, PLR0917 - fixtures
        self,
        number: signal.Signals,
        env: dict[str, str] | None,
        mapping: dict[str, Any],
        tap: TapRunner,
        settings: Settings,
        tmp_path: Path,
    ) -> None:
        with Sandbox(BULK) as api:
            config = settings(api, lookback_window=0, **mapping)
            with running(tap, config, tmp_path, env=env, pipe_bytes=4096) as process:
                # At this speed, reading the whole page would take longer than the tap may take to end.
                process.read(max_bytes=1000, pause_seconds=0.01)
                process.until(lambda: process.output.count(b'"RECORD"') > 50)
                run = interrupt(process, number)
            assert 50 < len([message for message in run.messages if message["type"] == "RECORD"]) < 1000
            assert_next_run_completes(run, api, tap, config)

    @pytest.mark.parametrize("env", BOTH_BUFFERINGS)
    def test_a_reader_that_pauses_within_the_grace_period_receives_the_last_state(
        self, env: dict[str, str] | None, tap: TapRunner, settings: Settings, tmp_path: Path
    ) -> None:
        with Sandbox(BULK) as api, running(tap, settings(api), tmp_path, env=env, pipe_bytes=4096) as process:
            _wait_for_full_pipe(process, api)
            process.signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                process.process.wait(GRACE_SECONDS / 2)
            process.read()
            run = process.wait(TIMEOUT_SECONDS)
        assert run.exit_code == -signal.SIGTERM
        # There was no STATE with a bookmark yet.
        assert all(not state.get("bookmarks", {}).get("calls") for state in run.states)
        assert run.messages[-1]["type"] == "STATE"

    def test_a_reader_that_reads_nothing_does_not_delay_the_exit_beyond_the_grace_period(
        self, tap: TapRunner, settings: Settings, tmp_path: Path
    ) -> None:
        with Sandbox(BULK) as api, running(tap, settings(api), tmp_path, pipe_bytes=4096) as process:
            _wait_for_full_pipe(process, api)
            started_at = time.monotonic()
            process.signal(signal.SIGTERM)
            assert process.process.wait(TIMEOUT_SECONDS) == -signal.SIGTERM
            assert time.monotonic() - started_at > GRACE_SECONDS - 0.5

    def test_a_non_blocking_pipe_receives_every_line(self, tap: TapRunner, settings: Settings, tmp_path: Path) -> None:
        reading_end, writing_end = os.pipe()
        os.set_blocking(writing_end, False)
        if SET_PIPE_BYTES:
            fcntl.fcntl(reading_end, SET_PIPE_BYTES, 4096)
        with (
            Sandbox(BULK) as api,
            os.fdopen(reading_end, "rb") as reader,
            (tmp_path / "log").open("wb") as log,
            subprocess.Popen(tap.command(settings(api)), stdout=writing_end, stderr=log, cwd=tmp_path) as process,
        ):
            os.close(writing_end)
            lines = reader.read().splitlines()
            assert process.wait(TIMEOUT_SECONDS) == 0
        messages = [json.loads(line) for line in lines]
        assert {m["record"]["id"] for m in messages if m["type"] == "RECORD" and m["stream"] == "calls"} == BULK_IDS

    def test_an_unbuffered_stdout_receives_every_line(self, tap_process: TapRunner, settings: Settings) -> None:
        with Sandbox(BULK) as api:
            run = tap_process(settings(api), env={"PYTHONUNBUFFERED": "1"})
        assert run.exit_code == 0
        assert set(run.ids()) == BULK_IDS


def _wait_for_full_pipe(process: Running, api: Sandbox) -> None:
    """Wait until the first page is being written and the pipe is full: its content no longer grows."""
    stdout = process.process.stdout
    assert stdout
    seen: list[tuple[int, float]] = []

    def is_full() -> bool:
        waiting = array.array("i", [0])
        fcntl.ioctl(stdout, termios.FIONREAD, waiting)
        if len(api.requests) < 2 or not seen or seen[-1][0] != waiting[0]:
            seen.append((waiting[0], time.monotonic()))
        return waiting[0] > 0 and time.monotonic() - seen[-1][1] > 0.4

    process.until(is_full)


class TestUnwritableStdout:
    """The tap fails soon, with a one-line error."""

    @pytest.mark.parametrize(("bytes_read", "env"), [(0, None), (1, BOTH_BUFFERINGS[1]), (300_000, None)])
    def test_a_pipe_that_the_target_closed_is_an_error(
        self, bytes_read: int, env: dict[str, str] | None, tap: TapRunner, settings: Settings, tmp_path: Path
    ) -> None:
        with Sandbox(BULK) as api, running(tap, settings(api), tmp_path, env=env, pipe_bytes=4096) as process:
            stdout = process.process.stdout
            assert stdout
            remaining = bytes_read
            while remaining:
                remaining -= len(stdout.read(min(remaining, 4096)))
            stdout.close()
            assert process.process.wait(TIMEOUT_SECONDS) == 1
            log = process.log
        assert_one_error(log, "The target closed the pipe. See its own log for the reason.")
        assert "BrokenPipe" not in log
        assert len(api.requests) < 6

    @pytest.mark.parametrize("env", BOTH_BUFFERINGS)
    def test_a_full_disk_is_an_error(
        self, env: dict[str, str] | None, tap: TapRunner, settings: Settings, tmp_path: Path
    ) -> None:
        with Sandbox(CALLS) as api, Path("/dev/full").open("wb") as full:
            run = subprocess.run(
                tap.command(settings(api)),
                stdout=full,
                stderr=subprocess.PIPE,
                cwd=tmp_path,
                env=tap.environment(env),
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        assert run.returncode == 1
        assert_one_error(run.stderr.decode(), "Cannot write to stdout: No space left on device.")

    @pytest.mark.parametrize("arguments", [[], ["--discover"], ["--about"]])
    def test_a_stdout_that_is_closed_from_the_start_is_an_error(
        self, arguments: list[str], tap: TapRunner, settings: Settings, tmp_path: Path
    ) -> None:
        with Sandbox(CALLS) as api:
            command = ["sh", "-c", 'exec "$@" >&-', "sh", *tap.command(settings(api), args=arguments)]
            run = subprocess.run(command, stderr=subprocess.PIPE, cwd=tmp_path, timeout=TIMEOUT_SECONDS, check=False)
        if arguments:
            assert "Traceback" not in run.stderr.decode()
            return
        assert run.returncode == 1
        assert_one_error(run.stderr.decode(), "stdout is closed. Connect it to a target.")


def assert_one_error(log: str, sentence: str) -> None:
    """Assert that the log has one line for the failure, and no traceback."""
    errors = [line for line in log.splitlines() if "| ERROR " in line]
    assert len(errors) == 1, errors
    assert errors[0].endswith(sentence)
    for text in ("Traceback", "Exception ignored", "Unexpected error"):
        assert text not in log


def batch_settings(folder: Path) -> dict[str, Any]:
    """Return the settings of batch mode."""
    (folder / "batches").mkdir(exist_ok=True)
    return {
        "batch_config": {
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": (folder / "batches").as_uri()},
            "batch_size": 7,
        }
    }


def ids_in_batches(run: Run, before: int | None = None) -> set[int]:
    """Return the ids in the files of the BATCH messages, or only of those before a message."""
    ids: set[int] = set()
    for message in run.messages[:before]:
        if message["type"] == "BATCH" and message["stream"] == "calls":
            for manifest in message["manifest"]:
                with gzip.open(urlsplit(manifest).path) as lines:
                    ids |= {json.loads(line)["id"] for line in lines}
    return ids


def assert_no_state_precedes_its_batches(run: Run) -> None:
    for index, message in enumerate(run.messages):
        if message["type"] == "STATE":
            bookmark = message["value"].get("bookmarks", {}).get("calls", {}).get("replication_key_value", "")
            assert {number for number in ALL if minute(number) <= bookmark} <= ids_in_batches(run, index)


def catalog_of_calls(config: dict[str, Any]) -> dict[str, Any]:
    """Return a catalog of one stream: in batch mode, each stream reads the API separately."""
    catalog: dict[str, Any] = TapTuple(config=dict(config)).catalog_dict
    return {"streams": [entry for entry in catalog["streams"] if entry["stream"] == "calls"]}


class TestBatchMode:
    """A bookmark covers only calls in the BATCH messages before it."""

    def test_the_bookmark_moves_after_each_batch_that_it_covers(
        self, tap: TapRunner, settings: Settings, tmp_path: Path
    ) -> None:
        with Sandbox(CALLS) as api:
            run = tap(settings(api, page_size=10, **batch_settings(tmp_path)))
        assert run.exit_code == 0
        assert ids_in_batches(run) == set(ALL)
        assert run.bookmark() == minute(30)
        assert_no_state_precedes_its_batches(run)
        assert len({json.dumps(state) for state in run.states}) > 2, "the bookmark moved only at the end"

    def test_a_page_that_is_out_of_order_is_written(self, tap: TapRunner, settings: Settings, tmp_path: Path) -> None:
        with Sandbox(CALLS, faults=[Fault(on=2, calls=lambda page: page[::-1])]) as api:
            run = tap(settings(api, page_size=10, **batch_settings(tmp_path)))
        assert run.exit_code == 0
        assert ids_in_batches(run) == set(ALL)
        assert run.bookmark() == minute(30)
        assert_no_state_precedes_its_batches(run)

    @pytest.mark.parametrize("number", SIGNALS)
    def test_a_signal_during_a_batch_run_loses_nothing(
        self, number: signal.Signals, tap: TapRunner, settings: Settings, tmp_path: Path
    ) -> None:
        with Sandbox(CALLS, faults=[Fault(on=3, delay_seconds=LONG_SECONDS)]) as api:
            config = settings(api, page_size=10, lookback_window=0, **batch_settings(tmp_path))
            catalog = catalog_of_calls(config)
            with running(tap, config, tmp_path, catalog=catalog) as process:
                process.read()
                process.until(lambda: len(api.requests) == 3 and b'"BATCH"' in process.output)
                run = interrupt(process, number)
            assert_no_state_precedes_its_batches(run)
            following = tap(config, state=run.state, catalog=catalog)
        assert following.exit_code == 0
        assert ids_in_batches(run) | ids_in_batches(following) == set(ALL)

    def test_a_signal_while_a_batch_is_written_logs_where_the_next_run_resumes(
        self, settings: Settings, tmp_path: Path
    ) -> None:
        code = INTERRUPTED_AT.format(owner="singer_sdk.Stream", name="_write_batch_message", number=15)
        with Sandbox(CALLS) as api:
            run = python_runner(tmp_path, code)(settings(api, page_size=10, **batch_settings(tmp_path)))
        assert run.exit_code == -signal.SIGTERM
        assert "BATCH" in {message["type"] for message in run.messages}
        assert run.warnings[-1].endswith("No data was lost; the next run starts from the beginning.")

    def test_a_failed_batch_run_loses_nothing(self, tap: TapRunner, settings: Settings, tmp_path: Path) -> None:
        with Sandbox(CALLS, faults=[Fault(on=3, status=403)]) as api:
            config = settings(api, page_size=10, lookback_window=0, **batch_settings(tmp_path))
            catalog = catalog_of_calls(config)
            run = tap(config, catalog=catalog)
            assert run.exit_code == 1
            assert 0 < len(ids_in_batches(run)) < 30
            assert_no_state_precedes_its_batches(run)
            following = tap(config, state=run.state, catalog=catalog)
        assert following.exit_code == 0
        assert ids_in_batches(run) | ids_in_batches(following) == set(ALL)
