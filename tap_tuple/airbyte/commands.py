"""The four commands of the Airbyte protocol, and how each of them ends."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, NoReturn

from typing_extensions import override

from tap_tuple.airbyte import catalog, logs, messages, spec, state
from tap_tuple.airbyte.files import read_config, read_json
from tap_tuple.airbyte.source import SourceTuple
from tap_tuple.airbyte.writer import AirbyteWriter, SilentWriter
from tap_tuple.cli import FAILURE, explained, mortal
from tap_tuple.exceptions import InputError, OutputError, TapTupleError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Command = Callable[[argparse.Namespace, AirbyteWriter], None]

USAGE = (
    "source-tuple spec | check --config FILE | discover --config FILE | "
    "read --config FILE --catalog FILE [--state FILE]"
)


def run(arguments: Sequence[str]) -> int:
    """Runs a command.

    Args:
        arguments: As in `read --config config.json --catalog catalog.json`.

    Returns:
        The exit code.
    """
    return mortal(lambda: _run(arguments, AirbyteWriter()))


def _run(arguments: Sequence[str], writer: AirbyteWriter) -> int:
    try:
        parsed = _parser().parse_args(arguments)
        logs.listen(writer, debug=parsed.debug)
        parsed.command(parsed, writer)
    except Exception as error:  # noqa: BLE001 - a failure of any kind has to be told
        failure_type = error.failure_type if isinstance(error, TapTupleError) else "system_error"
        try:
            writer.fail(explained(error), failure_type)
        except OutputError:
            # Nobody takes messages any more.
            sys.stderr.write(f"{explained(error)}\n")
        return FAILURE
    return 0


class Parser(argparse.ArgumentParser):
    """Refuses a command line without repeating it."""

    @override
    def error(self, message: str) -> NoReturn:
        raise InputError(f"The command line cannot be used; it is {USAGE}.")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="source-tuple", description=SourceTuple.__doc__, allow_abbrev=False)
    subparsers = parser.add_subparsers(required=True)

    def add(name: str, command: Command, words: str, *files: str) -> argparse.ArgumentParser:
        subparser = subparsers.add_parser(name, help=words, description=words, allow_abbrev=False)
        subparser.set_defaults(command=command)
        subparser.add_argument("--debug", action="store_true", help="log more")
        for file in files:
            subparser.add_argument(f"--{file}", required=True, metavar="FILE")
        return subparser

    add("spec", _spec, "say which settings there are")
    add("check", _check, "try whether the API can be read with the settings", "config")
    add("discover", _discover, "say which streams there are", "config")
    read = add("read", _read, "read the streams that the catalog configures", "config", "catalog")
    read.add_argument("--state", metavar="FILE")
    return parser


def _spec(_: argparse.Namespace, writer: AirbyteWriter) -> None:
    writer.say(messages.spec(spec.specification()))


def _check(arguments: argparse.Namespace, writer: AirbyteWriter) -> None:
    config = read_config(arguments.config)
    failure = None
    try:
        source = SourceTuple(config=config, message_writer=SilentWriter())
        # A window that has not begun yet would ask for nothing.
        before = datetime.now(timezone.utc) - timedelta(minutes=1)
        for stream in source.selected_streams:
            stream.since = min(stream.since, before)
        source.run_connection_test()
    except Exception as error:  # noqa: BLE001 - whatever it is, the connection does not work
        failure = explained(error)
    writer.say(messages.connection_status(failure))


def _discover(arguments: argparse.Namespace, writer: AirbyteWriter) -> None:
    source = SourceTuple(config=read_config(arguments.config), message_writer=writer)
    writer.say(messages.catalog([catalog.discovered(stream) for stream in source.selected_streams]))


def _read(arguments: argparse.Namespace, writer: AirbyteWriter) -> None:
    config = read_config(arguments.config)
    source = SourceTuple(config=config, message_writer=writer)
    names = catalog.configured(read_json(arguments.catalog, "catalog"), source.streams)
    if arguments.state:
        source.load_state(state.to_singer(read_json(arguments.state, "state"), names))
    for stream in source.streams.values():
        stream.selected = stream.name in names
    source.sync_all()
    writer.complete()
