"""The commands of `docs/operations.md`, run as written with a minimal target."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from factories import TOKEN, a_call_per_minute, minute

from tap_tuple.sandbox import Fault, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = (Path(__file__).parent.parent / "docs" / "operations.md").read_text("utf-8")
BLOCKS = {
    section: re.findall(r"^```(?:bash|sql)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for section, text in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
}
ALL = list(range(1, 31))
TARGET = f"""#!{sys.executable}
# Appends records to calls.jsonl, and prints each state after the records before it.
import json, os, sys
with open("calls.jsonl", "a") as file:
    for number, line in enumerate(sys.stdin):
        message = json.loads(line)
        if message["type"] == "RECORD" and message["stream"] == "calls":
            print(json.dumps(message["record"]), file=file, flush=True)
        elif message["type"] == "STATE":
            print(json.dumps(message["value"]), flush=True)
            if os.environ.get("TARGET_FAILS") == "after a state" and message["value"]["bookmarks"]:
                sys.exit(3)
if os.environ.get("TARGET_FAILS") == "at the end":
    sys.exit(3)
"""


class Shell:
    """A folder in which a test runs the commands of the page."""

    def __init__(self, folder: Path, api: Sandbox) -> None:
        self.folder = folder
        target = folder / "bin" / "target-jsonl"
        target.parent.mkdir()
        target.write_text(TARGET, encoding="utf-8")
        target.chmod(0o755)
        path = [str(target.parent), str(Path(sys.executable).parent), os.environ["PATH"]]
        own = {name: value for name, value in os.environ.items() if not name.upper().startswith(("TAP_TUPLE_", "HTTP"))}
        self.environment = {
            **own,
            "PATH": os.pathsep.join(path),
            "TAP_TUPLE_AUTH_TOKEN": TOKEN,
            "TAP_TUPLE_API_URL": api.url,
            "TAP_TUPLE_PAGE_SIZE": "10",
        }

    def run(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/bash", "-c", script],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def pipe(self, **environment: str) -> int:
        """Run the pipe of the page, and return its exit code."""
        [script] = BLOCKS["Run with a pipe"]
        return self.run(script, **environment).returncode

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.folder / "state.json").read_text("utf-8"))
        return state

    @property
    def ids(self) -> set[int]:
        lines = (self.folder / "calls.jsonl").read_text("utf-8").splitlines()
        return {json.loads(line)["id"] for line in lines}


@pytest.fixture
def new_shell(tmp_path: Path) -> Callable[[Sandbox], Shell]:
    """Makes a `Shell` for an API."""
    return lambda api: Shell(tmp_path, api)


FAILURES: dict[str, dict[str, str]] = {
    "before the first STATE": {"TAP_TUPLE_AUTH_TOKEN": "sk-tuple-wrong"},
    "before the tap reads anything": {"TAP_TUPLE_PAGE_SIZE": "many"},
    "in the target, after a STATE": {"TARGET_FAILS": "after a state"},
    "in the target, at its end": {"TARGET_FAILS": "at the end"},
    "in a target that does not exist": {"PATH": str(Path(sys.executable).parent) + ":/usr/bin:/bin"},
}


class TestPipe:
    """The pipe, which must keep its state file after every failure."""

    def test_each_run_reads_the_new_calls(self, new_shell: Callable[[Sandbox], Shell]) -> None:
        with Sandbox(a_call_per_minute(1, 20)) as api:
            shell = new_shell(api)
            assert shell.pipe() == 0
            assert shell.ids == set(range(1, 21))
            assert shell.state["bookmarks"]["calls"]["replication_key_value"] == minute(20)
            api.add(*a_call_per_minute(21, 30))
            assert shell.pipe() == 0
        assert shell.ids == set(ALL)
        assert shell.state["bookmarks"]["calls"]["replication_key_value"] == minute(30)

    @pytest.mark.parametrize("name", FAILURES)
    def test_a_failed_run_fails_the_pipeline_and_does_not_change_the_state(
        self, new_shell: Callable[[Sandbox], Shell], name: str
    ) -> None:
        with Sandbox(a_call_per_minute(1, 20)) as api:
            shell = new_shell(api)
            assert shell.pipe() == 0
            before = shell.state
            api.add(*a_call_per_minute(21, 30))
            assert shell.pipe(**FAILURES[name]) != 0
            assert shell.state == before
            assert shell.pipe() == 0
        assert shell.ids == set(ALL)

    def test_a_failed_first_run_leaves_an_empty_state(self, new_shell: Callable[[Sandbox], Shell]) -> None:
        with Sandbox(a_call_per_minute()) as api:
            shell = new_shell(api)
            assert shell.pipe(TAP_TUPLE_AUTH_TOKEN="sk-tuple-wrong") == 1
            assert shell.state == {}

    @pytest.mark.parametrize("fault", [{"page": 1, "on": 2}, {"when": lambda r: r.query["since"] > minute(15)}])
    def test_a_tap_that_fails_midway_does_not_change_the_state(
        self, new_shell: Callable[[Sandbox], Shell], fault: dict[str, Any]
    ) -> None:
        with Sandbox(a_call_per_minute(), faults=[Fault(status=401, **fault)]) as api:
            shell = new_shell(api)
            assert shell.pipe() == 1
            assert shell.state == {}
            assert shell.ids
            assert shell.pipe() == 0
        assert shell.ids == set(ALL)
        assert shell.state["bookmarks"]["calls"]["replication_key_value"] == minute(30)

    def test_a_target_that_prints_no_state_does_not_change_the_state(
        self, new_shell: Callable[[Sandbox], Shell]
    ) -> None:
        with Sandbox() as api:
            shell = new_shell(api)
            (shell.folder / "bin" / "target-jsonl").write_text("#!/bin/sh\nexec cat > /dev/null\n", "utf-8")
            assert shell.pipe() == 0
            assert shell.state == {}


class TestOtherCommands:
    """The other blocks of the page."""

    def test_each_code_block_of_the_page_is_tested(self) -> None:
        assert {section for section, blocks in BLOCKS.items() if blocks} == {
            *("Run with a pipe", "Alert on failures", "Alert on stale data", "Logs", "Read a period again"),
        }

    def test_the_log_lines_for_an_alert_say_why_the_run_failed(self, new_shell: Callable[[Sandbox], Shell]) -> None:
        [script] = BLOCKS["Alert on failures"]
        with Sandbox() as api:
            shell = new_shell(api)
            shell.pipe(TAP_TUPLE_AUTH_TOKEN="sk-tuple-wrong")
            output = shell.run(script).stdout
        assert "Authentication failed (401)" in output.splitlines()[-1]

    def test_the_log_of_a_connection_test_has_debug_lines(self, new_shell: Callable[[Sandbox], Shell]) -> None:
        [script] = BLOCKS["Logs"]
        with Sandbox() as api:
            done = new_shell(api).run(script)
        assert done.returncode == 0
        assert "| DEBUG " in done.stderr
        assert "Connection test passed" in done.stderr

    def test_a_period_is_read_again_without_the_state(self, new_shell: Callable[[Sandbox], Shell]) -> None:
        [script] = BLOCKS["Read a period again"]
        days = (
            "2025-12-31T23:59:59.999Z",
            "2026-01-01T00:00:00.000Z",
            "2026-01-31T23:59:59.999Z",
            "2026-02-01T00:00:00.000Z",
        )
        with Sandbox([{"id": number, "ended_at": day} for number, day in enumerate(days)]) as api:
            shell = new_shell(api)
            assert shell.pipe() == 0
            before = shell.state
            (shell.folder / "calls.jsonl").unlink()
            assert shell.run(script).returncode == 0
        assert shell.ids == {1, 2}
        assert shell.state == before

    def test_the_query_returns_the_time_of_the_last_run(self) -> None:
        [query] = BLOCKS["Alert on stale data"]
        with closing(sqlite3.connect(":memory:")) as database:
            database.execute("attach ':memory:' as tuple")
            database.execute("create table tuple.call_counts (since, until, calls, reconciled_at)")
            rows = [("", "", 1, minute(number)) for number in (1, 3, 2)]
            database.executemany("insert into tuple.call_counts values (?, ?, ?, ?)", rows)
            assert database.execute(query).fetchall() == [(minute(3),)]
