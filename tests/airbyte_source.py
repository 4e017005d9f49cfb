"""Runs `source-tuple`, and reads what it writes as messages of the Airbyte protocol."""

from __future__ import annotations

import dataclasses
import typing
from typing import TYPE_CHECKING, Any

import msgspec
from airbyte_protocol_dataclasses.models import AirbyteMessage, AirbyteStateBlob
from inprocess import run_in_process
from runners import Run, TapRunner

from tap_tuple.airbyte import commands

if TYPE_CHECKING:
    from pathlib import Path

CALL_STREAMS = ("call_participations", "calls")


def configured_catalog(*streams: str, sync_mode: str = "incremental") -> dict[str, Any]:
    """Return a catalog as Airbyte configures it, by default of both call streams."""
    return {
        "streams": [
            {
                "stream": {"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]},
                "sync_mode": sync_mode,
                "destination_sync_mode": "append_dedup",
            }
            for name in streams or CALL_STREAMS
        ]
    }


def per_stream_state(entry: object, stream: str = "calls") -> dict[str, Any]:
    """Return a state of one stream as Airbyte saves it."""
    return {"type": "STREAM", "stream": {"stream_descriptor": {"name": stream}, "stream_state": entry}}


class SourceRun:
    """The result of one run of the source: valid messages of the protocol, and nothing else."""

    def __init__(self, run: Run) -> None:
        self.exit_code, self.output, self.stderr, self.messages = run.exit_code, run.output, run.log, run.messages
        for message in self.messages:
            msgspec.convert(message, AirbyteMessage)
            _assert_known_fields(message, AirbyteMessage)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the contents of the messages of a type."""
        field = {"CONNECTION_STATUS": "connectionStatus"}.get(kind, kind.lower())
        return [message[field] for message in self.messages if message["type"] == kind]

    def logs(self, level: str | None = None) -> list[str]:
        return [line["message"] for line in self.of("LOG") if level in {None, line["level"]}]

    @property
    def errors(self) -> list[dict[str, Any]]:
        return [trace["error"] for trace in self.of("TRACE") if trace["type"] == "ERROR"]

    def records(self, stream: str) -> list[dict[str, Any]]:
        return [record["data"] for record in self.of("RECORD") if record["stream"] == stream]

    def ids(self, stream: str = "calls") -> list[int]:
        return [record["id"] for record in self.records(stream)]

    def statuses(self, stream: str) -> list[str]:
        """Return the statuses of a stream; those whose reason is the rate limit end in an asterisk."""
        traces = [trace["stream_status"] for trace in self.of("TRACE") if trace["type"] == "STREAM_STATUS"]
        return [
            trace["status"] + ("*" if "reasons" in trace else "")
            for trace in traces
            if trace["stream_descriptor"] == {"name": stream}
        ]

    def states(self, stream: str = "calls") -> list[dict[str, Any]]:
        return [
            state["stream"]["stream_state"]
            for state in self.of("STATE")
            if state["stream"]["stream_descriptor"]["name"] == stream
        ]

    def kinds(self, stream: str) -> list[str]:
        """Return the message types of a stream, with the status instead of the type TRACE."""
        kinds = []
        for message in self.messages:
            descriptor = {"name": stream}
            if message["type"] == "RECORD" and message["record"]["stream"] == stream:
                kinds.append("RECORD")
            elif message["type"] == "STATE" and message["state"]["stream"]["stream_descriptor"] == descriptor:
                kinds.append("STATE")
            elif message["type"] == "TRACE" and message["trace"]["stream_status"]["stream_descriptor"] == descriptor:
                kinds.append(message["trace"]["stream_status"]["status"])
        return kinds

    def bookmark(self, stream: str = "calls") -> str | None:
        value: str | None = self.states(stream)[-1].get("replication_key_value")
        return value


def _assert_known_fields(value: Any, kind: Any) -> None:
    """Assert that the protocol defines every field of a message."""
    for part in typing.get_args(kind) or [kind]:
        if isinstance(value, list):
            for item in value:
                _assert_known_fields(item, part)
        elif dataclasses.is_dataclass(part) and part is not AirbyteStateBlob:
            hints = typing.get_type_hints(part)
            assert not set(value) - set(hints)
            for name, item in value.items():
                _assert_known_fields(item, hints[name])


class SourceRunner(TapRunner):
    """Runs a command of `source-tuple`, by default in this process; `verb` names the command."""

    def __init__(self, folder: Path, start: tuple[str, ...] = ("-m", "tap_tuple.airbyte")) -> None:
        super().__init__(folder, start)

    def arguments(self, config: dict[str, Any] | None, **files: object) -> list[str]:
        verb = str(files.pop("verb", "read"))
        if verb == "read":
            files.setdefault("catalog", configured_catalog())
        return [verb, *super().arguments(config, **files)]

    def run(
        self, config: dict[str, Any] | None, verb: str = "read", *, env: dict[str, str] | None = None, **files: Any
    ) -> SourceRun:
        """Run a command to its end."""
        return self.run_arguments(self.arguments(config, verb=verb, **files), env=env)

    def run_arguments(self, arguments: list[str], *, env: dict[str, str] | None = None) -> SourceRun:
        """Run a command line to its end."""
        return SourceRun(
            run_in_process(
                lambda: commands.run(arguments), ["source-tuple", *arguments], self.folder, self.environment(env)
            )
        )

    def run_process(self, config: dict[str, Any] | None, verb: str = "read", **files: Any) -> SourceRun:
        """Run a command to its end, in a separate process."""
        return SourceRun(self(config, verb=verb, **files))
