"""Keeps secrets out of the log, whoever writes it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from typing_extensions import override

if TYPE_CHECKING:
    from logging import LogRecord

HIDDEN = "***"


class Redaction(logging.Filter):
    """Replaces a secret in each line of a handler: a server may echo it in whatever it likes."""

    def __init__(self, secret: str) -> None:
        super().__init__()
        self._secret = secret

    @override
    def filter(self, record: LogRecord) -> bool:
        message = record.getMessage()
        if self._secret in message:
            record.msg, record.args = message.replace(self._secret, HIDDEN), None
        return True


def hide(secret: str) -> None:
    """Keeps a secret, and what HTTP libraries write of headers and URLs, out of all log lines from now on."""
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
    for handler in logging.getLogger().handlers:
        handler.addFilter(Redaction(secret))
