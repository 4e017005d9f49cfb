"""The targets, each in a separate environment with the versions that the project pins.

`meltano.yml` pins the targets that it defines; dependency groups pin the others.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found]  # a dependency of pytest on Python 3.10

ROOT = Path(__file__).parent.parent.parent
MELTANO = ROOT / ".venv-demo" / "bin" / "meltano"


def meltano_yml() -> dict[str, Any]:
    """Return the project's `meltano.yml`."""
    project: dict[str, Any] = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    return project


def dependency_groups() -> dict[str, list[str]]:
    """Return the requirements of each dependency group, without the groups that it includes."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups: dict[str, list[Any]] = project["dependency-groups"]
    return {name: [entry for entry in entries if isinstance(entry, str)] for name, entries in groups.items()}


def requirements(loader: str) -> list[str]:
    """Return the requirements that pip installs for a loader."""
    return _in_meltano_yml().get(loader) or dependency_groups()[loader]


def programs(name: str) -> Path:
    """Return the folder of a target's programs, or of another program that a dependency group pins."""
    loaders = _in_meltano_yml()
    if name in loaders:
        return environment_with(name, loaders[name])
    make = shutil.which("make")
    assert make
    subprocess.run([make, "--quiet", f".venv-{name}/.installed"], cwd=ROOT, check=True)
    return ROOT / f".venv-{name}" / "bin"


def environment_with(name: str, required: list[str]) -> Path:
    """Return the folder of an environment's programs; create the environment unless it has these packages."""
    environment = ROOT / f".venv-{name}"
    installed = environment / ".installed"
    expected = "\n".join([sys.version, *required])
    if not installed.exists() or installed.read_text(encoding="utf-8") != expected:
        subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
        python = environment / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", *required], check=True)
        installed.write_text(expected, encoding="utf-8")
    return environment / "bin"


def _in_meltano_yml() -> dict[str, list[str]]:
    """Return the requirements of each loader in `meltano.yml`."""
    return {plugin["name"]: str(plugin["pip_url"]).split() for plugin in meltano_yml()["plugins"]["loaders"]}
