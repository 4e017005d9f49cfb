"""Airbyte's definition of `source-tuple` matches the source."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "airbyte-connector"
PAGE = (FOLDER / "source-tuple.md").read_text(encoding="utf-8")
METADATA = yaml.safe_load((FOLDER / "metadata.yaml").read_text(encoding="utf-8"))["data"]
HEADINGS = [
    "Prerequisites",
    "Setup guide",
    "Supported sync modes",
    "Supported streams",
    "Limitations",
    "Changelog",
]


def last_message(*arguments: str) -> dict[str, Any]:
    """Return the last message of a command of the source."""
    command = [sys.executable, "-m", "tap_tuple.airbyte", *arguments]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    message: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return message


def section(heading: str) -> str:
    _, _, text = PAGE.partition(f"\n## {heading}\n")
    return text.partition("\n## ")[0]


def test_the_page_has_the_headings_of_airbyte_and_describes_a_custom_connector() -> None:
    assert re.findall(r"^## (.+)$", PAGE, re.MULTILINE) == HEADINGS
    assert "**custom connector**" in PAGE


def test_the_page_has_the_settings_of_the_source() -> None:
    specification = last_message("spec")["spec"]["connectionSpecification"]
    rows = re.findall(r"^\| `(\w+)` \| (Yes|No) \| (.+) \|$", section("Setup guide"), re.MULTILINE)
    assert [name for name, *_ in rows] == list(specification["properties"])
    assert [name for name, required, _ in rows if required == "Yes"] == specification["required"]
    defaults = {name: re.search(r"Default: (\d+)\.", words) for name, _, words in rows}
    for name, found in defaults.items():
        if found:
            assert specification["properties"][name]["default"] == int(found[1])


def test_the_page_has_the_streams_of_the_source(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"auth_token": "sk-tuple-sandbox"}), encoding="utf-8")
    streams = last_message("discover", "--config", str(config))["catalog"]["streams"]
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| `(\w+)` \|$", section("Supported streams"), re.MULTILINE)
    found = [(s["name"], s["source_defined_primary_key"][0][0], s["default_cursor_field"][0]) for s in streams]
    assert sorted(rows) == sorted(found)
    assert set(METADATA["suggestedStreams"]["streams"]) <= {name for name, *_ in rows}


def test_the_version_matches_the_version_of_the_project() -> None:
    [version] = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert METADATA["dockerImageTag"] == version
    assert set(re.findall(r"source-tuple:([\d.]+)", PAGE)) == {version}
    assert re.search(rf"^\| {re.escape(version)} \|", section("Changelog"), re.MULTILINE)


@pytest.mark.parametrize("registry", ["oss", "cloud"])
def test_the_connector_is_not_in_the_registries_of_airbyte(registry: str) -> None:
    assert METADATA["releaseStage"] == "custom"
    assert METADATA["registryOverrides"][registry] == {"enabled": False}


def test_the_icon_is_the_logo_of_the_project() -> None:
    assert (FOLDER / METADATA["icon"]).read_bytes() == (ROOT / "hub" / "logo.svg").read_bytes()
