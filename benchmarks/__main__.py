"""Runs the benchmark, prints the table, and writes it to `results.md`: `make bench`.

It takes a quarter of an hour, most of it at the API's rate limit. `--quick` takes a minute and writes no file. Its
figures come from short runs, in which start-up has a larger share.
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
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures the tap and its peers.")
    parser.add_argument("--quick", action="store_true", help="small sizes, for development; writes no results.md")
    quick = parser.parse_args().quick
    load_before = machine.load()
    with tempfile.TemporaryDirectory(prefix="tap-tuple-bench-") as folder:
        programs = Programs(Path(folder))
        try:
            results = _measured(programs, QUICK if quick else FULL)
        except FailedRunError as error:
            sys.exit(f"The benchmark stops: {error}")
    print(report.table(results))
    if not quick:
        RESULTS.write_text(report.page(results, programs.environments, load_before), "utf-8")
    sys.exit(0 if results.all_met else "A limit is exceeded.")


def _measured(programs: Programs, scale: Scale) -> Results:
    results = Results()
    _announce("Processor time, in turns")
    measurements.processor_time(programs, scale, results)
    _announce("Start-up")
    start_up_seconds = measurements.start_up(programs, scale, results)
    _announce("Memory")
    measurements.memory(programs, scale, results)
    _announce("The database of the server")
    measurements.server_time(programs, scale, results)
    _announce("A slow server and a slow reader")
    measurements.overlap(programs, scale, results, start_up_seconds)
    if scale.paced_pages:
        _announce("The API's own pace, in real time")
        measurements.pace(programs, scale, results)
    return results


def _announce(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what} …", flush=True)


if __name__ == "__main__":
    main()
