"""PyAirbyte reads the installed `source-tuple` into its DuckDB cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import airbyte
import pytest
from airbyte import exceptions
from airbyte.caches import DuckDBCache
from conftest import SOURCE_TUPLE, settings

from tap_tuple.sandbox import Fault, Sandbox
from tap_tuple.sandbox.history import generate_calls

if TYPE_CHECKING:
    from pathlib import Path


def source(api: Sandbox, streams: str | None = "*", **more: Any) -> airbyte.Source:
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
    return sorted(stay["id"] for call in api.calls for stay in call["call_participations"])


def assert_all_there(cache: DuckDBCache, api: Sandbox) -> None:
    for stream in ("calls", "call_participations"):
        assert ids(cache, stream) == expected(api, stream)


def test_a_check_of_a_good_connection_succeeds() -> None:
    with Sandbox(generate_calls(3)) as api:
        source(api).check()
        assert len(api.requests) == 1


def test_a_wrong_token_is_a_failed_check() -> None:
    with Sandbox() as api, pytest.raises(exceptions.AirbyteConnectorCheckFailedError) as failure:
        source(api, auth_token="sk-tuple-wrong").check()
    assert "The API does not know the token (401)" in str(failure.value.context)
    assert "sk-tuple-wrong" not in str(failure.value)


def test_a_setting_of_the_wrong_kind_is_refused_by_the_spec() -> None:
    with Sandbox() as api, pytest.raises(exceptions.AirbyteConnectorValidationFailedError):
        source(api, streams=None, page_size=1001).validate_config()


def test_a_read_fills_the_cache_and_the_next_one_goes_on_from_its_state(cache: DuckDBCache) -> None:
    with Sandbox(generate_calls(250)) as api:
        first = source(api, page_size=100).read(cache)
        assert first.processed_records == len(expected(api, "calls")) + len(expected(api, "call_participations"))
        assert_all_there(cache, api)

        api.new_calls(20)
        asked = len(api.requests)
        second = source(api, page_size=100).read(cache)
        assert len(api.requests) == asked + 1
        assert api.requests[-1].query["since"] > "2000"
        assert second.processed_records < first.processed_records
        assert_all_there(cache, api)


def test_a_full_refresh_reads_all_of_it_again(cache: DuckDBCache) -> None:
    with Sandbox(generate_calls(100)) as api:
        first = source(api).read(cache)
        second = source(api).read(cache, force_full_refresh=True)
        assert second.processed_records == first.processed_records
        assert_all_there(cache, api)


def test_a_read_that_fails_in_its_middle_is_reported_and_made_good_by_the_next(cache: DuckDBCache) -> None:
    with Sandbox(generate_calls(250), faults=[Fault(on=2, status=401)]) as api:
        with pytest.raises(exceptions.AirbyteConnectorFailedError):
            source(api, page_size=100).read(cache)
        source(api, page_size=100).read(cache)
        assert_all_there(cache, api)
