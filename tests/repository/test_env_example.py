"""`.env.example` lists the settings of the tap, and a run accepts them."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import dotenv

from tap_tuple.sandbox import DEFAULT_TOKEN, Sandbox
from tap_tuple.settings import DEFINITIONS

PREFIX = "TAP_TUPLE_"
# With the optional settings, which the file comments out.
EVERY_SETTING = re.sub(
    f"^# ({PREFIX})",
    r"\1",
    (Path(__file__).parents[2] / ".env.example").read_text(encoding="utf-8"),
    flags=re.MULTILINE,
)


def test_env_example_lists_every_setting_in_the_order_of_the_code() -> None:
    variables = dotenv.dotenv_values(stream=io.StringIO(EVERY_SETTING))
    assert list(variables) == [PREFIX + setting.name.upper() for setting in DEFINITIONS.wrapped.values()]


def test_env_example_shows_the_default_of_every_setting_that_has_one() -> None:
    variables = dotenv.dotenv_values(stream=io.StringIO(EVERY_SETTING))
    defaults = {
        PREFIX + setting.name.upper(): str(setting.default).replace("True", "true")
        for setting in DEFINITIONS.wrapped.values()
        if setting.default is not None
    }
    assert {name: variables[name] for name in defaults} == defaults


def test_a_run_accepts_every_setting_of_env_example(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(EVERY_SETTING, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    with Sandbox() as api:
        # Variables of the environment take precedence over `.env`.
        environment |= {"TAP_TUPLE_AUTH_TOKEN": DEFAULT_TOKEN, "TAP_TUPLE_API_URL": api.url}
        run = subprocess.run(
            [sys.executable, "-m", "tap_tuple", "--config", "ENV", "--test"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        [request] = api.requests
    assert request.headers["user-agent"] == "tap-tuple (data-team)"
    assert "since=2026-01-31" in request.raw_target
    assert "until=2026-02-28" in request.raw_target
