"""Builds the models of `dbt/` in the demo's database, and prints the results of the analyses.

`make models` runs it in an environment that has dbt.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbt.cli.main import dbtRunner

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parent.parent
DATABASE = ROOT / "output" / "demo" / "warehouse.duckdb"
QUESTIONS = {
    "who_paired_this_month": "Who paired with whom this month, in alphabetical order:",
    "pairs_that_are_due": "Pairs within a team that have never paired, or not in the last four weeks:",
    "how_newcomers_connect": "Number of partners that people have paired with, by weeks since their first call:",
}
ROWS = 12


def main() -> None:
    """Build the models and print the results. The optional argument is the path of another database."""
    [database] = map(Path, sys.argv[1:]) if sys.argv[1:] else [DATABASE]
    if not database.exists():
        sys.exit(f"Database {_short(database)} not found. Run `make demo` first to create it.")
    # Use a copy of the package, to add the demo's list of people.
    project = database.parent / "dbt"
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(ROOT / "dbt", project, ignore=shutil.ignore_patterns("target", "logs"))
    shutil.copy(Path(__file__).with_name("people.csv"), project / "seeds")
    os.environ |= {"TARGET_DUCKDB_FILEPATH": str(database), "TUPLE_DBT_TARGET": "duckdb"}

    print("Building and testing the models with dbt …", flush=True)
    built = _dbt(project, "build")
    print(f"Built {sum(result.node.resource_type == 'model' for result in built)} models. All tests passed.")
    for name, question in QUESTIONS.items():
        [result] = _dbt(project, "show", "--select", name, "--limit", "-1")
        table = result.agate_table
        print(f"\n{question}\n\n{_text(table.column_names, [tuple(row) for row in table.rows])}")
    print(f"\nTables: {_short(database)} (schema tuple_models)")


def _dbt(project: Path, *arguments: str) -> Any:
    """Run a dbt command and return its results."""
    folders = ["--project-dir", str(project), "--profiles-dir", str(project)]
    done = dbtRunner().invoke(["--log-level", "none", "--no-use-colors", *arguments, *folders])
    if not done.success:
        sys.exit(f"`dbt {arguments[0]}` failed. See {_short(project / 'logs' / 'dbt.log')}. {done.exception or ''}")
    return done.result.results


def _short(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def _text(names: Iterable[str], rows: list[tuple[Any, ...]]) -> str:
    """Format the first rows of a table, and the number of the remaining ones."""
    cells = [tuple(names), *(tuple("" if value is None else str(value) for value in row) for row in rows[:ROWS])]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    if len(rows) > ROWS:
        lines.append(f"… and {len(rows) - ROWS} more")
    return "\n".join(f"  {line}" for line in lines)


if __name__ == "__main__":
    main()
