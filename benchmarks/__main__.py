"""Runs the benchmark, prints the table, and writes it to `results.md`: `make bench`.

A full benchmark takes about 17 minutes, mostly because parts of it run at the API's rate limit. `--quick` takes about a
minute and does not write `results.md`: start-up accounts for a larger share of its short runs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import machine, measurements, report
from benchmarks.figures import Results
from benchmarks.programs import Programs
from benchmarks.runs import FailedRunError
from benchmarks.scale import FULL, QUICK, Scale

RESULTS = Path(__file__).with_name("results.md")


def main() -> None:
    """Run the benchmark; exit with 1 if a run fails or a limit is exceeded."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Compares the cost of the tap with its alternatives."
    )
    parser.add_argument("--quick", action="store_true", help="run small sizes, for development; writes no results.md")
    quick = parser.parse_args().quick
    load_before = machine.load()
    with tempfile.TemporaryDirectory(prefix="tap-tuple-bench-") as folder:
        programs = Programs(Path(folder))
        try:
            results = _measure(programs, QUICK if quick else FULL)
        except FailedRunError as error:
            sys.exit(f"The benchmark failed: {error}")
    print(report.table(results))
    if not quick:
        RESULTS.write_text(report.page(results, programs.environments, load_before), "utf-8")
    sys.exit(0 if results.all_met else "A figure exceeds its limit; see the column `met`.")


def _measure(programs: Programs, scale: Scale) -> Results:
    results = Results()
    _announce("Processor time")
    measurements.processor_time(programs, scale, results)
    _announce("Start-up")
    start_up_seconds = measurements.start_up(programs, scale, results)
    _announce("Memory")
    measurements.memory(programs, scale, results)
    _announce("Database time of the server")
    measurements.server_time(programs, scale, results)
    _announce("Slow server and slow reader")
    measurements.overlap(programs, scale, results, start_up_seconds)
    if scale.paced_pages:
        _announce("The API's rate limit, in real time")
        measurements.pace(programs, scale, results)
    return results


def _announce(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what} …", flush=True)


if __name__ == "__main__":
    main()
