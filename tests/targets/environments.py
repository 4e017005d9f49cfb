"""The targets, each in an environment of its own with the versions that `meltano.yml` pins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
MELTANO = ROOT / ".venv-demo" / "bin" / "meltano"


def meltano_yml() -> dict[str, Any]:
    """The project's `meltano.yml`."""
    project: dict[str, Any] = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    return project


def requirements(loader: str) -> list[str]:
    """What `meltano.yml` has pip install for a loader."""
    loaders = meltano_yml()["plugins"]["loaders"]
    [pip_url] = [plugin["pip_url"] for plugin in loaders if plugin["name"] == loader]
    return str(pip_url).split()


def programs(loader: str) -> Path:
    """The folder of a target's programs; made where it is not there yet, or not with these versions."""
    environment = ROOT / f".venv-{loader}"
    installed = environment / ".installed"
    wanted = "\n".join([sys.version, *requirements(loader)])
    if not installed.exists() or installed.read_text(encoding="utf-8") != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
        python = environment / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", *requirements(loader)], check=True)
        installed.write_text(wanted, encoding="utf-8")
    return environment / "bin"
