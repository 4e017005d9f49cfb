"""Log lines as LOG messages: what Airbyte shows of a run."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from singer_sdk.metrics import METRICS_LOGGER_NAME
from typing_extensions import override

from tap_tuple.airbyte import messages

if TYPE_CHECKING:
    from tap_tuple.airbyte.writer import AirbyteWriter

LEVELS: dict[int, messages.Level] = {
    logging.DEBUG: "DEBUG",
    logging.INFO: "INFO",
    logging.WARNING: "WARN",
    logging.ERROR: "ERROR",
    logging.CRITICAL: "FATAL",
}


class LogHandler(logging.Handler):
    """Hands each line of the log to the writer; never a traceback, which may quote what was read.

    Args:
        writer: Writes the lines.
    """

    def __init__(self, writer: AirbyteWriter) -> None:
        super().__init__()
        self._writer = writer

    @override
    def emit(self, record: logging.LogRecord) -> None:
        level = LEVELS.get(record.levelno // 10 * 10, "INFO")
        self._writer.log(messages.log(level, record.getMessage()))


def listen(writer: AirbyteWriter, *, debug: bool) -> None:
    """Sends all that is logged from now on to the writer, from the level on that the tap's variables say."""
    handler = LogHandler(writer)
    # Meltano counts by the SDK's metrics; Airbyte counts by itself.
    handler.addFilter(lambda record: record.name != METRICS_LOGGER_NAME)
    level = os.environ.get("TAP_TUPLE_LOGLEVEL") or os.environ.get("LOGLEVEL") or "INFO"
    logging.basicConfig(handlers=[handler], level="DEBUG" if debug else level.upper(), force=True)
    logging.captureWarnings(capture=True)
