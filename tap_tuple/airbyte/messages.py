"""Builds the messages that a source sends in the Airbyte protocol, as objects to encode as JSON.

Source: https://docs.airbyte.com/platform/understanding-airbyte/airbyte-protocol
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from tap_tuple.exceptions import FailureType

Message = dict[str, Any]
Level = Literal["FATAL", "ERROR", "WARN", "INFO", "DEBUG"]
Status = Literal["STARTED", "RUNNING", "COMPLETE", "INCOMPLETE"]


class AirbyteRecord(msgspec.Struct, gc=False):
    """The content of a RECORD message."""

    stream: str
    data: Any
    emitted_at: int


class AirbyteRecordMessage(msgspec.Struct, gc=False, tag_field="type", tag="RECORD"):
    """A RECORD message, which is a struct because structs are encoded faster than dictionaries."""

    record: AirbyteRecord


def now_ms() -> int:
    """Return the current time in milliseconds since 1970, the unit of the protocol."""
    return time.time_ns() // 1_000_000


def log(level: Level, text: str) -> Message:
    """Return a LOG message."""
    return {"type": "LOG", "log": {"level": level, "message": text}}


def spec(specification: dict[str, Any]) -> Message:
    """Return the response to `spec`."""
    return {"type": "SPEC", "spec": specification}


def connection_status(failure: str | None) -> Message:
    """Return the response to `check`; `failure` is None if the connection works."""
    if failure is None:
        return {"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}}
    return {"type": "CONNECTION_STATUS", "connectionStatus": {"status": "FAILED", "message": failure}}


def catalog(streams: list[dict[str, Any]]) -> Message:
    """Return the response to `discover`."""
    return {"type": "CATALOG", "catalog": {"streams": streams}}


def stream_state(stream: str, state: dict[str, Any], record_count: int) -> Message:
    """Return a STATE message with the number of records written since the previous state of the stream."""
    return {
        "type": "STATE",
        "state": {
            "type": "STREAM",
            "stream": {"stream_descriptor": {"name": stream}, "stream_state": state},
            "sourceStats": {"recordCount": record_count},
        },
    }


def stream_status(stream: str, status: Status, *, quota_reset_ms: int | None = None) -> Message:
    """Return the status of a stream; `quota_reset_ms` is the end of a wait for the rate limit, if there is one."""
    content: dict[str, Any] = {"stream_descriptor": {"name": stream}, "status": status}
    if quota_reset_ms is not None:
        content["reasons"] = [{"type": "RATE_LIMITED", "rate_limited": {"quota_reset": quota_reset_ms}}]
    return _trace("STREAM_STATUS", "stream_status", content)


def error(sentence: str, failure_type: FailureType) -> Message:
    """Return an error; `failure_type` says whether the configuration, a temporary problem or the system caused it."""
    return _trace("ERROR", "error", {"message": sentence, "failure_type": failure_type})


def _trace(kind: str, field: str, content: dict[str, Any]) -> Message:
    return {"type": "TRACE", "trace": {"type": kind, "emitted_at": now_ms(), field: content}}
