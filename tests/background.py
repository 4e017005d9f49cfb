"""Runs the tap in the background, for tests that act while it runs."""

from __future__ import annotations

import fcntl
import subprocess
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import short_waits
from runners import Run, TapRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Linux only.
SET_PIPE_BYTES = getattr(fcntl, "F_SETPIPE_SZ", None)


def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    """Wait until a condition is met."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.005)


def python_runner(folder: Path, code: str) -> TapRunner:
    """Return a runner that starts the tap by some Python code."""
    return TapRunner(folder, ("-c", code), is_measured=False)


def with_short_waits(folder: Path, package: str = "tap_tuple") -> TapRunner:
    """Return a runner that makes three attempts, 10 ms apart; see `short_waits`."""
    return TapRunner(folder, (short_waits.__file__, package))


class Running:
    """A run of the tap in the background."""

    def __init__(self, process: subprocess.Popen[bytes], log_path: Path) -> None:
        self.process = process
        self.output = bytearray()
        self._log_path = log_path
        self.readers: list[threading.Thread] = []

    @property
    def log(self) -> str:
        return self._log_path.read_text(encoding="utf-8", errors="replace")

    def read(self, max_bytes: int = 1 << 16, pause_seconds: float = 0.0) -> None:
        """Read the tap's output in the background, in chunks of at most this many bytes."""
        reader = threading.Thread(target=self._read, args=(max_bytes, pause_seconds), daemon=True)
        self.readers.append(reader)
        reader.start()

    def _read(self, max_bytes: int, pause_seconds: float) -> None:
        assert self.process.stdout
        while chunk := self.process.stdout.read(max_bytes):
            self.output += chunk
            time.sleep(pause_seconds)

    def until(self, condition: Callable[[], Any]) -> None:
        """Wait for a condition that must be met before the tap ends."""

        def met() -> bool:
            has_ended = self.process.poll() is not None
            if condition():
                return True
            assert not has_ended, f"the tap ended before the condition was met:\n{self.log}"
            return False

        until(met)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, within_seconds: float = 20) -> Run:
        """Wait for the tap to end; fail if it takes longer."""
        exit_code = self.process.wait(within_seconds)
        if not self.readers:
            self.read()
        for reader in self.readers:
            reader.join()
        return Run(exit_code, bytes(self.output), self.log)


@contextmanager
def running(
    tap: TapRunner,
    config: dict[str, Any],
    folder: Path,
    *,
    env: dict[str, str] | None = None,
    pipe_bytes: int | None = None,
    **files: object,
) -> Iterator[Running]:
    """Start the tap; nothing reads its output until `read` is called."""
    log_path = folder / "tap.log"
    with (
        log_path.open("wb") as log,
        subprocess.Popen(
            tap.command(config, **files),
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=folder,
            env=tap.environment(env),
            bufsize=0,
        ) as process,
    ):
        if process.stdout and pipe_bytes and SET_PIPE_BYTES:
            fcntl.fcntl(process.stdout, SET_PIPE_BYTES, pipe_bytes)
        try:
            yield Running(process, log_path)
        finally:
            process.kill()
            process.wait()
