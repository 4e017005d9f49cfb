"""Fixtures shared by the tests."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
from factories import TOKEN
from inprocess import InProcessTap
from runners import TapRunner
from short_waits import short_waits

from tap_tuple.signals import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def pytest_xdist_auto_num_workers() -> int:
    """Return two workers per core, as many tests wait."""
    return 2 * (os.cpu_count() or 1)


@pytest.fixture(autouse=True)
def _restored_signal_handlers() -> Iterator[None]:
    """Restore pytest's signal handlers after tests that install the tap's."""
    handlers = [signal.getsignal(number) for number in SIGNALS]
    yield
    for number, handler in zip(SIGNALS, handlers, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def tap(tmp_path: Path) -> InProcessTap:
    """Runs the tap in this process; `tap(settings(api), state=…)` returns a `Run`."""
    return InProcessTap(tmp_path)


@pytest.fixture
def tap_process(tmp_path: Path) -> TapRunner:
    """Runs the tap in a separate process, for tests of signals, pipes and the environment."""
    return TapRunner(tmp_path)


@pytest.fixture
def _short_waits() -> Iterator[None]:
    """Makes runs in this process wait 10 ms before retries, and give up after three attempts."""
    with short_waits():
        yield


@pytest.fixture
def settings() -> Callable[..., dict[str, Any]]:
    """Makes settings for a sandbox: `settings(api, page_size=2)`."""

    def make(api: Any, **more: Any) -> dict[str, Any]:
        return {"auth_token": TOKEN, "api_url": api.url, "requests_per_minute": 1_000_000, **more}

    return make
