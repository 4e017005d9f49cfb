"""Defines the programs to compare. Each is used as its documentation describes, without telemetry."""

from __future__ import annotations

import json
import subprocess
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import environments
from benchmarks.api import UNLIMITED
from benchmarks.environments import PEERS
from benchmarks.runs import Program
from tap_tuple.sandbox import DEFAULT_TOKEN

if TYPE_CHECKING:
    from benchmarks.api import Api
    from benchmarks.environments import Environment


class Environments(NamedTuple):
    """The environments of all programs."""

    tap: Environment
    floor: Environment
    plain_sdk: Environment
    dlt: Environment
    airbyte_cdk: Environment


class Programs:
    """Creates the environments and the command lines of the programs.

    Args:
        folder: The folder for config, catalog and state files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.environments = Environments(
            environments.of_tap(),
            environments.of_peer("floor", "msgspec"),
            environments.of_peer("plain_sdk", "singer-sdk"),
            environments.of_peer("dlt", "dlt"),
            environments.of_peer("airbyte_cdk", "airbyte-cdk"),
        )

    def tap(self, api: Api, *, requests_per_minute: int = UNLIMITED, calls_only: bool = False) -> Program:
        """Return the tap with both streams, or with `calls` only."""
        config = self._config(api, requests_per_minute=requests_per_minute)
        name, command = "tap-tuple, both streams", [self.environments.tap.program("tap-tuple"), "--config", config]
        if calls_only:
            name = "tap-tuple"
            command += ["--catalog", self._calls_only]
        return Program(name, tuple(command))

    def tap_again(self, api: Api, state: str) -> Program:
        """Return the tap with the state of an earlier run, given as a STATE message."""
        path = self._write("state.json", json.loads(state)["value"])
        first = self.tap(api)
        return Program("tap-tuple, no new calls", (*first.command, "--state", path))

    def import_of_sdk(self) -> Program:
        """Return a program that only imports the SDK, as every tap on the SDK does."""
        return Program("import singer_sdk", (self.environments.tap.program("python"), "-c", "import singer_sdk"))

    def floor(self, api: Api) -> Program:
        """Return the floor: a loop of requests that does not parse the calls."""
        script = str(PEERS / "floor" / "floor.py")
        return Program("floor", (self.environments.floor.program("python"), script, api.url, DEFAULT_TOKEN))

    def plain_sdk(self, api: Api) -> Program:
        """Return a tap that is written as the documentation of the SDK describes."""
        script = str(PEERS / "plain_sdk" / "tap.py")
        python = self.environments.plain_sdk.program("python")
        return Program("plain SDK tap", (python, script, "--config", self._config(api)))

    def dlt(self, api: Api) -> Program:
        """Return the extract step of a dlt pipeline with the source `rest_api`."""
        script = str(PEERS / "dlt" / "extract.py")
        return Program(
            "dlt rest_api, extract only",
            (self.environments.dlt.program("python"), script, api.url, DEFAULT_TOKEN),
            (("RUNTIME__DLTHUB_TELEMETRY", "false"),),
            prints_count=True,
        )

    def airbyte_cdk(self, api: Api) -> Program:
        """Return the entry point of airbyte-cdk with a declarative manifest."""
        peer = PEERS / "airbyte_cdk"
        return Program(
            "airbyte-cdk manifest",
            (
                *(self.environments.airbyte_cdk.program("source-declarative-manifest"), "read"),
                *("--config", self._config(api)),
                *("--catalog", str(peer / "catalog.json")),
                *("--manifest-path", str(peer / "manifest.yaml")),
            ),
            # airbyte-cdk has no telemetry; this variable opts out in case a later version adds it.
            (("DO_NOT_TRACK", "1"),),
        )

    def _config(self, api: Api, **settings: Any) -> str:  # noqa: ANN401 - any setting
        name = "-".join(["config", *map(str, settings.values()), api.url.rpartition(":")[2].partition("/")[0]])
        return self._write(f"{name}.json", {"api_url": api.url, "auth_token": DEFAULT_TOKEN, **settings})

    @cached_property
    def _calls_only(self) -> str:
        """The path of a catalog in which the stream `call_participations` is deselected."""
        config = self._write("discover.json", {"auth_token": DEFAULT_TOKEN})
        command = [self.environments.tap.program("tap-tuple"), "--config", config, "--discover"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
        catalog = json.loads(done.stdout)
        for stream in catalog["streams"]:
            if stream["tap_stream_id"] != "calls":
                stream["selected"] = False
                for entry in stream["metadata"]:
                    if not entry["breadcrumb"]:
                        entry["metadata"]["selected"] = False
        return self._write("calls-only.json", catalog)

    def _write(self, name: str, content: object) -> str:
        path = Path(self._folder, name)
        path.write_text(json.dumps(content), "utf-8")
        return str(path)
