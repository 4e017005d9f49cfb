"""`docs/targets.md`: its table lists the tested targets, and its recipes are run as written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import expected
import pytest
import s3
import warehouses
import yaml
from environments import dependency_groups, requirements
from recipes import DOCS, Project, block, blocks, dotenv
from warehouses import READ_PARQUET, Csv, read_with_duckdb

if TYPE_CHECKING:
    from collections.abc import Callable

    from expected import Row
    from postgres import Database
    from s3 import Bucket

    from tap_tuple.sandbox import Sandbox

PAGE = "targets.md"
TEXT = (DOCS / PAGE).read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([\w-]+)` \| ([\d.]+) \| (\w+) \| (.+?) \| (.+?) \|$", TEXT, re.MULTILINE)
NOT_RUN = ("Snowflake", "BigQuery", "DuckDB with MeltanoLabs' fork")


def pinned(name: str) -> dict[str, str]:
    """Return the pinned versions of a target and of the packages installed with it."""
    return dict(requirement.split("==") for requirement in requirements(name))


def test_the_table_has_each_target_that_is_run_with_its_pinned_version() -> None:
    versions = {name: version for kind in warehouses.ALL for name, version in pinned(kind.name).items()}
    table = {name: version for name, version, *_ in ROWS}
    assert table == {name: versions[name] for name in table}
    # The only requirement that is not a target is the database engine that a target needs.
    assert set(versions) - set(table) == {"duckdb"}
    assert f"`duckdb=={versions['duckdb']}`" in TEXT


def test_the_table_says_which_targets_upsert() -> None:
    loads_by = {name: how for name, _, how, *_ in ROWS}
    for kind in warehouses.ALL:
        [name] = [name for name in pinned(kind.name) if name in loads_by]
        assert loads_by[name] == ("upsert" if kind.upserts else "append")


def test_each_recipe_is_tested_or_is_documented_as_not_run() -> None:
    sections = dict(re.findall(r"^## (.+?)\n\n(.+?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
    recipes = {found.section for found in blocks(PAGE) if found.language == "yaml"}
    assert recipes == {*RECIPES, *NOT_RUN}
    for section in NOT_RUN:
        assert sections[section].startswith("**Not run here")
        [loader] = yaml.safe_load(block(PAGE, "yaml", section))["plugins"]["loaders"]
        assert {"name", "namespace", "pip_url", "executable", "config"} <= set(loader)
    for section in RECIPES:
        assert "Not run here" not in sections[section]


def test_the_recipes_install_the_versions_of_the_table() -> None:
    versions = {name: version for name, version, *_ in ROWS}
    for section in RECIPES:
        [loader] = yaml.safe_load(block(PAGE, "yaml", section))["plugins"]["loaders"]
        name, _, version = loader["pip_url"].partition("==")
        assert versions[name] == version
        assert dependency_groups()[name] == [loader["pip_url"]]


def newest(rows: list[Row]) -> list[Row]:
    """Return the newest row of each id, as the page's SQL does."""
    by_id: dict[int, Row] = {}
    for row in sorted(rows, key=lambda row: str(row["_sdc_batched_at"])):
        by_id[row["id"]] = row
    return list(by_id.values())


def csv(project: Project, api: Sandbox, _: pytest.FixtureRequest) -> None:
    project.follow(PAGE, "CSV")
    api.new_calls(3)
    project.shell("meltano run tap-tuple target-csv")
    for stream, rows in expected.tables(api.calls).items():
        assert expected.plain(newest(Csv.read(project.folder / "output", stream))) == rows


def parquet(project: Project, api: Sandbox, request: pytest.FixtureRequest) -> None:
    bucket: Bucket = request.getfixturevalue("bucket")
    values = {
        "AWS_ACCESS_KEY_ID": s3.ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": s3.SECRET_KEY,
        "TARGET_S3_CLOUD_PROVIDER_AWS_AWS_BUCKET": bucket.name,
        "TARGET_S3_CLOUD_PROVIDER_AWS_AWS_REGION": s3.REGION,
    }
    (project.folder / ".env").write_text(dotenv(PAGE, values, "Parquet on S3"), encoding="utf-8")
    project.variables["TARGET_S3_CLOUD_PROVIDER_AWS_AWS_ENDPOINT_OVERRIDE"] = bucket.endpoint
    project.follow(PAGE, "Parquet on S3")
    # A separate file for a call without participants: its empty array has no type.
    api.add({**api.calls[-1], "id": 1, "call_participations": []})
    project.shell("meltano run tap-tuple target-s3")
    files = bucket.download("tuple/calls/", project.folder)
    current = block(PAGE, "sql", "Targets that append").replace("from calls", "from files")
    rows = read_with_duckdb(READ_PARQUET.replace("files.execute()", f"duckdb.sql({current!r})"), *files)["rows"]
    assert expected.plain(rows) == expected.tables(api.calls)["calls"]


def pipelinewise(project: Project, api: Sandbox, request: pytest.FixtureRequest) -> None:
    database: Database = request.getfixturevalue("database")
    section = "PostgreSQL with PipelineWise"
    names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "database": "DBNAME"}
    values = {f"TARGET_POSTGRES_PIPELINEWISE_{names[key]}": str(value) for key, value in database.target_config.items()}
    (project.folder / ".env").write_text(dotenv(PAGE, values, section), encoding="utf-8")
    project.follow(PAGE, section)
    api.new_calls(3)
    project.shell("meltano run tap-tuple target-postgres--pipelinewise")
    for stream, rows in expected.tables(api.calls).items():
        assert expected.plain(database.rows(f"select * from tuple.{stream}")) == rows


RECIPES: dict[str, Callable[[Project, Sandbox, pytest.FixtureRequest], None]] = {
    "CSV": csv,
    "Parquet on S3": parquet,
    "PostgreSQL with PipelineWise": pipelinewise,
}


@pytest.mark.parametrize("section", RECIPES)
def test_a_recipe_of_the_page_loads_every_row_in_two_runs(
    section: str, project: Project, api: Sandbox, request: pytest.FixtureRequest
) -> None:
    RECIPES[section](project, api, request)


def test_csv_with_one_file_for_all_runs_keeps_only_the_last_run(project: Project, api: Sandbox) -> None:
    one_file = block(PAGE, "yaml", "CSV").replace("-{timestamp}", "")
    project.put(f"{one_file}      overwrite_behavior: append_records\n")
    project.shell("meltano install loader target-csv && meltano run tap-tuple target-csv")
    before = len(Csv.read(project.folder / "output", "calls"))
    project.shell("meltano run tap-tuple target-csv")
    assert before == len(api.calls)
    assert len(Csv.read(project.folder / "output", "calls")) < before
