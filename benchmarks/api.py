"""The API that is read: a server in a process of its own, so that its work is not counted."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
UNLIMITED = 1_000_000
"""Requests a minute; more than any program makes."""


@dataclass
class Api:
    """A server.

    Attributes:
        url: The tap's `api_url`.
        calls: How many calls it has.
        participations: How many stays they have in all.
        requests: How many requests came; known at the end.
        refused: How many of them the rate limit refused; known at the end.
    """

    url: str
    calls: int
    participations: int
    requests: int = 0
    refused: int = 0


@contextmanager
def serving(calls: int, *, requests_per_minute: int = UNLIMITED, latency_seconds: float = 0.0) -> Iterator[Api]:
    """Serves calls while the block runs.

    Args:
        calls: How many.
        requests_per_minute: How many requests any 60 seconds may hold.
        latency_seconds: How long each answer takes at least.
    """
    command = [
        *(sys.executable, "-m", "benchmarks.server"),
        *("--calls", str(calls)),
        *("--requests-per-minute", str(requests_per_minute)),
        *("--latency-seconds", str(latency_seconds)),
    ]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError
        try:
            held = json.loads(process.stdout.readline())
            api = Api(held["url"], calls, held["participations"])
            yield api
        finally:
            process.stdin.close()
        counted = json.loads(process.stdout.readline())
        api.requests, api.refused = counted["requests"], counted["refused"]
