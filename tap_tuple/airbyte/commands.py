"""The four commands of the Airbyte protocol, and their exit codes."""

from __future__ import annotations

import argparse
import logging
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from typing_extensions import override

from tap_tuple import inputs
from tap_tuple.airbyte import airbyte_catalog, airbyte_state, log_messages, messages, spec
from tap_tuple.airbyte.airbyte_writer import AirbyteWriter, SilentWriter
from tap_tuple.airbyte.source import SourceTuple
from tap_tuple.cli import FAILURE, describe, with_signals
from tap_tuple.exceptions import InputError, OutputError, TapTupleError
from tap_tuple.logs import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Command = Callable[[argparse.Namespace, AirbyteWriter], None]

USAGE = (
    "source-tuple spec | check --config FILE | discover --config FILE | "
    "read --config FILE --catalog FILE [--state FILE]"
)

logger = logging.getLogger("tap-tuple")


def run(arguments: Sequence[str]) -> int:
    """Run a command.

    Args:
        arguments: For example `read --config config.json --catalog catalog.json`.

    Returns:
        The exit code.
    """
    return with_signals(lambda: _run(arguments, AirbyteWriter()))


def _run(arguments: Sequence[str], writer: AirbyteWriter) -> int:
    try:
        parsed = _parser().parse_args(arguments)
        log_messages.listen(writer, level="DEBUG" if parsed.debug else inputs.check_log_level())
        parsed.command(parsed, writer)
    except Exception as error:  # noqa: BLE001 - every failure has to be reported
        failure_type = error.failure_type if isinstance(error, TapTupleError) else "system_error"
        try:
            writer.fail(describe(error), failure_type)
        except OutputError:
            # The reader has closed stdout.
            sys.stderr.write(f"{describe(error)}\n")
        return FAILURE
    return 0


class ArgumentParser(argparse.ArgumentParser):
    """Reports an invalid command line without quoting it, as it may contain a token."""

    @override
    def error(self, message: str) -> NoReturn:
        raise InputError(f"Invalid command line. Usage: {USAGE}.")


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(prog="source-tuple", description=SourceTuple.__doc__, allow_abbrev=False)
    subparsers = parser.add_subparsers(required=True)

    def add(name: str, command: Command, description: str, *files: str) -> argparse.ArgumentParser:
        subparser = subparsers.add_parser(name, help=description, description=description, allow_abbrev=False)
        subparser.set_defaults(command=command)
        subparser.add_argument("--debug", action="store_true", help="log more")
        for file in files:
            subparser.add_argument(f"--{file}", required=True, metavar="FILE")
        return subparser

    add("spec", _spec, "print the specification of the settings")
    add("check", _check, "check the connection", "config")
    add("discover", _discover, "print the streams", "config")
    read = add("read", _read, "read the streams of the configured catalog", "config", "catalog")
    read.add_argument("--state", metavar="FILE")
    return parser


def _spec(_: argparse.Namespace, writer: AirbyteWriter) -> None:
    writer.write_at_once(messages.spec(spec.specification()))


def _check(arguments: argparse.Namespace, writer: AirbyteWriter) -> None:
    config = _read_config(arguments.config)
    failure = None
    try:
        SourceTuple(config=config, message_writer=SilentWriter()).run_connection_test()
    except Exception as error:  # noqa: BLE001 - any failure means that the connection does not work
        failure = describe(error)
    writer.write_at_once(messages.connection_status(failure))


def _discover(arguments: argparse.Namespace, writer: AirbyteWriter) -> None:
    source = SourceTuple(config=_read_config(arguments.config), message_writer=writer)
    streams = [airbyte_catalog.discovered(stream) for stream in source.discover_streams()]
    writer.write_at_once(messages.catalog(streams))


def _read(arguments: argparse.Namespace, writer: AirbyteWriter) -> None:
    source = SourceTuple(config=_read_config(arguments.config), message_writer=writer)
    names = airbyte_catalog.configured(inputs.read_json(arguments.catalog, "catalog", object), source.streams)
    if arguments.state:
        source.load_state(airbyte_state.to_singer(inputs.read_json(arguments.state, "state", object), names))
    for stream in source.streams.values():
        stream.selected = stream.name in names
    source.sync_all()
    writer.complete()


def _read_config(path: str) -> dict[str, Any]:
    """Return the known settings of a config file.

    Names that start with `_` are added by Airbyte. Any other unknown setting is logged, but is not an error: after a
    downgrade, a saved connection still has the settings of the newer version.
    """
    document = inputs.read_json(path, "config")
    redact(document.get("auth_token"))
    known = SourceTuple.config_jsonschema["properties"]
    for name in document:
        if name not in known and not name.startswith("_"):
            logger.warning("Unknown setting%s is ignored%s", inputs.shown(name), inputs.similar(name, known))
    return {name: value for name, value in document.items() if name in known}
