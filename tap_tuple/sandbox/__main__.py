"""The command `tap-tuple-sandbox`: a sandbox that runs until it is told to stop."""

from __future__ import annotations

import argparse
import gc
import signal
import sys
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tap_tuple.sandbox.fault_file import load_faults
from tap_tuple.sandbox.history import generate_calls
from tap_tuple.sandbox.instants import parse_ms
from tap_tuple.sandbox.server import DEFAULT_TOKEN, Sandbox
from tap_tuple.sandbox.team import Team

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_tuple.sandbox.faults import Fault

_YEARS = range(2000, 2101)
_HIGHEST_PORT = 65_535
_LONGEST_WAIT_SECONDS = 86_400.0


def main() -> None:
    """Serves a made-up team until SIGINT or SIGTERM, and then exits with 0."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit)
    parser = _parser()
    arguments = parser.parse_args()
    now: datetime | None = arguments.now
    gc.disable()  # a million calls hold no garbage, but looking for it takes half as long again
    calls = generate_calls(arguments.calls, users=arguments.users, seed=arguments.seed, now=now)
    try:
        sandbox = Sandbox(
            calls,
            token=arguments.token,
            requests_per_minute=arguments.requests_per_minute,
            faults=arguments.faults,
            now=now,
            port=arguments.port,
            team=Team(arguments.users, arguments.seed),
            access_log=sys.stderr if arguments.access_log else None,
        )
    except OSError as error:
        parser.error(f"argument --port: {arguments.port} can't be used: {error.strerror}")
    gc.freeze()
    gc.enable()
    with sandbox as api:
        line = f"Tuple sandbox: TAP_TUPLE_API_URL={api.url} TAP_TUPLE_AUTH_TOKEN={arguments.token}"
        print(line, flush=True)  # noqa: T201 - what the command is there to say
        never = threading.Event()
        while not never.wait(arguments.new_call_every):
            api.new_calls(1)


def _exit(*_: object) -> NoReturn:
    sys.exit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tap-tuple-sandbox",
        description="A stand-in of Tuple's usage API on 127.0.0.1, with the calls of a made-up team.",
    )
    for option, read, default, words in (
        ("--port", _whole(0, _HIGHEST_PORT), 8765, "where to listen; 0 for any free port"),
        ("--calls", _whole(0), 10_000, "how many calls the team has had"),
        ("--users", _whole(2), 25, "how many people are in the team, at least the 2 a call takes"),
        ("--seed", _whole(0), 1, "another one makes another team of the same kind"),
        ("--token", _token, DEFAULT_TOKEN, "the token it takes"),
        ("--requests-per-minute", _whole(1), 60, "beyond so many in any 60 seconds it answers 429"),
    ):
        parser.add_argument(option, type=read, default=default, help=f"{words} (default: %(default)s)")
    add = parser.add_argument
    add("--now", type=_instant, help="a present that stands still, in ISO 8601 (default: the real time)")
    add("--new-call-every", type=_wait, metavar="SECONDS", help="lets a new call appear so often")
    add("--faults", type=_faults, default=[], metavar="FILE.json", help="what goes wrong, and when")
    add("--access-log", action="store_true", help="writes a line for each request to stderr")
    return parser


def _whole(least: int, most: int | None = None) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() else -1
        if number < least or (most is not None and number > most):
            upper = "" if most is None else f" to {most}"
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least}{upper}")
        return number

    return read


def _wait(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _LONGEST_WAIT_SECONDS:  # not a number compares false as well
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds up to a day")
    return seconds


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromtimestamp(parse_ms(text) / 1000, tz=timezone.utc)
    except (OverflowError, ValueError):
        raise argparse.ArgumentTypeError(f"{text!r} is not an ISO 8601 datetime") from None
    if instant.year not in _YEARS:
        raise argparse.ArgumentTypeError(f"{text!r} is not in the years {_YEARS[0]} to {_YEARS[-1]}")
    return instant


def _token(text: str) -> str:
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise argparse.ArgumentTypeError("a token is printable ASCII without spaces")
    return text


def _faults(path: str) -> list[Fault]:
    try:
        return load_faults(Path(path))
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{path} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    main()
