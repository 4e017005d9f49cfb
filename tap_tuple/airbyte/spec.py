"""What `spec` answers: the tap's settings, as Airbyte's forms show them."""

from __future__ import annotations

from typing import Any

from tap_tuple import settings

DOCUMENTATION_URL = "https://docs.tuple.app/team-management/usage-api-alpha"
"""Where a user learns how to get a token."""
TAKEN_OVER = ("title", "description", "default", "minimum", "maximum", "exclusiveMinimum")


def specification() -> dict[str, Any]:
    """Builds the specification from the tap's own settings."""
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
            # Airbyte puts properties of its own into a configuration.
            "additionalProperties": True,
            "properties": {
                name: _property(setting, order)
                for order, (name, setting) in enumerate(definitions["properties"].items())
            },
        },
    }


def _property(setting: dict[str, Any], order: int) -> dict[str, Any]:
    kinds = setting["type"] if isinstance(setting["type"], list) else [setting["type"]]
    content = {
        # Airbyte's forms know optional settings, but none that may be null.
        "type": next(kind for kind in kinds if kind != "null"),
        "order": order,
        **{keyword: setting[keyword] for keyword in TAKEN_OVER if keyword in setting},
    }
    return {**content, "airbyte_secret": True} if setting.get("secret") else content
