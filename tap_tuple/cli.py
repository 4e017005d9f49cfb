"""From a run to an exit code, and from an exception to one line in the log."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import click
from singer_sdk.exceptions import SingerSDKError

from tap_tuple.exceptions import InputError, OutputError, TapTupleError
from tap_tuple.tap import TapTuple
from tap_tuple.termination import TERMINATION, TerminatedError

if TYPE_CHECKING:
    from collections.abc import Callable

FAILURE = 1
LEVEL_VARIABLES = ("TAP_TUPLE_LOGLEVEL", "LOGLEVEL")


def run() -> int:
    """Runs the tap with the arguments of the process.

    Returns:
        The exit code.
    """
    return mortal(_run)


def mortal(command: Callable[[], int]) -> int:
    """Runs a command until it ends, or until a signal ends the process.

    Returns:
        The command's exit code.
    """
    try:
        exit_code = command()
        # All is said. A handler would now speak up in the middle of the interpreter's exit.
        TERMINATION.uninstall()
    except TerminatedError:
        TERMINATION.finish()
    return exit_code


def _run() -> int:
    logger = logging.getLogger(TapTuple.name)
    try:
        _refuse_unknown_level()
        exit_code: int = TapTuple.cli.main(prog_name=TapTuple.name, standalone_mode=False) or 0
        flush_stdout()
    except click.ClickException as error:
        sentence = error.format_message()
        end = "" if sentence.endswith((".", "?")) else "."
        logger.error("%s%s See --help.", sentence, end)  # noqa: TRY400 - the line says all
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - no traceback reaches a user unasked
        logger.error("%s", explained(error))  # noqa: TRY400 - the line says all
        # The frames alone: what a foreign exception says may be of what was read.
        logger.debug("It happened here:\n%s", "".join(traceback.format_tb(error.__traceback__)))
        return FAILURE
    return exit_code


def _refuse_unknown_level() -> None:
    for variable in LEVEL_VARIABLES:
        level = os.environ.get(variable)
        if level and not isinstance(logging.getLevelName(level.upper()), int):
            logging.basicConfig()
            raise InputError(f"The variable {variable} wants one of DEBUG, INFO, WARNING, ERROR, CRITICAL.")


def flush_stdout() -> None:
    """Writes what has been printed, such as a catalog.

    Raises:
        OutputError: Nobody takes it.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        # What cannot be written now cannot be at the end of the process either, where Python would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise OutputError(f"Nothing can be written to stdout: {error.strerror}.") from None


def explained(error: Exception) -> str:
    """Puts any failure into a sentence, which holds nothing of what was read."""
    if isinstance(error, TapTupleError):
        return str(error)
    if isinstance(error, SingerSDKError):
        return f"{type(error).__name__}: {error}"
    if isinstance(error, OSError) and error.strerror:
        return f"The system refuses {error.filename or 'what the run needs'}: {error.strerror}."
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"This should not happen: {type(error).__name__} in {Path(place.filename).name}, line {place.lineno}. "
        "TAP_TUPLE_LOGLEVEL=DEBUG shows more; please report it."
    )
