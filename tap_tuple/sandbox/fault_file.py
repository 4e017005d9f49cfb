"""Faults as a JSON file: a list of objects with the keys of `Fault`, those that take code aside."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tap_tuple.sandbox.faults import CONNECTIONS, Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 1  # an exact type, because True is an int to Python


def _is_count_or_null(value: object) -> bool:
    return value is None or _is_count(value)


def _is_status(value: object) -> bool:
    return type(value) is int and value in range(200, 600)


def _is_duration(value: object) -> bool:
    return type(value) in {int, float} and value >= 0  # type: ignore[operator] # it is a number by then


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_header_map(value: object) -> bool:
    return isinstance(value, dict) and all(
        each is None or _is_text(each) or (isinstance(each, list) and all(map(_is_text, each)))
        for each in value.values()
    )


def _is_connection(value: object) -> bool:
    return value in CONNECTIONS


def _is_count_or_ids(value: object) -> bool:
    return _is_count(value) or isinstance(value, list)


def _is_call_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(call, dict) for call in value)


# Each key with what its value must be, as a check and in words.
_KEYS: dict[str, tuple[Callable[[object], bool], str]] = {
    "on": (_is_count, "a number from 1"),
    "page": (_is_count, "a number from 1"),
    "times": (_is_count_or_null, "a number from 1, or null for ever"),
    "delay_seconds": (_is_duration, "a number from 0"),
    "delete": (_is_count_or_ids, "a number from 1 or a list of ids"),
    "insert": (_is_call_list, "a list of calls"),
    "status": (_is_status, "a number from 200 to 599"),
    "body": (_is_text, "text"),
    "link": (_is_text, "text"),
    "headers": (_is_header_map, "an object of texts, lists of texts or nulls"),
    "connection": (_is_connection, f"one of {', '.join(CONNECTIONS)}"),
}


def load_faults(path: Path) -> list[Fault]:
    """Reads a file of faults.

    Raises:
        OSError: The file can't be read.
        ValueError: It holds something else than faults; says what, and where.
    """
    try:
        entries = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    if not isinstance(entries, list):
        raise ValueError(f"{path} is not a list of faults")  # noqa: TRY004 - one error for what a file holds
    try:
        return [_fault(number, entry) for number, entry in enumerate(entries, 1)]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _fault(number: int, entry: object) -> Fault:
    if not isinstance(entry, dict):
        raise ValueError(f"fault {number} is not an object")  # noqa: TRY004 - as above
    for key, value in entry.items():
        if key not in _KEYS:
            raise ValueError(f"fault {number} has an unknown key {key!r}; known are {', '.join(_KEYS)}")
        is_right, words = _KEYS[key]
        if not is_right(value):
            raise ValueError(f"{key} of fault {number} is not {words}")
    settings: dict[str, Any] = {key: value.encode() if key == "body" else value for key, value in entry.items()}
    try:
        return Fault(**settings)
    except ValueError as error:
        raise ValueError(f"fault {number}: {error}") from None
