"""Loads the sandbox's calls into DuckDB with Meltano, twice, and checks that nothing is missing.

`make demo` runs it in an environment that has Meltano and DuckDB.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from demo import database
from tap_tuple.sandbox import DEFAULT_TOKEN, Sandbox, generate_calls

ROOT = Path(__file__).parent.parent
OUTPUT = ROOT / "output" / "demo"
DATABASE = OUTPUT / "warehouse.duckdb"
LOG = OUTPUT / "meltano.log"
CALLS = 2500
NEW_CALLS = 25
MELTANO = Path(sys.executable).parent / "meltano"


def main() -> None:
    """Runs the demo; it leaves the database, and nothing that runs."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    print("Installing the tap and target-duckdb with Meltano …", flush=True)
    with Sandbox(generate_calls(CALLS), requests_per_minute=60) as api:
        environment = {
            **os.environ,
            "TAP_TUPLE_API_URL": api.url,
            "TAP_TUPLE_AUTH_TOKEN": DEFAULT_TOKEN,
            "TARGET_DUCKDB_FILEPATH": str(DATABASE),
            # The state of the demo goes with its output, and does not mix with that of real runs.
            "MELTANO_DATABASE_URI": f"sqlite:///{OUTPUT / 'meltano.db'}",
            "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
            # A PYTHONPATH or an activated environment would reach into those of the plugins.
            "PYTHONPATH": "",
            "NO_PROXY": "127.0.0.1",
        }
        _meltano(environment, "install", "--plugin-type", "extractor", "tap-tuple")
        _meltano(environment, "install", "--plugin-type", "loader", "target-duckdb")

        _load(environment, api, "everything")
        api.new_calls(NEW_CALLS)
        _load(environment, api, f"{NEW_CALLS} new calls and the lookback window")

        calls, participations = database.check(DATABASE, api.calls)
    print(f"The database holds exactly what the API holds: {calls} calls with {participations} participations.\n")
    print("The ten pairs with the most hours:\n")
    print(database.pairs(DATABASE))
    print(f"\nThe database: {DATABASE.relative_to(ROOT)} (schema tuple, tables calls and call_participations)")


def _load(environment: dict[str, str], api: Sandbox, what: str) -> None:
    before = len(api.requests)
    _meltano(environment, "run", "calls-to-duckdb")
    print(f"Loaded {what}, in {len(api.requests) - before} requests.", flush=True)


def _meltano(environment: dict[str, str], *arguments: str) -> None:
    with LOG.open("ab") as log:
        done = subprocess.run(
            [MELTANO, *arguments], cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode:
        sys.exit(f"{LOG.read_text()}\nmeltano {' '.join(arguments)} failed; the log above is {LOG.relative_to(ROOT)}.")


if __name__ == "__main__":
    main()
