"""Reads the `Link` header as RFC 8288 has it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# RFC 8288, section 3: Link = #link-value; link-value = "<" URI-Reference ">" *( OWS ";" OWS [ link-param ] )
TARGET = re.compile(r"\s*<([^>]*)>")
# A link-param is a token, alone or with a value; the value is a token or a quoted string (RFC 9110, 5.6.4).
# What neither is counts up to the next `;` or `,`, and a string without its last quote up to the end (appendix B).
PARAMETER = re.compile(r'\s*;\s*(?:([^\s=;,"<>]+)(?:\s*=\s*("(?:[^"\\]|\\.)*(?:"|\\?\Z)|[^;,]*))?)?', re.DOTALL)
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)', re.DOTALL)
ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Link(NamedTuple):
    """One link of a header: where it leads, and its relations in lower case."""

    target: str
    relations: frozenset[str]


def parse(header: str) -> Iterator[Link]:
    """Reads all links of a header; several headers are one, joined by commas (RFC 9110, 5.3).

    Args:
        header: For example `<https://example.com/?page=2>; rel="next", </?page=9>; rel=last`.

    Yields:
        The links in their order. What cannot be read is passed over; a link with an `anchor` speaks of
        another page than the one it came with (RFC 8288, 3.2) and is passed over as well.
    """
    position = 0
    while position < len(header):
        if not (target := TARGET.match(header, position)):
            position = header.find(",", position) + 1
            if not position:
                return
            continue
        position = target.end()
        parameters: dict[str, str] = {}
        while parameter := PARAMETER.match(header, position):
            position = parameter.end()
            if parameter[1]:
                # Of several parameters of a name the first counts (RFC 8288, 3.3).
                parameters.setdefault(parameter[1].lower(), _unquoted(parameter[2] or ""))
        if "anchor" not in parameters:
            yield Link(target[1].strip(), frozenset(parameters.get("rel", "").lower().split()))


def _unquoted(value: str) -> str:
    quoted = QUOTED.match(value)
    return ESCAPED.sub(r"\1", quoted[1]) if quoted else value.strip()
