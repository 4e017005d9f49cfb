"""The list of people from Tuple's usage report."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from warehouses import PACKAGE, DuckDb

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "email,name,team,start_date,aliases\n"
ANN = {"user_id": 1, "name": "Ann Arbor", "email": "Ann@x.test", "created_at": "2026-01-05T09:30:00.000Z"}
BOB = {"user_id": 2, "name": "Bob Bee", "email": "bob.old@x.test", "created_at": "2026-02-05T09:30:00.000Z"}
REPORT = {"team_members": [{**ANN, "last_sign_in": None, "last_call_at": None}, BOB], "calls": []}


def convert(folder: Path, report: Any) -> subprocess.CompletedProcess[str]:
    path = folder / "usage-report.json"
    path.write_text(report if isinstance(report, str) else json.dumps(report), encoding="utf-8")
    command: list[str | Path] = [sys.executable, PACKAGE / "people.py", path, folder / "people.csv"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_members_become_people_with_the_date_of_their_account(tmp_path: Path) -> None:
    done = convert(tmp_path, REPORT)
    assert done.returncode == 0, done.stderr
    expected = f"{HEADER}Ann@x.test,Ann Arbor,,2026-01-05,\nbob.old@x.test,Bob Bee,,2026-02-05,\n"
    assert (tmp_path / "people.csv").read_text(encoding="utf-8") == expected
    assert "2 people, 2 of them new" in done.stdout


def test_existing_entries_of_the_list_are_kept(tmp_path: Path) -> None:
    kept = "bob@x.test,Bob,design,2020-01-01,bob.old@x.test\ncem@x.test,Cem Cey,design,,\n"
    (tmp_path / "people.csv").write_text(HEADER + kept, encoding="utf-8")
    done = convert(tmp_path, REPORT)
    expected = f"{HEADER}{kept}Ann@x.test,Ann Arbor,,2026-01-05,\n"
    assert (tmp_path / "people.csv").read_text(encoding="utf-8") == expected
    assert "3 people, 1 of them new" in done.stdout
    assert "Not in the report: cem@x.test" in done.stdout


@pytest.mark.parametrize("report", ["", "[]", {"members": []}, {"team_members": [{"email": "a@x.test"}]}])
def test_an_invalid_file_is_an_error_in_one_line_and_does_not_change_the_list(tmp_path: Path, report: Any) -> None:
    (tmp_path / "people.csv").write_text(HEADER, encoding="utf-8")
    done = convert(tmp_path, report)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "people.csv").read_text(encoding="utf-8") == HEADER


def test_dbt_loads_the_list_that_was_written(tmp_path: Path, duckdb_file: DuckDb) -> None:
    convert(tmp_path, REPORT)
    duckdb_file.people = (tmp_path / "people.csv").read_text(encoding="utf-8")
    built = duckdb_file.dbt("build", "--select", "people", "stg_tuple__people", "stg_tuple__aliases")
    assert built.exit_code == 0, built.output
    rows = duckdb_file.rows("select person_id, start_date from tuple_models.stg_tuple__people order by person_id")
    assert [tuple(row.values()) for row in rows] == [("ann@x.test", "2026-01-05"), ("bob.old@x.test", "2026-02-05")]
