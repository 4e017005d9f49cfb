"""Writes log lines as LOG messages, which Airbyte displays."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from singer_sdk.metrics import METRICS_LOGGER_NAME
from typing_extensions import override

from tap_tuple.airbyte import messages

if TYPE_CHECKING:
    from tap_tuple.airbyte.airbyte_writer import AirbyteWriter

LEVELS: dict[int, messages.Level] = {
    logging.DEBUG: "DEBUG",
    logging.INFO: "INFO",
    logging.WARNING: "WARN",
    logging.ERROR: "ERROR",
    logging.CRITICAL: "FATAL",
}


class LogHandler(logging.Handler):
    """Passes log lines to the writer without tracebacks, which may contain data.

    Args:
        writer: The writer of the messages.
    """

    def __init__(self, writer: AirbyteWriter) -> None:
        super().__init__()
        self._writer = writer

    @override
    def emit(self, record: logging.LogRecord) -> None:
        level = LEVELS.get(record.levelno // 10 * 10, "INFO")
        self._writer.log(messages.log(level, record.getMessage()))


def listen(writer: AirbyteWriter, *, level: str) -> None:
    """Send all log lines of this level or above to the writer."""
    handler = LogHandler(writer)
    # The SDK's metrics are for Meltano. Airbyte collects its own.
    handler.addFilter(lambda record: record.name != METRICS_LOGGER_NAME)
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.captureWarnings(capture=True)
