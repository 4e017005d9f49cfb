"""The measurements: what is run against what, and which figures come of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.api import serving
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
"""What the slow server, and the slow reader, need for a page."""
LONGEST_PACED_SECONDS = 123.0
MEMORY_ROUNDS = 3


def processor_time(programs: Programs, scale: Scale, results: Results) -> None:
    """The processor time of all programs for the same calls."""
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
    for peer, name, bar, stretch in (
        (plain, "CPU / a plain SDK tap as its documentation teaches it", 0.33, 0.22),
        (dlt, "CPU / dlt `rest_api`, extract only", 0.45, 0.33),
        (airbyte, "CPU / airbyte-cdk declarative manifest", 0.26, 0.18),
        (floor, "CPU / the floor", 4.5, 3),
    ):
        results.figures.append(ratio(name, own / median_cpu(runs[peer.name]), bar, stretch))
    results.figures.append(
        ratio(
            "CPU with both streams / a plain SDK tap with `calls` alone",
            median_cpu(runs[both.name]) / median_cpu(runs[plain.name]),
            0.75,
            0.6,
        )
    )


def start_up(programs: Programs, scale: Scale, results: Results) -> float:
    """The wall time of a run with nothing new, beside the import of the SDK.

    Returns:
        The wall time, in seconds.
    """
    with serving(FEW_CALLS) as api:
        first = run(programs.tap(api), FEW_CALLS + api.participations)
        again = programs.tap_again(api, first.last_line)
        sdk = programs.import_of_sdk()
        # Any number of records is right: the newest calls, which the lookback window holds, come once more.
        runs = in_turns({again: None, sdk: 0}, scale.starts)
    results.runs |= runs
    seconds = median_wall(runs[again.name])
    name = 'wall of a run with nothing new / `python -c "import singer_sdk"`'
    results.figures.append(ratio(name, seconds / median_wall(runs[sdk.name]), 1.3, 1.15))
    return seconds


def memory(programs: Programs, scale: Scale, results: Results) -> None:
    """The peak memory for many calls, beside that for few; both streams selected."""
    peaks = {}
    for calls, rounds in ((FEW_CALLS, MEMORY_ROUNDS), (scale.many_calls, 1)):
        with serving(calls) as api:
            tap = programs.tap(api)
            runs = [run(tap, calls + api.participations) for _ in range(rounds)]
        results.runs[f"{tap.name}, {calls:,} calls"] = runs
        peaks[calls] = median_peak(runs)
    value = peaks[scale.many_calls] / peaks[FEW_CALLS]
    results.figures.append(ratio(f"peak memory, {scale.many_calls:,} calls / {FEW_CALLS:,} calls", value, 1.15))


def overlap(programs: Programs, scale: Scale, results: Results, start_up_seconds: float) -> None:
    """The wall time where the server and the reader are slow: one works while the other does.

    Args:
        programs: What is run.
        scale: How much of it.
        results: Where the figure goes.
        start_up_seconds: What a run takes that has next to nothing to read.
    """
    calls = scale.slow_pages * CALLS_A_PAGE
    with serving(calls, latency_seconds=SLOW_SECONDS) as api:
        tap = programs.tap(api, calls_only=True)
        slow = run(tap, calls, Reading(CALLS_A_PAGE, SLOW_SECONDS))
    results.runs[f"{tap.name}, {scale.slow_pages} slow pages"] = [slow]
    # Server and reader take the same time, so either sum is the longer one.
    least_seconds = scale.slow_pages * SLOW_SECONDS + start_up_seconds
    name = (
        f"wall for {scale.slow_pages} pages, {SLOW_SECONDS} s of latency and {SLOW_SECONDS} s of reading each "
        "/ the longer of the two sums plus start-up"
    )
    results.figures.append(ratio(name, slow.wall_seconds / least_seconds, 1.15))


def pace(programs: Programs, scale: Scale, results: Results) -> None:
    """The API's own rate limit in real time: a tap alone, and meanwhile two that share another team's limit."""
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
    # Had one not completed, the benchmark would have stopped.
    measured = f"both, {scale.paced_pages} pages each: {seconds}, {api.refused} times 429"
    results.figures.append(condition("two taps at once on one team's limit", "both complete", measured, met=True))


def _at_the_pace(programs: Programs, api: Api) -> Run:
    tap = programs.tap(api, requests_per_minute=API_REQUESTS_PER_MINUTE, calls_only=True)
    return run(tap, api.calls)
