"""`docs/dx.md`, run as written: with the rights that DX grants, and with tables that have DX's documented columns."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import expected
import pytest
from recipes import blocks, dotenv

from tap_tuple.sandbox import DEFAULT_TOKEN, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postgres import Database
    from recipes import Project

PAGE = "dx.md"
SQL = {block.section: block.text for block in blocks(PAGE) if block.language == "sql"}

# https://docs.getdx.com/schema/dx_users, dx_teams and dx_user_identifiers.
DX = """
create table dx_teams (
    id bigint primary key, source_id bigint, source_parent_id bigint, source_manager_id bigint, name text,
    parent boolean, flattened_parent text, contributors integer, deleted_at date, reference_id text
);
create table dx_users (
    id bigint primary key, source_id bigint, team_id bigint, name text, email text, avatar text, github_username text,
    additional_github_username text, gitlab_username text, developer text, start_date date,
    ai_light_adoption_date date, ai_moderate_adoption_date date, ai_heavy_adoption_date date, deleted_at date
);
create table dx_user_identifiers (id bigint primary key, user_id bigint, kind text, value text);

insert into dx_teams (id, name) values (1, 'Design'), (2, 'Platform');
insert into dx_users (id, team_id, name, developer, start_date, ai_moderate_adoption_date, deleted_at) values
    (1, 1, 'Ann', 'true', '2024-02-05', '2024-02-19', null),
    (2, 1, 'Bob', 'true', '2024-02-05', null, null),
    (3, 2, 'Cem', 'true', null, null, null),
    (4, 2, 'Dia', 'false', null, null, null),
    (5, 2, 'Eli', 'true', '2024-02-05', '2024-02-19', '2024-03-04');
insert into dx_user_identifiers values
    (1, 1, 'email', 'ann@example.com'), (2, 1, 'email', 'ann.old@example.com'), (3, 1, 'github_username', 'ann'),
    (4, 2, 'email', 'bob@example.com'), (5, 3, 'email', 'cem@example.com'), (6, 4, 'email', 'dia@example.com'),
    (7, 5, 'github_username', 'guest@elsewhere.test');
"""


def a_call(number: int, *participations: tuple[str, datetime, float]) -> dict[str, Any]:
    """Return a call with participations: a person, the time of joining, and minutes."""
    rows = [(person, joined, joined + timedelta(minutes=minutes)) for person, joined, minutes in participations]
    began, ended = min(joined for _, joined, _ in rows), max(left for *_, left in rows)
    return {
        "id": number,
        "started_at": _timestamp(began),
        "ended_at": _timestamp(ended),
        "duration_seconds": int((ended - began).total_seconds()),
        "call_participations": [
            {
                "id": number * 10 + index,
                "joined_at": _timestamp(joined),
                "left_at": _timestamp(left),
                "user": {"email": person},
            }
            for index, (person, joined, left) in enumerate(rows)
        ],
    }


def _timestamp(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%S}.{instant.microsecond // 1000:03}Z"


def this_month() -> datetime:
    """Return an instant of this month that is in the past."""
    now = datetime.now(timezone.utc)
    return max(now - timedelta(minutes=10), now.replace(day=1, hour=0, minute=0, second=0, microsecond=0))


@pytest.fixture
def api() -> Iterator[Sandbox]:
    """A team whose addresses in Tuple have upper and lower case letters."""
    monday = datetime(2024, 2, 5, 9, tzinfo=timezone.utc)
    later = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)
    calls = [
        a_call(
            1,
            ("Ann@Example.com", monday, 60),
            # Bob uses two devices for a while.
            ("BOB@example.com", monday + timedelta(minutes=10), 20),
            ("bob@EXAMPLE.com", monday + timedelta(minutes=20), 20),
            ("cem@example.com", monday, 60),
        ),
        a_call(2, ("Ann.Old@example.com", later, 30), ("Guest@elsewhere.test", later, 45)),
        a_call(3, ("Bob@example.com", this_month(), 0.01), ("Cem@example.com", this_month(), 0.01)),
    ]
    with Sandbox(calls) as sandbox:
        yield sandbox


@pytest.fixture
def writer(project: Project, database: Database) -> Database:
    """DX's database for a user with the scope `read_write`, whose URL is in the project's `.env`."""
    # Roles belong to the server, so each test needs its own.
    user = f"dx_writer_{database.name}"
    database.run(
        f"""
        {DX}
        create role {user} login password '{database.variables["PGPASSWORD"]}';
        create schema custom;
        grant usage, create on schema custom to {user};
        grant select on all tables in schema public to {user};
        """
    )
    writer = database.as_user(user)
    rights = "select has_database_privilege(current_database(), 'create') as schemas"
    assert writer.rows(rights) == [{"schemas": False}]
    del project.variables["TAP_TUPLE_AUTH_TOKEN"]
    password, port, name = (writer.variables[name] for name in ("PGPASSWORD", "PGPORT", "PGDATABASE"))
    shown = f"postgres://{user}:{password}@127.0.0.1:{port}/{name}"
    secrets = {
        "TAP_TUPLE_AUTH_TOKEN": DEFAULT_TOKEN,
        "TARGET_POSTGRES_SQLALCHEMY_URL": shown.replace("postgres://", "postgresql+psycopg://"),
    }
    (project.folder / ".env").write_text(dotenv(PAGE, secrets), encoding="utf-8")
    return writer


def test_the_page_loads_both_tables_with_the_rights_that_dx_grants_and_its_queries_run(
    project: Project, writer: Database, api: Sandbox
) -> None:
    project.follow(PAGE, "The pipeline")
    writer.run(SQL["The tables"])
    writer.run(SQL["Who paired with whom"])
    requests_before = len(api.requests)
    project.shell("meltano run tap-tuple--dx target-postgres--dx")
    assert len(api.requests) > requests_before

    tables = expected.tables(api.calls)
    assert expected.plain(writer.rows("select * from custom.tuple_calls")) == tables["calls"]
    participations = writer.rows("select * from custom.tuple_call_participations")
    assert expected.plain(participations) == tables["call_participations"]
    indexes = writer.rows("select indexname from pg_indexes where schemaname = 'custom'")
    assert {"tuple_call_participations_email", "tuple_call_participations_ended", "tuple_calls_ended"} <= {
        row["indexname"] for row in indexes
    }

    hours = {(row["week"], row["team"]): row["hours"] for row in writer.rows(SQL["Hours by team"])}
    assert hours["2024-02-05", "Design"] == 1.5
    assert hours["2024-02-05", "Platform"] == 1.0
    assert hours["2024-03-04", "Design"] == 0.5
    assert ("2024-03-04", "Platform") not in hours

    assert writer.rows(SQL["Share of developers who paired this month"]) == [
        {"team": "Design", "developers": 2, "developers_paired": 1, "share": 0.5},
        {"team": "Platform", "developers": 1, "developers_paired": 1, "share": 1},
    ]

    # Ann pairs with Bob and Cem in her first week, and with a person who is not in DX in her fifth.
    assert writer.rows(SQL["Onboarding"]) == [
        {"week": week, "people": 2, "median_partners": 2 if week < 5 else 2.5} for week in range(1, 13)
    ]

    # An hour before, and half an hour after, in eight weeks each.
    assert writer.rows(SQL["Before and after an adoption date"]) == [
        {"people": 1, "hours_before": 0.13, "hours_after": 0.06}
    ]


def test_the_loader_rejects_the_url_in_the_form_that_dx_shows(project: Project, writer: Database) -> None:
    path = project.folder / ".env"
    path.write_text(path.read_text("utf-8").replace("postgresql+psycopg://", "postgres://"), "utf-8")
    project.put(next(block.text for block in blocks(PAGE) if block.language == "yaml"))
    project.shell("meltano run tap-tuple--dx target-postgres--dx", succeeds=False)
    assert "postgres" in project.output
    assert writer.rows("select * from pg_tables where schemaname = 'custom'") == []
