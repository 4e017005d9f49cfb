"""The installed source and its settings, for the tests with Airbyte's clients."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

SOURCE_TUPLE = Path(__file__).parents[2] / ".venv" / "bin" / "source-tuple"
TOKEN = "sk-tuple-sandbox"

# PyAirbyte reads these variables on import.
os.environ["AIRBYTE_OFFLINE_MODE"] = "1"
os.environ["DO_NOT_TRACK"] = "1"
for name in [name for name in os.environ if name.startswith("TAP_TUPLE_")]:
    del os.environ[name]


def settings(url: str, **more: Any) -> dict[str, Any]:
    """Return the settings for a sandbox."""
    return {"auth_token": TOKEN, "api_url": url, "requests_per_minute": 1_000_000, **more}
