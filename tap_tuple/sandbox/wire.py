"""An answer on the wire: compressed and framed, and sent well or badly."""

from __future__ import annotations

import gzip
import re
import socket
import struct
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

from tap_tuple.sandbox.messages import PHRASES

if TYPE_CHECKING:
    import threading

    from tap_tuple.sandbox.faults import Connection
    from tap_tuple.sandbox.messages import Response

_DRIP_SECONDS = 0.2

# Below this a body is a packet either way.
_SMALLEST_COMPRESSED_BYTES = 1000

# The fastest level: the sandbox shares its processors with the tap.
_COMPRESSION_LEVEL = 1

_ACCEPTS_GZIP = re.compile(r"(?:^|,)\s*gzip\s*(?:$|,|;\s*q=(?!0(?:\.0*)?\s*(?:$|,)))", re.IGNORECASE)

_BODILESS = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}

BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def frame(response: Response, method: str, accept_encoding: str) -> None:
    """Compresses the body if the client takes gzip, and adds the headers that say how to read it."""
    response.headers |= {"Date": formatdate(usegmt=True), "Vary": "Accept-Encoding"}
    if method == "HEAD" or response.status in _BODILESS:
        response.body = b""
        response.headers["Connection"] = "close"  # spares the rules on what length such an answer names
        return
    if len(response.body) >= _SMALLEST_COMPRESSED_BYTES and _ACCEPTS_GZIP.search(accept_encoding):
        response.body = gzip.compress(response.body, _COMPRESSION_LEVEL, mtime=0)
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Content-Length"] = str(len(response.body))


def _head(response: Response) -> bytes:
    """The status line and the headers."""
    lines = [f"HTTP/1.1 {response.status} {PHRASES.get(response.status, '')}"]
    for name, value in response.headers.items():
        values = value if isinstance(value, list) else [value]
        lines += [f"{name}: {each}" for each in values]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def send(response: Response, connection: Connection | None, client: socket.socket, stopping: threading.Event) -> None:
    """Sends an answer, or as much of it as a fault of the connection lets through.

    Args:
        response: What to send, framed.
        connection: What goes wrong; the caller closes the socket after it.
        client: Where to send it.
        stopping: Is set when the sandbox stops.
    """
    half = len(response.body) // 2
    if connection is None:
        # In one write: a body that follows its head in a second one can wait 40 ms for the client's ACK.
        client.sendall(_head(response) + response.body)
    elif connection == "reset":
        # A socket that lingers for no time at all is closed by RST in place of FIN.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif connection == "cut":
        client.sendall(_head(response) + response.body[:half])
    elif connection == "stall":
        client.sendall(_head(response) + response.body[:half])
        # Ends when the client goes, and when the sandbox stops, as that shuts the socket down.
        while client.recv(4096):
            pass
    elif connection == "drip":
        client.sendall(_head(response))
        for index in range(len(response.body)):
            if stopping.wait(_DRIP_SECONDS):
                return
            client.sendall(response.body[index : index + 1])
