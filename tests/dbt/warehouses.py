"""Warehouses with a team's calls, and the package's models in them."""

from __future__ import annotations

import abc
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from postgres import Database

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "dbt"
DBT = Path(sys.executable).with_name("dbt")

Row = dict[str, Any]


@dataclass
class Built:
    """The outcome of one dbt command."""

    exit_code: int
    output: str
    results: list[Row]
    manifest: Row

    def failed(self) -> set[str]:
        """Return the names of the models and tests that failed."""
        return {
            self.manifest["nodes"][result["unique_id"]]["name"]
            for result in self.results
            if result["status"] in {"fail", "error"}
        }


@dataclass
class Warehouse(abc.ABC):
    """A database, and a copy of the package that builds into it.

    Attributes:
        folder: Where the copy of the package is.
        people: The list of people as CSV; the package's own, which is empty, if None.
    """

    folder: Path
    people: str | None = None
    variables: Row = field(default_factory=dict)

    @property
    @abc.abstractmethod
    def environment(self) -> dict[str, str]:
        """The environment variables that `profiles.yml` reads."""

    @abc.abstractmethod
    def run(self, sql: str) -> None:
        """Run statements."""

    @abc.abstractmethod
    def rows(self, query: str) -> list[Row]:
        """Return the rows of a query. Values are as in JSON."""

    def dbt(self, *arguments: str) -> Built:
        """Run a dbt command on the package."""
        project = self.folder / "dbt"
        if not project.exists():
            shutil.copytree(PACKAGE, project, ignore=shutil.ignore_patterns("target", "logs"))
        if self.people is not None:
            (project / "seeds" / "people.csv").write_text(self.people, encoding="utf-8")
        deprecations = json.dumps({"error": ["Deprecations"]})
        command: list[str | Path] = [DBT, "--no-use-colors", "--warn-error-options", deprecations, *arguments]
        done = subprocess.run(
            [*command, "--vars", json.dumps(self.variables)],
            cwd=project,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        written = {}
        for name in ("run_results", "manifest"):
            path = project / "target" / f"{name}.json"
            written[name] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return Built(
            done.returncode, done.stdout + done.stderr, written["run_results"].get("results", []), written["manifest"]
        )

    def build(self) -> Built:
        """Build all models and run all of their tests, which must pass."""
        built = self.dbt("build")
        assert built.exit_code == 0, built.output
        return built

    def tables(self) -> dict[str, list[str]]:
        """Return the columns of each table and view that the package has created."""
        found: dict[str, list[str]] = {}
        for row in self.rows(
            "select table_name, column_name from information_schema.columns"
            " where table_schema = 'tuple_models' order by table_name, ordinal_position"
        ):
            found.setdefault(row["table_name"], []).append(row["column_name"])
        return found


@dataclass
class DuckDb(Warehouse):
    """A DuckDB file."""

    @property
    def path(self) -> Path:
        return self.folder / "warehouse.duckdb"

    @property
    def environment(self) -> dict[str, str]:
        return {"TUPLE_DBT_TARGET": "duckdb", "TARGET_DUCKDB_FILEPATH": str(self.path)}

    def run(self, sql: str) -> None:
        with duckdb.connect(str(self.path)) as connection:
            connection.execute(sql)

    def rows(self, query: str) -> list[Row]:
        with duckdb.connect(str(self.path)) as connection:
            cursor = connection.execute(query)
            names = [column for column, *_ in cursor.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        plain: list[Row] = json.loads(json.dumps(rows, default=_plain))
        return plain


def _plain(value: object) -> object:
    """Return a number as such, and anything else, such as a date, as a string."""
    return float(value) if hasattr(value, "as_tuple") else str(value)  # type: ignore[arg-type]


@dataclass
class Postgres(Warehouse):
    """A PostgreSQL database whose time zone is not UTC."""

    database: Database | None = None

    def __post_init__(self) -> None:
        assert self.database
        self.run(f"alter database \"{self.database.name}\" set timezone = 'America/New_York'")

    @property
    def environment(self) -> dict[str, str]:
        assert self.database
        return {"TUPLE_DBT_TARGET": "postgres", **self.database.target_variables}

    def run(self, sql: str) -> None:
        assert self.database
        self.database.run(sql)

    def rows(self, query: str) -> list[Row]:
        assert self.database
        return self.database.rows(query)
