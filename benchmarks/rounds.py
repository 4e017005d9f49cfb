"""Runs several programs in turns, so that a machine that slows down does so for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.runs import Program, Run, run

if TYPE_CHECKING:
    from collections.abc import Mapping


def in_turns(programs: Mapping[Program, int | None], rounds: int) -> dict[str, list[Run]]:
    """Runs each program once a round, after a first round that does not count: it compiles and fills caches.

    Args:
        programs: The programs, each with the number of records that it has to write,
            or None where any number is right.
        rounds: How many rounds count.

    Returns:
        The runs of each program, by its name.

    Raises:
        FailedRunError: One of them failed.
    """
    runs: dict[str, list[Run]] = {program.name: [] for program in programs}
    for number in range(rounds + 1):
        for program, records in programs.items():
            done = run(program, records)
            if number:
                runs[program.name].append(done)
    return runs
