"""The commands of the README, run as written; other suites test its `make` commands."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from environments import ROOT, programs
from recipes import Project

from tap_tuple.sandbox import DEFAULT_TOKEN

if TYPE_CHECKING:
    from pathlib import Path

    from tap_tuple.sandbox import Sandbox

README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = [
    block.replace("sk-tuple-…", DEFAULT_TOKEN)
    for block in re.findall(r"^```(?:shell|bash)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    if not block.startswith("make ")
]
PARTS = ("tap_tuple", "schemas", "pyproject.toml", "README.md", "LICENSE")


def commands(beginning: str) -> str:
    """Return the only block of the README with a command that begins like this."""
    [text] = [block for block in BLOCKS if re.search(f"^{re.escape(beginning)}", block, re.MULTILINE)]
    return str(text)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A checkout to install the tap from, and an environment for it that is first on PATH."""
    folder = tmp_path_factory.mktemp("checkout")
    for part in PARTS:
        source = ROOT / part
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / part)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    path = [str(folder / "venv" / "bin"), str(programs("target-jsonl")), os.environ["PATH"]]
    return Project(folder, {"PATH": os.pathsep.join(path)})


def lines(folder: Path, table: str) -> int:
    return sum(len(file.read_text("utf-8").splitlines()) for file in folder.glob(f"{table}-*.jsonl"))


def test_each_command_of_the_readme_is_run_here() -> None:
    """Except for the commands of the sandbox, which `tests/test_sandbox.py` runs."""
    assert len(BLOCKS) == 5


def test_the_meltano_commands_load_the_calls_into_a_database(project: Project, api: Sandbox) -> None:
    project.shell(commands("meltano install"))
    assert project.duckdb("select count(*) as calls from tuple.calls") == [{"calls": len(api.calls)}]


def test_the_pipe_writes_the_calls_to_files_and_the_next_run_resumes(checkout: Project, api: Sandbox) -> None:
    checkout.variables |= {"TAP_TUPLE_API_URL": api.url, "TAP_TUPLE_LOOKBACK_WINDOW": "0"}
    checkout.shell(commands("pip install"))
    for new in (0, 3):
        api.new_calls(new)
        checkout.shell(commands("set -o pipefail"))
    assert lines(checkout.folder, "calls") == len(api.calls)
    state = json.loads((checkout.folder / "state.json").read_text("utf-8"))
    assert state["bookmarks"]["calls"]["replication_key_value"] == api.calls[-1]["ended_at"]


def test_the_airbyte_commands_write_the_calls_as_records(checkout: Project, api: Sandbox) -> None:
    folder = checkout.folder
    (folder / "config.json").write_text(json.dumps({"auth_token": DEFAULT_TOKEN, "api_url": api.url}), "utf-8")
    checkout.shell("pip install --quiet .")
    discovered = checkout.shell("source-tuple discover --config config.json").splitlines()
    [catalog] = [message["catalog"] for message in map(json.loads, discovered) if message["type"] == "CATALOG"]
    modes = {"sync_mode": "incremental", "destination_sync_mode": "append_dedup"}
    configured = {"streams": [{"stream": stream, **modes} for stream in catalog["streams"]]}
    (folder / "catalog.json").write_text(json.dumps(configured), "utf-8")
    messages = [json.loads(line) for line in checkout.shell(commands("source-tuple check")).splitlines()]
    assert [m["connectionStatus"]["status"] for m in messages if m["type"] == "CONNECTION_STATUS"] == ["SUCCEEDED"]
    records = [m["record"]["data"] for m in messages if m["type"] == "RECORD" and m["record"]["stream"] == "calls"]
    assert records == api.calls
