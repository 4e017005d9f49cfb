"""The documentation and `meltano.yml` match the settings and the pinned versions, and every link has a target."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tap_tuple.settings import DEFINITIONS

ROOT = Path(__file__).parent.parent
OWN_SETTINGS = [definition.name for definition in DEFINITIONS.wrapped.values()]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
KINDS = {"auth_token": "password", "start_date": "date_iso8601", "end_date": "date_iso8601"}
"""Kinds in `meltano.yml` that say more than the JSON type."""


@pytest.fixture(scope="module")
def about() -> dict[str, dict[str, Any]]:
    """The settings, as `--about` prints them."""
    command = [sys.executable, "-m", "tap_tuple", "--about", "--format", "json"]
    printed = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    required = printed["settings"].get("required", [])
    return {
        name: {**definition, "required": name in required}
        for name, definition in printed["settings"]["properties"].items()
    }


def settings_in_meltano_yml() -> dict[str, dict[str, Any]]:
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    [plugin] = project["plugins"]["extractors"]
    return {setting["name"]: setting for setting in plugin["settings"]}


def settings_in_readme() -> dict[str, tuple[str, str, str]]:
    """The type, the default and the description of each setting in the table of the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    _, _, table = text.partition("| setting | type | default | description |\n")
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \|$", table.partition("\n\n")[0], re.MULTILINE)
    return {name: (kind, default, description) for name, kind, default, description in rows}


def json_type(definition: dict[str, Any]) -> str:
    [kind] = set(definition["type"]) - {"null"}
    return str(kind)


def pinned_versions() -> dict[str, str]:
    """The versions that the loaders of `meltano.yml` are pinned to."""
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    named = [requirement for loader in project["plugins"]["loaders"] for requirement in loader["pip_url"].split()]
    return dict(requirement.split("==") for requirement in named)


def demo_group() -> dict[str, str]:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    [group] = re.findall(r"^demo = \[(.*)\]$", text, re.MULTILINE)
    return dict(requirement.split("==") for requirement in json.loads(f"[{group}]"))


def test_meltano_yml_has_exactly_the_settings_of_the_tap(about: dict[str, dict[str, Any]]) -> None:
    # `--about` also lists the properties of objects.
    assert set(settings_in_meltano_yml()) == {name for name in about if "." not in name}


@pytest.mark.parametrize("name", settings_in_meltano_yml())
def test_a_setting_in_meltano_yml_matches_about(name: str, about: dict[str, dict[str, Any]]) -> None:
    setting, definition = settings_in_meltano_yml()[name], about[name]
    assert setting["kind"] == KINDS.get(name, json_type(definition))
    assert (setting["kind"] == "password") == definition.get("secret", False)
    assert setting["label"] == definition["title"]
    assert setting["description"].strip() == definition["description"].strip()
    if name in OWN_SETTINGS:
        assert setting.get("value") == definition.get("default")


def test_meltano_yml_requires_the_settings_that_the_tap_requires(about: dict[str, dict[str, Any]]) -> None:
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    [plugin] = project["plugins"]["extractors"]
    required = [name for name, definition in about.items() if definition["required"]]
    assert plugin["settings_group_validation"] == [required]


def test_meltano_yml_requires_the_version_of_meltano_that_its_syntax_needs() -> None:
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    assert project["requires_meltano"] == ">=4.0"
    assert demo_group()["meltano"].startswith("4.")


def test_the_readme_lists_exactly_the_settings_of_the_tap_in_order() -> None:
    assert list(settings_in_readme()) == OWN_SETTINGS


@pytest.mark.parametrize("name", OWN_SETTINGS)
def test_a_setting_in_the_readme_matches_about(name: str, about: dict[str, dict[str, Any]]) -> None:
    kind, default, description = settings_in_readme()[name]
    definition = about[name]
    assert kind == json_type(definition) + (", secret" if definition.get("secret") else "")
    assert description
    if definition["required"]:
        assert default == "required"
    elif "default" in definition:
        value = definition["default"]
        assert default == f"`{json.dumps(value) if isinstance(value, bool) else value}`"
    else:
        assert default != "required"
        assert not re.fullmatch("`[^`]*`", default), "the README has a default that the tap does not have"


def test_the_demo_and_meltano_yml_use_the_same_duckdb() -> None:
    assert demo_group()["duckdb"] == pinned_versions()["duckdb"]
    assert pinned_versions()["duckdb"] in (ROOT / "docs" / "meltano.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_the_installed_versions(page: Path) -> None:
    named = re.findall(r"([\w-]+)==([\w.]+\w)", page.read_text(encoding="utf-8"))
    groups = re.findall(r'"([\w-]+)(?:\[\w+\])?==([\w.]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    known = {**dict(groups), **demo_group(), **pinned_versions()}
    assert named == [(name, known[name]) for name, _ in named]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_has_an_existing_target(page: Path) -> None:
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"\w+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    headings = re.findall("^#+ (.+)$", FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
