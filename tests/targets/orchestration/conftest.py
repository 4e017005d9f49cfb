"""An orchestrator, and the Meltano project whose pipeline it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orchestrators
import pytest
from environments import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrators import Orchestrator
    from postgres import Database
    from recipes import Project


@pytest.fixture
def postgres_project(project: Project, database: Database) -> Project:
    """A Meltano project that loads the team's calls into a database, in several pages."""
    (project.folder / ".venv").symlink_to(ROOT / ".venv-orchestration")
    project.variables |= {**database.target_variables, "TAP_TUPLE_PAGE_SIZE": "40", "TAP_TUPLE_LOOKBACK_WINDOW": "0"}
    return project


@pytest.fixture(params=orchestrators.ALL, ids=lambda kind: kind.name)
def orchestrator(request: pytest.FixtureRequest, postgres_project: Project, tmp_path: Path) -> Iterator[Orchestrator]:
    """Each orchestrator, with the code of the page."""
    kind: type[Orchestrator] = request.param
    one = kind(postgres_project, tmp_path / kind.name)
    yield one
    one.stop()
