"""A signal, or a reader that goes away, ends the tap soon, at a whole line, and never with exit code 0."""

from __future__ import annotations

import array
import fcntl
import gzip
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
from background import SET_PIPE_BYTES, PythonRunner, running, until
from conftest import a_call

from tap_tuple.sandbox import Fault, Sandbox, generate_calls

if TYPE_CHECKING:
    from collections.abc import Callable

    from background import Running
    from conftest import Run, TapRunner

    Settings = Callable[..., dict[str, Any]]

SIGNALS = [signal.SIGTERM, signal.SIGINT]
UNBUFFERED = [None, {"PYTHONUNBUFFERED": "1"}]
SOON_SECONDS = 2.0

ALL = list(range(1, 31))


def minute(number: int) -> str:
    return f"2026-03-15T00:{number:02}:00.000Z"


def calls() -> list[dict[str, Any]]:
    return [a_call(number, minute(number)) for number in ALL]


def died_of(number: int, process: Running, within_seconds: float = SOON_SECONDS) -> Run:
    """Sends a signal, of which the tap is to die soon, leaving nothing but whole lines, a STATE at their end."""
    process.signal(number)
    run = process.ended(within_seconds)
    assert run.exit_code == -number
    assert "Traceback" not in run.log
    assert run.errors == []
    if run.output:
        assert run.messages[-1]["type"] == "STATE"
    return run


def assert_resumes(run: Run, api: Sandbox, tap: TapRunner, config: dict[str, Any]) -> None:
    """What was written, and what comes of a run from the last STATE, is everything."""
    again = tap(config, state=run.states[-1] if run.states else None)
    assert again.exit_code == 0
    assert {*run.ids(), *again.ids()} == {call["id"] for call in api.calls}


@pytest.mark.parametrize("env", UNBUFFERED)
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_a_response_is_awaited_ends_the_tap_with_the_last_state(
    number: int, env: dict[str, str] | None, tap: TapRunner, settings: Settings, tmp_path: Path
) -> None:
    with Sandbox(calls(), faults=[Fault(page=3, delay_seconds=30)]) as api:
        config = settings(api, page_size=10, lookback_window=0)
        with running(tap, config, tmp_path, env=env) as process:
            process.read()
            process.until(lambda: len(api.requests) == 3 and minute(20).encode() in process.output)
            process.until(lambda: "20 of 30 calls" in process.log)
            run = died_of(number, process)
        assert run.ids() == ALL[:20]
        assert run.bookmark() == minute(20)
        assert_resumes(run, api, tap, config)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("fault", [{"connection": "stall"}, {"connection": "drip"}, {"delay_seconds": 30}])
def test_a_signal_while_the_first_response_stalls_ends_the_tap(
    fault: dict[str, Any], number: int, tap: TapRunner, settings: Settings, tmp_path: Path
) -> None:
    with Sandbox(calls(), faults=[Fault(on=1, **fault)]) as api, running(tap, settings(api), tmp_path) as process:
        process.read()
        until(lambda: api.requests)
        assert died_of(number, process).ids() == []


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_the_rate_limit_is_waited_out_ends_the_tap_with_the_last_state(
    number: int, tap: TapRunner, settings: Settings, tmp_path: Path
) -> None:
    with Sandbox(calls(), faults=[Fault(page=2, status=429, headers={"Retry-After": "30"})]) as api:
        config = settings(api, page_size=10, lookback_window=0)
        with running(tap, config, tmp_path) as process:
            process.read()
            process.until(lambda: "Asking again in" in process.log)
            run = died_of(number, process)
        assert len(api.requests) == 2
        assert run.bookmark() == minute(10)
        assert_resumes(run, api, tap, config)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_the_pace_is_kept_ends_the_tap_with_the_last_state(
    number: int, tap: TapRunner, settings: Settings, tmp_path: Path
) -> None:
    with Sandbox(calls()) as api:
        with running(tap, settings(api, page_size=10, requests_per_minute=2), tmp_path) as process:
            process.read()
            process.until(lambda: "Next request in" in process.log and "20 of 30 calls" in process.log)
            run = died_of(number, process)
        assert len(api.requests) == 2
        assert run.bookmark() == minute(20)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_between_two_tries_ends_the_tap(
    number: int, tap: TapRunner, settings: Settings, tmp_path: Path
) -> None:
    with Sandbox(calls(), faults=[Fault(on=1, status=503, headers={"Retry-After": "30"})]) as api:
        with running(tap, settings(api), tmp_path) as process:
            process.read()
            process.until(lambda: "Asking again in" in process.log)
            died_of(number, process)
        assert len(api.requests) == 1


def test_a_second_signal_changes_nothing(tap: TapRunner, settings: Settings, tmp_path: Path) -> None:
    with Sandbox(calls(), faults=[Fault(page=2, delay_seconds=30)]) as api:
        with running(tap, settings(api, page_size=10), tmp_path) as process:
            process.read()
            process.until(lambda: len(api.requests) == 2 and "10 of 30 calls" in process.log)
            process.signal(signal.SIGTERM)
            process.signal(signal.SIGTERM)
            process.signal(signal.SIGTERM)
            run = process.ended(SOON_SECONDS)
        assert run.exit_code == -signal.SIGTERM
        assert run.messages[-1]["type"] == "STATE"
        assert run.bookmark() == minute(10)


STARTING = """
import os, signal
from pkgutil import resolve_name
owner, name = resolve_name({owner!r}), {name!r}
whole = getattr(owner, name)
def interrupted(*args, **kwargs):
    os.kill(os.getpid(), {number})
    return whole(*args, **kwargs)
setattr(owner, name, interrupted)
from tap_tuple.__main__ import main
main()
"""


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    "place",
    [
        "tap_tuple.cli.run",
        "singer_sdk.Tap.invoke",
        "singer_sdk.Tap.setup_mapper",
        "singer_sdk.Tap.load_state",
        "tap_tuple.validation.check",
        "singer_sdk.Tap.sync_all",
        "tap_tuple.usage.UsageStream.get_records",
        "tap_tuple.chain.Chain.take",
        "tap_tuple.chain.Chain.accept",
        "tap_tuple.writer.LineWriter.write_message",
        "tap_tuple.usage.UsageStream.write",
        "tap_tuple.writer.LineWriter.write_records",
        "tap_tuple.progress.Progress.page",
    ],
)
def test_a_signal_at_startup_or_at_any_step_ends_the_tap_and_never_well(
    place: str, number: int, settings: Settings, tmp_path: Path
) -> None:
    owner, _, name = place.rpartition(".")
    code = STARTING.format(owner=owner, name=name, number=int(number))
    with Sandbox(calls()) as api:
        run = PythonRunner(tmp_path, code)(settings(api, page_size=10))
        assert run.exit_code == -number
        assert "Traceback" not in run.log
        assert len(api.requests) <= 2
        # Nothing is said of a state that has not been reached: an empty one would start from zero.
        assert [state for state in run.states if not state.get("bookmarks")] == []


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("file", ["config", "state"])
def test_a_signal_while_a_file_is_awaited_ends_the_tap(
    file: str, number: int, tap: TapRunner, settings: Settings, tmp_path: Path
) -> None:
    with Sandbox(calls()) as api:
        command = tap.command(settings(api), state={})
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        command[command.index(f"--{file}") + 1] = str(pipe)
        writers: list[int] = []
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as process:
            until(lambda: _opened(pipe, writers))
            process.send_signal(number)
            output, _ = process.communicate(timeout=SOON_SECONDS)
        os.close(*writers)
        assert process.returncode == -number
        assert output == b""
        assert api.requests == []


def _opened(pipe: Path, writers: list[int]) -> bool:
    """Opens a pipe as soon as somebody reads from it; it stays open, as its end would let the reader go on."""
    with suppress(OSError):
        writers.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    return bool(writers)


# ---------------------------------------------------------------- slow and stalled readers

BULK = generate_calls(6000)


@pytest.mark.parametrize("env", UNBUFFERED)
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_a_slow_reader_takes_a_page_ends_the_tap_at_the_next_whole_line(
    number: int, env: dict[str, str] | None, tap: TapRunner, settings: Settings, tmp_path: Path
) -> None:
    with Sandbox(BULK) as api:
        config = settings(api, lookback_window=0)
        with running(tap, config, tmp_path, env=env, pipe_bytes=4096) as process:
            # At this pace the page would take some five seconds.
            process.read(most_bytes=1000, pause_seconds=0.005)
            process.until(lambda: process.output.count(b'"RECORD"') > 50)
            run = died_of(number, process)
        assert 50 < len([message for message in run.messages if message["type"] == "RECORD"]) < 1000
        assert_resumes(run, api, tap, config)


@pytest.mark.parametrize("env", UNBUFFERED)
def test_a_reader_that_takes_nothing_for_a_while_gets_the_last_state_once_it_reads_again(
    env: dict[str, str] | None, tap: TapRunner, settings: Settings, tmp_path: Path
) -> None:
    with Sandbox(BULK) as api, running(tap, settings(api), tmp_path, env=env, pipe_bytes=4096) as process:
        _until_nothing_moves(process, api)
        process.signal(signal.SIGTERM)
        begun = time.monotonic()
        # Within the five seconds that a reader is given.
        with pytest.raises(subprocess.TimeoutExpired):
            process.process.wait(2.5)
        process.read()
        run = process.ended(SOON_SECONDS)
        assert time.monotonic() - begun < 5
        assert run.exit_code == -signal.SIGTERM
        # There had been no STATE with a bookmark yet, and none is made up.
        assert all(not state.get("bookmarks", {}).get("calls") for state in run.states)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_reader_that_takes_nothing_for_five_seconds_after_a_signal_is_not_waited_for(
    number: int, tap: TapRunner, settings: Settings, tmp_path: Path
) -> None:
    with Sandbox(BULK) as api, running(tap, settings(api), tmp_path, pipe_bytes=4096) as process:
        _until_nothing_moves(process, api)
        begun = time.monotonic()
        process.signal(number)
        assert process.process.wait(8) == -number
        assert 4.5 < time.monotonic() - begun < 7


def _until_nothing_moves(process: Running, api: Sandbox) -> None:
    """Waits until the first page is being written into a pipe that is full: what it holds stands still."""
    assert process.process.stdout
    stood: list[tuple[int, float]] = []

    def stands_still() -> bool:
        waiting = array.array("i", [0])
        fcntl.ioctl(process.process.stdout, termios.FIONREAD, waiting)
        if len(api.requests) < 2 or not stood or stood[-1][0] != waiting[0]:
            stood.append((waiting[0], time.monotonic()))
        return waiting[0] > 0 and time.monotonic() - stood[-1][1] > 0.4

    process.until(stands_still)


def test_a_pipe_that_does_not_block_gets_every_line_whole(tap: TapRunner, settings: Settings, tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    if SET_PIPE_BYTES:
        fcntl.fcntl(ours, SET_PIPE_BYTES, 4096)
    with (
        Sandbox(BULK) as api,
        os.fdopen(ours, "rb") as reader,
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(tap.command(settings(api)), stdout=theirs, stderr=log, cwd=tmp_path) as process,
    ):
        os.close(theirs)
        lines = reader.read().splitlines()
        assert process.wait(20) == 0
    messages = [json.loads(line) for line in lines]
    written = {m["record"]["id"] for m in messages if m["type"] == "RECORD" and m["stream"] == "calls"}
    assert written == {call["id"] for call in BULK}


# ---------------------------------------------------------------- readers that go away


@pytest.mark.parametrize("env", UNBUFFERED)
@pytest.mark.parametrize("taken_bytes", [0, 1, 300_000])
def test_a_reader_that_goes_away_ends_the_tap_soon_with_one_sentence(
    taken_bytes: int, env: dict[str, str] | None, tap: TapRunner, settings: Settings, tmp_path: Path
) -> None:
    with Sandbox(BULK) as api, running(tap, settings(api), tmp_path, env=env, pipe_bytes=4096) as process:
        stdout = process.process.stdout
        assert stdout
        left = taken_bytes
        while left:
            left -= len(stdout.read(min(left, 4096)))
        stdout.close()
        exit_code = process.process.wait(5)
        assert exit_code == 1
        errors = [line for line in process.log.splitlines() if "| ERROR " in line]
        assert len(errors) == 1
        assert "The target has closed the pipe" in errors[0]
        assert "Traceback" not in process.log
        assert "BrokenPipe" not in process.log
        assert len(api.requests) < 6


@pytest.mark.parametrize("env", UNBUFFERED)
def test_a_full_disk_is_one_sentence(
    env: dict[str, str] | None, tap: TapRunner, settings: Settings, tmp_path: Path
) -> None:
    with Sandbox(calls()) as api, Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            tap.command(settings(api)),
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env=tap.environment(env),
            timeout=20,
            check=False,
        )
    log = done.stderr.decode()
    assert done.returncode == 1
    errors = [line for line in log.splitlines() if "| ERROR " in line]
    assert len(errors) == 1
    assert "No space left on device" in errors[0]
    assert "Traceback" not in log
    assert "Exception ignored" not in log


def test_a_stdout_that_is_closed_from_the_start_is_one_sentence(
    tap: TapRunner, settings: Settings, tmp_path: Path
) -> None:
    with Sandbox(calls()) as api:
        command = ["sh", "-c", 'exec "$@" >&-', "sh", *tap.command(settings(api))]
        done = subprocess.run(command, stderr=subprocess.PIPE, cwd=tmp_path, timeout=20, check=False)
    log = done.stderr.decode()
    assert done.returncode == 1
    errors = [line for line in log.splitlines() if "| ERROR " in line]
    assert len(errors) == 1
    assert "stdout" in errors[0]
    assert "This should not happen" not in log
    assert "Traceback" not in log


def test_nothing_but_whole_lines_reaches_an_unbuffered_stdout(tap: TapRunner, settings: Settings) -> None:
    with Sandbox(BULK) as api:
        run = tap(settings(api), env={"PYTHONUNBUFFERED": "1"})
        assert run.exit_code == 0
        assert set(run.ids()) == {call["id"] for call in BULK}


# ---------------------------------------------------------------- batch mode


def batching(folder: Path) -> dict[str, Any]:
    (folder / "batches").mkdir(exist_ok=True)
    return {
        "batch_config": {
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": (folder / "batches").as_uri()},
            "batch_size": 7,
        }
    }


def batched(run: Run, upto: int | None = None) -> set[int]:
    """The ids in the files of the BATCH messages, up to the message with the given index."""
    ids: set[int] = set()
    for message in run.messages[:upto]:
        if message["type"] == "BATCH" and message["stream"] == "calls":
            for manifest in message["manifest"]:
                with gzip.open(urlsplit(manifest).path) as lines:
                    ids |= {json.loads(line)["id"] for line in lines}
    return ids


def assert_no_state_runs_ahead_of_the_batches(run: Run) -> None:
    for index, message in enumerate(run.messages):
        if message["type"] == "STATE":
            bookmark = message["value"].get("bookmarks", {}).get("calls", {}).get("replication_key_value", "")
            assert {number for number in ALL if minute(number) <= bookmark} <= batched(run, index)


def test_in_batch_mode_the_bookmark_moves_only_after_the_batch_that_covers_it(
    tap: TapRunner, settings: Settings, tmp_path: Path
) -> None:
    with Sandbox(calls()) as api:
        run = tap(settings(api, page_size=10, **batching(tmp_path)))
        assert run.exit_code == 0
        assert batched(run) == set(ALL)
        assert run.bookmark() == minute(30)
        assert_no_state_runs_ahead_of_the_batches(run)
        assert len({json.dumps(state) for state in run.states}) > 2, "the bookmark moved only at the end"


def test_in_batch_mode_a_page_out_of_order_neither_fails_nor_moves_the_bookmark_too_far(
    tap: TapRunner, settings: Settings, tmp_path: Path
) -> None:
    with Sandbox(calls(), faults=[Fault(page=2, times=None, calls=lambda page: page[::-1])]) as api:
        run = tap(settings(api, page_size=10, **batching(tmp_path)))
        assert run.exit_code == 0
        assert batched(run) == set(ALL)
        assert run.bookmark() == minute(30)
        assert_no_state_runs_ahead_of_the_batches(run)


def the_calls_alone(tap: TapRunner, config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A catalog that selects but one stream: in batch mode each reads for itself."""
    discovered = subprocess.run(tap.command(config, args=["--discover"]), capture_output=True, cwd=folder, check=True)
    catalog: dict[str, Any] = json.loads(discovered.stdout)
    catalog["streams"] = [entry for entry in catalog["streams"] if entry["stream"] == "calls"]
    return catalog


@pytest.mark.parametrize("number", SIGNALS)
def test_in_batch_mode_a_signal_leaves_a_state_that_covers_no_more_than_the_batches(
    number: int, tap: TapRunner, settings: Settings, tmp_path: Path
) -> None:
    with Sandbox(calls(), faults=[Fault(page=3, delay_seconds=30)]) as api:
        config = settings(api, page_size=10, lookback_window=0, **batching(tmp_path))
        catalog = the_calls_alone(tap, config, tmp_path)
        with running(tap, config, tmp_path, catalog=catalog) as process:
            process.read()
            process.until(lambda: len(api.requests) == 3 and process.output.count(b'"BATCH"') >= 2)
            run = died_of(number, process)
        assert_no_state_runs_ahead_of_the_batches(run)
        again = tap(config, state=run.state, catalog=catalog)
        assert again.exit_code == 0
        assert batched(run) | batched(again) == set(ALL)


def test_in_batch_mode_a_failure_leaves_a_state_that_covers_no_more_than_the_batches(
    tap: TapRunner, settings: Settings, tmp_path: Path
) -> None:
    with Sandbox(calls(), faults=[Fault(on=3, status=403)]) as api:
        config = settings(api, page_size=10, lookback_window=0, **batching(tmp_path))
        run = tap(config, catalog=the_calls_alone(tap, config, tmp_path))
        assert run.exit_code == 1
        assert 0 < len(batched(run)) < 30
        assert_no_state_runs_ahead_of_the_batches(run)
        again = tap(config, state=run.states[-1] if run.states else None)
        assert again.exit_code == 0
        assert batched(run) | batched(again) == set(ALL)
