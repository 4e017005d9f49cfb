"""Runs a program and measures its cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launcher.py")
INHERITED = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ")
"""The environment variables that programs inherit. Others, e.g. PYTHONDONTWRITEBYTECODE, would change the figures."""
END_OF_LOG_CHARACTERS = 3000


class FailedRunError(Exception):
    """A run failed, so the benchmark cannot continue."""


@dataclass(frozen=True)
class Program:
    """A program to run.

    Attributes:
        name: Its name in the table.
        command: The program and its arguments.
        variables: Environment variables that it needs.
        marker: A string that only lines with a record contain.
        prints_count: Whether it prints the number of records in its last line instead of the records.
    """

    name: str
    command: tuple[str, ...]
    variables: tuple[tuple[str, str], ...] = ()
    marker: str = '"type":"RECORD"'
    prints_count: bool = False


@dataclass(frozen=True)
class Reading:
    """The speed of the reader of a program's stdout.

    Attributes:
        pause_every: The number of records after which it pauses; 0 for never.
        pause_seconds: The duration of a pause.
    """

    pause_every: int = 0
    pause_seconds: float = 0.0


@dataclass(frozen=True)
class Run:
    """The cost of a run. `cpu_seconds` is the user and system time of the program's process."""

    cpu_seconds: float
    wall_seconds: float
    peak_bytes: int
    records: int
    last_line: str


WITHOUT_PAUSES = Reading()


def run(program: Program, records: int | None, reading: Reading = WITHOUT_PAUSES) -> Run:
    """Run a program in a new, empty folder.

    Args:
        program: The program.
        records: The number of records that it must write; None if any number is valid.
        reading: The speed at which its output is read.

    Raises:
        FailedRunError: Its exit code is not 0, or it wrote a different number of records.
    """
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    job = {
        "command": program.command,
        "environment": {**inherited, **dict(program.variables)},
        "marker": program.marker,
        **asdict(reading),
    }
    with tempfile.TemporaryDirectory(prefix="tap-tuple-bench-") as folder:
        done = subprocess.run(
            [sys.executable, "-I", "-S", LAUNCHER, json.dumps(job)],
            cwd=folder,
            stdout=subprocess.PIPE,
            check=True,
        )
        log = Path(folder, "stderr.txt").read_text("utf-8", "replace")
    outcome = json.loads(done.stdout)
    exit_code = outcome.pop("exit_code")
    if exit_code:
        raise FailedRunError(f"{program.name} exited with code {exit_code}:\n{log[-END_OF_LOG_CHARACTERS:]}")
    if program.prints_count:
        outcome["records"] = int(outcome["last_line"])
    if records not in {None, outcome["records"]}:
        raise FailedRunError(f"{program.name} wrote {outcome['records']} records instead of {records}.")
    return Run(**outcome)
