"""From an exception to an exit code and one line in the log."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

import click
from singer_sdk.exceptions import SingerSDKError

from tap_tuple.exceptions import TapTupleError
from tap_tuple.tap import TapTuple
from tap_tuple.termination import TERMINATION, TerminatedError

FAILURE = 1


def run() -> int:
    """Runs the tap with the arguments of the process.

    Returns:
        The exit code.
    """
    logger = logging.getLogger(TapTuple.name)
    try:
        return TapTuple.cli.main(prog_name=TapTuple.name, standalone_mode=False) or 0
    except TerminatedError:
        TERMINATION.finish()
    except click.ClickException as error:
        logger.error("%s See --help.", error.format_message())  # noqa: TRY400 - the line says all
        return error.exit_code
    except Exception as error:
        logger.error("%s", explained(error), exc_info=logger.isEnabledFor(logging.DEBUG))  # noqa: TRY400 - the same
        return FAILURE


def explained(error: Exception) -> str:
    """Puts any failure into a sentence, which holds nothing of what was read."""
    if isinstance(error, TapTupleError):
        return str(error)
    if isinstance(error, SingerSDKError):
        return f"{type(error).__name__}: {error}"
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"This should not happen: {type(error).__name__} in {Path(place.filename).name}, line {place.lineno}. "
        "TAP_TUPLE_LOGLEVEL=DEBUG shows more; please report it."
    )
