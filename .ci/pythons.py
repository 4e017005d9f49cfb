"""Runs the tests with each supported Python that is installed, and prints which ones were used."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
SUPPORTED = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', PROJECT)


def interpreter(version: str) -> str | None:
    """Return the path of an interpreter of this version, from PATH or pyenv, or None if it is not installed."""
    candidates = [shutil.which(f"python{version}")]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates += sorted(map(str, pyenv.glob(f"versions/{version}.*/bin/python3")))
    for candidate in candidates:
        # A pyenv shim is on PATH even if its version is not installed.
        if candidate and subprocess.run([candidate, "--version"], capture_output=True, check=False).returncode == 0:
            return candidate
    return None


def environment(version: str, python: str) -> Path:
    """Return the Python of an environment with the tap and its test dependencies. Create it if it is out of date."""
    folder = ROOT / f".venv-python{version}"
    installed = folder / ".installed"
    venv_python = folder / "bin" / "python"
    if not installed.exists() or installed.read_text(encoding="utf-8") != PROJECT:
        subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
        for requirements in (["pip>=25.1"], ["--editable", ".", "--group", "test"]):
            subprocess.run([venv_python, "-m", "pip", "install", "--quiet", *requirements], cwd=ROOT, check=True)
        installed.write_text(PROJECT, encoding="utf-8")
    return venv_python


def main() -> int:
    """Run the tests with each version; return 1 if they failed with any of them."""
    results = {}
    for version in SUPPORTED:
        python = interpreter(version)
        if python is None:
            results[version] = "skipped: not installed"
            continue
        venv_python = environment(version, python)
        exact = subprocess.run([venv_python, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        print(f"== {exact}", flush=True)
        done = subprocess.run([venv_python, "-m", "pytest", "--quiet", *sys.argv[1:]], cwd=ROOT, check=False)
        results[version] = f"{'passed' if done.returncode == 0 else 'failed'} ({exact})"
    print("\n".join(f"{version}: {result}" for version, result in results.items()))
    return any(result.startswith("failed") for result in results.values())


if __name__ == "__main__":
    sys.exit(main())
