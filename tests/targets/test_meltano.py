"""`docs/meltano.md`, run as written: each section that has a command, and its result."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import expected
import jsonschema
import pytest
import yaml
from environments import MELTANO, ROOT
from recipes import Project, blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_tuple.sandbox import Sandbox

PAGE = "meltano.md"
STATE_ID = "dev:tap-tuple-to-target-duckdb"


def assert_in_duckdb(project: Project, api: Sandbox) -> None:
    """Assert that DuckDB has every participation in full, and the right number of calls."""
    tables = expected.tables(api.calls)
    participations = project.duckdb("select * from tuple.call_participations")
    assert expected.plain(participations) == tables["call_participations"]
    assert project.duckdb("select count(*) as calls from tuple.calls") == [{"calls": len(api.calls)}]


def environment(project: Project, api: Sandbox) -> None:
    settings = json.loads(project.follow(PAGE, "Settings from the environment"))
    assert settings["page_size"] == 500
    assert settings["api_url"] == api.url
    assert set(settings["auth_token"]) == {"*"}


def config_test(project: Project, api: Sandbox) -> None:
    project.follow(PAGE, "Test the settings")
    assert len(api.requests) == 1
    assert "Plugin configuration is valid" in project.output

    project.variables["TAP_TUPLE_AUTH_TOKEN"] = "sk-tuple-revoked"
    project.shell("meltano config test tap-tuple", succeeds=False)
    assert "Set `auth_token` to a valid token" in project.output
    assert "sk-tuple-revoked" not in project.output


def relative_dates(project: Project, api: Sandbox) -> None:
    project.follow(PAGE, "Relative dates")
    project.variables["TAP_TUPLE_END_DATE"] = "yesterday"
    project.shell("meltano run tap-tuple target-jsonl")
    query = api.requests[0].query
    days = {
        name: (datetime.now(timezone.utc) - datetime.fromisoformat(query[name])).days for name in ("since", "until")
    }
    assert 180 <= days["since"] <= 185
    assert 0 <= days["until"] <= 2
    assert set(project.jsonl("calls")[0]) >= {"id", "ended_at"}


def select(project: Project, api: Sandbox) -> None:
    listed = project.follow(PAGE, "Select")
    assert "] call_participations.joined_at" in listed
    assert "] call_participations.user_email" not in listed
    project.shell("meltano run tap-tuple target-jsonl")
    calls, participations = project.jsonl("calls"), project.jsonl("call_participations")
    assert len(calls) == len(api.calls)
    assert len(participations) == sum(len(call["call_participations"]) for call in api.calls)
    assert "@" not in json.dumps([calls, participations])
    names = set(expected.tables(api.calls)["call_participations"][0]) - {"user_email"}
    assert {frozenset(row) for row in participations} == {frozenset(names)}


def run(project: Project, api: Sandbox) -> None:
    project.follow(PAGE, "Run")
    assert_in_duckdb(project, api)
    api.new_calls(3)
    project.follow(PAGE, "Run")
    assert_in_duckdb(project, api)
    bookmark = max(call["ended_at"] for call in api.calls[:-3])
    resumed_at = [request.query["since"] for request in api.requests if request.query["since"] > "1970-01-01T00:00:01"]
    assert resumed_at[0] < bookmark
    # The first run takes one request; the second also compares the counts with the total.
    assert len(api.requests) <= 4


def state(project: Project, api: Sandbox) -> None:
    project.follow(PAGE, "Run")
    newest = max(call["ended_at"] for call in api.calls)
    kept = project.state(STATE_ID)
    assert {stream: entry["replication_key_value"] for stream, entry in kept.items() if entry} == {
        "calls": newest,
        "call_participations": newest,
    }
    project.follow(PAGE, "Show and clear the state")
    assert project.shell("meltano state list").strip() == ""
    project.follow(PAGE, "Run")
    assert [request.query["since"] for request in api.requests] == ["1970-01-01T00:00:00.000Z"] * 2


def full_refresh(project: Project, api: Sandbox) -> None:
    project.follow(PAGE, "Run")
    before = project.state(STATE_ID)
    project.follow(PAGE, "Read everything again")
    assert api.requests[1].query["since"] == "1970-01-01T00:00:00.000Z"
    period = api.requests[2].query
    assert (period["since"], period["until"]) == ("2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z")
    assert project.state(STATE_ID) == before
    assert_in_duckdb(project, api)


def json_logs(project: Project, api: Sandbox) -> None:
    project.follow(PAGE, "Logs as JSON")
    under_meltano, alone = project.logs
    for text, message in ((under_meltano, "event"), (alone, "message")):
        lines = [json.loads(line) for line in text.splitlines()]
        of_all = f"{len(api.calls)} of {len(api.calls)} calls read"
        assert any(line[message].startswith(of_all) for line in lines), text
    written = (project.folder / "calls.jsonl").read_text(encoding="utf-8").splitlines()
    assert sum(json.loads(line).get("stream") == "calls" for line in written) == 1 + len(api.calls)


def stream_map(project: Project, api: Sandbox) -> None:
    project.follow(PAGE, "A stream map")
    rows = project.duckdb("select id, duration_minutes from tuple.tuple_calls order by id")
    assert rows == [
        {"id": call["id"], "duration_minutes": call["duration_seconds"] // 60}
        for call in sorted(api.calls, key=lambda call: call["id"])
    ]
    columns = project.duckdb("select column_name from information_schema.columns where table_name = 'tuple_calls'")
    assert "call_participations" not in {column["column_name"] for column in columns}


def flattening(project: Project, api: Sandbox) -> None:
    project.follow(PAGE, "Flattening")
    rows = {row["id"]: row for row in project.jsonl("calls")}
    assert len(rows) == len(api.calls)
    for call in api.calls:
        assert json.loads(rows[call["id"]]["call_participations"]) == call["call_participations"]
    assert expected.plain(project.jsonl("call_participations")) == expected.tables(api.calls)["call_participations"]


def own_project(project: Project, api: Sandbox) -> None:
    own = Project(project.folder / "own", project.variables, replaced={"/path/to/tap-tuple": str(ROOT)})
    own.folder.mkdir()
    own.put("# meltano.yml\ndefault_environment: dev\nenvironments: [{name: dev}]\nproject_id: own\n")
    listed = own.follow(PAGE, "Add the tap to a project of your own")
    assert "TAP_TUPLE_AUTH_TOKEN" in listed
    own.variables["TAP_TUPLE_START_DATE"] = "6 months ago"
    settings = json.loads(own.shell("meltano config print tap-tuple"))
    own.shell("meltano config test tap-tuple")
    [request] = api.requests
    since = datetime.fromisoformat(request.query["since"].replace("Z", "+00:00"))
    assert timedelta(days=180) < datetime.now(timezone.utc) - since < timedelta(days=186)
    assert set(settings["auth_token"]) == {"*"}
    assert settings["page_size"] == 1000


SECTIONS: dict[str, Callable[[Project, Sandbox], None]] = {
    "Add the tap to a project of your own": own_project,
    "Settings from the environment": environment,
    "Test the settings": config_test,
    "Relative dates": relative_dates,
    "Select": select,
    "Run": run,
    "Show and clear the state": state,
    "Read everything again": full_refresh,
    "Logs as JSON": json_logs,
    "A stream map": stream_map,
    "Flattening": flattening,
}


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_of_the_page_has_the_documented_result(section: str, project: Project, api: Sandbox) -> None:
    SECTIONS[section](project, api)


def test_each_section_of_the_page_that_has_a_command_is_run() -> None:
    # The fixture that installs the plugins runs the first section.
    assert {block.section for block in blocks(PAGE)} == {"Install", *SECTIONS}


def test_the_definition_of_the_plugin_is_valid_by_meltanos_schema() -> None:
    [schema_file] = MELTANO.parent.parent.glob("lib/python*/site-packages/meltano/schemas/meltano.schema.json")
    schema = json.loads(schema_file.read_text(encoding="utf-8"))
    setting = {**schema, **schema["$defs"]["base_setting"]}
    definition = yaml.safe_load((ROOT / "hub" / "tap-tuple.yml").read_text(encoding="utf-8"))
    for entry in definition["settings"]:
        jsonschema.validate(entry, setting)
