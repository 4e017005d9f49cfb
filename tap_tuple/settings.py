"""The settings: what each is called, means, and is unless it is set."""

from __future__ import annotations

from singer_sdk import typing as th

DOCUMENTED_REQUESTS_PER_MINUTE = 60
"""What Tuple allows a team, whatever the token."""
LARGEST_PAGE = 1000
"""What the API gives in one page at most."""

DEFINITIONS = th.PropertiesList(
    th.Property(
        "auth_token",
        th.StringType,
        required=True,
        secret=True,
        title="API token",
        description="The token of your team's usage API, such as `sk-tuple-…`. It does not expire.",
    ),
    th.Property(
        "start_date",
        th.StringType,
        title="Start date",
        description=(
            "Where the first run begins: calls that ended at or after it. An ISO 8601 date (00:00 UTC) or "
            "datetime (UTC if it has no zone), such as `2026-01-31` or `2026-01-31T09:00:00Z`. Without it, "
            "all of the team's history."
        ),
    ),
    th.Property(
        "end_date",
        th.StringType,
        title="End date",
        description=(
            "Where a run ends: calls that ended before it. The same format as `start_date`, such as "
            "`2026-02-28`. Without it, the time at which the run starts."
        ),
    ),
    th.Property(
        "lookback_window",
        th.IntegerType(minimum=0),
        default=3600,
        title="Lookback window",
        description=(
            "How far before the bookmark each run reads once more, in seconds, such as `3600`: a call may "
            "become visible some time after it ended."
        ),
    ),
    th.Property(
        "page_size",
        th.IntegerType(minimum=1, maximum=LARGEST_PAGE),
        default=LARGEST_PAGE,
        title="Page size",
        description="How many calls to ask for in one request, from 1 to 1000, such as `1000`.",
    ),
    th.Property(
        "api_url",
        th.StringType,
        default="https://app.tuple.app/api/v2",
        title="API URL",
        description=(
            "The URL of the API, up to its version, such as `https://app.tuple.app/api/v2`. Plain `http` "
            "only for an address of this machine."
        ),
    ),
    th.Property(
        "request_timeout",
        th.NumberType(exclusive_minimum=0),
        default=60,
        title="Request timeout",
        description="How long one request may take as a whole, in seconds, such as `60`.",
    ),
    th.Property(
        "requests_per_minute",
        th.IntegerType(minimum=1),
        default=DOCUMENTED_REQUESTS_PER_MINUTE,
        title="Requests per minute",
        description=(
            "How many requests to make in any minute at most, such as `60`, which is what Tuple allows a team. "
            "Set less where other programs use the same team's limit, more where Tuple has raised it."
        ),
    ),
    th.Property(
        "user_agent",
        th.StringType,
        title="User agent",
        description="What the tap calls itself to the API. By default `tap-tuple/` and its version.",
    ),
    # A misspelt setting is refused in place of passed over.
    additional_properties=False,
)
