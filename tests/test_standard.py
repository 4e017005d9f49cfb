"""The SDK's standard tests for taps pass against the sandbox."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from tap_tuple.sandbox import DEFAULT_TOKEN, Sandbox, generate_calls
from tap_tuple.tap import TapTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# The SDK constructs its tests and a tap when this module is imported, so the URL must be known by then.
API = Sandbox(generate_calls(200, now=datetime(2024, 4, 1, tzinfo=timezone.utc)))

CONFIG = {"auth_token": DEFAULT_TOKEN, "api_url": API.url, "start_date": "2020-01-01"}


def catalog_with_all_streams() -> dict[str, Any]:
    """Return a catalog that selects `call_counts` too."""
    catalog = TapTuple(config=CONFIG).catalog
    for entry in catalog.streams:
        entry.metadata.root.selected = True
    return dict(catalog.to_dict())


_Standard = get_tap_test_class(
    TapTuple,
    config=CONFIG,
    catalog=catalog_with_all_streams(),
    suite_config=SuiteConfig(max_records_limit=50),
    parse_env_config=False,
)


@pytest.fixture(scope="module", autouse=True)
def _api() -> Iterator[None]:
    with API:
        yield


class TestTapTuple(_Standard):  # type: ignore[misc,valid-type]
    """The standard tests."""

    def test_the_runner_has_read_the_calls_of_the_api(self, runner: object) -> None:
        assert runner.records["calls"] == API.calls[:50]  # type: ignore[attr-defined]
        assert {request.status for request in API.requests} == {200}


def test_the_sdk_still_provides_the_expected_tests() -> None:
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
