"""Fixtures of the package's tests: the databases in which they build the models."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import postgres
import pytest
from warehouses import DuckDb, Postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from postgres import Database
    from warehouses import Warehouse

NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Database]:
    """A PostgreSQL server that runs as long as the tests do."""
    with postgres.server() as database:
        yield database


@pytest.fixture(scope="session", params=["duckdb", "postgres"])
def new_warehouse(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Warehouse]:
    """Makes an empty database, of each kind."""

    def make() -> Warehouse:
        number = next(NUMBERS)
        folder = tmp_path_factory.mktemp(f"warehouse_{number}")
        if request.param == "duckdb":
            return DuckDb(folder)
        server: Database = request.getfixturevalue("postgres_server")
        return Postgres(folder, database=server.new(f"test_{number}"))

    return make


@pytest.fixture
def duckdb_file(tmp_path_factory: pytest.TempPathFactory) -> DuckDb:
    """An empty DuckDB file."""
    return DuckDb(tmp_path_factory.mktemp("warehouse"))
