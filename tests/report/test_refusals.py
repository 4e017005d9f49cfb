"""An unusable database ends the report with a one-line error."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import duckdb
import pytest
from databases import call, write_database
from report import REPORT, run

if TYPE_CHECKING:
    from pathlib import Path


def error_of(*arguments: str | Path) -> str:
    done = run(*arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_a_missing_database_is_an_error(tmp_path: Path) -> None:
    assert "none.duckdb not found." in error_of(tmp_path / "none.duckdb")


def test_a_file_that_is_not_a_database_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "not.duckdb"
    path.write_text("not a database " * 1000)
    assert "Cannot read not.duckdb: " in error_of(path)


def test_a_database_without_the_tables_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "empty.duckdb"
    duckdb.connect(str(path)).close()
    assert "has no table call_participations or calls in schema tuple" in error_of(path)


def test_tables_without_pairs_are_an_error(tmp_path: Path) -> None:
    path = write_database(tmp_path / "w.duckdb", [call(1, "2026-06-01 09:00", 60, "a@x.test")])
    assert "has no call with two people at the same time" in error_of(path)


@pytest.mark.parametrize("zone", ["Europe/Berln", "'; drop table calls; --"])
def test_an_unknown_time_zone_is_an_error(database: Path, zone: str) -> None:
    assert f"Unknown time zone {zone}." in error_of(database, "--time-zone", zone)


def test_without_the_demo_database_the_error_says_to_run_the_demo(tmp_path: Path) -> None:
    """The checkout contains only the report."""
    copy = tmp_path / "examples" / "pairing-report"
    shutil.copytree(REPORT, copy, ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run([sys.executable, copy], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "Database output/demo/warehouse.duckdb not found. Run `make demo` first to create it.\n"
