"""Builds the catalog for `discover`, and parses the configured catalog of `read`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tap_tuple.exceptions import InputError

if TYPE_CHECKING:
    from collections.abc import Collection

    from tap_tuple.streams import TupleStream

SyncMode = Literal["full_refresh", "incremental"]


class StreamName(msgspec.Struct):
    """The name of a stream."""

    name: str


class ConfiguredStream(msgspec.Struct):
    """The fields of a configured stream that this source uses."""

    stream: StreamName
    sync_mode: SyncMode


class ConfiguredCatalog(msgspec.Struct):
    """The streams to read."""

    streams: list[ConfiguredStream]


def discovered(stream: TupleStream) -> dict[str, Any]:
    """Return the catalog entry of a stream."""
    return {
        "name": stream.name,
        "json_schema": stream.schema,
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_cursor": True,
        "default_cursor_field": [stream.replication_key],
        "source_defined_primary_key": [[key] for key in stream.primary_keys],
        # An interrupted full refresh also resumes from its state.
        "is_resumable": True,
    }


def configured(document: object, known: Collection[str]) -> set[str]:
    """Return the names of the streams to read.

    Both sync modes read in the same way: from the state, or from `start_date` if there is no state.

    Args:
        document: A configured catalog, as JSON.
        known: The names of the streams that exist.

    Raises:
        InputError: `document` is not a configured catalog, or it contains an unknown stream.
    """
    try:
        names = {entry.stream.name for entry in msgspec.convert(document, ConfiguredCatalog).streams}
    except msgspec.ValidationError as error:
        hint = ""
        if isinstance(document, dict) and ("catalog" in document or "`stream`" in str(error)):
            hint = (
                " The output of `discover` is not a configured catalog, which has a list `streams` of objects such as "
                '{"stream": {"name": "calls", …}, "sync_mode": "incremental", "destination_sync_mode": "append"}.'
            )
        raise InputError(f"The catalog is not a configured catalog of Airbyte: {error}.{hint}") from None
    if unknown := sorted(names.difference(known)):
        raise InputError(
            f"Unknown streams in the catalog: {', '.join(unknown)}. Known streams: {', '.join(sorted(known))}. "
            "Refresh the schema of the connection."
        )
    return names
