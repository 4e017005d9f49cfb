"""The source: the tap without what Airbyte does itself."""

from __future__ import annotations

from typing import Any

from typing_extensions import override

from tap_tuple import settings
from tap_tuple.tap import TapTuple


class SourceTuple(TapTuple):
    """Airbyte source for Tuple: pair-programming calls of a team and their participants."""

    # The SDK would add its own settings to the tap's object.
    config_jsonschema = settings.DEFINITIONS.to_dict()

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Leave out stream maps, flattening and batch files: records would not match the catalog."""
