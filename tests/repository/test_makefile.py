"""The Makefile target that deletes files from the checkout."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

MAKEFILE = Path(__file__).parent.parent.parent / "Makefile"
KEPT = (
    *(".env", ".meltano/meltano.db", ".meltano/run/tap-tuple/state.json", "warehouse.duckdb", "output/calls.jsonl"),
    *("state.json", "calls.jsonl", "tap_tuple/tap.py", ".git/config"),
)
REMOVED = (
    *(".venv/bin/python", ".venv-demo/bin/meltano", "dist/tap_tuple-0.1.0.tar.gz", "build/lib", ".coverage"),
    *(".pytest_cache/README.md", ".mypy_cache/3.10", ".ruff_cache/0", ".hypothesis/unicode", "tap_tuple.egg-info/PKG"),
    *("tap_tuple/__pycache__/tap.pyc", "tests/targets/__pycache__/conftest.pyc"),
)


def test_make_clean_removes_only_build_files(tmp_path: Path) -> None:
    shutil.copy(MAKEFILE, tmp_path)
    for name in (*KEPT, *REMOVED):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)  # noqa: S607 - whichever make
    assert [name for name in KEPT if not (tmp_path / name).exists()] == []
    assert [name for name in REMOVED if (tmp_path / name).exists()] == []
