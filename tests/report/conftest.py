"""Fixtures of the report's tests: a team's database, and a real browser."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from databases import write_database
from playwright.sync_api import sync_playwright
from report import Page, build

from tap_tuple.sandbox import generate_calls

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def calls() -> list[dict[str, Any]]:
    """A team's calls of some weeks, as in the demo."""
    return generate_calls(900)


@pytest.fixture(scope="session")
def database(calls: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_database(tmp_path_factory.mktemp("demo") / "warehouse.duckdb", calls)


@pytest.fixture(scope="session")
def page(database: Path) -> Page:
    return build(database)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser with a new profile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        yield browser
        browser.close()


def find_chromium() -> str:
    """Return the path of Debian's Chromium, or of the browser that CHROMIUM names."""
    name = os.environ.get("CHROMIUM", "chromium")
    program = shutil.which(name)
    assert program, f"{name} is not installed; `make test-report` installs it or says how to"
    return program
