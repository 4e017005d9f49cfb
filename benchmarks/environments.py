"""Creates a virtual environment for each program in the checkout, and again when its requirements change."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PEERS = Path(__file__).parent / "peers"


class Environment(NamedTuple):
    """A virtual environment, and the distribution that it is for."""

    folder: Path
    distribution: str

    def program(self, name: str) -> str:
        """Return the path of a program in the environment."""
        return str(self.folder / "bin" / name)

    @property
    def version(self) -> str:
        """The installed version of the distribution."""
        code = f"from importlib.metadata import version; print(version({self.distribution!r}))"
        return subprocess.run(
            [self.program("python"), "-c", code], stdout=subprocess.PIPE, text=True, check=True
        ).stdout.strip()


def of_peer(name: str, distribution: str) -> Environment:
    """Return the environment of a peer, created from its `requirements.txt`."""
    requirements = PEERS / name / "requirements.txt"
    folder = ROOT / f".venv-bench-{name.replace('_', '-')}"
    _create(folder, ["--requirement", str(requirements)], requirements)
    return Environment(folder, distribution)


def of_tap() -> Environment:
    """Return the environment of the tap: this checkout without development dependencies."""
    folder = ROOT / ".venv-bench-tap-tuple"
    _create(folder, ["--editable", str(ROOT)], ROOT / "pyproject.toml")
    return Environment(folder, "tap-tuple")


def _create(folder: Path, install: list[str], pins: Path) -> None:
    created_from = folder / ".made-from"
    expected = f"Python {sys.version}\n{pins.read_text('utf-8')}"
    if created_from.is_file() and created_from.read_text("utf-8") == expected:
        return
    print(f"Creating {folder.name} …", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    done = subprocess.run(
        [folder / "bin" / "python", "-m", "pip", "install", "--quiet", *install],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\nCannot create {folder.name}; see the log of pip above.")
    created_from.write_text(expected, "utf-8")
