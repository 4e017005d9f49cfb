"""PyAirbyte reads the installed `source-tuple` into its DuckDB cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import airbyte
import pytest
from airbyte import exceptions
from airbyte.caches import DuckDBCache
from conftest import SOURCE_TUPLE, settings

from tap_tuple.sandbox import Fault, Sandbox, generate_calls

if TYPE_CHECKING:
    from pathlib import Path


def source(api: Sandbox, streams: str | list[str] | None = "*", **more: Any) -> airbyte.Source:
    config = settings(api.url, **more)
    return airbyte.get_source("source-tuple", config=config, local_executable=SOURCE_TUPLE, streams=streams)


@pytest.fixture
def cache(tmp_path: Path) -> DuckDBCache:
    return DuckDBCache(db_path=tmp_path / "cache.duckdb", cache_dir=tmp_path)


def ids(cache: DuckDBCache, stream: str) -> list[int]:
    return sorted(record["id"] for record in cache[stream])


def expected(api: Sandbox, stream: str) -> list[int]:
    if stream == "calls":
        return sorted(call["id"] for call in api.calls)
    return sorted(participation["id"] for call in api.calls for participation in call["call_participations"])


def assert_complete(cache: DuckDBCache, api: Sandbox) -> None:
    """Assert that the cache has exactly the calls and participations of the API."""
    for stream in ("calls", "call_participations"):
        assert ids(cache, stream) == expected(api, stream)


class TestConnection:
    """PyAirbyte checks a connection and its settings."""

    def test_a_working_connection_passes_with_one_request(self) -> None:
        with Sandbox(generate_calls(3)) as api:
            source(api).check()
            assert len(api.requests) == 1

    def test_a_wrong_token_fails_with_the_reason(self) -> None:
        with Sandbox() as api, pytest.raises(exceptions.AirbyteConnectorCheckFailedError) as failure:
            source(api, auth_token="sk-tuple-wrong").check()
        assert "Authentication failed (401)" in str(failure.value.context)
        assert "sk-tuple-wrong" not in str(failure.value)

    def test_an_invalid_setting_is_rejected_by_the_spec(self) -> None:
        with Sandbox() as api, pytest.raises(exceptions.AirbyteConnectorValidationFailedError):
            source(api, streams=None, page_size=1001).validate_config()


class TestRead:
    """PyAirbyte reads calls, saves the states, and resumes from them."""

    def test_a_read_resumes_from_the_saved_states(self, cache: DuckDBCache) -> None:
        with Sandbox(generate_calls(250)) as api:
            first = source(api, page_size=100).read(cache)
            records = len(expected(api, "calls")) + len(expected(api, "call_participations"))
            # All streams are selected, and `call_counts` has one record per run.
            assert first.processed_records == records + 1
            assert_complete(cache, api)

            api.new_calls(20)
            before = len(api.requests)
            second = source(api, page_size=100).read(cache)
            assert len(api.requests) <= before + 3
            assert all(request.query["since"] > "2000" for request in api.requests[before : before + 1])
            assert second.processed_records < first.processed_records
            assert_complete(cache, api)

    def test_a_late_call_is_found_by_the_counts_in_the_saved_states(self, cache: DuckDBCache) -> None:
        calls = generate_calls(250)
        with Sandbox([call for call in calls if call["id"] != calls[20]["id"]]) as api:
            source(api).read(cache)
            api.add(calls[20])
            source(api).read(cache)
            assert_complete(cache, api)

    def test_the_totals_of_the_api_are_loaded(self, cache: DuckDBCache) -> None:
        with Sandbox(generate_calls(50)) as api:
            source(api).read(cache)
            api.new_calls(5)
            source(api).read(cache)
        totals = {record["until"]: record["calls"] for record in cache["call_counts"]}
        assert [totals[until] for until in sorted(totals)] == [50, 55]
        assert len(ids(cache, "calls")) == 55

    def test_a_full_refresh_reads_everything_again(self, cache: DuckDBCache) -> None:
        with Sandbox(generate_calls(100)) as api:
            first = source(api).read(cache)
            second = source(api).read(cache, force_full_refresh=True)
            assert second.processed_records == first.processed_records
            assert_complete(cache, api)

    def test_a_failed_read_is_reported_and_the_next_read_completes(self, cache: DuckDBCache) -> None:
        with Sandbox(generate_calls(250), faults=[Fault(on=2, status=401)]) as api:
            with pytest.raises(exceptions.AirbyteConnectorFailedError):
                source(api, page_size=100).read(cache)
            source(api, page_size=100).read(cache)
            assert_complete(cache, api)
