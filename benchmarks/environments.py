"""The environments of the programs: one each, below the checkout, made once and made anew when its pins change."""

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
    """An environment, and the distribution that it is there for."""

    folder: Path
    distribution: str

    def program(self, name: str) -> str:
        """The path of one of its programs."""
        return str(self.folder / "bin" / name)

    @property
    def version(self) -> str:
        """Which version of the distribution it has."""
        code = f"from importlib.metadata import version; print(version({self.distribution!r}))"
        return subprocess.run(
            [self.program("python"), "-c", code], stdout=subprocess.PIPE, text=True, check=True
        ).stdout.strip()


def of_peer(name: str, distribution: str) -> Environment:
    """Makes the environment of a peer, out of its `requirements.txt`."""
    requirements = PEERS / name / "requirements.txt"
    folder = ROOT / f".venv-bench-{name.replace('_', '-')}"
    _make(folder, ["--requirement", str(requirements)], requirements)
    return Environment(folder, distribution)


def of_tap() -> Environment:
    """Makes the environment of the tap: this checkout, without what development needs."""
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
