"""Signals: after SIGINT or SIGTERM, the output ends with a whole line and the last STATE, and the signal ends the run.

With an exit code, an interrupted run could not be told from one that ended by itself.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

GRACE_SECONDS = 5.0
"""Maximum time without a read by the reader of stdout, before the process ends without the last STATE."""
TICK_SECONDS = 0.1
"""Interval at which a write that waits for a slow reader is interrupted, so that it reports its progress."""
HEARTBEAT_SECONDS = 1.0
"""Interval at which other system calls are interrupted. A signal may arrive just before one, or on another thread: it
would take effect only when the call returns."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class InterruptedBySignal(BaseException):
    """A signal interrupts the run. It is a BaseException, so that no handler of ordinary errors catches it."""

    is_logged = False
    """Whether the log already says where the next run resumes."""


class SignalHandler:
    """The signal that has arrived, if any. There is one handler, as there is one process."""

    def __init__(self) -> None:
        self._signal: signal.Signals | None = None
        self._deferred = False
        self._ends_at = 0.0

    @property
    def received(self) -> signal.Signals | None:
        """The signal that has arrived."""
        return self._signal

    def install(self) -> None:
        """Handle SIGINT and SIGTERM from now on; only in the main thread."""
        self._set(self._handle, HEARTBEAT_SECONDS)

    def uninstall(self) -> None:
        """Restore the default action: everything has been written."""
        self._set(signal.SIG_DFL, 0)

    def _set(self, action: Callable[[int, FrameType | None], None] | signal.Handlers, tick_seconds: float) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, action)
            self._start_timer(tick_seconds)

    def _start_timer(self, tick_seconds: float) -> None:
        signal.signal(signal.SIGALRM, self._tick)
        signal.setitimer(signal.ITIMER_REAL, tick_seconds, tick_seconds)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._signal:
            return
        self._signal = signal.Signals(number)
        self.extend()
        self._start_timer(TICK_SECONDS)
        if not self._deferred:
            raise InterruptedBySignal

    def _tick(self, _number: int, _frame: FrameType | None) -> None:
        if self._signal and time.monotonic() > self._ends_at:
            self.end_process()
        # Python ignores exceptions in finalizers, for example: raise this one again if nothing handles it.
        if self._signal and not self._deferred and not _is_ending(sys.exc_info()[1]):
            raise InterruptedBySignal

    def extend(self) -> None:
        """Start the grace period again, as the reader of stdout has just read something."""
        self._ends_at = time.monotonic() + GRACE_SECONDS

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Let the outermost block end before a signal takes effect; it should check `received` now and then.

        Raises:
            InterruptedBySignal: A signal has arrived meanwhile.
        """
        outer, self._deferred = self._deferred, True
        try:
            yield
        finally:
            self._deferred = outer
        if self._signal and not outer:
            raise InterruptedBySignal

    def end_process(self) -> NoReturn:
        """End the process by the signal that has arrived, so that the parent process sees it."""
        number = self._signal or signal.SIGTERM
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        # The signal may be blocked or delayed. A shell derives this exit code from it.
        os._exit(128 + number)


def _is_ending(handled: BaseException | None) -> bool:
    """Return whether the exception that is being handled is an interruption, or has been raised during one."""
    while handled is not None and not isinstance(handled, InterruptedBySignal):
        handled = handled.__context__
    return handled is not None


SIGNAL_HANDLER = SignalHandler()
