"""The tap, without what Airbyte does by itself."""

from __future__ import annotations

from typing import Any

from typing_extensions import override

from tap_tuple import settings
from tap_tuple.tap import TapTuple


class SourceTuple(TapTuple):
    """Airbyte source for Tuple's usage API: which calls a team had, who was in them, and when."""

    # The SDK would add its own settings to the tap's object.
    config_jsonschema = settings.DEFINITIONS.to_dict()

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Leaves out stream maps, flattening and batch files, whose settings are then refused.

        With them the records would not be what the catalog says, or no Airbyte messages.
        """
