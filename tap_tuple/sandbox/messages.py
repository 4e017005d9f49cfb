"""What goes in and out of the sandbox: a request as it was received, and the answer to it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus

JSON = "application/json; charset=utf-8"

PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass(slots=True)
class Received:
    """A request as it was received.

    Attributes:
        number: 1 for the first request of a sandbox.
        method: In capitals.
        path: The target without its query.
        query: The decoded parameters; of one that was sent twice, the last.
        raw_target: Path and query as they stood in the request line.
        headers: By names in lower case.
        arrived_at: Seconds of `time.monotonic()`.
        status: What was answered; None until it is, and if the connection is dropped before any byte.
    """

    number: int
    method: str
    path: str
    query: dict[str, str]
    raw_target: str
    headers: dict[str, str]
    arrived_at: float
    status: int | None = None


@dataclass(slots=True)
class Response:
    """An answer; a header with a list of values is sent once for each."""

    status: int
    headers: dict[str, str | list[str]] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def error(cls, status: int, message: str = "") -> Response:
        """An answer that says what is wrong, by default in the words of its status."""
        body = json.dumps({"error": message or PHRASES.get(status, "Unknown")})
        return cls(status, {"Content-Type": JSON}, body.encode())
