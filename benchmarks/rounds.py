"""Runs several programs in turn, so that a slowdown of the machine affects all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.runs import Program, Run, run

if TYPE_CHECKING:
    from collections.abc import Mapping


def in_rounds(programs: Mapping[Program, int | None], rounds: int) -> dict[str, list[Run]]:
    """Run each program once per round, after a warm-up round that does not count.

    Args:
        programs: The programs, each with the number of records that it must write, or None if any number is valid.
        rounds: The number of rounds that count.

    Returns:
        The runs of each program, by its name.

    Raises:
        FailedRunError: A run failed.
    """
    runs: dict[str, list[Run]] = {program.name: [] for program in programs}
    for number in range(rounds + 1):
        for program, records in programs.items():
            done = run(program, records)
            if number:
                runs[program.name].append(done)
    return runs
