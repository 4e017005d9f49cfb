"""The command line: from a run to an exit code, and from an exception to one line in the log."""

from __future__ import annotations

import io
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import click
from singer_sdk.exceptions import SingerSDKError

from tap_tuple import inputs
from tap_tuple.exceptions import InputError, OutputError, TapTupleError
from tap_tuple.signals import SIGNAL_HANDLER, InterruptedBySignal
from tap_tuple.tap import TapTuple

FAILURE = 1


def run() -> int:
    """Run the tap with the arguments of the process, and return the exit code."""
    return with_signals(_run)


def with_signals(command: Callable[[], int]) -> int:
    """Run a command until it ends, and return its exit code, or until a signal ends the process."""
    SIGNAL_HANDLER.install()
    try:
        exit_code = command()
        # Everything has been written. A handler would now interrupt the interpreter's exit.
        SIGNAL_HANDLER.uninstall()
    except InterruptedBySignal as interruption:
        if SIGNAL_HANDLER.received and not interruption.is_logged:
            name = SIGNAL_HANDLER.received.name
            logging.getLogger(TapTuple.name).warning("Interrupted by %s. No data was lost.", name)
        SIGNAL_HANDLER.end_process()
    return exit_code


def _run() -> int:
    logger = logging.getLogger(TapTuple.name)
    try:
        inputs.check_log_level()
        if isinstance(sys.stdout, io.TextIOWrapper):
            # `--about` prints characters other than ASCII.
            sys.stdout.reconfigure(encoding="utf-8")
        exit_code: int = _command().main(prog_name=TapTuple.name, standalone_mode=False) or 0
        flush_stdout()
    except click.ClickException as error:
        logger.error("%s See --help.", _describe_usage(error))  # noqa: TRY400 - without a traceback
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - a user sees no traceback
        logger.error("%s", describe(error))  # noqa: TRY400 - without a traceback
        # The frames alone: the text of a foreign exception may contain data.
        logger.debug("Traceback:\n%s", "".join(traceback.format_tb(error.__traceback__)))
        return FAILURE
    return exit_code


def _command() -> click.Command:
    try:
        if inputs.LOG_CONFIG in os.environ:
            Path(os.environ[inputs.LOG_CONFIG]).open("rb").close()
        # Configures logging.
        command = TapTuple.cli
    except Exception:  # noqa: BLE001 - YAML and `logging` raise many types
        raise InputError(f"Environment variable {inputs.LOG_CONFIG} must name a valid logging configuration.") from None
    finally:
        # By default, a logging configuration disables the loggers that it does not name.
        logging.getLogger(TapTuple.name).disabled = False
    return command


def flush_stdout() -> None:
    """Flush stdout, e.g. after a catalog has been printed.

    Raises:
        OutputError: The reader has closed stdout.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        # Python flushes again at exit, and would print a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise OutputError(f"Cannot write to stdout: {error.strerror}.") from None


def describe(error: Exception) -> str:
    """Return a sentence about any failure, without any data."""
    if isinstance(error, TapTupleError):
        return str(error)
    if isinstance(error, SingerSDKError):
        return f"{type(error).__name__}: {error}"
    if isinstance(error, OSError) and error.strerror:
        return f"Cannot access {error.filename or 'a file'}: {error.strerror}."
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
    return f"Unexpected error: {place}. This is a bug; please report it. TAP_TUPLE_LOGLEVEL=DEBUG logs more."


def _describe_usage(error: click.ClickException) -> str:
    """Return a sentence about an invalid command line, without its values: one may be a token."""
    if isinstance(error, click.NoSuchOption):
        name = error.option_name
        return f"No such option{f': {name}' if re.fullmatch('--[a-z-]{1,20}', name) and 'sk-' not in name else ''}."
    if isinstance(error, click.BadParameter) and error.param is not None:
        is_file = isinstance(error.param.type, click.File)
        # The message of a file is its name and the system's reason.
        reason = error.message.rpartition(": ")[2].rstrip(".") if is_file else "not one of its choices"
        return f"Invalid value for {error.param.opts[0]}: {reason}."
    if isinstance(error, click.BadOptionUsage):
        return f"Option {error.option_name} requires a value."
    return "Unexpected argument." if isinstance(error, click.UsageError) else "Invalid command line."
