"""A call, as the API writes it, and how the calls of a page are read from an answer's body."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import compress
from typing import TYPE_CHECKING, Annotated, Any, get_args

import msgspec

from tap_tuple.exceptions import InvalidCallError, RetriableError
from tap_tuple.faults import LATER

if TYPE_CHECKING:
    from collections.abc import Callable


class User(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Who took part."""

    email: str | None = None


class Participation(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One stay of one person in a call."""

    id: int | None = None
    joined_at: str | None = None
    left_at: str | None = None
    user: User | None = None


class Call(msgspec.Struct, forbid_unknown_fields=True, gc=False, kw_only=True):
    """A completed call. The fields are the API's, in its order; the texts are as it wrote them.

    Source: https://docs.tuple.app/team-management/usage-api-alpha
    """

    id: int
    started_at: str | None = None
    ended_at: str
    duration_seconds: int | None = None
    call_participations: list[Participation | None] | None = None


Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Stay(msgspec.Struct, gc=False):
    """The instants of a participation."""

    joined_at: Instant | None = None
    left_at: Instant | None = None


class Times(msgspec.Struct, gc=False, kw_only=True):
    """The instants of a call: what it is ordered by, and the proof that each of its datetimes is one."""

    started_at: Instant | None = None
    ended_at: Instant
    call_participations: list[Stay | None] | None = None


@dataclass(frozen=True)
class Calls:
    """Calls in the order in which they came, and beside each its instants."""

    calls: list[Call]
    times: list[Times]

    def __len__(self) -> int:
        return len(self.calls)

    @cached_property
    def ids(self) -> list[int]:
        """The calls' ids."""
        return [call.id for call in self.calls]

    @cached_property
    def ended(self) -> list[datetime]:
        """The instants at which the calls ended."""
        return [times.ended_at for times in self.times]

    def ids_since(self, instant: datetime) -> set[int]:
        """The ids of those that ended at or after an instant."""
        return {call_id for call_id, ended in zip(self.ids, self.ended, strict=True) if ended >= instant}

    def where(self, wanted: Callable[[int, datetime], bool]) -> Calls:
        """Those that are wanted, by their id and the instant at which they ended."""
        kept = [wanted(call_id, ended) for call_id, ended in zip(self.ids, self.ended, strict=True)]
        return Calls(list(compress(self.calls, kept)), list(compress(self.times, kept)))


CALLS = msgspec.json.Decoder(list[Call])
TIMES = msgspec.json.Decoder(list[Times])
ANYTHING = msgspec.json.Decoder()
PLACE = re.compile(r"(?P<problem>.*) - at `\$\[(?P<index>\d+)\]\.?(?P<field>.*)`", re.DOTALL)


def read(body: bytes, on_unknown_field: Callable[[str], None]) -> Calls:
    """Reads the calls of a page.

    Args:
        body: A JSON array of calls.
        on_unknown_field: Called with the name of each field that a call is not known to have, such as
            `call_participations.device`; the field is left out.

    Returns:
        The calls; a field that is missing is None.

    Raises:
        RetriableError: The body is no JSON array of objects; the message says what it is.
        InvalidCallError: A call has no `id` or `ended_at`, or a field of the wrong type.
    """
    try:
        try:
            return Calls(CALLS.decode(body), TIMES.decode(body))
        except msgspec.ValidationError as error:
            whole = ANYTHING.decode(body)
            if not isinstance(whole, list) or not all(isinstance(call, dict) for call in whole):
                raise _not_calls(_kind(whole)) from None
            if "unknown field" not in str(error):
                raise _invalid_call(whole, str(error)) from None
        for name in sorted(_drop_unknown(whole, Call)):
            on_unknown_field(name)
        try:
            return Calls(msgspec.convert(whole, list[Call]), TIMES.decode(body))
        except msgspec.ValidationError as error:
            raise _invalid_call(whole, str(error)) from None
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise _not_calls(_malformed_kind(body, error)) from None


def _not_calls(kind: str) -> RetriableError:
    return RetriableError(f"The API answered with {kind} in place of a JSON array of calls", LATER)


def _kind(whole: Any) -> str:  # noqa: ANN401 - anything that JSON can hold
    if isinstance(whole, list):
        return "an array of something else"
    kinds = {dict: "an object", str: "a string", bool: "a boolean", type(None): "null"}
    return f"{kinds.get(type(whole), 'a number')} (JSON)"


def _malformed_kind(body: bytes, error: Exception) -> str:
    start = body.lstrip()[:1]
    if not start:
        return "nothing"
    if start == b"<":
        return "an HTML or XML page"
    return "half a JSON value" if "truncated" in str(error) else "something that is not JSON"


def _invalid_call(whole: list[dict[str, Any]], error: str) -> InvalidCallError:
    """Names the call and the field, and says what is wrong; never what the field holds."""
    place = PLACE.match(error)
    if place is None:
        return InvalidCallError(f"The API answered with an invalid call: {error}.")
    index, call_id = int(place["index"]), whole[int(place["index"])].get("id")
    call = f"call {call_id}" if type(call_id) is int else f"call number {index + 1} of a page"
    field = f", field {place['field']}" if place["field"] else ""
    return InvalidCallError(
        f"The API answered with an invalid {call}{field}: {place['problem']}. Nothing of its page is "
        "written; tell Tuple's support, or look for a newer tap-tuple."
    )


def _drop_unknown(objects: list[dict[str, Any]], kind: type[msgspec.Struct], path: str = "") -> set[str]:
    """Takes what `kind` does not know out of the objects, nested ones included, and returns its names."""
    names: set[str] = set()
    nested = {field.name: _nested_kind(field.type) for field in msgspec.structs.fields(kind)}
    for item in objects:
        for name in [name for name in item if name not in nested]:
            names.add(f"{path}{name}")
            del item[name]
        for name, value in item.items():
            if inner := nested[name]:
                values = value if isinstance(value, list) else [value]
                names |= _drop_unknown([v for v in values if isinstance(v, dict)], inner, f"{path}{name}.")
    return names


def _nested_kind(annotation: Any) -> type[msgspec.Struct] | None:  # noqa: ANN401 - a type, or a union of some
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return annotation
    return next(filter(None, map(_nested_kind, get_args(annotation))), None)
