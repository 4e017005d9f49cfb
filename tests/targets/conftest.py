"""What the tests with real targets share."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import postgres
import pytest
import recipes
from warehouses import DuckDb, Jsonl, Postgres

from tap_tuple.sandbox import DEFAULT_TOKEN, Sandbox, generate_calls

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postgres import Database
    from recipes import Project
    from warehouses import Warehouse

NUMBERS = itertools.count()
CALLS = 120


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Database]:
    """A PostgreSQL server that runs as long as the tests do."""
    with postgres.server() as database:
        yield database


@pytest.fixture
def database(postgres_server: Database) -> Database:
    """An empty PostgreSQL database."""
    return postgres_server.new(f"test_{next(NUMBERS)}")


@pytest.fixture(params=["target-jsonl", "target-postgres", "target-duckdb"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Warehouse:
    """Each target, with nothing loaded yet."""
    if request.param == "target-postgres":
        return Postgres(request.getfixturevalue("database"))
    return {"target-jsonl": Jsonl, "target-duckdb": DuckDb}[request.param](tmp_path)


@pytest.fixture
def api() -> Iterator[Sandbox]:
    """A team with a few calls."""
    with Sandbox(generate_calls(CALLS)) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Meltano project with its plugins, which nothing is run in."""
    folder = tmp_path_factory.mktemp("installed")
    recipes.install(folder)
    return folder


@pytest.fixture
def project(installed: Path, tmp_path: Path, api: Sandbox) -> Project:
    """A Meltano project that reads the team's calls."""
    variables = {"TAP_TUPLE_API_URL": api.url, "TAP_TUPLE_AUTH_TOKEN": DEFAULT_TOKEN}
    return recipes.another(installed, tmp_path / "project", variables)
