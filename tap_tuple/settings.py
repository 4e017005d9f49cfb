"""The settings: their names, meanings, defaults and limits."""

from __future__ import annotations

import importlib.util
import ipaddress
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from singer_sdk import typing as th

from tap_tuple.exceptions import InputError
from tap_tuple.timestamps import parse_timestamp

DOCUMENTED_REQUESTS_PER_MINUTE = 60
"""The rate limit of a team."""
MAX_PAGE_SIZE = 1000
"""The API's maximum of `per_page`."""


def _setting(name: str, kind: Any, title: str, description: str, **more: Any) -> th.Property[Any]:  # noqa: ANN401 - the SDK's
    return th.Property(name, kind, title=title, description=description, **more)


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    required = [name for name in ("encoding", "storage", "format", "root") if name in properties]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


DEFINITIONS = th.PropertiesList(
    _setting(
        "auth_token",
        th.StringType,
        "API token",
        "API token of your team, e.g. `sk-tuple-…`. Owners and managers create it in Tuple's team settings, under API "
        "tokens. If that page is missing, ask Tuple support to enable the usage API. Tokens do not expire.",
        required=True,
        secret=True,
    ),
    _setting(
        "start_date",
        th.StringType,
        "Start date",
        "Read calls that ended at or after this time. ISO 8601 date (00:00 UTC) or datetime (UTC if it has no zone), "
        "e.g. `2026-01-31` or `2026-01-31T09:00:00Z`. Default: the whole history.",
    ),
    _setting(
        "end_date",
        th.StringType,
        "End date",
        "Read calls that ended before this time, in the format of `start_date`, e.g. `2026-02-28`. Default: the time "
        "at which the run starts.",
    ),
    _setting(
        "lookback_window",
        th.IntegerType(minimum=0),
        "Lookback window",
        "Seconds before the bookmark to re-read in each run, e.g. `3600`, for calls that change shortly after they "
        "ended. Calls that appear late are found without it, however old they are (see `reconcile`).",
        default=3600,
    ),
    _setting(
        "reconcile",
        th.BooleanType,
        "Reconcile",
        "Compare the number of calls read so far with the API's total in each run, and read the calls that are "
        "missing, e.g. `true`. Usually takes one request per run.",
        default=True,
    ),
    _setting(
        "page_size",
        th.IntegerType(minimum=1, maximum=MAX_PAGE_SIZE),
        "Page size",
        "Calls per request, from 1 to 1000, e.g. `1000`.",
        default=MAX_PAGE_SIZE,
    ),
    _setting(
        "api_url",
        th.StringType,
        "API URL",
        "Base URL of the API, including the version, e.g. `https://app.tuple.app/api/v2`. `http` is allowed only for "
        "loopback addresses.",
        default="https://app.tuple.app/api/v2",
    ),
    _setting(
        "request_timeout",
        th.IntegerType(minimum=1),
        "Request timeout",
        "Total timeout of one request in seconds, e.g. `60`.",
        default=60,
    ),
    _setting(
        "requests_per_minute",
        th.IntegerType(minimum=1),
        "Requests per minute",
        "Maximum number of requests in any minute, e.g. `60`, which is Tuple's limit per team. Set it lower if other "
        "programs use the same team's limit, higher if Tuple has raised it.",
        default=DOCUMENTED_REQUESTS_PER_MINUTE,
    ),
    _setting(
        "user_agent",
        th.StringType,
        "User agent",
        "Value of the User-Agent header. Default: `tap-tuple/` and the version.",
    ),
    # Unknown settings are errors.
    additional_properties=False,
)
BATCH_CONFIG = {
    **_object(
        encoding=_object(format={"enum": ["jsonl", "parquet"]}, compression={"enum": ["gzip", "none", None]}),
        storage=_object(
            root={"type": "string", "minLength": 1},
            prefix={"type": ["string", "null"]},
            params={"type": ["object", "null"]},
        ),
        batch_size={"type": ["integer", "null"], "minimum": 1},
    ),
    "type": ["object", "null"],
}
"""The SDK's own definition of this setting accepts what it cannot use."""
EXTRAS = {"parquet": "pyarrow", "s3": "s3fs", "faker": "faker"}
DATE = "an ISO 8601 date or datetime, e.g. 2026-01-31 or 2026-01-31T09:00:00Z"


def check(config: Mapping[str, Any]) -> None:
    """Check what JSON Schema cannot express.

    Raises:
        InputError: A setting is invalid. The message names it and what it must be, never its value.
    """
    if not re.fullmatch("[!-~]+", config["auth_token"]):
        raise InputError(
            "`auth_token` must be a Tuple API token, e.g. sk-tuple-…; it is empty, or contains spaces or other invalid "
            "characters."
        )
    dates = {name: _date(config, name) for name in ("start_date", "end_date") if name in config}
    if len(dates) > 1 and dates["end_date"] <= dates["start_date"]:
        raise InputError("`end_date` must be later than `start_date`.")
    _check_url(config["api_url"])
    if not re.fullmatch("[!-~]([ -~]*[!-~])?", config.get("user_agent", "tap-tuple")):
        raise InputError("`user_agent` must be a single line of printable ASCII.")
    _check_batch_config(config)
    if config.get("faker_config") or re.search(r"\bfake\b", json.dumps(config.get("stream_maps"))):
        _require("faker", "`fake` in `stream_maps`")


def _date(config: Mapping[str, Any], name: str) -> datetime:
    try:
        return parse_timestamp(config[name])
    except ValueError:
        raise InputError(f"`{name}` must be {DATE}.") from None


def _check_batch_config(config: Mapping[str, Any]) -> None:
    if not (batch := config.get("batch_config")):
        return
    if config.get("stream_maps") or config.get("flattening_enabled"):
        raise InputError(
            "`batch_config` cannot be combined with `stream_maps` or `flattening_enabled`: batch files bypass them, so "
            "hashed fields would be written unhashed. Remove one of them."
        )
    encoding, scheme = batch["encoding"], urlsplit(batch["storage"]["root"]).scheme
    if encoding["format"] == "parquet":
        _require("parquet", "The `format` parquet in `batch_config`")
    elif encoding.get("compression") == "none":
        raise InputError("`batch_config.encoding.compression` must be gzip for jsonl.")
    if scheme == "s3":
        _require("s3", "The `root` in `batch_config`")
    elif scheme not in {"", "file"}:
        raise InputError("`batch_config.storage.root` must be a path, or a URL that begins with file:// or s3://.")


def _require(extra: str, user: str) -> None:
    if importlib.util.find_spec(EXTRAS[extra]) is None:
        raise InputError(f'{user} requires an extra. Install it with: pip install "tap-tuple[{extra}]"')


def _check_url(text: str) -> None:
    expected = "`api_url` must be a URL, e.g. https://app.tuple.app/api/v2"
    try:
        url = urlsplit(text)
        host, _ = url.hostname, url.port
    except ValueError:
        raise InputError(f"{expected}.") from None
    if url.scheme not in {"http", "https"} or not _is_host(host or "") or not re.fullmatch("[!-~]+", text):
        raise InputError(f"{expected}.")
    if "?" in text or "#" in text or "@" in url.netloc:
        raise InputError(f"{expected}, without a user, a query or a fragment.")
    if url.scheme == "http" and not _is_loopback(host or ""):
        raise InputError(f"{expected}, and must use https: http would send the token unencrypted.")


def _is_host(host: str) -> bool:
    # A label has 1 to 63 characters (RFC 1035, 2.3.4); the colons are those of IPv6.
    return all(re.fullmatch("[a-z0-9_:-]{1,63}", label) for label in host.split("."))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
