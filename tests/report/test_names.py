"""Names and pseudonyms; an anonymous page contains no names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from names import Labels, Pseudonyms, read_or_make_key
from report import Page, build

if TYPE_CHECKING:
    from pathlib import Path


def test_an_anonymous_page_contains_no_names_and_no_addresses(
    database: Path, calls: list[dict[str, Any]], tmp_path: Path
) -> None:
    page = build(database, "--anonymous", "--key-file", tmp_path / "secret.key", "--output", tmp_path / "page.html")
    assert len(page.matrix_order()) == 25
    assert "@" not in page.text
    text = f"{page.text} {page.charts}".lower()
    for email in {participation["user"]["email"] for one in calls for participation in one["call_participations"]}:
        local = email.partition("@")[0]
        for word in (email, local, local.replace(".", " ")):
            assert word not in page.html.lower()
        for word in local.split("."):
            assert not re.search(rf"\b{word}\b", text), word


def test_a_page_that_is_not_anonymous_contains_names(page: Page) -> None:
    assert "Yuki Tanaka" in page.matrix_order()
    assert "@" not in str(page.charts)


def test_pseudonyms_stay_the_same_when_a_person_joins_the_team(tmp_path: Path) -> None:
    before = Pseudonyms(["ann@x.test", "bob@x.test"], read_or_make_key(tmp_path / "secret.key"))
    after = Pseudonyms(["aaron@x.test", "ann@x.test", "bob@x.test"], read_or_make_key(tmp_path / "secret.key"))
    assert [before[email] for email in ("ann@x.test", "bob@x.test")] == [
        after[email] for email in ("ann@x.test", "bob@x.test")
    ]


def test_only_the_owner_can_read_the_key(tmp_path: Path) -> None:
    read_or_make_key(tmp_path / "new" / "secret.key")
    assert (tmp_path / "new" / "secret.key").stat().st_mode & 0o777 == 0o600


def test_pseudonyms_depend_on_the_key() -> None:
    people = [f"person{number}@x.test" for number in range(20)]
    one, other = Pseudonyms(people, b"one"), Pseudonyms(people, b"other")
    assert [one[email] for email in people] != [other[email] for email in people]


def test_each_person_has_a_different_pseudonym() -> None:
    """Three hundred people, several of whom are assigned the same two words."""
    people = [f"person{number}@x.test" for number in range(300)]
    pseudonyms = Pseudonyms(people, b"key")
    names = {pseudonyms[email] for email in people}
    assert len(names) == 300
    assert any(name.endswith(" 2") for name in names)


@pytest.mark.parametrize(
    ("email", "label"),
    [
        ("mei.chen@x.test", "Mei Chen"),
        ("jean-luc.picard@x.test", "Jean-Luc Picard"),
        ("mei.chen+tuple@x.test", "Mei Chen"),
        ("mchen42@x.test", "mchen42"),
        ("zoë_müller@x.test", "Zoë Müller"),
        ("ann@y.test", "ann@y.test"),  # `ann@x.test` is another person
        ("+@x.test", "+@x.test"),
        ("no address", "no address"),
    ],
)
def test_a_name_is_derived_from_an_address_that_contains_one(email: str, label: str) -> None:
    assert Labels([email, "ann@x.test", "bob@x.test"])[email] == label
