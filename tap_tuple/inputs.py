"""Inputs: JSON files, settings from the environment, and the errors for invalid settings."""

from __future__ import annotations

import json
import logging
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import IO, Any

import dotenv
from jsonschema import ValidationError
from singer_sdk.logging import DEFAULT_FORMAT
from singer_sdk.typing import DEFAULT_JSONSCHEMA_VALIDATOR

from tap_tuple.exceptions import InputError

LEVEL_VARIABLES = ("TAP_TUPLE_LOGLEVEL", "LOGLEVEL")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOG_CONFIG = "SINGER_SDK_LOG_CONFIG"
TRUE = {"true", "1", "yes", "on"}
FALSE = {"false", "0", "no", "off"}
TYPES = {"string": "a string", "integer": "an integer", "boolean": "true or false", "object": "a JSON object"}
PLAIN_PATH = re.compile(r"[\w./~ +@:-]{1,255}")
PLAIN_NAME = re.compile(r"[A-Za-z0-9_.]{1,40}")

logger = logging.getLogger("tap-tuple")


def read_json(source: str | IO[Any], what: str, kind: type = dict) -> Any:  # noqa: ANN401 - JSON
    """Read a JSON file. It is read once, so that it can be a pipe.

    Args:
        source: The path of the file, or the open file.
        what: What the file is, e.g. `config`, for error messages.
        kind: The Python type that its JSON must have.

    Raises:
        InputError: It cannot be read, or is not such JSON. The message names the file, never its content.
    """
    path = source if isinstance(source, str) else str(source.name)
    name = f"{what} file{_shown_path(path)}"
    try:
        with open(path, "rb") if isinstance(source, str) else source as file:  # noqa: PTH123 - `Path("")` is a folder
            content: bytes = getattr(file, "buffer", file).read()
    except (OSError, ValueError) as error:
        hint = f" `--{what}` expects a file name, not JSON." if path.lstrip().startswith(("{", "[")) else ""
        reason = getattr(error, "strerror", None) or "not a file name"
        raise InputError(f"Cannot read the {name}: {reason}.{hint}") from None
    if not content.strip():
        raise InputError(f"The {name} is empty: it must contain JSON.")
    try:
        document = json.loads(content.decode("utf-8-sig"))
        if isinstance(document, kind):
            return document
        problem = "must contain a JSON object"
    except json.JSONDecodeError as error:
        problem = f"is not valid JSON (line {error.lineno}, column {error.colno})"
        if error.msg == "Extra data":
            problem = f"contains more than one JSON value (from line {error.lineno}): keep only the last"
    except UnicodeDecodeError:
        problem = "is not UTF-8 text"
    except (RecursionError, ValueError):
        problem = "is not valid JSON: it is nested too deeply, or contains a number that is too long"
    encoding = json.detect_encoding(content).upper()
    problem = problem if encoding.startswith("UTF-8") else f"is {encoding[:6]} text: save it as UTF-8"
    raise InputError(f"The {name} {problem}.")


def _shown_path(path: str) -> str:
    """Return a path for a message, unless it may be a token, or JSON with one."""
    is_file = PLAIN_PATH.fullmatch(path) and (os.path.lexists(path) or path.endswith(".json"))
    return f" {path}" if is_file and "sk-" not in path else ""


def shown(name: str) -> str:
    """Return a name for a message, unless it may be a token."""
    return f" `{name}`" if PLAIN_NAME.fullmatch(name) else ""


def check_log_level() -> str:
    """Return the log level that the environment sets; INFO by default.

    Raises:
        InputError: It is not a log level.
    """
    for name in (*LEVEL_VARIABLES, LOG_CONFIG):
        if not os.environ.get(name):
            # Empty means unset, which the SDK does not know.
            os.environ.pop(name, None)
    variable = next((name for name in LEVEL_VARIABLES if name in os.environ), "")
    level = os.environ.get(variable, "INFO").upper()
    if level not in LEVELS:
        logging.basicConfig(format=DEFAULT_FORMAT, style="{")
        raise InputError(f"Environment variable {variable} must be one of {', '.join(LEVELS)}.")
    return level


def read_environment(schema: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Read settings from environment variables such as `TAP_TUPLE_PAGE_SIZE`, and from a `.env` file.

    Raises:
        InputError: A variable is not valid for its setting, or the `.env` file is not readable.
    """
    if path := dotenv.find_dotenv(usecwd=True):
        try:
            dotenv.load_dotenv(path)
        except (OSError, ValueError):
            raise InputError(f"Cannot read {path}: it must be a readable UTF-8 text file.") from None
        logger.info("Read environment variables from %s", path)
        check_log_level()
    known = {f"{prefix}{name.upper()}": name for name in schema["properties"]}
    for variable in sorted(os.environ):
        # Meltano sets its own variables, which have two underscores after the name.
        name = variable.removeprefix(prefix)
        if name != variable and not name.startswith("_") and variable not in {f"{prefix}LOGLEVEL", *known}:
            hint = similar(name.lower(), schema["properties"])
            logger.warning("Environment variable %s is ignored: unknown setting%s", variable, hint)
    found = {variable: name for variable, name in known.items() if os.environ.get(variable)}
    logger.info("Read settings from the environment: %s", ", ".join(found) or "none")
    return {name: _from_text(variable, name, schema["properties"][name]) for variable, name in found.items()}


def _from_text(variable: str, name: str, schema: Mapping[str, Any]) -> object:
    text = os.environ[variable]
    kind = _kind(schema)
    if kind == "string":
        return text
    if kind == "boolean" and text.lower() in TRUE | FALSE:
        return text.lower() in TRUE
    with suppress(ValueError, RecursionError):
        value = normalize({name: json.loads(text)}, {"properties": {name: schema}}).get(name)
        if value is not None and DEFAULT_JSONSCHEMA_VALIDATOR(dict(schema)).is_valid(value):
            return value
    raise InputError(f"Environment variable {variable} must be {_expected(schema)}.")


def normalize(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration without unset settings, and with integers instead of floats such as 60.0.

    A setting is unset if it is null, or optional and an empty string. Version 0.1.0 allowed fractions of seconds, which
    are rounded up.
    """
    known, required = schema["properties"], schema.get("required", [])
    result = {name: value for name, value in config.items() if value is not None}
    for name in result.keys() & known:
        value = result[name]
        if value == "" and name not in required:
            del result[name]
        elif isinstance(value, float) and _kind(known[name]) == "integer" and math.isfinite(value):
            result[name] = math.ceil(value) if value.is_integer() or name == "request_timeout" else value
    return result


def explain(config: Mapping[str, Any], schema: Mapping[str, Any]) -> InputError:
    """Return an error that says what is invalid. JSON Schema's own messages repeat the values, secrets included."""
    errors = DEFAULT_JSONSCHEMA_VALIDATOR(schema).iter_errors(dict(config))
    return InputError(" ".join(sentence for error in errors for sentence in _sentences(error, config, schema)))


def _sentences(error: ValidationError, config: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    known = schema["properties"]
    broken: Any = error
    path = ".".join(str(step) for step in error.absolute_path)
    if path and error.validator == "required":
        yield f"`{path}` must have {' and '.join(f'`{name}`' for name in broken.validator_value)}."
    elif path and error.validator == "additionalProperties" and "properties" in broken.schema:
        yield f"`{path}` may only have {', '.join(f'`{name}`' for name in broken.schema['properties'])}."
    elif path:
        yield f"`{path}` must be {_expected(broken.schema)}."
    elif error.validator == "required":
        for name in (name for name in broken.validator_value if name not in config):
            is_set = f"TAP_TUPLE_{name.upper()}" in os.environ
            hint = " To read it from the environment, add `--config ENV`." if is_set else ""
            yield f"Missing required setting `{name}`: {known[name]['description']}{hint}"
    else:
        everything = f". Known settings: {', '.join(sorted(known))}."
        for name in (name for name in config if name not in known):
            yield f"Unknown setting{shown(name)}{similar(name, known) or everything}"


def similar(name: str, known: Mapping[str, Any]) -> str:
    """Return a question that suggests a known name, or nothing if none is similar."""
    import difflib  # noqa: PLC0415 - few runs need it

    similar = difflib.get_close_matches(name, known, n=1)
    return f". Did you mean `{similar[0]}`?" if similar else ""


def _kind(schema: Mapping[str, Any]) -> str:
    types = schema.get("type", [])
    return next((kind for kind in ([types] if isinstance(types, str) else types) if kind != "null"), "")


def _expected(schema: Mapping[str, Any]) -> str:
    kind = TYPES.get(_kind(schema), "in the format that https://sdk.meltano.com describes")
    if "minLength" in schema:
        return "a string that is not empty"
    if "enum" in schema:
        return f"one of {', '.join(filter(None, schema['enum']))}"
    if "maximum" in schema:
        return f"{kind} between {schema['minimum']} and {schema['maximum']}"
    return f"{kind}, {schema['minimum']} or greater" if "minimum" in schema else kind
