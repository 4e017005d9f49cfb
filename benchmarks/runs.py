"""One measured run of a program: what it took, or the reason why the benchmark stops."""

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
"""Nothing else of the environment goes on: PYTHONDONTWRITEBYTECODE and the like would change the figures."""
END_OF_LOG_CHARACTERS = 3000


class FailedRunError(Exception):
    """A run failed, so that no figure can be had."""


@dataclass(frozen=True)
class Program:
    """What is run.

    Attributes:
        name: What the table calls it.
        command: The program and its arguments.
        variables: Environment variables that it needs.
        marker: What a record's line on its stdout holds, and no other line.
        says_records: Whether it writes no records to stdout, but their number in its last line.
    """

    name: str
    command: tuple[str, ...]
    variables: tuple[tuple[str, str], ...] = ()
    marker: str = '"type":"RECORD"'
    says_records: bool = False


@dataclass(frozen=True)
class Reading:
    """How fast the reader of a program's stdout is.

    Attributes:
        pause_every: After so many records it pauses; 0 for never.
        pause_seconds: How long.
    """

    pause_every: int = 0
    pause_seconds: float = 0.0


@dataclass(frozen=True)
class Run:
    """What a run took: the figures of the program's own process, user and system time together."""

    cpu_seconds: float
    wall_seconds: float
    peak_bytes: int
    records: int
    last_line: str


AT_ONCE = Reading()


def run(program: Program, records: int | None, reading: Reading = AT_ONCE) -> Run:
    """Runs a program in an empty folder of its own.

    Args:
        program: What to run.
        records: How many records it has to write; None where any number is right.
        reading: How fast they are read.

    Raises:
        FailedRunError: It ended with another exit code than 0, or wrote another number of records.
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
        raise FailedRunError(f"{program.name} ended with {exit_code}:\n{log[-END_OF_LOG_CHARACTERS:]}")
    if program.says_records:
        outcome["records"] = int(outcome["last_line"])
    if records not in {None, outcome["records"]}:
        raise FailedRunError(f"{program.name} wrote {outcome['records']} records in place of {records}.")
    return Run(**outcome)
