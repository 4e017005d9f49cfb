"""Starts an API server in a separate process, so that its cost is not measured."""

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
"""Requests per minute that no program reaches."""


@dataclass
class Api:
    """A running server.

    Attributes:
        url: The tap's `api_url`.
        calls: The number of calls.
        participations: The number of participations in all calls.
        requests: The number of requests received; set when the server has stopped.
        refused: The number of requests that exceeded the rate limit; set when the server has stopped.
        sql_seconds: The total time of the SQL queries, if it reads from SQL; set when the server has stopped.
    """

    url: str
    calls: int
    participations: int
    requests: int = 0
    refused: int = 0
    sql_seconds: float = 0.0


@contextmanager
def serving(calls: int, *, requests_per_minute: int = UNLIMITED, latency_seconds: float = 0.0) -> Iterator[Api]:
    """Serve calls while the block runs.

    Args:
        calls: The number of calls.
        requests_per_minute: The maximum number of requests in any 60 seconds.
        latency_seconds: The minimum duration of each response.
    """
    with _started("benchmarks.server", calls, requests_per_minute, latency_seconds) as api:
        yield api


@contextmanager
def serving_from_sql(calls: int) -> Iterator[Api]:
    """Serve this number of calls from an indexed SQL table while the block runs."""
    with _started("benchmarks.sql_server", calls) as api:
        yield api


@contextmanager
def _started(module: str, calls: int, requests_per_minute: int = 0, latency_seconds: float = 0.0) -> Iterator[Api]:
    command = [sys.executable, "-m", module, "--calls", str(calls)]
    if requests_per_minute:
        command += ["--requests-per-minute", str(requests_per_minute), "--latency-seconds", str(latency_seconds)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError
        try:
            started = json.loads(process.stdout.readline())
            api = Api(started["url"], calls, started.get("participations", 0))
            yield api
        finally:
            process.stdin.close()
        for name, value in json.loads(process.stdout.readline()).items():
            setattr(api, name, value)
