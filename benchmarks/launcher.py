"""Runs one program, reads its output as a target would, and prints its cost as JSON.

Usage: `python -I -S launcher.py JOB`, where JOB is a JSON object. It runs in a small process of its own because, on
Linux, a program inherits the peak memory of the process that starts it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

CHUNK_BYTES = 1 << 16
# The unit of `ru_maxrss` is KiB on Linux, and bytes on macOS.
PEAK_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


class Reader:
    """Reads lines and counts the records.

    Args:
        marker: A string that only lines with a record contain.
        pause_every: The number of records after which the reader pauses; 0 for never.
        pause_seconds: The duration of a pause.
    """

    def __init__(self, marker: str, pause_every: int, pause_seconds: float) -> None:
        self._marker = marker.encode()
        self._pause_every = pause_every
        self._pause_seconds = pause_seconds
        self._pauses = 0
        self.records = 0
        self.last_line = b""

    def read(self, descriptor: int) -> None:
        """Read from a file descriptor until its end."""
        rest = b""
        while chunk := os.read(descriptor, CHUNK_BYTES):
            lines = rest + chunk
            end = lines.rfind(b"\n") + 1
            lines, rest = lines[:end], lines[end:]
            if lines:
                self._count(lines)

    def _count(self, lines: bytes) -> None:
        self.records += lines.count(self._marker)
        self.last_line = lines[lines.rfind(b"\n", 0, -1) + 1 :]
        while self._pause_every and self.records >= (self._pauses + 1) * self._pause_every:
            self._pauses += 1
            time.sleep(self._pause_seconds)


def main() -> None:
    """Run the job and print the outcome."""
    job = json.loads(sys.argv[1])
    reader = Reader(job["marker"], job["pause_every"], job["pause_seconds"])
    with open("stderr.txt", "wb") as stderr:  # noqa: PTH123 - importing pathlib uses memory
        started_at = time.monotonic()
        child = subprocess.Popen(job["command"], env=job["environment"], stdout=subprocess.PIPE, stderr=stderr)
        reader.read(child.stdout.fileno() if child.stdout else 0)
        _, status, usage = os.wait4(child.pid, 0)
        wall_seconds = time.monotonic() - started_at
    outcome = {
        "exit_code": os.waitstatus_to_exitcode(status),
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "wall_seconds": wall_seconds,
        "peak_bytes": usage.ru_maxrss * PEAK_UNIT_BYTES,
        "records": reader.records,
        "last_line": reader.last_line.decode(),
    }
    sys.stdout.write(json.dumps(outcome))


if __name__ == "__main__":
    main()
