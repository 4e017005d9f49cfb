"""A tap on the Singer SDK, written as the SDK's documentation describes.

Sources: https://sdk.meltano.com/en/latest/dev_guide.html, its guide to HATEOAS pagination, and its template of a tap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.authenticators import BearerTokenAuthenticator
from singer_sdk.pagination import BaseHATEOASPaginator
from typing_extensions import override

if TYPE_CHECKING:
    from urllib.parse import ParseResult

    import requests
    from singer_sdk.helpers.types import Context


class LinkPaginator(BaseHATEOASPaginator):
    """Follows the next link of the `Link` header."""

    @override
    def get_next_url(self, response: requests.Response) -> str | None:
        return response.links.get("next", {}).get("url")


class CallsStream(RESTStream["ParseResult"]):
    """Completed calls."""

    name = "calls"
    path = "/call_usage"
    primary_keys = ("id",)
    replication_key = "ended_at"
    is_sorted = True
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType),
        th.Property("started_at", th.DateTimeType),
        th.Property("ended_at", th.DateTimeType),
        th.Property("duration_seconds", th.IntegerType),
        th.Property(
            "call_participations",
            th.ArrayType(
                th.ObjectType(
                    th.Property("id", th.IntegerType),
                    th.Property("joined_at", th.DateTimeType),
                    th.Property("left_at", th.DateTimeType),
                    th.Property("user", th.ObjectType(th.Property("email", th.StringType))),
                )
            ),
        ),
    ).to_dict()

    @property
    @override
    def url_base(self) -> str:
        return str(self.config["api_url"])

    @property
    @override
    def authenticator(self) -> BearerTokenAuthenticator:
        return BearerTokenAuthenticator(token=self.config["auth_token"])

    @override
    def get_new_paginator(self) -> LinkPaginator:
        return LinkPaginator()

    @override
    def get_url_params(self, context: Context | None, next_page_token: ParseResult | None) -> dict[str, Any]:
        if next_page_token:
            return dict(parse_qsl(next_page_token.query))
        since = self.get_starting_timestamp(context)
        return {"since": since.isoformat() if since else "1970-01-01T00:00:00Z", "per_page": 1000}


class TapPlain(Tap):
    """The plain tap."""

    name = "tap-plain"
    config_jsonschema = th.PropertiesList(
        th.Property("auth_token", th.StringType, required=True, secret=True),
        th.Property("api_url", th.StringType, required=True),
        th.Property("start_date", th.DateTimeType),
    ).to_dict()

    @override
    def discover_streams(self) -> list[CallsStream]:
        return [CallsStream(self)]


if __name__ == "__main__":
    TapPlain.cli()
