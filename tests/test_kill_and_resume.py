"""Killed at any place, a run and the one that goes on from its last STATE give every call.

TAP_TUPLE_FUZZ_PLACES says at how many places; each is a seed, so that one that fails can be had again.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from background import running
from conftest import TapRunner

from tap_tuple.sandbox import Fault, Sandbox, generate_calls

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Settings = Callable[..., dict[str, Any]]

PLACES = int(os.environ.get("TAP_TUPLE_FUZZ_PLACES", "200"))
AT_ONCE = 4
CALLS = 300
WHOLE_RUN_BYTES = 270_000
"""What a run over so many calls writes, about."""
WHOLE_RUN_SECONDS = 1.2


@dataclass(frozen=True)
class Place:
    """Where a run is killed, how, and who reads."""

    seed: int
    number: signal.Signals
    slow_reader: bool
    bytes_taken: int | None
    """Killed once so much has been taken; None: after `seconds`."""
    seconds: float
    page_size: int
    drifts: bool
    """Whether calls are deleted meanwhile."""
    unbuffered: bool


def a_place(seed: int) -> Place:
    rng = random.Random(seed)  # noqa: S311 - a place, no secret
    return Place(
        seed=seed,
        number=(signal.SIGKILL, signal.SIGTERM)[seed % 2],
        slow_reader=seed // 2 % 2 == 1,
        bytes_taken=rng.randrange(WHOLE_RUN_BYTES) if rng.random() < 0.8 else None,
        seconds=rng.uniform(0, WHOLE_RUN_SECONDS),
        page_size=rng.choice([7, 20, 100, 1000]),
        drifts=rng.random() < 0.3,
        unbuffered=rng.random() < 0.3,
    )


def lines_taken(output: bytes) -> list[dict[str, Any]]:
    """The whole lines of what was taken."""
    return [json.loads(line) for line in output[: output.rfind(b"\n") + 1].splitlines()]


def up_to_the_last_state(messages: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """What a target has made sure of, and the state that it gives back."""
    for index in range(len(messages) - 1, -1, -1):
        if messages[index]["type"] == "STATE":
            return messages[:index], messages[index]["value"]
    return [], None


def ids(messages: list[dict[str, Any]], stream: str) -> set[int]:
    return {m["record"]["id"] for m in messages if m["type"] == "RECORD" and m["stream"] == stream}


def killed(place: Place, tap: TapRunner, config: dict[str, Any], folder: Path) -> tuple[int, bytes]:
    """Runs the tap up to a place, and takes what it had written by then."""
    env = {"PYTHONUNBUFFERED": "1"} if place.unbuffered else None
    begun = time.monotonic()
    with running(tap, config, folder, env=env, pipe_bytes=4096 if place.slow_reader else None) as process:
        # A target takes what it can get; a slow one a little at a time.
        process.read(*((3000, 0.002) if place.slow_reader else ()))
        while process.process.poll() is None:
            if place.bytes_taken is not None and len(process.output) >= place.bytes_taken:
                break
            if place.bytes_taken is None and time.monotonic() - begun >= place.seconds:
                break
            time.sleep(0.0005)
        process.signal(place.number)
        exit_code = process.process.wait(20)
        for reader in process.readers:
            reader.join()
        return exit_code, bytes(process.output)


def check(place: Place, folder: Path, settings: Settings) -> str:
    """Kills a run and makes another go on; says how the first one ended.

    Raises:
        AssertionError: Something is lost, or was said too soon.
    """
    folder.mkdir()
    tap = TapRunner(folder)
    rng = random.Random(f"drift {place.seed}")  # noqa: S311 - the same
    faults = [Fault(on=rng.randrange(2, 9), delete=rng.randrange(1, 5)) for _ in range(2 * place.drifts)]
    with Sandbox(generate_calls(CALLS, seed=place.seed + 1), faults=faults, latency_seconds=0.005) as api:
        config = settings(api, page_size=place.page_size, lookback_window=0)
        exit_code, output = killed(place, tap, config, folder)
        messages = lines_taken(output)
        there = {call["id"] for call in api.calls}
        if exit_code == 0:
            assert there <= ids(messages, "calls"), "a green run is not complete"
            return "done"
        assert exit_code == -place.number
        if place.number == signal.SIGTERM and output:
            assert output.endswith(b"\n"), "the last line is cut"
            assert messages[-1]["type"] == "STATE", "the last line is no STATE"
        kept, state = up_to_the_last_state(messages)
        again = tap(config, state=state)
        assert again.exit_code == 0, again.log
        present = api.calls
    assert {call["id"] for call in present} <= ids(kept + again.messages, "calls")
    stays = {stay["id"] for call in present for stay in call["call_participations"]}
    assert stays <= ids(kept + again.messages, "call_participations")
    return "killed" if state and state.get("bookmarks", {}).get("calls") else "killed before the first bookmark"


def outcome(place: Place, folder: Path, settings: Settings) -> str:
    """How the run at a place ended, or the place with what went wrong there."""
    try:
        return check(place, folder, settings)
    except (AssertionError, ValueError, subprocess.TimeoutExpired) as failure:
        return f"{place}: {failure}"


def test_a_run_killed_anywhere_and_the_one_that_goes_on_from_its_last_state_give_every_call(
    settings: Settings, tmp_path: Path
) -> None:
    places = [a_place(seed) for seed in range(PLACES)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        endings = list(pool.map(lambda place: outcome(place, tmp_path / str(place.seed), settings), places))
    failures = [ending for ending in endings if ending.startswith("Place(")]
    assert not failures, "\n".join(failures)
    assert endings.count("killed") > PLACES // 3, f"the places are ill chosen: {endings}"
