"""The standard tests of Airbyte's CDK pass for the installed `source-tuple`."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.test import entrypoint_wrapper
from airbyte_cdk.test.models import ConnectorTestScenario, ExpectedOutcome
from airbyte_cdk.test.standard_tests.source_base import SourceTestSuiteBase
from conftest import SOURCE_TUPLE, settings

from tap_tuple.sandbox import Sandbox, generate_calls

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["airbyte_cdk.test.standard_tests.pytest_hooks"]

API = Sandbox(generate_calls(50))
CONFIGS = tempfile.TemporaryDirectory()


@pytest.fixture(autouse=True, scope="module")
def _api() -> Iterator[None]:
    with API:
        yield


class Installed:
    """Represents the installed source; the CDK expects a Python object."""

    def spec(self, _logger: object) -> None:
        """The CDK recognizes a connector by this method."""


def run_installed(
    *, args: list[str], expected_outcome: ExpectedOutcome, source: Installed
) -> entrypoint_wrapper.EntrypointOutput:
    """Run the installed source in a separate process, instead of a Python object in this one."""
    assert isinstance(source, Installed)
    done = subprocess.run([SOURCE_TUPLE, *args], capture_output=True, text=True, check=False)
    assert not done.stderr
    output = entrypoint_wrapper.EntrypointOutput(messages=done.stdout.splitlines(), command=args)
    assert bool(output.errors) == bool(done.returncode)
    assert not (done.returncode and expected_outcome.expect_success()), output.get_formatted_error_message()
    return output


class TestSourceTuple(SourceTestSuiteBase):  # type: ignore[misc] # mypy runs without the CDK
    """The suite, with a working connection, a wrong token, and an invalid setting."""

    connector = Installed

    @pytest.fixture(autouse=True)
    def _installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(entrypoint_wrapper, "_run_command", run_installed)

    @classmethod
    def get_connector_root_dir(cls) -> Path:
        return Path(__file__).parents[2]

    @classmethod
    def get_scenarios(cls) -> list[ConnectorTestScenario]:
        def scenario(name: str, status: str, **more: Any) -> ConnectorTestScenario:
            path = Path(CONFIGS.name, f"{name}.json")
            path.write_text(json.dumps(settings(API.url, **more)), encoding="utf-8")
            return ConnectorTestScenario(config_path=path, status=status)

        return [
            scenario("working connection", "succeed", page_size=20),
            scenario("wrong token", "failed", auth_token="sk-tuple-wrong-token"),
            scenario("impossible date", "failed", start_date="2026-02-30"),
        ]
