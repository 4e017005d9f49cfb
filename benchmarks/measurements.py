"""Runs the measurements and computes the figures from them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.api import serving, serving_from_sql
from benchmarks.figures import Results, condition, median_peak, median_wall, min_cpu, ratio
from benchmarks.rounds import in_rounds
from benchmarks.runs import Reading, Run, run
from benchmarks.scale import CALLS_PER_PAGE

if TYPE_CHECKING:
    from benchmarks.api import Api
    from benchmarks.programs import Programs
    from benchmarks.scale import Scale

FEW_CALLS = 10_000
API_REQUESTS_PER_MINUTE = 60
SLOW_SECONDS = 0.25
"""The time per page of the slow server, and of the slow reader."""
MAX_PACED_SECONDS = 123.0
MEMORY_ROUNDS = 3
MAX_SERVER_TIME_RATIO = 0.5


def processor_time(programs: Programs, scale: Scale, results: Results) -> None:
    """Compare the processor time of all programs for the same calls."""
    calls = scale.pages * CALLS_PER_PAGE
    with serving(calls) as api:
        tap = programs.tap(api, calls_only=True)
        plain, dlt, airbyte, floor = (
            program(api) for program in (programs.plain_sdk, programs.dlt, programs.airbyte_cdk, programs.floor)
        )
        both = programs.tap(api)
        runs = in_rounds(
            {**dict.fromkeys((tap, plain, dlt, airbyte, floor), calls), both: calls + api.participations},
            scale.rounds,
        )
    results.runs |= runs
    tap_cpu = min_cpu(runs[tap.name])
    for peer, name, limit in (
        (plain, "CPU, `calls` / plain SDK tap", 0.20),
        (dlt, "CPU, `calls` / dlt `rest_api`, extract only", 0.28),
        (airbyte, "CPU, `calls` / airbyte-cdk with a declarative manifest", 0.17),
        (floor, "CPU, `calls` / floor", 2.4),
    ):
        results.figures.append(ratio(name, tap_cpu / min_cpu(runs[peer.name]), limit))
    both_cpu = min_cpu(runs[both.name])
    results.figures.append(ratio("CPU, both streams / floor", both_cpu / min_cpu(runs[floor.name]), 3.2))


def start_up(programs: Programs, scale: Scale, results: Results) -> float:
    """Compare the wall time of a run without new calls with that of importing the SDK.

    Returns:
        The wall time of a run without new calls, in seconds.
    """
    with serving(FEW_CALLS) as api:
        first = run(programs.tap(api), FEW_CALLS + api.participations)
        again = programs.tap_again(api, first.last_line)
        sdk = programs.import_of_sdk()
        # Any number of records is valid: the calls in the lookback window are written again.
        runs = in_rounds({again: None, sdk: 0}, scale.starts)
    results.runs |= runs
    seconds = median_wall(runs[again.name])
    name = 'wall time, run without new calls / `python -c "import singer_sdk"`'
    results.figures.append(ratio(name, seconds / median_wall(runs[sdk.name]), 1.0))
    return seconds


def memory(programs: Programs, scale: Scale, results: Results) -> None:
    """Compare the peak memory for many calls and for few, with both streams selected."""
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
    """Compare the database time of reading all calls by time with that of reading them by page number."""
    seconds = {}
    for name in ("by time", "by page number"):
        with serving_from_sql(scale.many_calls) as api:
            program = programs.tap(api, calls_only=True) if name == "by time" else programs.floor(api)
            done = run(program, scale.many_calls)
        results.runs[f"{program.name}, {scale.many_calls:,} calls from SQL"] = [done]
        seconds[name] = api.sql_seconds
    detail = f"{seconds['by time']:.0f} s by time, {seconds['by page number']:.0f} s by page number"
    value = seconds["by time"] / seconds["by page number"]
    name = f"database time of the server, {scale.many_calls:,} calls by time / by page number"
    results.figures.append(
        condition(name, f"<= {MAX_SERVER_TIME_RATIO}", f"{value:.2f} ({detail})", met=value <= MAX_SERVER_TIME_RATIO)
    )


def overlap(programs: Programs, scale: Scale, results: Results, start_up_seconds: float) -> None:
    """Measure the wall time with a slow server and a slow reader, which should work at the same time.

    Args:
        programs: The programs.
        scale: The sizes of the measurements.
        results: The results, to which the figure is added.
        start_up_seconds: The wall time of a run without new calls.
    """
    calls = scale.slow_pages * CALLS_PER_PAGE
    with serving(calls, latency_seconds=SLOW_SECONDS) as api:
        tap = programs.tap(api, calls_only=True)
        slow = run(tap, calls, Reading(CALLS_PER_PAGE, SLOW_SECONDS))
    results.runs[f"{tap.name}, {scale.slow_pages} slow pages"] = [slow]
    # Server and reader take the same time per page.
    min_seconds = scale.slow_pages * SLOW_SECONDS + start_up_seconds
    name = (
        f"wall time, {scale.slow_pages} pages with {SLOW_SECONDS} s of latency and {SLOW_SECONDS} s of reading each "
        f"/ {scale.slow_pages} times {SLOW_SECONDS} s plus start-up"
    )
    results.figures.append(ratio(name, slow.wall_seconds / min_seconds, 1.15))


def pace(programs: Programs, scale: Scale, results: Results) -> None:
    """Measure runs at the API's rate limit in real time: one tap alone, and two taps that share a limit."""
    with ThreadPoolExecutor() as pool:
        pending = [pool.submit(measure, programs, scale, results) for measure in (_one_tap, _two_taps)]
    for outcome in pending:
        outcome.result()


def _one_tap(programs: Programs, scale: Scale, results: Results) -> None:
    with serving(scale.paced_pages * CALLS_PER_PAGE, requests_per_minute=API_REQUESTS_PER_MINUTE) as api:
        done = _run_at_rate_limit(programs, api)
    results.runs[f"tap-tuple, {scale.paced_pages} pages at 60 per minute"] = [done]
    results.figures.append(
        condition(
            f"wall time, {scale.paced_pages} pages at {API_REQUESTS_PER_MINUTE} per minute",
            f"<= {MAX_PACED_SECONDS:.0f} s, no 429",
            f"{done.wall_seconds:.1f} s, {api.refused} responses with 429",
            met=done.wall_seconds <= MAX_PACED_SECONDS and not api.refused,
        )
    )


def _two_taps(programs: Programs, scale: Scale, results: Results) -> None:
    calls = scale.paced_pages * CALLS_PER_PAGE
    with serving(calls, requests_per_minute=API_REQUESTS_PER_MINUTE) as api, ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda _: _run_at_rate_limit(programs, api), range(2)))
    results.runs[f"tap-tuple, {scale.paced_pages} pages each, two at a time"] = runs
    seconds = " and ".join(f"{done.wall_seconds:.0f} s" for done in runs)
    # Always met, as a failed run stops the benchmark.
    measured = f"both complete in {seconds}, {api.refused} responses with 429"
    name = f"two taps that share a rate limit, {scale.paced_pages} pages each"
    results.figures.append(condition(name, "both complete", measured, met=True))


def _run_at_rate_limit(programs: Programs, api: Api) -> Run:
    tap = programs.tap(api, requests_per_minute=API_REQUESTS_PER_MINUTE, calls_only=True)
    return run(tap, api.calls)
