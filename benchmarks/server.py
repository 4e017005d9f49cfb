"""Serves calls from the sandbox until stdin is closed.

It prints its URL and number of participations when it starts, and the number of requests received and refused when it
stops.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys

from benchmarks.history import history
from tap_tuple.sandbox import Sandbox


def main() -> None:
    """Serve calls as the arguments specify."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--requests-per-minute", type=int, required=True)
    parser.add_argument("--latency-seconds", type=float, required=True)
    arguments = parser.parse_args()
    gc.disable()  # makes the start much faster: a million calls contain no garbage
    calls = history(arguments.calls)
    api = Sandbox(
        calls,
        requests_per_minute=arguments.requests_per_minute,
        latency_seconds=arguments.latency_seconds,
    )
    gc.freeze()
    gc.enable()
    with api:
        _print_json({"url": api.url, "participations": sum(len(call["call_participations"]) for call in calls)})
        sys.stdin.read()
        refused = sum(request.status == 429 for request in api.requests)  # noqa: PLR2004 - Too Many Requests
        _print_json({"requests": len(api.requests), "refused": refused})


def _print_json(value: dict[str, object]) -> None:
    sys.stdout.write(f"{json.dumps(value)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
