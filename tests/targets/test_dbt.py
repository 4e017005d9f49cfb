"""`docs/dbt.md`: the package under Meltano, in the database that target-duckdb writes."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import yaml
from environments import ROOT
from recipes import block

if TYPE_CHECKING:
    from recipes import Project

    from tap_tuple.sandbox import Sandbox

PAGE = "dbt.md"
SECTION = "With Meltano"


def test_meltano_builds_the_models_and_a_failing_test_stops_the_run(project: Project, api: Sandbox) -> None:
    shutil.copytree(ROOT / "dbt", project.folder / "dbt", ignore=shutil.ignore_patterns("target", "logs"))
    project.follow(PAGE, SECTION)
    assert built(project) == expected(api)
    project.shell("meltano invoke dbt-duckdb:freshness")

    api.new_calls(3)
    project.shell("meltano run tap-tuple target-duckdb")
    project.follow(PAGE, "Run")
    assert built(project) == expected(api)

    api.add({**api.calls[-1], "id": 1, "duration_seconds": -1, "call_participations": []})
    project.shell(block(PAGE, "sh", SECTION).splitlines()[-1], succeeds=False)
    assert "FAIL 1 within_range_stg_tuple__calls_duration_seconds" in project.output


def built(project: Project) -> tuple[int, int]:
    """Return the numbers of calls, and of people in them, by the models."""
    [row] = project.duckdb("select count(*) as calls, sum(people)::integer as people from tuple_models.tuple__calls")
    return row["calls"], row["people"]


def expected(api: Sandbox) -> tuple[int, int]:
    """Return the same numbers by the API."""
    people = [{participation["user"]["email"] for participation in call["call_participations"]} for call in api.calls]
    return len(people), sum(map(len, people))


def test_the_page_has_each_variable_of_the_package_with_its_default() -> None:
    package = yaml.safe_load((ROOT / "dbt" / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]["tuple"]
    page = (ROOT / "docs" / PAGE).read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`tuple_[^|]*) \| ([^|]*) \| [^|]* \|$", page.partition("## Variables")[2], re.MULTILINE)
    named: dict[str, str | None] = {}
    for names, defaults in rows:
        found = re.findall("`([^`]*)`", defaults)
        named |= dict(zip(re.findall("`(tuple_[a-z_]*)`", names), [*found, None, None], strict=False))
    assert named.pop("tuple_salt") == "TUPLE_SALT"
    assert "env_var('TUPLE_SALT', '')" in package.pop("tuple_salt")
    assert named == {
        name: None if value is None else yaml.safe_dump(value).split()[0] for name, value in package.items()
    }
