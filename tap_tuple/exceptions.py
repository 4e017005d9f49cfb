"""What can go wrong, as one tree. Each message is a sentence with its remedy, fit to stand alone in a log.

TapTupleError
├── InputError            a setting, a state, a catalog or a file that cannot be used
├── OutputError           stdout takes no more
├── ApiError              the API answered, and asking again would not help
│   ├── InvalidCallError  it answered with a call that is none
│   ├── InvalidLinkError  it pointed to a next page that must not be asked for
│   └── IncompleteError   it did not give all the calls that it announced
└── RetriableError        asking again may help
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from singer_sdk.exceptions import FatalAPIError, RetriableAPIError

if TYPE_CHECKING:
    import requests

FailureType = Literal["config_error", "transient_error", "system_error"]


class TapTupleError(Exception):
    """Any failure that this tap knows how to explain."""

    failure_type: FailureType = "system_error"
    """Who can mend it: the user's configuration, time, or neither. The words are Airbyte's."""


class InputError(TapTupleError):
    """A setting, a state, a catalog or a file cannot be used. Mend what the message names."""

    failure_type = "config_error"


class OutputError(TapTupleError):
    """The reader of stdout is gone, or stdout takes no more. Look at the target's own log."""


class ApiError(TapTupleError, FatalAPIError):
    """The API answered in a way that asking again would not change."""

    def __init__(self, message: str, *, failure_type: FailureType = "system_error") -> None:
        super().__init__(message)
        self.failure_type = failure_type


class InvalidCallError(ApiError):
    """A call lacks its `id` or `ended_at`, or has a field of the wrong type."""


class InvalidLinkError(ApiError):
    """A next link leads to another origin or path, out of the window, or back."""


class IncompleteError(ApiError):
    """The API announces calls that it does not give. The bookmark stays before them."""


class RetriableError(TapTupleError, RetriableAPIError):
    """One attempt failed in a way that may pass.

    Args:
        cause: What happened, without an end stop.
        remedy: What to do should it not pass, as a sentence.
        response: The answer, if there was one.
        retry_after_seconds: How long the API asks to wait at least.
        rate_limited: Whether the API refused because of its rate limit.
    """

    failure_type = "transient_error"

    def __init__(
        self,
        cause: str,
        remedy: str,
        *,
        response: requests.Response | None = None,
        retry_after_seconds: float | None = None,
        rate_limited: bool = False,
    ) -> None:
        super().__init__(f"{cause}. {remedy}", response)
        self.cause = cause
        self.remedy = remedy
        self.retry_after_seconds = retry_after_seconds
        self.rate_limited = rate_limited
