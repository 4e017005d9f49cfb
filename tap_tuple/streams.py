"""The streams: their names, keys and schemas, and the records that they build from calls."""

from __future__ import annotations

import abc
import logging
from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from singer_sdk import SchemaDirectory, Stream, StreamSchema, Tap, metrics
from singer_sdk.helpers.types import Context, Record
from singer_sdk.singerlib import Catalog
from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_tuple.api.calls import Calls
from tap_tuple.catalogs import complete
from tap_tuple.exceptions import ApiError, OutputError, TapTupleError

if TYPE_CHECKING:
    # The SDK does not export these types.
    from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchConfig

    Batches = Iterable[tuple[BaseBatchFileEncoding, list[str]]]

# The schemas are part of the installed package; in a checkout they are beside it.
_PACKAGED = resources.files("tap_tuple") / "schemas"
SCHEMAS = SchemaDirectory(_PACKAGED if _PACKAGED.is_dir() else Path(__file__).parent.parent / "schemas")
SECONDS_PER_DAY = 86_400


class TupleStream(Stream):
    """A stream of the tap. The tap syncs all its streams together; the SDK calls them one by one.

    Args:
        tap: The tap.
        records: Syncs a stream, and returns the records that the SDK has to write.
        batches: Syncs a stream to batch files, and returns them.
    """

    primary_keys: Sequence[str]
    replication_key: str
    is_sorted = True

    def __init__(
        self, tap: Tap, records: Callable[[Stream], Iterable[Record]], batches: Callable[[Stream, BatchConfig], Batches]
    ) -> None:
        super().__init__(tap)
        self._records = records
        self._batches = batches

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        return self._records(self)

    @override
    def get_batches(self, batch_config: BatchConfig, context: Context | None = None) -> Batches:
        try:
            yield from self._batches(self, batch_config)
        except TapTupleError:
            raise
        except Exception as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise OutputError(f"Cannot write batch files to the `root` in `batch_config`: {reason}.") from error

    @override
    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:
        # The SDK logs that a stream failed, without the reason; the command line logs the reason and the remedy.
        super().log(message, *args, level=logging.DEBUG if level == logging.ERROR else level, **kwargs)

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        keys, replication_key = type(self).primary_keys, type(self).replication_key
        if entry := catalog.get_stream(self.name):
            complete(entry, self.schema, {*keys, replication_key})
            if entry.replication_key not in {None, replication_key} or {*(entry.key_properties or keys)} != {*keys}:
                self.logger.warning("Ignoring the catalog's keys of stream `%s`: they cannot be changed", self.name)
            # An edited catalog must not remove the keys, because the bookmark depends on them.
            entry.key_properties, entry.replication_key = list(keys), replication_key
            entry.stream = self.name
        super().apply_catalog(catalog)
        self.primary_keys, self.replication_key = keys, replication_key

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """Return no upper bound for the bookmark: the window of the run is one."""

    @override
    def get_record_counter(self, **kwargs: Any) -> metrics.Counter:
        # The sync counts the records of all streams, each once.
        return SilentCounter(metrics.Metric.RECORD_COUNT)

    @override
    def get_sync_timer(self) -> metrics.Timer:
        return SilentTimer(metrics.Metric.SYNC_DURATION)


class SilentCounter(metrics.Counter):
    """A counter that logs nothing."""

    @override
    def exit(self) -> None:
        pass


class SilentTimer(metrics.Timer):
    """A timer that logs nothing."""

    @override
    def __exit__(self, *_: object) -> None:
        pass


class CallStream(TupleStream):
    """A stream whose records are built from calls."""

    primary_keys: Sequence[str] = ("id",)

    @property
    def is_incremental(self) -> bool:
        """Whether the stream uses its bookmark; otherwise it reads everything (full table)."""
        return self.replication_method == REPLICATION_INCREMENTAL

    @abc.abstractmethod
    def rows(self, calls: Calls) -> Sequence[msgspec.Struct]:
        """Return the records of some calls, with exactly the fields of the stream's schema."""


class CallsStream(CallStream):
    """Completed calls, each with its participations as a nested array."""

    name = "calls"
    replication_key = "ended_at"
    schema: ClassVar[StreamSchema] = StreamSchema(SCHEMAS)

    @override
    def rows(self, calls: Calls) -> Sequence[msgspec.Struct]:
        return calls.items


class ParticipationRow(msgspec.Struct, gc=False):
    """A record of `call_participations`."""

    id: int
    call_id: int
    call_ended_at: str
    user_email: str | None
    joined_at: str | None
    left_at: str | None
    duration_seconds: int | None


class CallParticipationsStream(CallStream):
    """Participations: one record per stay of a person in a call; a person who left and came back has two."""

    name = "call_participations"
    replication_key = "call_ended_at"
    schema: ClassVar[StreamSchema] = StreamSchema(SCHEMAS)

    @override
    def rows(self, calls: Calls) -> Sequence[msgspec.Struct]:
        rows = []
        # Without function and keyword calls, as this loop takes most of the time of the stream.
        for call, call_times in zip(calls.items, calls.times, strict=True):
            for stay, times in zip(call.call_participations or (), call_times.call_participations or ()):  # noqa: B905
                if stay is None or times is None:
                    continue
                if stay.id is None:
                    raise ApiError(
                        f"Invalid call {call.id}: a participation has no `id`, the key of stream `{self.name}`. "
                        "Deselect that stream to read the calls alone, and contact Tuple support."
                    )
                email = stay.user.email if stay.user else None
                joined_at, left_at, seconds = times.joined_at, times.left_at, None
                if joined_at is not None and left_at is not None:
                    duration = left_at - joined_at
                    seconds = duration.days * SECONDS_PER_DAY + duration.seconds
                rows.append(
                    ParticipationRow(stay.id, call.id, call.ended_at, email, stay.joined_at, stay.left_at, seconds)
                )
        return rows


class CallCountRow(msgspec.Struct, gc=False):
    """A record of `call_counts`."""

    since: str
    until: str
    calls: int | None
    reconciled_at: str


class CallCountsStream(TupleStream):
    """The number of calls that the API reports: one record per run, to check the loaded calls against."""

    name = "call_counts"
    primary_keys: Sequence[str] = ("until",)
    replication_key = "until"
    selected_by_default = False
    schema: ClassVar[StreamSchema] = StreamSchema(SCHEMAS)
