"""The configuration of each target, and how to read the rows that it has loaded."""

from __future__ import annotations

import abc
import ast
import csv
import json
import subprocess
from typing import TYPE_CHECKING, Any

import s3
from environments import MELTANO, programs

if TYPE_CHECKING:
    from pathlib import Path

    from expected import Row
    from postgres import Database
    from s3 import Bucket

STREAMS = ("calls", "call_participations")

# A DuckDB file is read with the version that wrote it, in the target's own environment.
READ_DUCKDB = """
import json, sys, duckdb
with duckdb.connect(sys.argv[1]) as connection:
    rows = connection.execute(sys.argv[2])
    names = [column[0] for column in rows.description or ()]
    print(json.dumps([dict(zip(names, row)) for row in rows.fetchall()], default=str))
"""

# Parquet files are read with the DuckDB that Meltano's environment has.
READ_PARQUET = """
import json, sys, duckdb
duckdb.execute("set timezone = 'UTC'")
files = duckdb.read_parquet(sys.argv[1:], union_by_name=True)
types = {name: str(kind) for name, kind in zip(files.columns, files.types)}
rows = files.execute()
names = files.columns
print(json.dumps({"types": types, "rows": [dict(zip(names, row)) for row in rows.fetchall()]}, default=str))
"""


class Warehouse(abc.ABC):
    """A target and its destination.

    Attributes:
        name: The distribution, which is pinned in `meltano.yml` or in the dependency group of that name.
        command: The program, if its name differs from that of the distribution.
        upserts: Whether a row that is loaded again replaces the earlier one.
    """

    name: str
    command: str | None = None
    upserts = True

    def __init__(self) -> None:
        self.programs = programs(self.name)

    @property
    def program(self) -> Path:
        return self.programs / (self.command or self.name)

    @property
    @abc.abstractmethod
    def config(self) -> dict[str, Any]:
        """The target's settings."""

    @abc.abstractmethod
    def rows(self, stream: str) -> list[Row]:
        """Return all rows of a stream, duplicates included."""

    def tables(self) -> dict[str, list[Row]]:
        return {stream: self.rows(stream) for stream in STREAMS}


class Jsonl(Warehouse):
    """Files with one line per record."""

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

    def query(self, sql: str) -> list[Row]:
        """Run a statement; return its rows, in which all values except numbers are strings."""
        run = [str(self.programs / "python"), "-c", READ_DUCKDB, str(self._path), sql]
        rows: list[Row] = json.loads(subprocess.run(run, capture_output=True, check=True).stdout)
        return rows

    def rows(self, stream: str) -> list[Row]:
        rows = self.query(f"select * from tuple.{stream}")
        if stream == "calls":
            # DuckDB has nested arrays as JSON strings.
            rows = [{**row, "call_participations": json.loads(row["call_participations"])} for row in rows]
        return list(rows)


class PipelinewisePostgres(Postgres):
    """A PostgreSQL database, loaded by PipelineWise's target."""

    name = "pipelinewise-target-postgres"
    command = "target-postgres"

    @property
    def config(self) -> dict[str, Any]:
        settings = super().config
        return {
            **settings,
            "dbname": settings["database"],
            # Several batches, so that the target writes a state before the end.
            "batch_size_rows": 150,
        }


class S3(Warehouse):
    """Parquet files in a bucket.

    Args:
        bucket: Where the target writes.
        folder: Where the files are read back.
        schema_from_tap: Whether the target takes the types from the tap's SCHEMA, instead of from the values.
    """

    name = "plinxore-target-s3"
    command = "target-s3"
    upserts = False

    def __init__(self, bucket: Bucket, folder: Path, *, schema_from_tap: bool = False) -> None:
        super().__init__()
        self._schema_from_tap = schema_from_tap
        self._bucket = bucket
        self._folder = folder / "downloads"
        self._folder.mkdir()

    @property
    def config(self) -> dict[str, Any]:
        return {
            "format": {"format_type": "parquet", "format_parquet": {"get_schema_from_tap": self._schema_from_tap}},
            "cloud_provider": {
                "cloud_provider_type": "aws",
                "aws": {
                    "aws_access_key_id": s3.ACCESS_KEY,
                    "aws_secret_access_key": s3.SECRET_KEY,
                    "aws_region": s3.REGION,
                    "aws_bucket": self._bucket.name,
                    "aws_endpoint_override": self._bucket.endpoint,
                },
            },
            "prefix": "tuple",
            "max_batch_size": 150,
        }

    def rows(self, stream: str) -> list[Row]:
        rows: list[Row] = self._read(stream).get("rows", [])
        return rows

    def types(self, stream: str) -> dict[str, str]:
        """Return the type of each column, as DuckDB names it."""
        types: dict[str, str] = self._read(stream)["types"]
        return types

    def _read(self, stream: str) -> dict[str, Any]:
        files = self._bucket.download(f"tuple/{stream}/", self._folder)
        if not files:
            return {}
        return read_with_duckdb(READ_PARQUET, *files)


class Csv(Warehouse):
    """A CSV file per stream and run."""

    name = "meltanolabs-target-csv"
    command = "target-csv"
    upserts = False

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder / "csv"

    @property
    def config(self) -> dict[str, Any]:
        return {
            "output_path": str(self._folder),
            "file_naming_scheme": "{stream_name}-{timestamp}.csv",
            # Two runs of this test may begin within the same second.
            "timestamp_format": "%Y-%m-%dT%H%M%S.%f",
            "batch_size_rows": 150,
        }

    def rows(self, stream: str) -> list[Row]:
        return self.read(self._folder, stream)

    @staticmethod
    def read(folder: Path, stream: str) -> list[Row]:
        """Return the rows of all files of a stream."""
        rows: list[Row] = []
        for file in sorted(folder.glob(f"{stream}[-.]*csv")):
            with file.open(encoding="utf-8", newline="") as lines:
                rows += map(_from_csv, csv.DictReader(lines))
        return rows


def read_with_duckdb(code: str, *arguments: object) -> dict[str, Any]:
    """Run Python code where DuckDB is installed, and return the JSON that it prints."""
    command = [str(MELTANO.with_name("python")), "-c", code, *map(str, arguments)]
    result: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return result


def _from_csv(row: dict[str, str]) -> Row:
    """Read the values of a row: an empty one is null, and a nested one is a Python literal."""
    return {
        name: None if value == "" else ast.literal_eval(value) if value[0] in "[{" or value.isdigit() else value
        for name, value in row.items()
    }


ALL: tuple[type[Warehouse], ...] = (Jsonl, Csv, S3, Postgres, PipelinewisePostgres, DuckDb)
