"""The files that Airbyte hands to a source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tap_tuple.exceptions import InputError


def read_json(path: str, what: str) -> object:
    """Reads a file of JSON.

    Args:
        path: Where it is.
        what: What it holds, for the message.

    Raises:
        InputError: It cannot be read, or is no JSON.
    """
    try:
        return json.loads(Path(path).read_bytes())
    except OSError as error:
        raise InputError(f"The {what} file {path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise InputError(f"The {what} file {path} is no JSON.") from None


def read_config(path: str) -> dict[str, Any]:
    """Reads the settings; what Airbyte adds for itself, under names that begin with `_`, is left out.

    Raises:
        InputError: The file cannot be read, or holds no JSON object.
    """
    document = read_json(path, "config")
    if not isinstance(document, dict):
        raise InputError(f"The config file {path} wants a JSON object.")
    return {name: value for name, value in document.items() if not name.startswith("_")}
