"""`make models`: the package in the demo's database."""

from __future__ import annotations

import csv
import subprocess
import sys
from typing import TYPE_CHECKING

import team
from warehouses import ROOT

from tap_tuple.sandbox import generate_calls

if TYPE_CHECKING:
    from pathlib import Path

    from warehouses import DuckDb


def models(database: Path) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [sys.executable, "-m", "demo.models", database]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_make_models_prints_who_paired_which_pairs_are_due_and_how_newcomers_connect(duckdb_file: DuckDb) -> None:
    duckdb_file.run(team.tables())
    done = models(duckdb_file.path)
    assert done.returncode == 0, done.stdout + done.stderr
    _, month, due, newcomers = done.stdout.split(":\n\n")
    assert [line.split() for line in month.splitlines()[1:2]] == [
        ["2026-03-01", team.ANN, "bob.old@x.test", "1", "0.5"],
    ]
    # The people of the test are not on the list, and those of the demo have no calls.
    assert "atlas" in due
    assert team.ANN not in due
    assert "newcomers  " in newcomers
    assert "everybody else" in newcomers
    assert done.stderr == ""


def test_without_the_demo_make_models_says_to_run_it_first(tmp_path: Path) -> None:
    done = models(tmp_path / "none.duckdb")
    assert done.returncode == 1
    assert "Run `make demo` first" in done.stderr


def test_the_list_of_people_has_all_participants_of_the_demo_and_one_person_without_calls() -> None:
    with (ROOT / "demo" / "people.csv").open(encoding="utf-8") as file:
        listed = {row["email"] for row in csv.DictReader(file)}
    called = {
        participation["user"]["email"] for call in generate_calls(2500) for participation in call["call_participations"]
    }
    assert called < listed
