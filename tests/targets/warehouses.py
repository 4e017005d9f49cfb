"""What each target is given, and how to read what it has loaded."""

from __future__ import annotations

import abc
import json
import subprocess
from typing import TYPE_CHECKING, Any

from environments import programs

if TYPE_CHECKING:
    from pathlib import Path

    from expected import Row
    from postgres import Database

STREAMS = ("calls", "call_participations")

# DuckDB is read with the same version that has written it, in the target's own environment.
READ_DUCKDB = """
import json, sys, duckdb
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    rows = connection.execute(f"select * from tuple.{sys.argv[2]}")
    names = [column[0] for column in rows.description]
    print(json.dumps([dict(zip(names, row)) for row in rows.fetchall()], default=str))
"""


class Warehouse(abc.ABC):
    """A target, and where it loads to."""

    name: str
    upserts = True

    def __init__(self) -> None:
        self.programs = programs(self.name)

    @property
    def program(self) -> Path:
        return self.programs / self.name.removeprefix("meltanolabs-")

    @property
    @abc.abstractmethod
    def config(self) -> dict[str, Any]:
        """The target's settings."""

    @abc.abstractmethod
    def rows(self, stream: str) -> list[Row]:
        """All rows of a stream, as often as they are there."""

    def tables(self) -> dict[str, list[Row]]:
        return {stream: self.rows(stream) for stream in STREAMS}


class Jsonl(Warehouse):
    """Files with a line a record."""

    name = "target-jsonl"
    upserts = False

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder / "output"
        self._folder.mkdir()

    @property
    def config(self) -> dict[str, Any]:
        return {"destination_path": str(self._folder)}

    def rows(self, stream: str) -> list[Row]:
        files = sorted(self._folder.glob(f"{stream}-*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


class Postgres(Warehouse):
    """A PostgreSQL database."""

    name = "target-postgres"

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._database = database

    @property
    def config(self) -> dict[str, Any]:
        return {**self._database.target_config, "default_target_schema": "tuple"}

    def rows(self, stream: str) -> list[Row]:
        return self._database.rows(f"select * from tuple.{stream}")


class DuckDb(Warehouse):
    """A DuckDB file."""

    name = "target-duckdb"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._path = folder / "warehouse.duckdb"

    @property
    def config(self) -> dict[str, Any]:
        return {"filepath": str(self._path), "default_target_schema": "tuple"}

    def rows(self, stream: str) -> list[Row]:
        read = [self.programs / "python", "-c", READ_DUCKDB, self._path, stream]
        rows = json.loads(subprocess.run(read, capture_output=True, check=True).stdout)
        if stream == "calls":
            # A nested array is a text of JSON there.
            rows = [{**row, "call_participations": json.loads(row["call_participations"])} for row in rows]
        return list(rows)
