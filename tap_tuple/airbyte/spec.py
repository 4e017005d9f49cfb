"""Builds the specification, from which Airbyte generates the form for the tap's settings."""

from __future__ import annotations

from typing import Any

from tap_tuple import settings

DOCUMENTATION_URL = "https://docs.tuple.app/team-management/usage-api-alpha"
"""The documentation of the API."""
DATES = {"start_date", "end_date"}
DATE_PATTERN = r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?$"
KEYWORDS = ("title", "description", "default", "minimum", "maximum", "exclusiveMinimum")


def specification() -> dict[str, Any]:
    """Return the specification."""
    definitions = settings.DEFINITIONS.to_dict()
    return {
        "documentationUrl": DOCUMENTATION_URL,
        "supportsIncremental": True,
        "supported_destination_sync_modes": ["overwrite", "append", "append_dedup"],
        "connectionSpecification": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": "Tuple",
            "type": "object",
            "required": definitions["required"],
            # Airbyte adds its own properties to a configuration.
            "additionalProperties": True,
            "properties": {
                name: _property(name, setting, order)
                for order, (name, setting) in enumerate(definitions["properties"].items())
            },
        },
    }


def _property(name: str, setting: dict[str, Any], order: int) -> dict[str, Any]:
    kinds = setting["type"] if isinstance(setting["type"], list) else [setting["type"]]
    content = {
        # In Airbyte's forms, a setting can be optional, but not null.
        "type": next(kind for kind in kinds if kind != "null"),
        "order": order,
        **{keyword: setting[keyword] for keyword in KEYWORDS if keyword in setting},
    }
    if name in DATES:
        # The format adds a date picker to the form; the pattern validates the value.
        content.update(format="date-time", pattern=DATE_PATTERN)
    return {**content, "airbyte_secret": True} if setting.get("secret") else content
