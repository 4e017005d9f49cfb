"""The tap: its settings, its streams, and what it is given to start with."""

from __future__ import annotations

import io
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any

from singer_sdk import Tap
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._util import load_json
from singer_sdk.singerlib import Catalog
from typing_extensions import override

from tap_tuple import redaction, settings, validation
from tap_tuple.bookmark import check_state
from tap_tuple.exceptions import InputError
from tap_tuple.pacing import Pacer
from tap_tuple.streams import CallParticipationsStream, CallsStream
from tap_tuple.termination import TERMINATION
from tap_tuple.writer import LineWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click
    from singer_sdk.plugin_base import _ConfigInput

    from tap_tuple.usage import UsageStream


class TapTuple(Tap):
    """Singer tap for Tuple's usage API: which calls a team had, who was in them, and when."""

    name = "tap-tuple"
    package_name = "tap-tuple"
    config_jsonschema = settings.DEFINITIONS.to_dict()
    message_writer_class = LineWriter
    message_writer: LineWriter

    def __init__(self, *, config: Any = None, validate_config: bool = True, **kwargs: Any) -> None:  # noqa: ANN401
        if isinstance(config, dict):
            # A null is what a setting is that nobody has set.
            config = {name: value for name, value in config.items() if value is not None}
        try:
            super().__init__(config=config, validate_config=validate_config, **kwargs)
        except ConfigValidationError as error:
            if error.schema is None:
                # Of flattening, whose settings are right one by one.
                raise InputError(f"{'; '.join(error.errors)}.") from None
            raise validation.explain(self.config, error.schema) from None
        if validate_config:
            validation.check(self.config)
            redaction.hide(self.config["auth_token"])
            self._warn_of_pace()
        TERMINATION.install(self.message_writer.write_last_words)

    @override
    def _setup_signal_handlers(self) -> None:
        # Private: with the SDK's handlers, a signal ends the process with exit code 0, as if all had been read.
        # Until the tap's own are in place, the system's do.
        pass

    @property
    def _env_var_config(self) -> dict[str, Any]:
        # Private: the SDK's own reading leaves a number a text, and of an integer that is none it names
        # neither the variable nor the setting.
        self.append_builtin_config(self.config_jsonschema)
        return validation.from_environment(self.config_jsonschema, self._env_var_prefix)

    def _warn_of_pace(self) -> None:
        if self.config["requests_per_minute"] > settings.DOCUMENTED_REQUESTS_PER_MINUTE:
            self.logger.warning(
                "The setting requests_per_minute is above the %d that Tuple allows a team; it is for a limit "
                "that was raised, or for a local server",
                settings.DOCUMENTED_REQUESTS_PER_MINUTE,
            )

    @override
    def discover_streams(self) -> Sequence[UsageStream]:
        return [CallParticipationsStream(self), CallsStream(self)]

    @property
    def selected_streams(self) -> list[UsageStream]:
        """The streams that are selected, in the order in which the SDK syncs them."""
        return [stream for stream in self.streams.values() if stream.selected]  # type: ignore[misc]

    @cached_property
    def pacer(self) -> Pacer:
        """Holds back the requests of all streams, as the rate limit is the team's."""
        return Pacer(self.config["requests_per_minute"])

    @override
    def setup_mapper(self) -> None:
        for stream in self.streams.values():
            # The streams mend a catalog's keys before the mapper reads them.
            if "properties" not in stream.effective_schema:
                raise InputError(f"The catalog has no properties for {stream.name}. Make it anew with --discover.")
        try:
            super().setup_mapper()
        except ConfigValidationError:
            raise
        except Exception as error:
            raise InputError(
                f"The catalog or the setting stream_maps cannot be used ({error}). Make the catalog anew with "
                "--discover, and compare the stream maps with https://sdk.meltano.com/en/latest/stream_maps.html."
            ) from error
        if not self.selected_streams:
            self.logger.warning("The catalog selects none of the streams of tap-tuple: nothing will be read")

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(dict(check_state(state, self.streams)))

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> _ConfigInput:
        for path in value:
            if path != "ENV":
                with _open(path) as file:
                    _json_object(file, f"config file {path}")
        return super().cb_config(ctx, param, value)

    @classmethod
    @override
    def invoke(
        cls,
        *,
        state: IO[str] | None = None,
        catalog: IO[str] | None = None,
        **kwargs: Any,
    ) -> None:
        if catalog is not None:
            name = catalog.name
            catalog = _json_object(catalog, f"catalog file {name}")
            _refuse_other_catalog(catalog.getvalue(), name)
        super().invoke(state=state and _json_object(state, f"state file {state.name}"), catalog=catalog, **kwargs)


def _open(path: str) -> IO[str]:
    try:
        return open(path, encoding="utf-8")  # noqa: PTH123 - the caller closes it
    except OSError as error:
        raise InputError(f"The config file {path} cannot be read: {error.strerror}.") from None


def _refuse_other_catalog(text: str, name: str) -> None:
    try:
        Catalog.from_dict(load_json(text))
    except Exception:  # noqa: BLE001 - the SDK takes any catalog for a good one
        raise InputError(f"The catalog file {name} is no Singer catalog. Make it anew with --discover.") from None


def _json_object(file: IO[str], name: str) -> io.StringIO:
    """Refuses a file that holds no JSON object; otherwise it can be read from its start."""
    try:
        text = file.read()
        whole = load_json(text)
    except (OSError, ValueError, RecursionError):
        raise InputError(f"The {name} is no JSON.") from None
    if not isinstance(whole, dict):
        raise InputError(f"The {name} wants a JSON object.")
    return io.StringIO(text)
