"""The `Link` header is parsed as RFC 8288 defines it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests import Response

from tap_tuple.api.pagination import parse_links


def relations(header: str) -> list[tuple[str, list[str]]]:
    return [(link.target, sorted(link.relations)) for link in parse_links(header)]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", []),
        ('<https://a.example/?page=2>; rel="next"', [("https://a.example/?page=2", ["next"])]),
        ('</p?page=2>; rel="next"', [("/p?page=2", ["next"])]),
        ('<?page=2>; rel="next"', [("?page=2", ["next"])]),
        ('<>; rel="next"', [("", ["next"])]),
        ("</2>; rel=next", [("/2", ["next"])]),
        ('</2>;rel="next"', [("/2", ["next"])]),
        ('</2> ; rel = "next"', [("/2", ["next"])]),
        ('</2>\t;\trel\t=\t"next"', [("/2", ["next"])]),
        ("</2>; ; rel=next;", [("/2", ["next"])]),
        ('</2>; rel="next last"', [("/2", ["last", "next"])]),
        ('</2>; rel="last  next"', [("/2", ["last", "next"])]),
        ('</2>; rel=" next "', [("/2", ["next"])]),
        ('</2>; REL="Next"', [("/2", ["next"])]),
        ("</2>; Rel=NEXT", [("/2", ["next"])]),
        ('</2>; rel="https://example.com/rels#next"', [("/2", ["https://example.com/rels#next"])]),
        ('</2>; title="a, b"; rel="next"', [("/2", ["next"])]),
        ('</2>; title="a; rel=prev; b"; rel="next"', [("/2", ["next"])]),
        (r'</2>; title="a \"; rel=prev; \" b"; rel="next"', [("/2", ["next"])]),
        (r'</2>; title="a \\"; rel="next"', [("/2", ["next"])]),
        (r'</2>; rel="ne\xt"', [("/2", ["next"])]),
        ("</2>; title*=UTF-8'en'%e2%82%ac; rel=next", [("/2", ["next"])]),
        ("</2>; title=a=b; rel=next", [("/2", ["next"])]),
        ("</2>; preload; rel=next", [("/2", ["next"])]),
        ("</2?a=1,2;3>; rel=next", [("/2?a=1,2;3", ["next"])]),
        ("</2>; rel=prev; rel=next", [("/2", ["prev"])]),
        ('</2>; rel=""; rel=next', [("/2", [])]),
        ("</2>", [("/2", [])]),
        ("</2>; rel", [("/2", [])]),
        ("</2>; relation=next", [("/2", [])]),
        ('</1>; rel="prev", </3>; rel="next"', [("/1", ["prev"]), ("/3", ["next"])]),
        ("</1>;rel=prev,</3>;rel=next", [("/1", ["prev"]), ("/3", ["next"])]),
        (', ,</1>; rel="prev",, </3>; rel="next",', [("/1", ["prev"]), ("/3", ["next"])]),
        ('</1>; title="x, </9>; rel=next", </3>; rel="next"', [("/1", []), ("/3", ["next"])]),
        ('</2>; rel="next"; anchor="/other"', []),
        ('</1>; anchor="/other"; rel="next", </3>; rel="next"', [("/3", ["next"])]),
    ],
)
def test_a_valid_header_is_parsed(header: str, expected: list[tuple[str, list[str]]]) -> None:
    assert relations(header) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("</2>; rel=prev next", [("/2", ["next", "prev"])]),
        ("</2>; title=two words; rel=next", [("/2", ["next"])]),
        ('</2>; rel="next', [("/2", ["next"])]),
    ],
)
def test_an_invalid_header_is_parsed_as_in_appendix_b_of_rfc_8288(
    header: str, expected: list[tuple[str, list[str]]]
) -> None:
    assert relations(header) == expected


@pytest.mark.parametrize("broken", ["rubbish", 'rel="next"', "/2; rel=next", ">; rel=next"])
def test_a_malformed_link_does_not_hide_the_other_links(broken: str) -> None:
    assert relations(f'{broken}, </3>; rel="next"')[-1] == ("/3", ["next"])
    assert relations(f'</3>; rel="next", {broken}')[0] == ("/3", ["next"])


def test_next_links_that_the_requests_library_misses_are_found() -> None:
    for header in ('</2>; rel="next last"', '</2>; REL="Next"', '</2>; title="a, <b>; c"; rel="next"'):
        response = Response()
        response.headers["Link"] = header
        assert response.links.get("next", {}).get("url") != "/2"
        assert "next" in next(parse_links(header)).relations


TOKENS = st.text(st.sampled_from("!#$%&'*+-.^_`|~09AZaz"), min_size=1, max_size=9)
SPACES = st.text(" \t", max_size=2)
TARGETS = st.text(st.sampled_from("/?&=;,:'%20next\u00e9\""), max_size=20)
RELATIONS = st.lists(st.text(st.sampled_from("adelnprtvx.-09"), min_size=1, max_size=9), min_size=1, max_size=3)
VALUES = st.text(st.sampled_from("<>;,=\\\" \t'relnext\u00e9"), max_size=20)


def quoted(value: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'


@st.composite
def links(draw: st.DrawFn) -> tuple[str, tuple[str, list[str]]]:
    """Return a link in any valid notation, and its target and relations."""
    target, rel = draw(TARGETS), draw(RELATIONS)
    value = " ".join(rel)
    name = draw(st.sampled_from(["rel", "Rel", "REL"]))
    rel_value = value if len(rel) == 1 and draw(st.booleans()) else quoted(value)
    parameters: list[tuple[str, str | None]] = [(name, rel_value)]
    for extra in draw(st.lists(TOKENS.filter(lambda token: token.lower() not in {"rel", "anchor"}), max_size=3)):
        parameter = (extra, draw(st.one_of(TOKENS, VALUES.map(quoted), st.none())))
        parameters.insert(draw(st.integers(0, len(parameters))), parameter)
    text = f"<{target}>"
    for parameter_name, parameter_value in parameters:
        text += f"{draw(SPACES)};{draw(SPACES)}{parameter_name}"
        if parameter_value is not None:
            text += f"{draw(SPACES)}={draw(SPACES)}{parameter_value}"
    return text, (target.strip(), sorted(set(rel)))


@given(st.lists(links(), max_size=4), st.data())
def test_every_valid_notation_of_a_link_is_parsed(
    written: list[tuple[str, tuple[str, list[str]]]], data: st.DataObject
) -> None:
    header = ""
    for text, _ in written:
        header += f"{data.draw(SPACES)},{data.draw(SPACES)}" if header else ""
        header += text
    assert relations(header) == [meaning for _, meaning in written]


@given(st.text(st.sampled_from('<>;,="\\ \trelnxt/2')))
def test_any_combination_of_delimiters_is_parsed_without_an_exception(header: str) -> None:
    for link in parse_links(header):
        assert link.target in header
        assert all(relation == relation.strip().lower() and relation for relation in link.relations)


@given(st.text())
def test_any_string_is_parsed_without_an_exception(header: str) -> None:
    assert len(list(parse_links(header))) <= header.count("<")
