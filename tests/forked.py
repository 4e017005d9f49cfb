"""The tap in a separate process that has already imported it, so it starts in a fraction of the time."""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess
    from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tap_tuple.cli"])


def start_tap(arguments: list[str], stdout: int, log_path: Path) -> ForkServerProcess:
    """Start `tap-tuple`, with a file descriptor as its stdout and a file as its stderr."""
    # A `Connection` is sent with the arguments; a file descriptor alone would be fetched from this process later.
    with Connection(os.dup(stdout), readable=False) as pipe:
        process = CONTEXT.Process(target=_main, args=(arguments, pipe, log_path))
        process.start()
    return process


def _main(arguments: list[str], stdout: Connection, log_path: Path) -> None:
    with log_path.open("wb") as log:
        os.dup2(stdout.fileno(), 1)
        os.dup2(log.fileno(), 2)
    # The objects of the parent process write to other files.
    sys.stdout, sys.stderr = os.fdopen(1, "w", encoding="utf-8"), os.fdopen(2, "w", encoding="utf-8")
    sys.argv = ["tap-tuple", *arguments]
    from tap_tuple.__main__ import main  # noqa: PLC0415 - the parent process does not need it

    main()
