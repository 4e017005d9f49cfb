"""The GitHub workflows run the project's own checks, and publish only what passed them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def jobs(workflow: str) -> dict[str, Any]:
    path = ROOT / ".github" / "workflows" / workflow
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    return found


def project_version() -> str:
    [version] = re.findall('^version = "(.+)"$', PYPROJECT, re.MULTILINE)
    return str(version)


def run_tag_check(tag: str) -> subprocess.CompletedProcess[str]:
    [script] = [
        step["run"]
        for step in jobs("publish.yml")["build"]["steps"]
        if step.get("name") == "Check that the tag matches the version"
    ]
    return subprocess.run(
        ["bash", "-e", "-c", script],  # noqa: S607 - the runner finds bash on its PATH as well
        cwd=ROOT,
        env={**os.environ, "GITHUB_REF_NAME": tag},
        capture_output=True,
        text=True,
        check=False,
    )


def test_ci_runs_every_check_that_a_change_must_pass() -> None:
    assert ".ci/run" in [step.get("run") for step in jobs("ci.yml")["checks"]["steps"]]


def test_ci_tests_exactly_the_python_versions_that_the_package_claims() -> None:
    ci = jobs("ci.yml")
    [python_of_checks] = [
        step["with"]["python-version"]
        for step in ci["checks"]["steps"]
        if step.get("uses", "").startswith("actions/setup-python@")
    ]
    tested = [python_of_checks, *ci["test"]["strategy"]["matrix"]["python-version"]]
    claimed = re.findall(r"Programming Language :: Python :: (3\.\d+)", PYPROJECT)
    assert sorted(tested) == sorted(claimed)


def test_a_release_is_published_only_after_the_checks_and_the_build() -> None:
    publish = jobs("publish.yml")
    assert publish["test"]["uses"].endswith("/.github/workflows/ci.yml")
    assert set(publish["publish"]["needs"]) == {"test", "build"}


def test_a_tag_that_names_the_version_can_be_published() -> None:
    assert run_tag_check(f"v{project_version()}").returncode == 0


@pytest.mark.parametrize("tag", ["v0.0.0", "v", f"v{project_version()}.1", project_version()])
def test_a_tag_that_does_not_name_the_version_is_not_published(tag: str) -> None:
    run = run_tag_check(tag)
    assert run.returncode == 1
    assert f"{tag} does not match version {project_version()}" in run.stdout
