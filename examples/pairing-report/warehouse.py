"""Asks a DuckDB file that tap-tuple filled, one SQL file a question."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

CHARTS = Path(__file__).parent / "charts"


class WarehouseError(Exception):
    """The database cannot answer. The message is a sentence for whoever runs the report."""


class Warehouse:
    """The tap's two tables, opened for reading only.

    Args:
        database: The DuckDB file.
        schema: Where `calls` and `call_participations` are.
        time_zone: An IANA name; hours, days and weeks are those of its clock.

    Raises:
        WarehouseError: It is no database that this DuckDB reads, the tables or columns are not there or hold no call,
            or there is no such time zone.
    """

    def __init__(self, database: Path, schema: str, time_zone: str) -> None:
        self.time_zone = time_zone
        self._connection = duckdb.connect()
        try:
            self._open(database, schema)
        except duckdb.Error as error:
            self._connection.close()
            raise WarehouseError(f"{database.name} cannot be read: {error}") from error
        except WarehouseError:
            self._connection.close()
            raise

    def _open(self, database: Path, schema: str) -> None:
        # DuckDB reads files; it does not get to fetch anything.
        self._connection.execute("set autoinstall_known_extensions = false")
        file = str(database).replace("'", "''")
        self._connection.execute(f"attach '{file}' as warehouse (read_only)")
        tables = self._connection.execute(
            "select table_name from duckdb_tables() where database_name = 'warehouse' and schema_name = ?", [schema]
        ).fetchall()
        missing = {"calls", "call_participations"} - {name for (name,) in tables}
        if missing:
            raise WarehouseError(f"{database.name} has no table {' and no '.join(sorted(missing))} in schema {schema}.")
        if not self._connection.execute(
            "select 1 from pg_timezone_names() where name = ?", [self.time_zone]
        ).fetchall():
            raise WarehouseError(f"There is no time zone {self.time_zone}; name one as Europe/Berlin or UTC.")
        quoted = schema.replace('"', '""')
        self._connection.execute(f'use warehouse."{quoted}"')
        self._connection.execute("set variable time_zone = ?", [self.time_zone])
        self.rows("slices")
        if not self.rows("who_with_whom"):
            raise WarehouseError(f"{database.name} holds no call in which two people met, so there is nothing to show.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def rows(self, question: str) -> list[dict[str, Any]]:
        """The answer of `charts/<question>.sql`, a dictionary a row."""
        cursor = self._connection.execute((CHARTS / f"{question}.sql").read_text(encoding="utf-8"))
        columns = [column for column, *_ in cursor.description or ()]
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]

    def people(self) -> list[str]:
        """The e-mail addresses of all who were in a call, in the alphabet's order."""
        found = self._connection.execute(
            "select distinct user_email from call_participations where user_email is not null order by user_email"
        ).fetchall()
        return [email for (email,) in found]
