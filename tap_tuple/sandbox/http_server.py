"""An HTTP server on loopback that can send faulty responses, and can be stopped at any time."""

from __future__ import annotations

import gzip
import json
import socket
import socketserver
import struct
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPMessage
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    # Takes the target and the headers of a request; returns the response, and the fault that occurs while sending it.
    Respond: TypeAlias = Callable[[str, dict[str, str]], "tuple[Response, ConnectionFault | None]"]

LOOPBACK = "127.0.0.1"

ConnectionFault = Literal["reset", "close", "cut", "stall", "drip"]

_POLL_SECONDS = 0.01
_DRIP_SECONDS = 0.2
_MIN_COMPRESSED_BYTES = 1000
_NO_BODY = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}


@dataclass(slots=True)
class Received:
    """A request as the server received it.

    Attributes:
        number: 1 for the first request of a sandbox.
        path: The target without its query.
        query: The decoded parameters; the last value of a repeated parameter.
        raw_target: Path and query as in the request line.
        headers: Header values by name in lower case.
        arrived_at: The value of `time.monotonic()`, in seconds.
        status: The status of the response; None if none was sent (yet).
    """

    number: int
    path: str
    query: dict[str, str]
    raw_target: str
    headers: dict[str, str]
    arrived_at: float = field(default_factory=time.monotonic)
    status: int | None = None


@dataclass(slots=True)
class Response:
    """A response. Header names are case-insensitive, and can occur several times."""

    status: int
    body: bytes
    headers: HTTPMessage = field(default_factory=HTTPMessage)

    @classmethod
    def error(cls, status: int, message: str = "") -> Response:
        """Return an error response. The message defaults to the standard phrase of the status."""
        phrase = next((known.phrase for known in HTTPStatus if known == status), "Unknown")
        return cls(status, json.dumps({"error": message or phrase}).encode())

    def encode(self, accept_encoding: str) -> None:
        """Compress the body if the client accepts gzip, and set the headers that describe the body."""
        if self.status in _NO_BODY:
            self.body = b""
            self.headers["Connection"] = "close"
            return
        self.headers["Content-Type"] = "application/json; charset=utf-8"
        if len(self.body) >= _MIN_COMPRESSED_BYTES and "gzip" in accept_encoding:
            # The fastest level, because the sandbox and the tap share the same processors.
            self.body = gzip.compress(self.body, compresslevel=1, mtime=0)
            self.headers["Content-Encoding"] = "gzip"
        self.headers["Content-Length"] = str(len(self.body))


class HttpServer(socketserver.ThreadingTCPServer):
    """Listens once constructed, and responds between `start` and `stop`, with one thread per connection.

    Args:
        port: The port on 127.0.0.1; 0 for any free port.
        respond: Called for each request, possibly from several threads at the same time.

    Attributes:
        port: The port in use.
        stopping: Set when the server stops. Code in a response waits for this event instead of sleeping.
    """

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, port: int, respond: Respond) -> None:
        super().__init__((LOOPBACK, port), _RequestHandler)
        self.respond = respond
        self.port: int = self.server_address[1]
        self.stopping = threading.Event()
        self._connections: set[Any] = set()
        self._acceptor = threading.Thread(target=self.serve_forever, args=(_POLL_SECONDS,), daemon=True)

    def start(self) -> None:
        """Start responding to requests."""
        self._acceptor.start()

    def stop(self) -> None:
        """Close the port and all connections, even in the middle of a response."""
        self.stopping.set()
        self.shutdown()
        for connection in list(self._connections):
            with suppress(OSError):  # the client may have closed it
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()  # waits for the threads

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in the base class
        """Start a thread for a connection, and remember the connection for `stop`."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as in the base class
        """Close a connection."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, *_: object) -> None:
        """Ignore clients that disconnect; any other error, e.g. in the code of a fault, ends the thread."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, ConnectionError):
            raise error


class _RequestHandler(BaseHTTPRequestHandler):
    server: HttpServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise the body could wait 40 ms for the ACK of the headers

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        response, fault = self.server.respond(self.path, headers)
        # If a fault has changed the length, only closing the connection ends the response.
        is_complete = response.headers["Content-Length"] == str(len(response.body))
        self.close_connection |= fault is not None or not is_complete
        if fault == "reset":
            # With a linger time of 0, `close` sends RST. It is called here because the base class would send FIN first.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif fault != "close":
            self._send_headers(response)
            self._send_body(response.body, fault)

    def _send_headers(self, response: Response) -> None:
        self.send_response_only(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send_body(self, body: bytes, fault: ConnectionFault | None) -> None:
        if fault == "drip":
            for index in range(len(body)):
                if self.server.stopping.wait(_DRIP_SECONDS):
                    return
                self.wfile.write(body[index : index + 1])
        elif fault is None:
            self.wfile.write(body)
        else:
            self.wfile.write(body[: len(body) // 2])
            if fault == "stall":
                self.rfile.read()  # returns when the client or `stop` closes the connection

    def log_message(self, *_: object) -> None:
        """Log nothing, because the base class would write to stderr."""
