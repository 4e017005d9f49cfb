"""The tap: its settings, its streams, and its command."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import IO, Any

import click
from singer_sdk import Tap
from singer_sdk.exceptions import ConfigValidationError
from typing_extensions import override

from tap_tuple import inputs, settings
from tap_tuple.catalogs import check_names, parse_catalog
from tap_tuple.exceptions import InputError
from tap_tuple.logs import redact
from tap_tuple.state import check_state
from tap_tuple.streams import CallCountsStream, CallParticipationsStream, CallsStream, TupleStream
from tap_tuple.sync import Sync
from tap_tuple.writer import LineWriter


class TapTuple(Tap):
    """Singer tap for Tuple: pair-programming calls of a team and their participants."""

    name = "tap-tuple"
    package_name = "tap-tuple"
    config_jsonschema = settings.DEFINITIONS.to_dict()
    message_writer_class = LineWriter
    message_writer: LineWriter

    def __init__(self, *, config: Any = None, catalog: Any = None, validate_config: bool = True, **kwargs: Any) -> None:  # noqa: ANN401 - the SDK's
        if isinstance(config, dict):
            self.append_builtin_config(self.config_jsonschema)
            config = inputs.normalize(config, self.config_jsonschema)
        if isinstance(catalog, dict):
            catalog = parse_catalog(catalog)
        try:
            super().__init__(config=config, catalog=catalog, validate_config=validate_config, **kwargs)
        except ConfigValidationError as error:
            if error.schema is None:
                # The settings of flattening are valid on their own, but not together.
                raise InputError(f"{'; '.join(error.errors)}.") from None
            raise inputs.explain(self.config, error.schema) from None
        if validate_config and self.config["requests_per_minute"] > settings.DOCUMENTED_REQUESTS_PER_MINUTE:
            limit = settings.DOCUMENTED_REQUESTS_PER_MINUTE
            self.logger.warning("`requests_per_minute` is above Tuple's documented limit of %d per team", limit)

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        super().append_builtin_config(config_jsonschema)
        config_jsonschema["properties"]["batch_config"].update(settings.BATCH_CONFIG)

    @override
    def _setup_signal_handlers(self) -> None:
        # Private: the SDK's handlers end an interrupted process with exit code 0, as if everything had been read. The
        # command line handles signals.
        pass

    @override
    def discover_streams(self) -> Sequence[TupleStream]:
        sync = Sync(self, self.message_writer)
        return [
            kind(self, sync.records, sync.batches) for kind in (CallCountsStream, CallParticipationsStream, CallsStream)
        ]

    @override
    def setup_mapper(self) -> None:
        settings.check(self.config)
        schemas = {name: stream.schema for name, stream in self.streams.items()}
        check_names(self.input_catalog or (), self.config.get("stream_maps") or {}, schemas)
        try:
            super().setup_mapper()
        except ConfigValidationError:
            raise
        except Exception as error:
            raise InputError(
                f"Invalid `stream_maps` ({error}). See https://sdk.meltano.com/en/latest/stream_maps.html."
            ) from error
        if not any(stream.selected for stream in self.streams.values()):
            self.logger.warning("The catalog selects no stream of tap-tuple: nothing will be read")

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(dict(check_state(state, self.streams)))

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:
        # Each file is read once, as it can be a pipe. The SDK's parser of the environment leaves numbers as strings,
        # and does not name the variable of an invalid one.
        config_input = super().cb_config(ctx, param, ())
        for path in value:
            if path != "ENV":
                config_input.config.update(inputs.read_json(path, "config"))
        if "ENV" in value:
            cls.append_builtin_config(cls.config_jsonschema)
            config_input.config.update(inputs.read_environment(cls.config_jsonschema, "TAP_TUPLE_"))
        redact(config_input.config.get("auth_token"))
        return config_input

    @classmethod
    @override
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        # The SDK treats any other value as "all".
        if value not in {"all", "schema", "disabled"}:
            raise click.BadParameter("", ctx, param)
        super().cb_test(ctx, param, value)

    @classmethod
    @override
    def invoke(cls, *, state: IO[str] | None = None, catalog: IO[str] | None = None, **kwargs: Any) -> None:
        files = {"state": state, "catalog": catalog}
        contents: dict[str, Any] = {
            name: io.StringIO(json.dumps(inputs.read_json(file, name))) for name, file in files.items() if file
        }
        super().invoke(**contents, **kwargs)
