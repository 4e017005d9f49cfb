"""Which calls a request asks for: its parameters, read as the API reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from tap_tuple.sandbox.instants import parse_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFAULT_PER_PAGE = 100
_MOST_PER_PAGE = 1000

# 18 digits at most: beyond any page there is, and short of where Python refuses to read a number.
_POSITIVE_NUMBER = re.compile(r"0*[1-9]\d{0,17}", re.ASCII)


class RefusedError(Exception):
    """The request gets no calls, but this status and message; without one, the words of the status."""

    def __init__(self, status: HTTPStatus, message: str = "") -> None:
        super().__init__(message)
        self.status = status.value
        self.message = message


@dataclass(frozen=True, slots=True)
class Window:
    """The calls that ended from `since_ms` to before `until_ms` (since 1970), and a page of them."""

    since_ms: int
    until_ms: int
    page: int
    per_page: int

    @classmethod
    def parse(cls, query: Mapping[str, str], present_ms: int) -> Window:
        """Reads the parameters; the present stands for an `until` that was not sent.

        Raises:
            RefusedError: One is missing or malformed.
        """
        return cls(
            since_ms=_instant(query, "since"),
            until_ms=_instant(query, "until") if "until" in query else present_ms,
            page=_positive(query, "page", 1),
            per_page=min(_positive(query, "per_page", _DEFAULT_PER_PAGE), _MOST_PER_PAGE),
        )


def _instant(query: Mapping[str, str], name: str) -> int:
    try:
        return parse_ms(query[name])
    except KeyError:
        message = f"{name} is missing"
    except ValueError:
        message = f"{name} is not an ISO 8601 datetime"
    raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, message)


def _positive(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if _POSITIVE_NUMBER.fullmatch(text) is None:
        raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name} is not a positive number")
    return int(text)
