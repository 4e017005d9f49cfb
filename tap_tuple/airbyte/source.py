"""The tap as an Airbyte source, without the SDK's settings that Airbyte does not need."""

from __future__ import annotations

from typing import Any

from typing_extensions import override

from tap_tuple import settings
from tap_tuple.tap import TapTuple


class SourceTuple(TapTuple):
    """Airbyte source for Tuple: pair-programming calls of a team and their participants."""

    # A separate object, because the SDK adds its own settings to that of the tap.
    config_jsonschema = settings.DEFINITIONS.to_dict()

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add no settings for stream maps, flattening and batch files: records would not match the catalog."""
