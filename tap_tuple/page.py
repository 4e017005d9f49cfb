"""A page: one answer of the API."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tap_tuple import calls

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests


class Page(NamedTuple):
    """The calls of an answer, and what its headers say of the other pages."""

    calls: calls.Calls
    announced: int | None
    """How many calls the whole query has, by `X-Total-Count`; None where that is missing or no number."""
    response: requests.Response


def read(response: requests.Response, body: bytes, on_unknown_field: Callable[[str], None]) -> Page:
    """Reads a page from an answer with status 200.

    Args:
        response: The answer.
        body: Its body.
        on_unknown_field: Called with the name of each field that a call is not known to have.

    Raises:
        RetriableError: The body is no JSON array of calls.
        InvalidCallError: A call has no `id` or `ended_at`, or a field of the wrong type.
    """
    total = response.headers.get("X-Total-Count", "").strip()
    announced = int(total) if re.fullmatch("[0-9]{1,15}", total) else None
    return Page(calls.read(body, on_unknown_field), announced, response)
