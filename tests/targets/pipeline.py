"""A plain pipe from the tap into a target, with the state that the target has written."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from runners import TapRunner

TIMEOUT_SECONDS = 120


@dataclass
class Load:
    """A run of the tap into a target, possibly still running."""

    tap: subprocess.Popen[bytes]
    target: subprocess.Popen[bytes]
    folder: Path

    def finish(self) -> Load:
        """Wait for both to end."""
        self.tap.wait(TIMEOUT_SECONDS)
        self.target.wait(TIMEOUT_SECONDS)
        return self

    def wait_for_calls(self, count: int) -> None:
        """Wait until the tap has logged that it has read this many calls."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while max(map(int, re.findall(r"\b(\d+) of \d+ calls", self.logs)), default=0) < count:
            assert self.tap.poll() is None, self.logs
            assert time.monotonic() < deadline, self.logs
            time.sleep(0.02)

    def wait_for_state(self) -> None:
        """Wait until the target has written a state."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while self.state is None:
            assert self.target.poll() is None, self.logs
            assert time.monotonic() < deadline, self.logs
            time.sleep(0.02)

    @property
    def state(self) -> dict[str, Any] | None:
        """The last state that the target has written; None if it has written none."""
        whole, _, _ = (self.folder / "states.jsonl").read_bytes().rpartition(b"\n")
        lines = whole.splitlines()
        return json.loads(lines[-1]) if lines else None

    @property
    def logs(self) -> str:
        """The logs of both, to find the reason for a failure."""
        return "\n".join((self.folder / name).read_text() for name in ("tap.log", "target.log"))


class Pipe:
    """Runs `tap-tuple | target > states.jsonl`, each run in its own folder.

    Args:
        tap: The tap.
        target: The target's program.
        target_config: The target's settings.
        folder: The folder for the runs.
        catalog: The catalog for the tap; the discovered one if None.
    """

    def __init__(
        self,
        tap: TapRunner,
        target: Path,
        target_config: dict[str, Any],
        folder: Path,
        catalog: dict[str, Any] | None = None,
    ) -> None:
        self._tap = tap
        self._target = target
        self._target_config = target_config
        self._folder = folder
        self._catalog = catalog
        self._runs = 0

    def start(self, config: dict[str, Any], state: dict[str, Any] | None = None) -> Load:
        """Start a run."""
        self._runs += 1
        folder = self._folder / f"run-{self._runs}"
        folder.mkdir()
        target_config = folder / "target.json"
        target_config.write_text(json.dumps(self._target_config), encoding="utf-8")
        environment = self._tap.environment()
        # Without the settings of targets; `TapRunner` excludes those of the tap, and proxies.
        environment = {name: value for name, value in environment.items() if not name.startswith("TARGET_")}
        with (
            (folder / "states.jsonl").open("wb") as states,
            (folder / "tap.log").open("wb") as tap_log,
            (folder / "target.log").open("wb") as target_log,
        ):
            tap = subprocess.Popen(
                self._tap.command(config, state=state, catalog=self._catalog),
                stdout=subprocess.PIPE,
                stderr=tap_log,
                env=environment,
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
        """Run to the end; the run must succeed."""
        load = self.start(config, state).finish()
        assert (load.tap.returncode, load.target.returncode) == (0, 0), load.logs
        return load
