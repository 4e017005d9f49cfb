"""Runs the tap in a separate process, as its users do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Run:
    """The result of one run of the tap."""

    exit_code: int
    output: bytes
    log: str
    messages: list[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        assert not self.output or self.output.endswith(b"\n"), "the last line is incomplete"
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
        """The WARNING lines of the log, except those of Python itself, such as about an outdated version."""
        lines = self.log.splitlines()
        return [line for line in lines if "| WARNING " in line and "| py.warnings " not in line]

    @property
    def errors(self) -> list[str]:
        """The messages of the ERROR lines of the log."""
        return [line.split("|", 3)[3].strip() for line in self.log.splitlines() if "| ERROR " in line]


class TapRunner:
    """Runs `tap-tuple` with the given settings; each file argument is written to a folder first.

    Args:
        folder: The folder, which is also the working directory of the run.
        start: The arguments of Python that start the tap.
        is_measured: Whether coverage measures the process. A process that a signal ends saves no data.
    """

    def __init__(self, folder: Path, start: tuple[str, ...] = ("-m", "tap_tuple"), *, is_measured: bool = True) -> None:
        self.folder = folder
        self._start = start
        self._excluded = ("TAP_TUPLE_", "HTTP") if is_measured else ("TAP_TUPLE_", "HTTP", "COVERAGE_")

    def arguments(self, config: dict[str, Any] | None, **files: object) -> list[str]:
        """Return the arguments of the tap: `config`, `state` and `catalog` as files, and `args` unchanged."""
        arguments = [str(argument) for argument in files.pop("args", ())]  # type: ignore[attr-defined]
        for name, content in {"config": config, **files}.items():
            if content is not None:
                path = self.folder / f"{name}.json"
                path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
                arguments += [f"--{name}", str(path)]
        return arguments

    def command(self, config: dict[str, Any] | None, **files: object) -> list[str]:
        """Return the command line of a run."""
        return [sys.executable, *self._start, *self.arguments(config, **files)]

    def environment(self, extra: dict[str, str] | None = None) -> dict[str, str]:
        """Return the environment of a run: without the settings and proxies of the tests' own environment."""
        own = {name: value for name, value in os.environ.items() if not name.upper().startswith(self._excluded)}
        return {**own, **(extra or {})}

    def __call__(
        self,
        config: dict[str, Any] | None,
        *,
        env: dict[str, str] | None = None,
        timeout_seconds: float = 60,
        **files: object,
    ) -> Run:
        """Run the tap to its end."""
        done = subprocess.run(
            self.command(config, **files),
            capture_output=True,
            cwd=self.folder,
            env=self.environment(env),
            timeout=timeout_seconds,
            check=False,
        )
        return Run(done.returncode, done.stdout, done.stderr.decode())
