"""Catalogs: what `discover` answers, and which streams `read` is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tap_tuple.exceptions import InputError

if TYPE_CHECKING:
    from collections.abc import Collection

    from tap_tuple.usage import UsageStream

SyncMode = Literal["full_refresh", "incremental"]


class Named(msgspec.Struct):
    """Of a stream, its name."""

    name: str


class ConfiguredStream(msgspec.Struct):
    """Of a stream that is to be read, what this source goes by."""

    stream: Named
    sync_mode: SyncMode


class ConfiguredCatalog(msgspec.Struct):
    """What is to be read."""

    streams: list[ConfiguredStream]


def discovered(stream: UsageStream) -> dict[str, Any]:
    """Describes a stream for the catalog."""
    return {
        "name": stream.name,
        "json_schema": stream.schema,
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_cursor": True,
        "default_cursor_field": [stream.replication_key],
        "source_defined_primary_key": [[key] for key in stream.primary_keys],
        # A full refresh that was cut off goes on from its state as well.
        "is_resumable": True,
    }


def configured(document: object, known: Collection[str]) -> set[str]:
    """Reads which streams are to be read.

    Both sync modes read the same way: from the state that is given, or from `start_date` where there is none.

    Args:
        document: A configured catalog, as JSON.
        known: The names of the streams that there are.

    Raises:
        InputError: It is no configured catalog, or names a stream that does not exist.
    """
    try:
        names = {entry.stream.name for entry in msgspec.convert(document, ConfiguredCatalog).streams}
    except msgspec.ValidationError as error:
        raise InputError(f"The catalog is no configured catalog of Airbyte's: {error}.") from None
    if unknown := sorted(names.difference(known)):
        raise InputError(
            f"The catalog names streams that do not exist: {', '.join(unknown)}. There are {', '.join(sorted(known))}; "
            "refresh the connection's schema."
        )
    return names
