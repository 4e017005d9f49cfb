"""Calls as the API returns them, and how a response body is decoded."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, reduce
from operator import getitem
from typing import Annotated, Any, NamedTuple

import msgspec
import requests

from tap_tuple.exceptions import NO_DATA_LOST, ApiError, RetriableError


class User(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The person of a participation."""

    email: str | None = None


class Participation(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One person's stay in a call, from joining to leaving."""

    id: int | None = None
    joined_at: str | None = None
    left_at: str | None = None
    user: User | None = None


class Call(msgspec.Struct, forbid_unknown_fields=True, gc=False, kw_only=True):
    """A completed call, with the API's fields in the API's order; timestamps are strings as the API wrote them."""

    id: int
    started_at: str | None = None
    ended_at: str
    duration_seconds: int | None = None
    call_participations: list[Participation | None] | None = None


Timestamp = Annotated[datetime, msgspec.Meta(tz=True)]


class ParticipationTimes(msgspec.Struct, gc=False):
    """The parsed timestamps of a participation."""

    joined_at: Timestamp | None = None
    left_at: Timestamp | None = None


class CallTimes(msgspec.Struct, gc=False):
    """The parsed timestamps of a call."""

    ended_at: Timestamp
    started_at: Timestamp | None = None
    call_participations: list[ParticipationTimes | None] | None = None


@dataclass(frozen=True)
class Calls:
    """Calls in the order of a response, and their parsed timestamps in the same order."""

    items: list[Call]
    times: list[CallTimes]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, part: slice) -> Calls:
        """Return some of the calls."""
        return Calls(self.items[part], self.times[part])

    @cached_property
    def ids(self) -> list[int]:
        """The id of each call."""
        return [call.id for call in self.items]

    @cached_property
    def ended_at(self) -> list[datetime]:
        """When each call ended."""
        return [times.ended_at for times in self.times]

    @cached_property
    def in_order(self) -> bool:
        """Whether the calls are sorted by `ended_at`, ascending."""
        return self.ended_at == sorted(self.ended_at)

    def in_time_order(self) -> Calls:
        """Return the calls sorted by `ended_at`."""
        return self if self.in_order else self.pick(sorted(range(len(self)), key=self.ended_at.__getitem__))

    def pick(self, indices: list[int]) -> Calls:
        """Return the calls at these indices, in the order of the indices."""
        return Calls([self.items[index] for index in indices], [self.times[index] for index in indices])


class Page(NamedTuple):
    """One page of calls, and its response."""

    calls: Calls
    total: int | None
    """Number of calls that match the query, by `X-Total-Count`; None if the header is missing or invalid."""
    response: requests.Response


CALLS_DECODER = msgspec.json.Decoder(list[Call])
TIMES_DECODER = msgspec.json.Decoder(list[CallTimes])
UNKNOWN_FIELD = re.compile(r"unknown field `([^`]*)`")
PATH = re.compile(r"at `\$([^`]*)`$")
STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
PLAIN_NAME = re.compile(r"[A-Za-z0-9_]{1,80}")
TYPES = {list: "an array of other values", dict: "an object", str: "a string", bool: "a boolean", type(None): "null"}
logger = logging.getLogger("tap-tuple")


class CallDecoder:
    """Decodes response bodies. Logs each kind of unexpected field once."""

    def __init__(self) -> None:
        self._logged: set[str] = set()

    def decode(self, body: bytes) -> Calls:
        """Decode a JSON array of calls. Unknown fields are dropped; missing and invalid ones become null.

        Raises:
            RetriableError: The body is not a JSON array of objects.
            ApiError: A call has no valid `id` or `ended_at`.
        """
        try:
            # Decoding twice is faster than parsing timestamps one by one, and the records keep the API's strings.
            return Calls(CALLS_DECODER.decode(body), TIMES_DECODER.decode(body))
        except (msgspec.DecodeError, RecursionError, ValueError):
            # Slower, but it accepts any ISO 8601 format, and knows what is wrong.
            calls = list(map(self._convert, _decode_objects(body)))
            return Calls(calls, list(map(_times, calls)))

    def _convert(self, item: dict[str, Any]) -> Call:
        while True:
            try:
                call = msgspec.convert(item, Call)
                break
            except msgspec.ValidationError as error:
                self._repair(item, str(error))
        for owner in (call, *filter(None, call.call_participations or ())):
            for field in ("started_at", "joined_at", "left_at"):
                if not _is_timestamp(getattr(owner, field, None)):
                    self._warn_of_null(call.id, field, "an ISO 8601 datetime")
                    setattr(owner, field, None)
        if not _is_timestamp(call.ended_at):
            raise _invalid_call(item, "field `ended_at` is not an ISO 8601 datetime")
        return call

    def _repair(self, item: dict[str, Any], error: str) -> None:
        """Drop the unknown field, or replace the invalid value, that a validation error names."""
        place = PATH.search(error)
        steps: list[Any] = [name or int(index) for name, index in STEP.findall(place[1])] if place else []
        document: Any = item
        names = [step for step in steps if isinstance(step, str)]
        if unknown := UNKNOWN_FIELD.search(error):
            del reduce(getitem, steps, document)[unknown[1]]
            path = ".".join([*names, unknown[1] if PLAIN_NAME.fullmatch(unknown[1]) else "(unusual name)"])
            self._warn_once(f"Ignoring unknown field `{path}`")
            return
        if not steps or steps in (["id"], ["ended_at"]):
            raise _invalid_call(item, error)
        owner, last = reduce(getitem, steps[:-1], document), steps[-1]
        value, expected = owner[last], error.partition(",")[0].removeprefix("Expected ").split(" | ")[0].strip("`")
        is_integral = expected == "int" and isinstance(value, float) and value.is_integer()
        owner[last] = int(value) if is_integral else None
        if not is_integral:
            self._warn_of_null(item.get("id"), ".".join(names), f"of type {expected}")

    def _warn_of_null(self, call_id: object, field: str, expected: str) -> None:
        self._warn_once(f"Field `{field}` is not {expected}: writing null", f" (first in call {call_id})")

    def _warn_once(self, message: str, detail: str = "") -> None:
        if message not in self._logged:
            self._logged.add(message)
            logger.warning("%s%s", message, detail)


def _times(call: Call) -> CallTimes:
    participations = [
        ParticipationTimes(_parse(each.joined_at), _parse(each.left_at)) if each else None
        for each in call.call_participations or ()
    ]
    return CallTimes(datetime.fromisoformat(call.ended_at), _parse(call.started_at), participations)


def _parse(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _is_timestamp(text: str | None) -> bool:
    try:
        return text is None or datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _invalid_call(item: dict[str, Any], problem: str) -> ApiError:
    name = item["id"] if type(item.get("id")) is int else "without a valid `id`"
    remedy = "The page was not written. Contact Tuple support, or upgrade tap-tuple."
    return ApiError(f"Invalid call {name}: {problem}. {remedy}")


def _decode_objects(body: bytes) -> list[dict[str, Any]]:
    start = body.lstrip()[:1]
    received = "an empty body" if not start else "an HTML or XML page" if start == b"<" else "invalid JSON"
    try:
        document = msgspec.json.decode(body)
        if isinstance(document, list) and all(isinstance(call, dict) for call in document):
            return document
        received = f"{TYPES.get(type(document), 'a number')} (JSON)"
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        received = "truncated JSON" if start and "truncated" in str(error) else received
    raise RetriableError(f"Expected a JSON array of calls, got {received}", f"{NO_DATA_LOST} Or check `api_url`.")
