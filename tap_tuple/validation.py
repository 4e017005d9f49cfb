"""Refuses settings that cannot be used, in one sentence that never repeats what they hold."""

from __future__ import annotations

import ipaddress
import json
import math
import os
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import dotenv
from singer_sdk.typing import DEFAULT_JSONSCHEMA_VALIDATOR

from tap_tuple import instants
from tap_tuple.exceptions import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from jsonschema import ValidationError

TRUE = {"true", "1", "yes", "on"}
FALSE = {"false", "0", "no", "off", ""}
KINDS = {
    "string": "a text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "object": "a JSON object",
    "array": "a JSON array",
}
DATE = "an ISO 8601 date or datetime, such as 2026-01-31 or 2026-01-31T09:00:00Z"


def from_environment(schema: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Reads settings from variables such as `TAP_TUPLE_PAGE_SIZE`, and from a `.env` file.

    Raises:
        InputError: A variable does not hold what its setting wants.
    """
    dotenv.load_dotenv(dotenv.find_dotenv(usecwd=True))
    config = {}
    for name, property_schema in schema["properties"].items():
        variable = f"{prefix}{name.upper()}"
        if variable in os.environ:
            config[name] = _from_text(os.environ[variable], variable, property_schema)
    return config


def _from_text(text: str, variable: str, schema: Mapping[str, Any]) -> object:
    kind = _kind(schema)
    if kind == "string":
        return text
    if kind == "boolean" and text.lower() in TRUE | FALSE:
        return text.lower() in TRUE
    try:
        value = int(text) if kind == "integer" else json.loads(text)
        if value is not None and next(DEFAULT_JSONSCHEMA_VALIDATOR(dict(schema)).iter_errors(value), None) is None:
            return value
    except (ValueError, RecursionError):
        pass
    raise InputError(f"The variable {variable} wants {_wanted(schema)}.")


def explain(config: Mapping[str, Any], schema: Mapping[str, Any]) -> InputError:
    """Says what JSON Schema has against some settings; its own messages would repeat them, secrets included."""
    errors = DEFAULT_JSONSCHEMA_VALIDATOR(schema).iter_errors(dict(config))
    return InputError(" ".join(sentence for error in errors for sentence in _sentences(error, config, schema)))


def _sentences(error: ValidationError, config: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    known = schema["properties"]
    broken: Any = error
    path = ".".join(str(step) for step in error.absolute_path)
    if path:
        yield f"The setting {path} wants {_wanted(broken.schema)}."
    elif error.validator == "required":
        for name in broken.validator_value:
            if name not in config:
                yield f"The setting {name} is missing: {known[name]['description']}"
    else:
        for name in config:
            if name not in known:
                shown = name if re.fullmatch("[A-Za-z0-9_]{1,40}", name) else "of such a name"
                yield f"There is no setting {shown}{_meant(name, known)}."


def _meant(name: str, known: Mapping[str, Any]) -> str:
    import difflib  # noqa: PLC0415 - few runs need it

    alike = difflib.get_close_matches(name, known, n=1)
    return f"; {alike[0]} may be meant" if alike else f"; there are {', '.join(sorted(known))}"


def _kind(schema: Mapping[str, Any]) -> str:
    kinds = schema.get("type", [])
    return next((kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null"), "")


def _wanted(schema: Mapping[str, Any]) -> str:
    kind = KINDS.get(_kind(schema), "another value")
    if "exclusiveMinimum" in schema:
        return f"{kind} above {schema['exclusiveMinimum']}"
    if "maximum" in schema:
        return f"{kind} from {schema['minimum']} to {schema['maximum']}"
    return f"{kind}, {schema['minimum']} or more" if "minimum" in schema else kind


def check(config: Mapping[str, Any]) -> None:
    """Refuses what JSON Schema has no words for.

    Raises:
        InputError: A setting cannot be used; the message names it and what it wants.
    """
    if not re.fullmatch("[!-~]+", config["auth_token"]):
        raise InputError(
            "The setting auth_token wants a token as Tuple gave it, such as sk-tuple-…: not empty, and without "
            "white space or other characters that no token has."
        )
    dates = {name: _date(config, name) for name in ("start_date", "end_date") if name in config}
    if len(dates) > 1 and dates["end_date"] <= dates["start_date"]:
        raise InputError("The setting end_date wants a time after start_date.")
    _check_url(config["api_url"])
    batch = config.get("batch_config")
    if batch and not (batch.get("encoding", {}).get("format") and batch.get("storage", {}).get("root")):
        raise InputError("The setting batch_config wants an encoding with a format and a storage with a root.")
    if batch and (config.get("stream_maps") or config.get("flattening_enabled")):
        raise InputError(
            "The setting batch_config does not go with stream_maps or flattening_enabled: batch files hold the records "
            "as they came, so that what is to be hashed would stand there in clear. Leave one of them out."
        )
    if not math.isfinite(config["request_timeout"]):
        raise InputError("The setting request_timeout wants a number of seconds.")
    if not re.fullmatch("[!-~]([ -~]*[!-~])?", config.get("user_agent", "tap-tuple")):
        raise InputError("The setting user_agent wants a text of plain characters in one line.")


def _date(config: Mapping[str, Any], name: str) -> datetime:
    try:
        return instants.parse(config[name])
    except ValueError:
        raise InputError(f"The setting {name} wants {DATE}.") from None


def _check_url(text: str) -> None:
    wanted = "The setting api_url wants a URL such as https://app.tuple.app/api/v2"
    try:
        url = urlsplit(text)
        host, _ = url.hostname, url.port
    except ValueError:
        raise InputError(f"{wanted}.") from None
    if url.scheme not in {"http", "https"} or not _is_host(host or "") or not re.fullmatch("[!-~]+", text):
        raise InputError(f"{wanted}.")
    if "?" in text or "#" in text or "@" in url.netloc:
        raise InputError(f"{wanted}: without a user, a query or a fragment.")
    if url.scheme == "http" and not _is_loopback(host or ""):
        raise InputError(f"{wanted}: with https, as http would show the token to others.")


def _is_host(host: str) -> bool:
    # A name's labels hold 1 to 63 characters each (RFC 1035, 2.3.4); the colons are those of IPv6.
    return all(re.fullmatch("[a-z0-9_:-]{1,63}", label) for label in host.split("."))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
