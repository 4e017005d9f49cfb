"""Sockets and threads: takes connections on loopback, a thread each, until told to stop."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from tap_tuple.sandbox import wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from tap_tuple.sandbox.faults import Connection
    from tap_tuple.sandbox.messages import Response

    # From a request's method, target and headers (by names in lower case) to what is sent, and how badly.
    Answer: TypeAlias = Callable[[str, str, dict[str, str]], tuple[Response, Connection | None]]

LOOPBACK = "127.0.0.1"

# How often the listener looks whether it should stop: not every system wakes an `accept` that blocks.
_POLL_SECONDS = 0.02

# How long stopping waits for threads, which only a fault's own code can hold up.
_JOIN_SECONDS = 2.0

_BACKLOG = 128
_LONGEST_LINE_BYTES = 65_536


class Listener:
    """Listens from its construction on, and answers between `start` and `stop`.

    Args:
        port: Where to listen on 127.0.0.1; 0 for any free port.
        answer: Is called for each request, from many threads at once.

    Attributes:
        port: Where it listens.
        stopping: Is set once it is to stop; whatever waits, waits for this.

    Raises:
        OSError: The port is taken.
    """

    def __init__(self, port: int, answer: Answer) -> None:
        self._answer = answer
        self._socket = socket.create_server((LOOPBACK, port), backlog=_BACKLOG)
        self._socket.settimeout(_POLL_SECONDS)
        self.port: int = self._socket.getsockname()[1]
        self.stopping = threading.Event()
        self._acceptor = threading.Thread(target=self._accept, name="tuple-sandbox", daemon=True)
        self._clients: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        """Answers from now on."""
        self._acceptor.start()

    def stop(self) -> None:
        """Ends every connection, whatever it is in the middle of, and frees the port."""
        self.stopping.set()
        self._acceptor.join()
        with self._lock:
            clients = dict(self._clients)
            for client in clients:
                with suppress(OSError):  # the other side may have gone
                    client.shutdown(socket.SHUT_RDWR)
        deadline = time.monotonic() + _JOIN_SECONDS
        for thread in clients.values():
            thread.join(max(0.0, deadline - time.monotonic()))

    def _accept(self) -> None:
        with self._socket:
            while not self.stopping.is_set():
                with suppress(TimeoutError):
                    client, _ = self._socket.accept()
                    thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
                    with self._lock:
                        self._clients[client] = thread
                    thread.start()

    def _serve(self, client: socket.socket) -> None:
        """Answers one request after the other; an error in a fault's own code ends the thread loudly."""
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            # Clients may leave when they like.
            with client, client.makefile("rb") as stream, suppress(ConnectionError):
                while self._exchange(client, stream):
                    pass
        finally:
            with self._lock:
                del self._clients[client]

    def _exchange(self, client: socket.socket, stream: BinaryIO) -> bool:
        """Reads a request and answers it; says whether another may follow."""
        line = stream.readline(_LONGEST_LINE_BYTES)
        if not line:
            return False
        try:
            method, target, version = line.decode("latin-1").split()
        except ValueError:
            client.sendall(wire.BAD_REQUEST)
            return False
        headers = {}
        while line := stream.readline(_LONGEST_LINE_BYTES).strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        length = headers.get("content-length", "")
        stream.read(int(length) if length.isdecimal() else 0)  # or it would be taken for the next request
        response, connection = self._answer(method, target, headers)
        wire.send(response, connection, client, self.stopping)
        announced = {name.lower(): value for name, value in response.headers.items()}
        return (
            connection is None
            and version == "HTTP/1.1"
            and headers.get("connection", "").lower() != "close"
            # Where a fault has bent the length, only the end of the connection ends the answer.
            and announced.get("content-length") == str(len(response.body))
        )
