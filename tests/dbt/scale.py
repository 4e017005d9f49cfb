"""Measures `dbt build` over many calls on DuckDB: time, processor time and memory. `make bench-dbt` runs it."""

from __future__ import annotations

import csv
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))
from tap_tuple.sandbox import generate_calls  # noqa: E402 - the path comes first

if TYPE_CHECKING:
    from collections.abc import Iterable

CALLS = 200_000
USERS = 200
MAX_SECONDS = 60
MAX_GB = 2


def main() -> None:
    """Build once, and print the figures; exit with 1 if they exceed the limits."""
    with tempfile.TemporaryDirectory(prefix="tap-tuple-scale-") as name:
        folder = Path(name)
        database = folder / "warehouse.duckdb"
        load(database)
        shutil.copytree(ROOT / "dbt", folder / "dbt", ignore=shutil.ignore_patterns("target", "logs"))
        began = time.monotonic()
        done = subprocess.run(
            [Path(sys.executable).with_name("dbt"), "--quiet", "build"],
            cwd=folder / "dbt",
            env={**os.environ, "TARGET_DUCKDB_FILEPATH": str(database), "TUPLE_DBT_TARGET": "duckdb"},
            check=False,
        )
        seconds = time.monotonic() - began
    if done.returncode:
        sys.exit("dbt build failed.")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    gigabytes = used.ru_maxrss / (1 << 30 if sys.platform == "darwin" else 1 << 20)
    print(
        f"dbt build over {CALLS:,} calls of {USERS} people, {os.cpu_count()} cores: {seconds:.0f} s,"
        f" {used.ru_utime + used.ru_stime:.0f} s of processor time, {gigabytes:.1f} GB at most"
    )
    if seconds > MAX_SECONDS or gigabytes > MAX_GB:
        sys.exit(f"That is more than {MAX_SECONDS} s or {MAX_GB} GB.")


def load(database: Path) -> None:
    """Write the tables as target-duckdb does."""
    calls = generate_calls(CALLS, users=USERS)
    calls_csv = database.with_suffix(".calls.csv")
    participations_csv = database.with_suffix(".stays.csv")
    _write(calls_csv, ((c["id"], c["started_at"], c["ended_at"], c["duration_seconds"]) for c in calls))
    _write(
        participations_csv,
        chain.from_iterable(
            (
                (
                    participation["id"],
                    call["id"],
                    call["ended_at"],
                    participation["user"]["email"],
                    participation["joined_at"],
                    participation["left_at"],
                )
                for participation in call["call_participations"]
            )
            for call in calls
        ),
    )
    with duckdb.connect(str(database)) as connection:
        connection.execute(
            "create schema tuple;"
            "create table tuple.calls"
            " (id hugeint primary key, started_at timestamp, ended_at timestamp, duration_seconds hugeint);"
            "create table tuple.call_participations (id hugeint primary key, call_id hugeint, call_ended_at timestamp,"
            " user_email varchar, joined_at timestamp, left_at timestamp);"
            f"copy tuple.calls from '{calls_csv}'; copy tuple.call_participations from '{participations_csv}'"
        )


def _write(path: Path, rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


if __name__ == "__main__":
    main()
