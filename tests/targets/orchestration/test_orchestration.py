"""`docs/orchestration.md`: each orchestrator runs its code as written."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import expected
from orchestrators import ONE_PIPELINE, PAGE, write_code
from recipes import block, blocks, dotenv

from tap_tuple.sandbox import DEFAULT_TOKEN, Fault, Sandbox, generate_calls

if TYPE_CHECKING:
    from orchestrators import Orchestrator
    from postgres import Database
    from recipes import Project

CALLS = 120
STATE_ID = "dev:tap-tuple-to-target-postgres"


def assert_every_row_is_loaded(database: Database, api: Sandbox, schema: str = "tuple") -> None:
    for stream, rows in expected.tables(api.calls).items():
        assert expected.plain(database.rows(f"select * from {schema}.{stream}")) == rows


def newest(api: Sandbox) -> str:
    return max(str(call["ended_at"]) for call in api.calls)


def read_from(project: Project, api: Sandbox) -> None:
    """Make the project read from another API."""
    project.variables["TAP_TUPLE_API_URL"] = api.url


def age_heartbeats(project: Project) -> None:
    """Move the heartbeat of every run in Meltano's database back by six minutes."""
    with closing(sqlite3.connect(project.folder / "meltano.db")) as connection, connection:
        connection.execute("update runs set last_heartbeat_at = datetime(last_heartbeat_at, '-6 minutes')")


def test_two_runs_load_every_row_and_show_records_window_and_bookmark(
    orchestrator: Orchestrator, database: Database, api: Sandbox
) -> None:
    orchestrator.run()
    assert_every_row_is_loaded(database, api)
    first = newest(api)
    rows = {stream: len(rows) for stream, rows in expected.tables(api.calls).items()}
    loaded = orchestrator.loaded("tuple")
    assert {stream: entry["records"] for stream, entry in loaded.items()} == rows
    assert {entry["bookmark"] for entry in loaded.values()} == {first}
    assert {entry.get("window_start") for entry in loaded.values()} == {None}

    new = api.new_calls(3)
    orchestrator.run()

    assert_every_row_is_loaded(database, api)
    loaded = orchestrator.loaded("tuple")
    # The call at the bookmark itself is read again, as `since` is inclusive.
    assert len(new) <= loaded["calls"]["records"] <= len(new) + 1
    assert {entry["window_start"] for entry in loaded.values()} == {first}
    assert {entry["bookmark"] for entry in loaded.values()} == {newest(api)}


def test_a_tap_that_fails_is_retried_and_the_retry_loads_the_rest(
    orchestrator: Orchestrator, database: Database
) -> None:
    with Sandbox(generate_calls(CALLS), faults=[Fault(on=2, status=401)]) as api:
        read_from(orchestrator.project, api)
        log = orchestrator.run()
        assert "meltano run failed with exit code 1" in log
        assert "401" in log
        assert DEFAULT_TOKEN not in log
        assert_every_row_is_loaded(database, api)


def test_a_failed_loader_fails_the_run_and_the_next_run_loads_every_row(
    orchestrator: Orchestrator, database: Database, api: Sandbox
) -> None:
    port = orchestrator.project.variables["TARGET_POSTGRES_PORT"]
    orchestrator.project.variables["TARGET_POSTGRES_PORT"] = "1"
    log = orchestrator.run(succeeds=False)
    assert "Connection refused" in log
    assert orchestrator.project.state(STATE_ID) == {}

    orchestrator.project.variables["TARGET_POSTGRES_PORT"] = port
    orchestrator.run()
    assert_every_row_is_loaded(database, api)


def test_a_retry_resumes_after_a_killed_worker(orchestrator: Orchestrator, database: Database) -> None:
    middle = threading.Event()
    held = Fault(on=2, run=lambda _: middle.set(), delay_seconds=600)
    with Sandbox(generate_calls(CALLS), faults=[held]) as api:
        read_from(orchestrator.project, api)
        run = orchestrator.start()
        assert middle.wait(120), run.log
        run.kill()

        refused = orchestrator.project.shell("meltano run tap-tuple target-postgres", succeeds=False)
        assert refused == ""
        assert "already running" in orchestrator.project.output

        age_heartbeats(orchestrator.project)
        orchestrator.mark_killed_runs_as_failed()
        orchestrator.run()
        assert_every_row_is_loaded(database, api)


def test_two_teams_load_side_by_side_each_with_its_own_token_and_state(
    orchestrator: Orchestrator, database: Database
) -> None:
    project = orchestrator.project
    section = "Several teams"
    project.put(block(PAGE, "yaml", section))
    write_code(orchestrator.code, pipelines=block(PAGE, "python", section))
    tokens = {"design": "sk-tuple-design", "platform": "sk-tuple-platform"}
    values = {f"TAP_TUPLE__{team.upper()}_AUTH_TOKEN": token for team, token in tokens.items()}
    (project.folder / ".env").write_text(dotenv(PAGE, values, section), encoding="utf-8")
    del project.variables["TAP_TUPLE_AUTH_TOKEN"], project.variables["TAP_TUPLE_API_URL"]
    orchestrator.register()
    project.shell("meltano state list")  # creates Meltano's database, which concurrent runs cannot do
    together = threading.Barrier(2, timeout=120)
    # Each team's second page waits for the other team's.
    held = Fault(on=2, run=lambda _: together.wait())
    with (
        Sandbox(generate_calls(CALLS), token=tokens["design"], faults=[held]) as design,
        Sandbox(generate_calls(CALLS // 2, seed=2), token=tokens["platform"], faults=[held]) as platform,
    ):
        teams = {"design": design, "platform": platform}
        project.variables |= {f"TAP_TUPLE__{team.upper()}_API_URL": api.url for team, api in teams.items()}
        runs = [orchestrator.start(f"tuple_{team}") for team in teams]
        for run in runs:
            assert run.exit_code() == 0, run.log
        for team, api in teams.items():
            assert_every_row_is_loaded(database, api, f"tuple_{team}")
            assert {request.status for request in api.requests} == {200}
            state = project.state(f"dev:tap-tuple--{team}-to-target-postgres--{team}")
            assert {state[stream]["replication_key_value"] for stream in expected.tables([])} == {newest(api)}


def test_both_orchestrators_read_the_only_line_that_names_the_pipelines() -> None:
    code = [found.text for found in blocks(PAGE) if found.language == "python" and ONE_PIPELINE in found.text]
    assert len(code) == 1
    users = [found.text for found in blocks(PAGE) if "tuple_meltano.PIPELINES" in found.text]
    assert len(users) == 2
