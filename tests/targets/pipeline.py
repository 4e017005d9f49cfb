"""The bare pipe: the tap into a target, with the state that the target has written."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import TapRunner

GIVE_UP_SECONDS = 120


@dataclass
class Load:
    """A run of the tap into a target, which may still be under way."""

    tap: subprocess.Popen[bytes]
    target: subprocess.Popen[bytes]
    folder: Path

    def finish(self) -> Load:
        """Waits for both to end."""
        self.tap.wait(GIVE_UP_SECONDS)
        self.target.wait(GIVE_UP_SECONDS)
        return self

    def wait_for(self, text: str) -> None:
        """Waits until the tap has logged a text."""
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while text not in self.logs:
            assert self.tap.poll() is None, self.logs
            assert time.monotonic() < deadline, self.logs
            time.sleep(0.02)

    @property
    def state(self) -> dict[str, Any] | None:
        """The last state that the target has written, None where it has written none."""
        lines = (self.folder / "states.jsonl").read_bytes().splitlines()
        return json.loads(lines[-1]) if lines else None

    @property
    def logs(self) -> str:
        """What both said, for whoever looks for the reason of a failure."""
        return "\n".join((self.folder / name).read_text() for name in ("tap.log", "target.log"))


class Pipe:
    """Runs `tap-tuple | target > states.jsonl`, in a folder of its own a run.

    Args:
        tap: The tap.
        target: The target's program.
        target_config: The target's settings.
        folder: Where to.
    """

    def __init__(self, tap: TapRunner, target: Path, target_config: dict[str, Any], folder: Path) -> None:
        self._tap = tap
        self._target = target
        self._target_config = target_config
        self._folder = folder
        self._runs = 0

    def start(self, config: dict[str, Any], state: dict[str, Any] | None = None) -> Load:
        """Starts a run."""
        self._runs += 1
        folder = self._folder / f"run-{self._runs}"
        folder.mkdir()
        target_config = folder / "target.json"
        target_config.write_text(json.dumps(self._target_config), encoding="utf-8")
        environment = self._tap.environment()
        # Meltano's own variables and a proxy have no part in it.
        environment = {name: value for name, value in environment.items() if not name.startswith("TARGET_")}
        with (
            (folder / "states.jsonl").open("wb") as states,
            (folder / "tap.log").open("wb") as tap_log,
            (folder / "target.log").open("wb") as target_log,
        ):
            tap = subprocess.Popen(
                self._tap.command(config, state=state), stdout=subprocess.PIPE, stderr=tap_log, env=environment
            )
            assert tap.stdout
            with tap.stdout:
                target = subprocess.Popen(
                    [os.fspath(self._target), "--config", os.fspath(target_config)],
                    stdin=tap.stdout,
                    stdout=states,
                    stderr=target_log,
                    env=environment,
                )
        return Load(tap, target, folder)

    def run(self, config: dict[str, Any], state: dict[str, Any] | None = None) -> Load:
        """Runs to the end, which has to be a good one."""
        load = self.start(config, state).finish()
        assert (load.tap.returncode, load.target.returncode) == (0, 0), load.logs
        return load
