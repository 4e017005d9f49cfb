"""The image of `source-tuple` states the version that it contains."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

DOCKERFILE = (Path(__file__).parents[2] / "Dockerfile").read_text(encoding="utf-8")


def test_the_label_of_the_image_is_the_version_of_the_package() -> None:
    assert re.findall('io.airbyte.version="(.+)"', DOCKERFILE) == [metadata.version("tap-tuple")]


def test_the_image_runs_as_a_numeric_user_other_than_root() -> None:
    assert re.findall("^USER (.+)$", DOCKERFILE, re.MULTILINE)[-1] == "1000:1000"
