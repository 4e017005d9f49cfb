"""The environments of the programs: one each, below the checkout, rebuilt when its pins change."""

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
    """An environment, and the distribution for which it exists."""

    folder: Path
    distribution: str

    def program(self, name: str) -> str:
        """Return the path of one of its programs."""
        return str(self.folder / "bin" / name)

    @property
    def version(self) -> str:
        """The installed version of the distribution."""
        code = f"from importlib.metadata import version; print(version({self.distribution!r}))"
        return subprocess.run(
            [self.program("python"), "-c", code], stdout=subprocess.PIPE, text=True, check=True
        ).stdout.strip()


def of_peer(name: str, distribution: str) -> Environment:
    """Make the environment of a peer from its `requirements.txt`."""
    requirements = PEERS / name / "requirements.txt"
    folder = ROOT / f".venv-bench-{name.replace('_', '-')}"
    _make(folder, ["--requirement", str(requirements)], requirements)
    return Environment(folder, distribution)


def of_tap() -> Environment:
    """Make the environment of the tap: this checkout, without development dependencies."""
    folder = ROOT / ".venv-bench-tap-tuple"
    _make(folder, ["--editable", str(ROOT)], ROOT / "pyproject.toml")
    return Environment(folder, "tap-tuple")


def _make(folder: Path, install: list[str], pins: Path) -> None:
    made = folder / ".made-from"
    wanted = f"Python {sys.version}\n{pins.read_text('utf-8')}"
    if made.is_file() and made.read_text("utf-8") == wanted:
        return
    print(f"Making {folder.name} …", flush=True)
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
        sys.exit(f"{done.stdout}\n{folder.name} cannot be made; pip's log is above.")
    made.write_text(wanted, "utf-8")
