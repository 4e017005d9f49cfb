"""What stands in two places is the same in both: settings, versions, and where links lead."""

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
# What a JSON type is called in `meltano.yml`, where it is called anything else.
KINDS = {"number": "decimal"}


@pytest.fixture(scope="module")
def about() -> dict[str, dict[str, Any]]:
    """The settings, as `--about` tells of them."""
    command = [sys.executable, "-m", "tap_tuple", "--about", "--format", "json"]
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    required = told["settings"].get("required", [])
    return {
        name: {**definition, "required": name in required}
        for name, definition in told["settings"]["properties"].items()
    }


def in_meltano_yml() -> dict[str, dict[str, Any]]:
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    [plugin] = project["plugins"]["extractors"]
    return {setting["name"]: setting for setting in plugin["settings"]}


def in_readme() -> dict[str, tuple[str, str, str]]:
    """The type, the default and the words of each setting in the table of the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    _, _, table = text.partition("| setting | type | default | what it does |\n")
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \|$", table.partition("\n\n")[0], re.MULTILINE)
    return {name: (kind, default, words) for name, kind, default, words in rows}


def json_type(definition: dict[str, Any]) -> str:
    [kind] = set(definition["type"]) - {"null"}
    return str(kind)


def pins() -> dict[str, str]:
    """The versions that `meltano.yml` and the dependency group `demo` name."""
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    named = [requirement for loader in project["plugins"]["loaders"] for requirement in loader["pip_url"].split()]
    return dict(requirement.split("==") for requirement in named)


def demo_group() -> dict[str, str]:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    [group] = re.findall(r"^demo = \[(.*)\]$", text, re.MULTILINE)
    return dict(requirement.split("==") for requirement in json.loads(f"[{group}]"))


def test_meltano_yml_has_just_the_settings_of_the_tap(about: dict[str, dict[str, Any]]) -> None:
    # Meltano writes the parts of an object as settings of their own; the object itself is enough.
    assert set(in_meltano_yml()) == {name for name in about if "." not in name}


@pytest.mark.parametrize("name", in_meltano_yml())
def test_a_setting_in_meltano_yml_is_what_about_says_it_is(name: str, about: dict[str, dict[str, Any]]) -> None:
    setting, definition = in_meltano_yml()[name], about[name]
    assert setting["kind"] == KINDS.get(json_type(definition), json_type(definition))
    assert setting.get("sensitive", False) == definition.get("secret", False)
    assert setting["label"] == definition["title"]
    assert setting["description"].strip() == definition["description"].strip()
    if name in OWN_SETTINGS:
        assert setting.get("value") == definition.get("default")


def test_meltano_wants_the_settings_that_are_required(about: dict[str, dict[str, Any]]) -> None:
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    [plugin] = project["plugins"]["extractors"]
    required = [name for name, definition in about.items() if definition["required"]]
    assert plugin["settings_group_validation"] == [required]


def test_the_readme_has_just_the_settings_of_the_tap_s_own_in_their_order() -> None:
    assert list(in_readme()) == OWN_SETTINGS


@pytest.mark.parametrize("name", OWN_SETTINGS)
def test_a_setting_in_the_readme_is_what_about_says_it_is(name: str, about: dict[str, dict[str, Any]]) -> None:
    kind, default, words = in_readme()[name]
    definition = about[name]
    assert kind == json_type(definition) + (", secret" if definition.get("secret") else "")
    assert words
    if definition["required"]:
        assert default == "required"
    elif "default" in definition:
        assert default == f"`{definition['default']}`"
    else:
        assert default != "required"
        assert not re.fullmatch("`[^`]*`", default), "that would be a value"


def test_the_demo_reads_with_the_duckdb_that_meltano_yml_loads_with() -> None:
    assert demo_group()["duckdb"] == pins()["duckdb"]
    assert pins()["duckdb"] in (ROOT / "docs" / "meltano.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_the_versions_that_are_installed(page: Path) -> None:
    named = re.findall(r"([\w-]+)==([\w.]+\w)", page.read_text(encoding="utf-8"))
    known = {**demo_group(), **pins()}
    assert named == [(name, known[name]) for name, _ in named]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"\w+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def anchors(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    headings = re.findall("^#+ (.+)$", FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_the_python_of_a_page_that_is_not_run_is_python() -> None:
    fenced = FENCED.findall((ROOT / "docs" / "orchestration.md").read_text(encoding="utf-8"))
    sources = [text for language, text in fenced if language == "python"]
    assert len(sources) == 2
    for source in sources:
        compile(source, "orchestration.md", "exec")
