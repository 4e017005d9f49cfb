"""The log: progress, the closing line of a run, and the redaction of secrets."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import requests
from singer_sdk import Tap, metrics

from tap_tuple.api.rate_limit import WINDOW_SECONDS
from tap_tuple.signals import SIGNAL_HANDLER
from tap_tuple.timestamps import Window

HIDDEN = "***"
SHORTEST_SECRET = 6
SECRETS: set[str] = set()

logger = logging.getLogger("tap-tuple")


class PageLog:
    """Logs one line per page: the calls so far, their total, and the time that remains."""

    def __init__(self, requests_per_minute: int) -> None:
        self._requests_per_minute = requests_per_minute
        self._started_at = time.monotonic()
        self._pages = 0

    def log(self, received: int, total: int | None) -> None:
        """Log that a page of a window has been written."""
        self._pages += 1
        if total is None:
            logger.info("%d calls read (total unknown)", received)
            return
        seconds = self._seconds_remaining(max(0, total - received), received / self._pages)
        remaining = f"{seconds:.0f} s" if seconds < 2 * 60 else f"{seconds / 60:.0f} min"
        logger.info("%d of %d calls read, about %s remaining", received, total, remaining)

    def _seconds_remaining(self, calls: int, calls_per_page: float) -> float:
        pages = math.ceil(calls / max(1.0, calls_per_page))
        seconds_per_page = (time.monotonic() - self._started_at) / self._pages
        if self._pages + pages > self._requests_per_minute:
            seconds_per_page = max(seconds_per_page, WINDOW_SECONDS / self._requests_per_minute)
        return pages * seconds_per_page


@contextmanager
def request_metrics(tap: Tap, stream: str, endpoint: str) -> Iterator[Callable[[requests.Response | None], None]]:
    """Count requests and log how long they take, as the SDK does for its own. Yield the function to call for each."""
    with metrics.http_request_counter(stream, endpoint, log_interval=math.inf) as counter:

        def on_request(response: requests.Response | None) -> None:
            counter.increment()
            if response is not None:
                status, seconds = response.status_code, response.elapsed.total_seconds()
                outcome = metrics.Status.SUCCEEDED if response.ok else metrics.Status.FAILED
                tags = {"stream": stream, "endpoint": endpoint, "http_status_code": status, "status": outcome}
                point = metrics.Point("timer", metrics.Metric.HTTP_REQUEST_DURATION, seconds, tags)
                metrics.log(tap.metrics_logger, point)

        yield on_request


def log_completion(window: Window, total: int | None, excess: int, written: Mapping[str, int]) -> None:
    """Log the closing line of a complete run."""
    records = " and ".join(
        f"{count} {stream.replace('call_', '')}" for stream, count in sorted(written.items(), reverse=True)
    )
    known = "" if total is None else f" The API reports {total} calls from {window}; "
    known += f"it did not return {excess} of them." if excess else "all have been read." if known else ""
    logger.info("Run complete: wrote %s.%s", records or "no records", known)


def log_interruption(state: Mapping[str, Any], streams: Collection[str]) -> None:
    """Log that a signal ends the run, and where the next run resumes if it reads the same streams."""
    entries = state.get("bookmarks", {})
    bookmarks = [entries.get(stream, {}).get("replication_key_value", "") for stream in streams]
    oldest = min(bookmarks, default="")
    resume = f"resumes from the bookmark {oldest}" if oldest else "starts from the beginning"
    name = SIGNAL_HANDLER.received.name if SIGNAL_HANDLER.received else "a signal"
    logger.warning("Interrupted by %s. No data was lost; the next run %s.", name, resume)


def redact(secret: object) -> None:
    """Keep a secret, and urllib3's lines about headers and URLs, out of the log of the process from now on."""
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
    if isinstance(secret, str) and len(secret) >= SHORTEST_SECRET:
        SECRETS.add(secret)
        logging.setLogRecordFactory(_redacted)


def _redacted(*args: Any, **kwargs: Any) -> logging.LogRecord:  # noqa: ANN401 - those of LogRecord
    record = logging.LogRecord(*args, **kwargs)
    with suppress(Exception):
        message = record.getMessage()
        for secret in SECRETS:
            if secret in message:
                record.msg = message = message.replace(secret, HIDDEN)
                record.args = None
    return record
