"""Validation of catalogs and stream maps: with a misspelt name, data that should be hidden would be written."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from singer_sdk.singerlib import Catalog, CatalogEntry, Metadata, Schema
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL

from tap_tuple.exceptions import InputError
from tap_tuple.inputs import shown

Path = tuple[str, ...]

REGENERATE = "Regenerate it with --discover."
AUTOMATIC = Metadata.InclusionType.AUTOMATIC


def parse_catalog(document: dict[str, Any]) -> Catalog:
    """Return the catalog that a JSON document contains.

    Raises:
        InputError: It has another shape.
    """
    try:
        catalog = Catalog.from_dict(document)
        for stream in document.get("streams", []):
            entry = catalog[stream["tap_stream_id"]]
            for item in stream.get("metadata", []):
                if not item["breadcrumb"]:
                    # The SDK reads only `forced-replication-method`, which is the tap's.
                    entry.replication_method = item["metadata"].get("replication-method") or entry.replication_method
    except Exception:  # noqa: BLE001 - the SDK expects a valid catalog
        raise InputError(f"The catalog is not a valid Singer catalog. {REGENERATE}") from None
    if "streams" not in document and document:
        raise InputError(f"The catalog has no `streams`: it is not a Singer catalog. {REGENERATE}")
    return catalog


def complete(entry: CatalogEntry, schema: dict[str, Any], keys: Iterable[str]) -> None:
    """Make a stream's entry select its keys, and nothing that is missing in its schema or deselected in its metadata.

    Args:
        entry: The entry, which is updated in place.
        schema: The whole schema of the stream.
        keys: The stream's keys.

    Raises:
        InputError: The entry names a property that does not exist, or an unknown replication method.
    """
    given, known = entry.schema.to_dict(), set(_paths(schema))
    if not given.get("properties"):
        raise InputError(f"The catalog has no properties for `{entry.tap_stream_id}`. {REGENERATE}")
    if unknown := {*_paths(given), *filter(None, entry.metadata)} - known:
        name = shown(".".join(map(str, min(unknown, key=str)[1::2])))
        raise InputError(f"The catalog has a property{name} that `{entry.tap_stream_id}` does not have. {REGENERATE}")
    for path in known - set(_paths(given)):
        entry.metadata[path] = Metadata(selected=False)
    for key in keys:
        given["properties"].setdefault(key, schema["properties"][key])
        entry.metadata["properties", key] = Metadata(inclusion=AUTOMATIC)
    for path, selected in entry.metadata.resolve_selection().items():
        if "items" in path and not selected:
            # The SDK does this for objects, but not for objects in arrays.
            _remove(given, path)
    entry.schema = Schema.from_dict(given)
    methods = {
        str(method) for method in (entry.replication_method, entry.metadata.root.forced_replication_method) if method
    }
    if not methods <= {REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL}:
        raise InputError("The replication method in the catalog must be INCREMENTAL or FULL_TABLE.")
    # FULL_TABLE, if either says so.
    entry.replication_method = min(methods, default=REPLICATION_INCREMENTAL)


def _paths(schema: dict[str, Any], parent: Path = ()) -> Iterator[Path]:
    """Yield the breadcrumb of each property, e.g. `("properties", "call_participations", "items")`."""
    steps = [(("properties", name), property_) for name, property_ in schema.get("properties", {}).items()]
    for step, child in [*steps, *([(("items",), schema["items"])] if "items" in schema else [])]:
        yield (*parent, *step)
        yield from _paths(child, (*parent, *step))


def _remove(schema: dict[str, Any], path: Path) -> None:
    for step in path[:-1]:
        schema = schema.get(step, {})
    schema.pop(path[-1], None)


def check_names(catalog: Collection[str], maps: Mapping[str, Any], schemas: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that a catalog and stream maps name only streams, and remove only properties, that exist.

    Args:
        catalog: The names of the streams in the catalog.
        maps: The setting `stream_maps`.
        schemas: The streams' names and schemas.

    Raises:
        InputError: They name something else.
    """
    streams = f"The streams are: {', '.join(schemas)}."
    for name in sorted(set(catalog) - set(schemas)):
        raise InputError(f"The catalog has a stream{shown(name)} that does not exist. {streams} {REGENERATE}")
    for name, stream_map in maps.items():
        rules = stream_map if isinstance(stream_map, dict) else {}
        matched = fnmatch.filter(schemas, str(rules.get("__source__", name)))
        if not matched and name != "__else__":
            raise InputError(f"`stream_maps` names a stream{shown(name)} that does not exist. {streams}")
        known = {property_ for stream in matched for property_ in schemas[stream]["properties"]}
        removed = {rule for rule, value in rules.items() if value in (None, "__NULL__") and not rule.startswith("__")}
        for property_ in sorted(removed - known):
            raise InputError(
                f"`stream_maps` removes a property{shown(property_)} that `{name}` does not have. "
                f"Its properties are: {', '.join(sorted(known))}."
            )
