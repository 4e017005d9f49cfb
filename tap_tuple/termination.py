"""How a signal ends the process: at a whole line, with the last STATE, and by that very signal.

An exit code of 0, or any other, would make a run that was cut off look like one that came to its end.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

GRACE_SECONDS = 5.0
"""How long the reader of stdout may take nothing before the process dies as it is."""
TICK_SECONDS = 0.1
"""How often a write that waits for a slow reader is interrupted, so that it says how far it got."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class TerminatedError(BaseException):
    """A signal asks the process to end. No handler of ordinary exceptions may swallow it."""


class Termination:
    """What the process knows of a signal that asks it to end. There is one, as there is one process."""

    def __init__(self) -> None:
        self._signal: int | None = None
        self._deferred = False
        self._dies_at = 0.0
        self._last_words: Callable[[], None] = lambda: None

    @property
    def requested(self) -> bool:
        """Whether a signal has come."""
        return self._signal is not None

    def install(self, last_words: Callable[[], None]) -> None:
        """Listens to SIGINT and SIGTERM from now on, in place of whoever did; in the main thread alone.

        Args:
            last_words: Called before the process ends in good order.
        """
        self._last_words = last_words
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, self._handle)

    def uninstall(self) -> None:
        """Leaves signals to the system from now on: all that had to be written has been."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.requested:
            return
        self._signal = number
        self.extend()
        signal.signal(signal.SIGALRM, self._tick)
        signal.setitimer(signal.ITIMER_REAL, TICK_SECONDS, TICK_SECONDS)
        if not self._deferred:
            raise TerminatedError

    def _tick(self, _number: int, _frame: FrameType | None) -> None:
        if time.monotonic() > self._dies_at:
            self.die()

    def extend(self) -> None:
        """Gives the process some seconds more to end, as its reader has just taken something."""
        self._dies_at = time.monotonic() + GRACE_SECONDS

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Lets a block come to its end, which is to ask `requested` now and then.

        Raises:
            TerminatedError: A signal has come meanwhile.
        """
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False
        if self.requested:
            raise TerminatedError

    def finish(self) -> NoReturn:
        """Says the last words, and dies."""
        self._last_words()
        self.die()

    def die(self) -> NoReturn:
        """Dies by the signal that came, for a parent to see."""
        number = self._signal or signal.SIGTERM
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        # Where the signal is blocked, or takes its time, the exit code that a shell would make of it.
        os._exit(128 + number)


TERMINATION = Termination()
