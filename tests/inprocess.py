"""Runs the tap in the process of the tests, which is faster than a separate process.

The command line and the connections are the same; only stdout, stderr, the environment and the working directory are
replaced. Tests of signals, pipes and imports use `TapRunner`.
"""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import warnings
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any
from unittest import mock

from runners import Run, TapRunner
from typing_extensions import override

from tap_tuple import cli
from tap_tuple.signals import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

cached_version = cache(metadata.version)
"""`metadata.version`, cached: a short run spends a sixth of its time on these lookups."""


class Killed(BaseException):
    """Ends a run at any point, as SIGKILL would."""


class Stdout(io.BytesIO):
    """A stdout that kills the run after a number of lines.

    Args:
        lines: The number of lines after which it kills the run.
    """

    def __init__(self, lines: int) -> None:
        super().__init__()
        self._lines_left = lines

    @override
    def write(self, data: Any) -> int:
        lines = bytes(data).splitlines(keepends=True)[: self._lines_left]
        self._lines_left -= len(lines)
        super().write(b"".join(lines))
        if not self._lines_left:
            raise Killed
        return len(data)


class InProcessTap(TapRunner):
    """Runs `tap-tuple` in this process; the arguments and results are those of `TapRunner`."""

    def __call__(
        self,
        config: dict[str, Any] | None,
        *,
        env: dict[str, str] | None = None,
        timeout_seconds: float = 60,  # noqa: ARG002 - pytest itself ends a test that hangs
        **files: object,
    ) -> Run:
        """Run the tap to its end."""
        return run_in_process(
            cli.run, ["tap-tuple", *self.arguments(config, **files)], self.folder, self.environment(env)
        )

    def kill_after(self, lines: int, config: dict[str, Any], **files: object) -> Run:
        """Run the tap, and kill it once it has written this many lines."""
        arguments = ["tap-tuple", *self.arguments(config, **files)]
        return run_in_process(cli.run, arguments, self.folder, self.environment(), Stdout(lines))


def run_in_process(
    command: Callable[[], int],
    arguments: list[str],
    folder: Path,
    environment: dict[str, str],
    output: io.BytesIO | None = None,
) -> Run:
    """Run a command that reads `sys.argv` and returns an exit code."""
    output = output or io.BytesIO()
    stdout, stderr = io.TextIOWrapper(output, write_through=True), io.StringIO()
    with ExitStack() as stack:
        stack.enter_context(_restored_process())
        for name, value in {"argv": arguments, "stdout": stdout, "stderr": stderr}.items():
            stack.enter_context(mock.patch.object(sys, name, value))
        stack.enter_context(mock.patch.dict(os.environ, environment, clear=True))
        stack.enter_context(mock.patch.object(metadata, "version", cached_version))
        stack.callback(os.chdir, os.getcwd())  # noqa: PTH109 - `contextlib.chdir` needs Python 3.11
        os.chdir(folder)
        try:
            exit_code = command()
        except Killed:
            exit_code = -signal.SIGKILL
    return Run(exit_code, output.getvalue(), stderr.getvalue())


@contextmanager
def _restored_process() -> Iterator[None]:
    """Restore what a command changes in its process: signal handlers, logging, warnings, the exception hook."""
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    root = logging.getLogger()
    log_handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    hook, factory = sys.excepthook, logging.getLogRecordFactory()
    try:
        with warnings.catch_warnings():
            yield
    finally:
        logging.captureWarnings(capture=False)
        logging.setLogRecordFactory(factory)
        sys.excepthook = hook
        root.handlers[:] = log_handlers
        root.setLevel(level)
        for number, handler in handlers.items():
            signal.signal(number, handler)
