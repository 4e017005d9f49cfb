"""The tests that the SDK has for every tap, against the sandbox."""

from __future__ import annotations

import signal
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from tap_tuple.sandbox import DEFAULT_TOKEN, Sandbox, generate_calls
from tap_tuple.tap import TapTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# The SDK makes its tests, and a tap for them, while this module is imported: the address has to be known by then.
API = Sandbox(generate_calls(200, now=datetime(2024, 4, 1, tzinfo=timezone.utc)))
HANDLERS = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

_Standard = get_tap_test_class(
    TapTuple,
    config={"auth_token": DEFAULT_TOKEN, "api_url": API.url, "start_date": "2020-01-01"},
    suite_config=SuiteConfig(max_records_limit=50),
    parse_env_config=False,
)

for number, handler in HANDLERS.items():
    signal.signal(number, handler)


@pytest.fixture(scope="module", autouse=True)
def _api() -> Iterator[None]:
    with API:
        yield


class TestTapTuple(_Standard):  # type: ignore[misc,valid-type]
    """The SDK's own tests."""

    def test_they_have_read_what_the_api_holds(self, runner: object) -> None:
        assert runner.records["calls"] == API.calls[:50]  # type: ignore[attr-defined]
        assert {request.status for request in API.requests} == {200}


def test_the_sdk_still_has_the_tests_that_are_run_here() -> None:
    names = {name for name in dir(TestTapTuple) if name.startswith("test_")}
    assert {
        "test_tap_cli_prints",
        "test_tap_discovery",
        "test_tap_stream_connections",
        "test_tap_stream_returns_record",
        "test_tap_stream_record_matches_stream_schema",
        "test_tap_stream_primary_keys",
        "test_tap_stream_attribute_is_datetime",
    } <= names, sorted(names)
