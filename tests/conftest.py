"""What the tests share: the tap as its users run it, in a process of its own, over a real socket."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TOKEN = "sk-tuple-sandbox"


@dataclass
class Run:
    """What came of one run of the tap."""

    exit_code: int
    output: bytes
    log: str
    messages: list[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        assert not self.output or self.output.endswith(b"\n"), "the last line is cut"
        self.messages = [json.loads(line) for line in self.output.splitlines()]

    def records(self, stream: str = "calls") -> list[dict[str, Any]]:
        return [m["record"] for m in self.messages if m["type"] == "RECORD" and m["stream"] == stream]

    def ids(self, stream: str = "calls") -> list[int]:
        return [record["id"] for record in self.records(stream)]

    @property
    def states(self) -> list[dict[str, Any]]:
        return [m["value"] for m in self.messages if m["type"] == "STATE"]

    @property
    def state(self) -> dict[str, Any]:
        return self.states[-1]

    def bookmark(self, stream: str = "calls") -> str | None:
        value: str | None = self.state["bookmarks"].get(stream, {}).get("replication_key_value")
        return value

    @property
    def warnings(self) -> list[str]:
        """The lines of the log that warn, but for those of Python itself, such as on its own old age."""
        lines = self.log.splitlines()
        return [line for line in lines if "| WARNING " in line and "| py.warnings " not in line]

    @property
    def errors(self) -> list[str]:
        """The lines of the log that tell of an error, without their time."""
        return [line.split("|", 3)[3].strip() for line in self.log.splitlines() if "| ERROR " in line]


class TapRunner:
    """Runs `tap-tuple` with the given settings, and files for what it takes as files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def command(self, config: dict[str, Any] | None, **files: object) -> list[str]:
        """The command line: `config`, `state`, `catalog` go to files; `args` go as they are."""
        args = [sys.executable, "-m", "tap_tuple"]
        args += [str(arg) for arg in files.pop("args", ())]  # type: ignore[attr-defined]
        for name, content in {"config": config, **files}.items():
            if content is not None:
                path = self._folder / f"{name}.json"
                path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
                args += [f"--{name}", str(path)]
        return args

    def environment(self, extra: dict[str, str] | None = None) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.upper().startswith(("TAP_TUPLE_", "HTTP"))}
        return {**own, **(extra or {})}

    def __call__(
        self,
        config: dict[str, Any] | None,
        *,
        env: dict[str, str] | None = None,
        timeout_seconds: float = 60,
        **files: object,
    ) -> Run:
        done = subprocess.run(
            self.command(config, **files),
            capture_output=True,
            cwd=self._folder,
            env=self.environment(env),
            timeout=timeout_seconds,
            check=False,
        )
        return Run(done.returncode, done.stdout, done.stderr.decode())


@pytest.fixture(autouse=True)
def _own_signals() -> Iterator[None]:
    """Gives the signals back to pytest, which a tap in this process takes for itself."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def tap(tmp_path: Path) -> TapRunner:
    """Runs the tap in a folder of the test's own."""
    return TapRunner(tmp_path)


@pytest.fixture
def settings() -> Callable[..., dict[str, Any]]:
    """Makes settings for a sandbox: `settings(api, page_size=2)`."""

    def make(api: Any, **more: Any) -> dict[str, Any]:
        return {"auth_token": TOKEN, "api_url": api.url, "requests_per_minute": 1_000_000, **more}

    return make


def a_call(number: int, ended_at: str, **more: Any) -> dict[str, Any]:
    """A small call, whole but for what the test says of it."""
    return {
        "id": number,
        "started_at": ended_at,
        "ended_at": ended_at,
        "duration_seconds": 0,
        "call_participations": [],
        **more,
    }


def a_state(bookmark: str) -> dict[str, Any]:
    """The whole of the state that both streams leave when they have been read up to an instant."""
    keys = {"call_participations": "call_ended_at", "calls": "ended_at"}
    return {
        "bookmarks": {
            stream: {"replication_key": key, "replication_key_value": bookmark} for stream, key in keys.items()
        }
    }
