"""The measurements: which programs are compared, and which figures result."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.api import serving, serving_from_sql
from benchmarks.figures import Results, condition, median_cpu, median_peak, median_wall, ratio
from benchmarks.rounds import in_turns
from benchmarks.runs import Reading, Run, run
from benchmarks.scale import CALLS_A_PAGE

if TYPE_CHECKING:
    from benchmarks.api import Api
    from benchmarks.programs import Programs
    from benchmarks.scale import Scale

FEW_CALLS = 10_000
API_REQUESTS_PER_MINUTE = 60
SLOW_SECONDS = 0.25
"""The time that the slow server, and the slow reader, take for a page."""
LONGEST_PACED_SECONDS = 123.0
MEMORY_ROUNDS = 3
MAX_SERVER_TIME_RATIO = 0.5


def processor_time(programs: Programs, scale: Scale, results: Results) -> None:
    """Measure the processor time of all programs for the same calls."""
    calls = scale.pages * CALLS_A_PAGE
    with serving(calls) as api:
        tap = programs.tap(api, calls_only=True)
        plain, dlt, airbyte, floor = (
            program(api) for program in (programs.plain_sdk, programs.dlt, programs.airbyte_cdk, programs.floor)
        )
        both = programs.tap(api)
        runs = in_turns(
            {**dict.fromkeys((tap, plain, dlt, airbyte, floor), calls), both: calls + api.participations},
            scale.rounds,
        )
    results.runs |= runs
    own = median_cpu(runs[tap.name])
    for peer, name, limit in (
        (plain, "CPU / a plain SDK tap as its documentation teaches it", 0.20),
        (dlt, "CPU / dlt `rest_api`, extract only", 0.28),
        (airbyte, "CPU / airbyte-cdk declarative manifest", 0.17),
        (floor, "CPU / the floor", 2.4),
    ):
        results.figures.append(ratio(name, own / median_cpu(runs[peer.name]), limit))
    both_cpu = median_cpu(runs[both.name])
    results.figures.append(ratio("CPU with both streams / the floor", both_cpu / median_cpu(runs[floor.name]), 3.2))


def start_up(programs: Programs, scale: Scale, results: Results) -> float:
    """Measure the wall time of a run without new calls, and of importing the SDK.

    Returns:
        The wall time, in seconds.
    """
    with serving(FEW_CALLS) as api:
        first = run(programs.tap(api), FEW_CALLS + api.participations)
        again = programs.tap_again(api, first.last_line)
        sdk = programs.import_of_sdk()
        # Any number of records is valid: the calls in the lookback window are written again.
        runs = in_turns({again: None, sdk: 0}, scale.starts)
    results.runs |= runs
    seconds = median_wall(runs[again.name])
    name = 'wall of a run with nothing new / `python -c "import singer_sdk"`'
    results.figures.append(ratio(name, seconds / median_wall(runs[sdk.name]), 1.0))
    return seconds


def memory(programs: Programs, scale: Scale, results: Results) -> None:
    """Measure the peak memory for many calls and for few; both streams are selected."""
    peaks = {}
    for calls, rounds in ((FEW_CALLS, MEMORY_ROUNDS), (scale.many_calls, 1)):
        with serving(calls) as api:
            tap = programs.tap(api)
            runs = [run(tap, calls + api.participations) for _ in range(rounds)]
        results.runs[f"{tap.name}, {calls:,} calls"] = runs
        peaks[calls] = median_peak(runs)
    value = peaks[scale.many_calls] / peaks[FEW_CALLS]
    results.figures.append(ratio(f"peak memory, {scale.many_calls:,} calls / {FEW_CALLS:,} calls", value, 1.1))


def server_time(programs: Programs, scale: Scale, results: Results) -> None:
    """Measure the database time for the whole history: read by time, and by page numbers to the end."""
    seconds = {}
    for name in ("by time", "by page number"):
        with serving_from_sql(scale.many_calls) as api:
            program = programs.tap(api, calls_only=True) if name == "by time" else programs.floor(api)
            done = run(program, scale.many_calls)
        results.runs[f"{program.name}, {scale.many_calls:,} calls from SQL"] = [done]
        seconds[name] = api.sql_seconds
    detail = f"{seconds['by time']:.0f} s by time, {seconds['by page number']:.0f} s by page number"
    value = seconds["by time"] / seconds["by page number"]
    name = f"time of the server's database for {scale.many_calls:,} calls, by time / by page number"
    results.figures.append(condition(name, "<= 0.5", f"{value:.2f} ({detail})", met=value <= MAX_SERVER_TIME_RATIO))


def overlap(programs: Programs, scale: Scale, results: Results, start_up_seconds: float) -> None:
    """Measure the wall time with a slow server and a slow reader, which work at the same time.

    Args:
        programs: The programs.
        scale: The sizes of the measurements.
        results: The results, to which the figure is added.
        start_up_seconds: The duration of a run that has almost nothing to read.
    """
    calls = scale.slow_pages * CALLS_A_PAGE
    with serving(calls, latency_seconds=SLOW_SECONDS) as api:
        tap = programs.tap(api, calls_only=True)
        slow = run(tap, calls, Reading(CALLS_A_PAGE, SLOW_SECONDS))
    results.runs[f"{tap.name}, {scale.slow_pages} slow pages"] = [slow]
    # Server and reader take the same time, so either sum can be used.
    least_seconds = scale.slow_pages * SLOW_SECONDS + start_up_seconds
    name = (
        f"wall for {scale.slow_pages} pages, {SLOW_SECONDS} s of latency and {SLOW_SECONDS} s of reading each "
        "/ the longer of the two sums plus start-up"
    )
    results.figures.append(ratio(name, slow.wall_seconds / least_seconds, 1.15))


def pace(programs: Programs, scale: Scale, results: Results) -> None:
    """Measure runs at the API's rate limit in real time: one tap alone, and two that share another team's limit."""
    with ThreadPoolExecutor() as pool:
        pending = [pool.submit(measure, programs, scale, results) for measure in (_alone, _together)]
    for outcome in pending:
        outcome.result()


def _alone(programs: Programs, scale: Scale, results: Results) -> None:
    with serving(scale.paced_pages * CALLS_A_PAGE, requests_per_minute=API_REQUESTS_PER_MINUTE) as api:
        done = _at_the_pace(programs, api)
    results.runs[f"tap-tuple, {scale.paced_pages} pages at 60 a minute"] = [done]
    results.figures.append(
        condition(
            f"{scale.paced_pages} pages at a true {API_REQUESTS_PER_MINUTE} a minute, alone on the limit",
            f"<= {LONGEST_PACED_SECONDS:.0f} s, no 429",
            f"{done.wall_seconds:.1f} s, {api.refused} times 429",
            met=done.wall_seconds <= LONGEST_PACED_SECONDS and not api.refused,
        )
    )


def _together(programs: Programs, scale: Scale, results: Results) -> None:
    calls = scale.paced_pages * CALLS_A_PAGE
    with serving(calls, requests_per_minute=API_REQUESTS_PER_MINUTE) as api, ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda _: _at_the_pace(programs, api), range(2)))
    results.runs[f"tap-tuple, {scale.paced_pages} pages each, two at once"] = runs
    seconds = " and ".join(f"{done.wall_seconds:.0f} s" for done in runs)
    # If one had not completed, the benchmark would have stopped.
    measured = f"both, {scale.paced_pages} pages each: {seconds}, {api.refused} times 429"
    results.figures.append(condition("two taps at once on one team's limit", "both complete", measured, met=True))


def _at_the_pace(programs: Programs, api: Api) -> Run:
    tap = programs.tap(api, requests_per_minute=API_REQUESTS_PER_MINUTE, calls_only=True)
    return run(tap, api.calls)
