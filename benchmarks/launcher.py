"""Runs one program, reads its output as a target would, and reports its cost.

This is a separate, small process: on Linux the peak memory of a program starts with that of the process that started
it. Run with `-I -S`; a `Job` as JSON in its only argument, an `Outcome` as JSON on stdout.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

CHUNK_BYTES = 1 << 16
# Linux counts the peak in KiB, macOS in bytes.
PEAK_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


class Reader:
    """Reads lines, and counts those that are records.

    Args:
        marker: A string that only the lines of records contain.
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
        """Read to the end."""
        rest = b""
        while chunk := os.read(descriptor, CHUNK_BYTES):
            lines = rest + chunk
            end = lines.rfind(b"\n") + 1
            lines, rest = lines[:end], lines[end:]
            if lines:
                self._take(lines)

    def _take(self, lines: bytes) -> None:
        self.records += lines.count(self._marker)
        self.last_line = lines[lines.rfind(b"\n", 0, -1) + 1 :]
        while self._pause_every and self.records >= (self._pauses + 1) * self._pause_every:
            self._pauses += 1
            time.sleep(self._pause_seconds)


def main() -> None:
    """Run the job."""
    job = json.loads(sys.argv[1])
    reader = Reader(job["marker"], job["pause_every"], job["pause_seconds"])
    with open("stderr.txt", "wb") as stderr:  # noqa: PTH123 - pathlib is not light
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
