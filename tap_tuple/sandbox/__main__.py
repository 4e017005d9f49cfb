"""The command `tap-tuple-sandbox`, which runs a sandbox until it is stopped."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from typing import TYPE_CHECKING

from tap_tuple.sandbox.history import generate_calls
from tap_tuple.sandbox.sandbox import DEFAULT_TOKEN, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

_REQUESTS_PER_MINUTE = 60  # the limit of the real API


def main() -> None:
    """Respond to requests until SIGINT or SIGTERM, then exit with code 0."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    parser = argparse.ArgumentParser(
        prog="tap-tuple-sandbox",
        description="A local stand-in for Tuple's usage API with the calls of a generated team.",
    )
    add = parser.add_argument
    add("--port", type=_number(int, 0, 65_535), default=8765, help="0 for any free port (default: %(default)s)")
    add("--calls", type=_number(int, 0, 100_000), default=10_000, help="number of calls (default: %(default)s)")
    add("--new-call-every", type=_number(float, 0.01, 86_400), metavar="SECONDS", help="add calls at this interval")
    arguments = parser.parse_args()
    try:
        sandbox = Sandbox(requests_per_minute=_REQUESTS_PER_MINUTE, port=arguments.port)
    except OSError as error:
        parser.error(f"argument --port: cannot listen on port {arguments.port}: {error.strerror}")
    sandbox.add(*generate_calls(arguments.calls))
    with sandbox:
        lines = f"export TAP_TUPLE_API_URL={sandbox.url}\nexport TAP_TUPLE_AUTH_TOKEN={DEFAULT_TOKEN}"
        print(lines, flush=True)  # noqa: T201 - the output of the command
        never = threading.Event()
        while not never.wait(arguments.new_call_every):
            sandbox.new_calls(1)


def _number(kind: type[int | float], minimum: float, maximum: float) -> Callable[[str], float]:
    """Return a parser of numbers in a range, for `argparse`."""

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not minimum <= value <= maximum:
            name = "an integer" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"must be {name} between {minimum} and {maximum}, got {text!r}")
        return value

    return parse


if __name__ == "__main__":
    main()
