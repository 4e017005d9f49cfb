"""Shortens the waits before retries: three attempts, 10 ms apart, after which the time limit is exceeded.

As a script, it runs a command of this project with these waits: `python short_waits.py tap_tuple --config config.json`.
"""

from __future__ import annotations

import importlib
import itertools
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest import mock

import backoff

from tap_tuple.api import retries

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT_SECONDS = 0.01
LONGER_THAN_ANY_LIMIT_SECONDS = 100_000.0


def _waits(**_: object) -> Iterator[float | None]:
    return itertools.chain(
        [None, WAIT_SECONDS, WAIT_SECONDS],  # `backoff` generators start with None
        itertools.repeat(LONGER_THAN_ANY_LIMIT_SECONDS),
    )


@contextmanager
def short_waits() -> Iterator[None]:
    """Shorten the waits within a block."""
    with (
        mock.patch.object(backoff, "expo", _waits),
        mock.patch.object(backoff, "random_jitter", float),
        mock.patch.object(retries, "RATE_LIMIT_WAIT_SECONDS", WAIT_SECONDS),
    ):
        yield


if __name__ == "__main__":
    package = sys.argv.pop(1)
    with short_waits():
        importlib.import_module(f"{package}.__main__").main()
