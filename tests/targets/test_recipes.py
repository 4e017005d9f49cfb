"""The other pages in `docs/`, run as written."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import signal
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import expected
import pytest
from environments import ROOT
from recipes import block, dotenv

from tap_tuple.sandbox import DEFAULT_TOKEN, Fault, Sandbox, generate_calls

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from postgres import Database
    from recipes import Project


def assert_in_postgres(database: Database, calls: str, participations: str, api: Sandbox) -> None:
    """Assert that both tables have the calls of the API, each row in full."""
    tables = expected.tables(api.calls)
    assert expected.plain(database.rows(f"select * from {calls}")) == tables["calls"]
    assert expected.plain(database.rows(f"select * from {participations}")) == tables["call_participations"]


def test_a_warehouse_has_the_tables_and_a_view_of_pairs(project: Project, database: Database, api: Sandbox) -> None:
    project.variables |= database.target_variables
    project.follow("warehouse.md")
    assert_in_postgres(database, "tuple.calls", "tuple.call_participations", api)
    database.run(block("warehouse.md", "sql"))
    pairs = {(row["person"], row["pairs_with"]) for row in database.rows("select * from tuple.pairs_by_week")}
    possible = {
        (one["user"]["email"], other["user"]["email"])
        for call in api.calls
        for one in call["call_participations"]
        for other in call["call_participations"]
        if one["user"]["email"] < other["user"]["email"]
    }
    assert pairs
    assert pairs <= possible


def test_several_teams_load_each_with_its_own_token_into_its_own_schema(project: Project, api: Sandbox) -> None:
    other_token = "sk-tuple-platform"
    with Sandbox(generate_calls(70, seed=2), token=other_token) as other_api:
        del project.variables["TAP_TUPLE_AUTH_TOKEN"], project.variables["TAP_TUPLE_API_URL"]
        tokens = {"TAP_TUPLE__DESIGN_AUTH_TOKEN": DEFAULT_TOKEN, "TAP_TUPLE__PLATFORM_AUTH_TOKEN": other_token}
        (project.folder / ".env").write_text(dotenv("teams.md", tokens), encoding="utf-8")
        project.variables |= {
            "TAP_TUPLE__DESIGN_API_URL": api.url,
            "TAP_TUPLE__PLATFORM_API_URL": other_api.url,
        }

        project.follow("teams.md")
        other_api.new_calls(2)
        project.shell("meltano run all-teams-to-duckdb")

        for team, source in (("design", api), ("platform", other_api)):
            rows = expected.plain(project.duckdb(f"select * from tuple_{team}.call_participations"))
            assert rows == expected.tables(source.calls)["call_participations"]
            assert len(source.requests) == 3
            assert {request.status for request in source.requests} == {200}
        project.duckdb(block("teams.md", "sql"))
        both = project.duckdb(
            "select team, count(*) as loaded from all_call_participations group by team order by team"
        )
        assert [row["loaded"] for row in both] == [
            len(expected.tables(source.calls)["call_participations"]) for source in (api, other_api)
        ]

        (project.folder / ".env").unlink()
        project.shell("meltano run tap-tuple--platform target-duckdb--platform", succeeds=False)
        assert "auth_token" in project.output
        project.variables["TAP_TUPLE_AUTH_TOKEN"] = DEFAULT_TOKEN
        inherited = json.loads(project.shell("meltano config --unsafe print tap-tuple--platform"))
        assert inherited["auth_token"] == DEFAULT_TOKEN, "the warning on the page is out of date"


def test_both_streams_contain_only_hashed_addresses(project: Project, api: Sandbox) -> None:
    salt = "0123456789abcdef" * 2
    api.add({**api.calls[-1], "id": 1, "call_participations": [{"id": 1, "user": None}]})
    api.add({**api.calls[-1], "id": 2, "call_participations": []})
    tables = expected.tables([call for call in api.calls if call["id"] > 2])

    project.put(block("privacy.md", "yaml"))
    project.shell("meltano run tap-tuple target-jsonl", succeeds=False)
    assert not any((project.folder / "output").glob("*")), "records were written without a salt"

    secrets = block("privacy.md", "text").replace("…", salt)
    (project.folder / ".env").write_text(secrets, encoding="utf-8")
    project.follow("privacy.md", "The map")

    def hashed(address: str) -> str:
        return hashlib.sha256((salt + address).encode()).hexdigest()

    files = list((project.folder / "output").glob("*"))
    assert not any("@" in file.read_text(encoding="utf-8") for file in files)
    assert "@example" not in project.output
    rows = expected.plain(project.jsonl("call_participations"))
    assert {row["user_email"] for row in rows if row["id"] == 1} == {None}
    assert [row for row in rows if row["id"] != 1] == [
        {**row, "user_email": hashed(row["user_email"])} for row in tables["call_participations"]
    ]
    nested = {row["id"]: row["call_participations"] for row in project.jsonl("calls")}
    assert nested.pop(1) == [{"id": 1, "joined_at": None, "left_at": None, "user": None}]
    assert nested.pop(2) == []
    assert nested == {
        row["id"]: [
            {**participation, "user": {"email": hashed(participation["user"]["email"])}}
            for participation in row["call_participations"]
        ]
        for row in tables["calls"]
    }


def test_addresses_that_are_not_selected_are_not_written(project: Project, api: Sandbox) -> None:
    project.follow("privacy.md", "Leave the addresses out")
    project.shell("meltano run tap-tuple target-jsonl")
    assert len(project.jsonl("calls")) == len(api.calls)
    assert project.jsonl("call_participations")
    assert not any("@" in file.read_text(encoding="utf-8") for file in (project.folder / "output").glob("*"))


class Cron:
    """A home directory, and a stand-in for cron that runs the line of its crontab on demand."""

    def __init__(self, home: Path, installed: Path, env: str) -> None:
        self._home = home
        self.folder = home / "tuple"
        self.folder.mkdir(parents=True)
        for name in ("tap", "target"):
            (self.folder / name).symlink_to(installed / "tuple" / name)
        (self.folder / ".env").write_text(env, encoding="utf-8")
        (self.folder / "load.sh").write_text(block("cron.md", "bash"), encoding="utf-8")
        *times, self._command = block("cron.md", "crontab").strip().split(maxsplit=5)
        assert len(times) == 5
        assert "%" not in self._command, "cron treats % as the end of the line"

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["/bin/sh", "-c", self._command],
            cwd=self._home,
            env={"HOME": str(self._home), "LOGNAME": "user", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def mail(self) -> str:
        """Run the line to its end, and return the mail that cron would send."""
        with self.start() as process:
            return process.communicate(timeout=120)[0]

    @property
    def log(self) -> str:
        return (self.folder / "load.log").read_text(encoding="utf-8")

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.folder / "state.json").read_text(encoding="utf-8"))
        return state


@pytest.fixture(scope="module")
def installed_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the page's first block has been run."""
    home = tmp_path_factory.mktemp("home")
    script = ["/bin/bash", "-euo", "pipefail", "-c", block("cron.md", "sh")]
    subprocess.run(script, cwd=ROOT, env={**os.environ, "HOME": str(home)}, check=True)
    return home


@pytest.fixture
def cron(installed_home: Path, tmp_path: Path, database: Database) -> Callable[[Sandbox], Cron]:
    """Returns a `Cron` for a team."""

    def make(api: Sandbox) -> Cron:
        env = dotenv("cron.md", database.target_variables | {"TAP_TUPLE_AUTH_TOKEN": DEFAULT_TOKEN})
        env += f"TAP_TUPLE_API_URL={api.url}\nTAP_TUPLE_PAGE_SIZE=40\n"
        return Cron(tmp_path / "home", installed_home, env)

    return make


def test_cron_loads_new_calls_without_output(cron: Callable[[Sandbox], Cron], database: Database, api: Sandbox) -> None:
    job = cron(api)
    assert job.mail() == "", job.log
    assert_in_postgres(database, "tuple.calls", "tuple.call_participations", api)
    requests_before = len(api.requests)
    api.new_calls(3)
    assert job.mail() == "", job.log
    assert_in_postgres(database, "tuple.calls", "tuple.call_participations", api)
    assert len(api.requests) == requests_before + 2
    assert not (job.folder / "state.json.new").exists()


def test_cron_reports_a_failed_tap_and_keeps_the_progress(cron: Callable[[Sandbox], Cron], database: Database) -> None:
    refused = Fault(on=3, status=401)
    with Sandbox(generate_calls(120), faults=[refused]) as api:
        job = cron(api)
        assert "load.sh failed" in job.mail()
        assert "Set `auth_token` to a valid token" in job.log
        assert len(database.rows("select id from tuple.calls")) == 79
        bookmarks = {entry["replication_key_value"] for entry in job.state["bookmarks"].values()}
        assert bookmarks == {sorted(call["ended_at"] for call in api.calls)[78]}

        assert job.mail() == "", job.log
        assert_in_postgres(database, "tuple.calls", "tuple.call_participations", api)


def test_cron_resumes_from_a_complete_state_after_a_kill(cron: Callable[[Sandbox], Cron], database: Database) -> None:
    middle = threading.Event()
    held = Fault(on=2, run=lambda _: middle.set(), delay_seconds=120)
    with Sandbox(generate_calls(120), faults=[held]) as api:
        job = cron(api)
        with job.start() as process:
            assert middle.wait(60)
            os.killpg(process.pid, signal.SIGKILL)
        # The lock is released when the last process has ended.
        with (job.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
        assert job.state == {}

        assert job.mail() == "", job.log
        assert_in_postgres(database, "tuple.calls", "tuple.call_participations", api)


def test_cron_does_not_start_while_another_run_is_active(cron: Callable[[Sandbox], Cron], api: Sandbox) -> None:
    job = cron(api)
    with (job.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "load.sh failed" in job.mail()
    assert job.log == "The previous run has not finished yet.\n"
    assert api.requests == []
