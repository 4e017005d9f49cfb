"""Loads the sandbox's calls into DuckDB with Meltano, twice, and checks that nothing is missing.

Before the second run, new calls appear, one of which ended two days earlier. `make demo` runs this module in an
environment with Meltano and DuckDB.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from demo import database
from tap_tuple.sandbox import DEFAULT_TOKEN, Sandbox, generate_calls

ROOT = Path(__file__).parent.parent
OUTPUT = ROOT / "output" / "demo"
DATABASE = OUTPUT / "warehouse.duckdb"
LOG = OUTPUT / "meltano.log"
CALLS = 2500
NEW_CALLS = 25
NEWCOMERS = {"oliver.hughes@example.com", "sofia.rossi@example.com"}
LATE = timedelta(days=2)
MELTANO = Path(sys.executable).parent / "meltano"
TIMESTAMPS = ("started_at", "ended_at", "joined_at", "left_at")


def main() -> None:
    """Run the demo and leave its database in `output/demo`."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    print("Installing the tap and target-duckdb with Meltano …", flush=True)
    with Sandbox(_history(), requests_per_minute=60) as api:
        environment = {
            **os.environ,
            "TAP_TUPLE_API_URL": api.url,
            "TAP_TUPLE_AUTH_TOKEN": DEFAULT_TOKEN,
            "TARGET_DUCKDB_FILEPATH": str(DATABASE),
            # The demo keeps its state with its output, separate from that of real runs.
            "MELTANO_DATABASE_URI": f"sqlite:///{OUTPUT / 'meltano.db'}",
            "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
            # An inherited PYTHONPATH would also apply to the environments of the plugins.
            "PYTHONPATH": "",
            "NO_PROXY": "127.0.0.1",
        }
        _meltano(environment, "install", "--plugin-type", "extractor", "tap-tuple")
        _meltano(environment, "install", "--plugin-type", "loader", "target-duckdb")

        _load(environment, api, "the whole history")
        late, *_ = api.new_calls(NEW_CALLS + 1)
        _make_late(api, late)
        print(
            f"Added {NEW_CALLS} new calls to the API, and late call {late['id']}, which ended two days earlier.",
            flush=True,
        )
        _load(environment, api, "the new calls")

        calls, participations = database.check(DATABASE, api.calls)
        if not database.has_call(DATABASE, late["id"]):
            sys.exit(f"Late call {late['id']} is missing from the database. See {LOG.relative_to(ROOT)}.")
    print(f"The second run loaded late call {late['id']}, which appeared in the API two days after it had ended.")
    print(f"The database matches the API: {calls} calls with {participations} participations.\n")
    print("The ten pairs with the most hours:\n")
    print(database.pairs(DATABASE))
    print(f"\nDatabase: {DATABASE.relative_to(ROOT)} (schema tuple, tables calls and call_participations)")


def _history() -> list[dict[str, Any]]:
    """Return the calls of a team with two people who have joined recently."""
    joined = (datetime.now(timezone.utc) - timedelta(days=45)).isoformat()
    return [
        call
        for call in generate_calls(CALLS)
        if call["ended_at"] >= joined
        or NEWCOMERS.isdisjoint(participation["user"]["email"] for participation in call["call_participations"])
    ]


def _make_late(api: Sandbox, call: dict[str, Any]) -> None:
    """Move a call two days into the past."""
    api.replace(_moved(call))


def _moved(value: Any) -> Any:
    if isinstance(value, list):
        return [_moved(item) for item in value]
    if isinstance(value, dict):
        return {name: _earlier(item) if name in TIMESTAMPS else _moved(item) for name, item in value.items()}
    return value


def _earlier(timestamp: str) -> str:
    moved = datetime.fromisoformat(timestamp.replace("Z", "+00:00")) - LATE
    return moved.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _load(environment: dict[str, str], api: Sandbox, what: str) -> None:
    before = len(api.requests)
    lines_before = len(LOG.read_text().splitlines())
    _meltano(environment, "run", "calls-to-duckdb")
    print(f"Loaded {what} in {len(api.requests) - before} requests.", flush=True)
    for line in LOG.read_text().splitlines()[lines_before:]:
        if "Recovered" in line or "re-reading" in line:
            print(f"  log: {line.split('tap-tuple', 1)[-1].strip()}", flush=True)


def _meltano(environment: dict[str, str], *arguments: str) -> None:
    with LOG.open("ab") as log:
        done = subprocess.run(
            [MELTANO, *arguments], cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode:
        sys.exit(
            f"{LOG.read_text()}\n`meltano {' '.join(arguments)}` failed. See the log above ({LOG.relative_to(ROOT)})."
        )


if __name__ == "__main__":
    main()
