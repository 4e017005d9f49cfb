"""The streams: what each is called, how it is keyed, and what it takes from a call."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from singer_sdk import SchemaDirectory, StreamSchema
from typing_extensions import override

from tap_tuple.usage import UsageStream

if TYPE_CHECKING:
    from collections.abc import Sequence

    import msgspec

    from tap_tuple.calls import Calls

# The schemas travel inside the package; in a checkout they stand beside it.
_PACKAGED = resources.files("tap_tuple") / "schemas"
SCHEMAS = SchemaDirectory(_PACKAGED if _PACKAGED.is_dir() else Path(__file__).parent.parent / "schemas")


class CallsStream(UsageStream):
    """A team's completed calls, each with those who took part."""

    name = "calls"
    replication_key = "ended_at"
    schema = StreamSchema(SCHEMAS)

    @override
    def rows(self, calls: Calls) -> Sequence[msgspec.Struct]:
        return calls.calls
