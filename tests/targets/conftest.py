"""Fixtures of the tests with real targets."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import postgres
import pytest
import recipes
import s3
import warehouses
from warehouses import S3, Postgres

from tap_tuple.sandbox import DEFAULT_TOKEN, Sandbox, generate_calls

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postgres import Database
    from recipes import Project
    from s3 import Bucket
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


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Bucket]:
    """A stand-in for S3 that runs as long as the tests do."""
    with s3.server() as bucket:
        yield bucket


@pytest.fixture
def bucket(s3_server: Bucket) -> Bucket:
    """An empty bucket."""
    return s3_server.new(f"bucket-{next(NUMBERS)}")


@pytest.fixture(params=warehouses.ALL, ids=lambda kind: kind.name)
def warehouse(request: pytest.FixtureRequest) -> Warehouse:
    """Each target, with nothing loaded yet."""
    where = {Postgres: ("database",), S3: ("bucket", "tmp_path")}
    kind = request.param
    names = next((names for base, names in where.items() if issubclass(kind, base)), ("tmp_path",))
    one: Warehouse = kind(*map(request.getfixturevalue, names))
    return one


@pytest.fixture
def api() -> Iterator[Sandbox]:
    """A team with a few calls."""
    with Sandbox(generate_calls(CALLS)) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Meltano project with its plugins; tests copy it and run nothing in it."""
    folder = tmp_path_factory.mktemp("installed")
    recipes.install(folder)
    return folder


@pytest.fixture
def project(installed: Path, tmp_path: Path, api: Sandbox) -> Project:
    """A Meltano project that reads the team's calls."""
    variables = {"TAP_TUPLE_API_URL": api.url, "TAP_TUPLE_AUTH_TOKEN": DEFAULT_TOKEN}
    return recipes.new_project(installed, tmp_path / "project", variables)
