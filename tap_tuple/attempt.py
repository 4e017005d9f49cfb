"""One request under way, so that a page can be written while the next one comes."""

from __future__ import annotations

import threading
import time
from concurrent import futures
from typing import TYPE_CHECKING, NamedTuple

from requests.exceptions import Timeout

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests


class Answer(NamedTuple):
    """What the API answered, read to its end."""

    response: requests.Response
    body: bytes


class Attempt:
    """Sends one request on a thread of its own, and holds what came of it.

    The thread is a daemon: it holds up neither the exit nor a signal, which only the main thread hears.

    Args:
        send: Sends the request, and reads the whole of the answer.
        delay_seconds: How long to wait before sending.
        timeout_seconds: How long the answer may take as a whole; a server that sends a byte now and
            then would never run into the timeouts of the socket.
    """

    def __init__(self, send: Callable[[], Answer], *, delay_seconds: float, timeout_seconds: float) -> None:
        self._send = send
        self._delay_seconds = delay_seconds
        self._starts_at = time.monotonic() + delay_seconds
        self._due_at = self._starts_at + timeout_seconds
        self._outcome: futures.Future[Answer] = futures.Future()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            time.sleep(self._delay_seconds)
            self._outcome.set_result(self._send())
        except BaseException as error:  # noqa: BLE001 - all of it is raised in the main thread
            self._outcome.set_exception(error)

    @property
    def held_back_seconds(self) -> float:
        """How much longer it waits before sending, in seconds."""
        return self._starts_at - time.monotonic()

    def answer(self) -> Answer:
        """Waits for the answer.

        Raises:
            requests.exceptions.RequestException: The request failed, or took too long.
        """
        try:
            return self._outcome.result(max(0.0, self._due_at - time.monotonic()))
        except futures.TimeoutError:
            raise Timeout("no whole answer in time") from None
