"""The tap in the background, for tests that do something to it while it runs, or cannot wait as long as it can."""

from __future__ import annotations

import fcntl
import subprocess
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from conftest import Run, TapRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# From Linux on; elsewhere a pipe holds what it holds.
SET_PIPE_BYTES = getattr(fcntl, "F_SETPIPE_SZ", None)

HURRY = """
import itertools
from tap_tuple import client, retries
waits = lambda **_: itertools.chain([None, 0.01, 0.01], itertools.repeat(1000.0))
retries.backoff.expo = waits
retries.RATE_WINDOW_SECONDS = 0.01
client.TupleStream.backoff_jitter = staticmethod(lambda wait: wait)
from tap_tuple.__main__ import main
main()
"""


def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    """Waits for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.005)


class PythonRunner(TapRunner):
    """Runs the tap by way of some Python code of the test's own."""

    def __init__(self, folder: Path, code: str) -> None:
        super().__init__(folder)
        self._code = code

    def command(self, config: dict[str, Any] | None, **files: object) -> list[str]:
        python, _, _, *arguments = super().command(config, **files)
        return [python, "-c", self._code, *arguments]


def hurried(folder: Path) -> PythonRunner:
    """The tap with waits of a hundredth of a second between its tries, of which there are three."""
    return PythonRunner(folder, HURRY)


class Running:
    """A run of the tap that is under way."""

    def __init__(self, process: subprocess.Popen[bytes], log_path: Path) -> None:
        self.process = process
        self.output = bytearray()
        self._log_path = log_path
        self.readers: list[threading.Thread] = []

    @property
    def log(self) -> str:
        return self._log_path.read_text(encoding="utf-8", errors="replace")

    def read(self, most_bytes: int = 1 << 16, pause_seconds: float = 0.0) -> None:
        """Takes from now on what the tap writes, so many bytes at a time."""
        reader = threading.Thread(target=self._read, args=(most_bytes, pause_seconds), daemon=True)
        self.readers.append(reader)
        reader.start()

    def _read(self, most_bytes: int, pause_seconds: float) -> None:
        assert self.process.stdout
        while taken := self.process.stdout.read(most_bytes):
            self.output += taken
            time.sleep(pause_seconds)

    def until(self, condition: Callable[[], Any]) -> None:
        """Waits for a condition to which the tap comes before it ends."""

        def met() -> bool:
            over = self.process.poll() is not None
            if condition():
                return True
            assert not over, f"the tap ended before it came to that:\n{self.log}"
            return False

        until(met)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def ended(self, within_seconds: float = 20) -> Run:
        """Waits for the end of the tap; fails where it takes longer than that."""
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
    """Starts the tap; nobody takes what it writes until somebody says `read`."""
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
        if pipe_bytes and SET_PIPE_BYTES:
            fcntl.fcntl(process.stdout, SET_PIPE_BYTES, pipe_bytes)
        try:
            yield Running(process, log_path)
        finally:
            process.kill()
            process.wait()
