"""The streams: what each is called, how it is keyed, and what it takes from a call."""

from __future__ import annotations

from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from singer_sdk import SchemaDirectory, StreamSchema
from typing_extensions import override

from tap_tuple.exceptions import InvalidCallError
from tap_tuple.usage import UsageStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_tuple.calls import Call, Calls, Stay, Times

# The schemas travel inside the package; in a checkout they stand beside it.
_PACKAGED = resources.files("tap_tuple") / "schemas"
SCHEMAS = SchemaDirectory(_PACKAGED if _PACKAGED.is_dir() else Path(__file__).parent.parent / "schemas")
SECOND = timedelta(seconds=1)


class CallsStream(UsageStream):
    """A team's completed calls, each with those who took part."""

    name = "calls"
    replication_key = "ended_at"
    schema = StreamSchema(SCHEMAS)

    @override
    def rows(self, calls: Calls) -> Sequence[msgspec.Struct]:
        return calls.calls


class ParticipationRow(msgspec.Struct, gc=False):
    """A record of `call_participations`."""

    id: int
    call_id: int
    call_ended_at: str
    user_email: str | None
    joined_at: str | None
    left_at: str | None
    duration_seconds: int | None


class CallParticipationsStream(UsageStream):
    """Who was in which call: one record a stay, so a person who left and came back has two."""

    name = "call_participations"
    replication_key = "call_ended_at"
    schema = StreamSchema(SCHEMAS)

    @override
    def rows(self, calls: Calls) -> Sequence[msgspec.Struct]:
        return [row for call, times in zip(calls.calls, calls.times, strict=True) for row in _rows(call, times)]


def _rows(call: Call, times: Times) -> Iterator[ParticipationRow]:
    for participation, stay in zip(call.call_participations or (), times.call_participations or (), strict=True):
        if participation is None or stay is None:
            continue
        if participation.id is None:
            raise InvalidCallError(
                f"The API answered with an invalid call {call.id}, field call_participations: a participation has no "
                "id. Deselect the stream call_participations to read the calls alone, and tell Tuple's support."
            )
        yield ParticipationRow(
            id=participation.id,
            call_id=call.id,
            call_ended_at=call.ended_at,
            user_email=participation.user.email if participation.user else None,
            joined_at=participation.joined_at,
            left_at=participation.left_at,
            duration_seconds=_whole_seconds(stay),
        )


def _whole_seconds(stay: Stay) -> int | None:
    if stay.joined_at is None or stay.left_at is None:
        return None
    return (stay.left_at - stay.joined_at) // SECOND
