"""Queries a DuckDB file into which tap-tuple has loaded calls. Each query is an SQL file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

CHARTS = Path(__file__).parent / "charts"


class WarehouseError(Exception):
    """The database cannot be queried. The message is one line for the user of the report."""


class Warehouse:
    """The tap's two tables, opened read-only.

    Args:
        database: The DuckDB file.
        schema: The schema of `calls` and `call_participations`.
        time_zone: The IANA name of the time zone for hours, days and weeks.

    Raises:
        WarehouseError: The file cannot be read, tables or columns are missing, there are no calls, or the time zone is
            unknown.
    """

    def __init__(self, database: Path, schema: str, time_zone: str) -> None:
        self.time_zone = time_zone
        self._connection = duckdb.connect()
        try:
            self._open(database, schema)
        except duckdb.Error as error:
            self._connection.close()
            raise WarehouseError(f"Cannot read {database.name}: {error}") from error
        except WarehouseError:
            self._connection.close()
            raise

    def _open(self, database: Path, schema: str) -> None:
        # Prevents DuckDB from downloading extensions.
        self._connection.execute("set autoinstall_known_extensions = false")
        file = str(database).replace("'", "''")
        self._connection.execute(f"attach '{file}' as warehouse (read_only)")
        tables = self._connection.execute(
            "select table_name from duckdb_tables() where database_name = 'warehouse' and schema_name = ?", [schema]
        ).fetchall()
        missing = {"calls", "call_participations"} - {name for (name,) in tables}
        if missing:
            raise WarehouseError(
                f"{database.name} has no table {' or '.join(sorted(missing))} in schema {schema}. "
                "Use --schema to select another schema."
            )
        if not self._connection.execute(
            "select 1 from pg_timezone_names() where name = ?", [self.time_zone]
        ).fetchall():
            raise WarehouseError(f"Unknown time zone {self.time_zone}. Use an IANA name, e.g. Europe/Berlin or UTC.")
        quoted = schema.replace('"', '""')
        self._connection.execute(f'use warehouse."{quoted}"')
        self._connection.execute("set variable time_zone = ?", [self.time_zone])
        self.rows("slices")
        if not self.rows("who_with_whom"):
            raise WarehouseError(
                f"{database.name} has no call with two people at the same time, so there is nothing to show."
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Return the result of `charts/<query>.sql` as one dictionary per row."""
        cursor = self._connection.execute((CHARTS / f"{query}.sql").read_text(encoding="utf-8"))
        columns = [column for column, *_ in cursor.description or ()]
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]

    def people(self) -> list[str]:
        """Return the e-mail addresses of all participants, in alphabetical order."""
        rows = self._connection.execute(
            "select distinct user_email from call_participations where user_email is not null order by user_email"
        ).fetchall()
        return [email for (email,) in rows]
