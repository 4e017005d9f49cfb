"""The exceptions of the tap. Each message names the problem and the remedy.

TapTupleError
├── InputError              a setting, a state, a catalog or a file is invalid
├── OutputError             stdout or a batch file cannot be written
├── ApiError                the API responded, and a retry would not help: calls are invalid, or known to be missing
└── RetriableError          a retry may help
"""

from __future__ import annotations

from typing import Literal

FailureType = Literal["config_error", "transient_error", "system_error"]

NO_DATA_LOST = "No data was lost; the next run resumes from the last bookmark."


class TapTupleError(Exception):
    """Any failure that this tap can explain."""

    failure_type: FailureType = "system_error"
    """Airbyte's failure type: a configuration, a temporary, or a system error."""


class InputError(TapTupleError):
    """A setting, a state, a catalog or a file is invalid. Fix what the message names."""

    failure_type = "config_error"


class OutputError(TapTupleError):
    """The reader of stdout has closed it, or stdout or a batch file cannot be written."""


class ApiError(TapTupleError):
    """The API responded in a way that a retry would not change. `status` is set if the HTTP status is the reason.

    The state holds what has been written, and which calls are known to be missing: run again, and report to Tuple what
    persists.
    """

    def __init__(self, message: str, *, failure_type: FailureType = "system_error", status: int | None = None) -> None:
        super().__init__(message)
        self.failure_type = failure_type
        self.status = status


class RetriableError(TapTupleError):
    """One attempt failed in a way that may pass.

    Args:
        cause: What happened, without a full stop.
        remedy: What to do if it does not pass, as a sentence.
        retry_after_seconds: The minimum wait that the API requests.
        rate_limited: Whether the request exceeded the rate limit.
    """

    failure_type = "transient_error"

    def __init__(
        self, cause: str, remedy: str, *, retry_after_seconds: float | None = None, rate_limited: bool = False
    ) -> None:
        super().__init__(f"{cause}. {remedy}")
        self.cause = cause
        self.remedy = remedy
        self.retry_after_seconds = retry_after_seconds
        self.rate_limited = rate_limited
