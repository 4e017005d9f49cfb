"""The numbers of each mart for a small team, compared with those counted by hand; on DuckDB and PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import team
from team import ANN, BOB, CEM, DIA, ELI, FAY, GUS

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouses import Warehouse


@pytest.fixture(scope="module")
def built(new_warehouse: Callable[[], Warehouse]) -> Warehouse:
    """The team's models, from a loader that has appended the first call twice."""
    warehouse = new_warehouse()
    warehouse.people = team.PEOPLE
    warehouse.variables = team.VARIABLES
    warehouse.run(team.tables(more=team.copies()))
    warehouse.build()
    return warehouse


def by(rows: list[dict[str, Any]], *keys: str) -> dict[Any, tuple[Any, ...]]:
    """Return the values of the other columns by the value of the key column, or by the tuple of several keys."""
    return {
        tuple(row[key] for key in keys) if len(keys) > 1 else row[keys[0]]: tuple(
            value for name, value in row.items() if name not in keys
        )
        for row in rows
    }


def test_calls_have_their_people_length_and_overlap(built: Warehouse) -> None:
    rows = built.rows(
        "select call_id, participations, people, is_solo, duration_seconds / 60 as minutes,"
        " overlap_seconds / 60 as overlap, person_seconds / 60 as present from tuple_models.tuple__calls"
    )
    assert by(rows, "call_id") == {
        1: (4, 2, False, 60, 40, 60 + 40),
        2: (1, 1, True, 30, 0, 30),
        3: (3, 3, False, 30, 0, 30),
        4: (2, 1, False, 20, 0, 20),
        5: (2, 2, False, 40, 40, 80),
        6: (3, 3, False, 60, 60, 180),
        7: (2, 2, False, 30, 30, 60),
        8: (2, 2, False, 60, 60, 120),
        9: (2, 2, False, 30, 30, 60),
    }


def test_calls_name_their_participants_by_their_main_addresses(built: Warehouse) -> None:
    rows = built.rows("select call_id, participants from tuple_models.tuple__calls where call_id in (1, 4, 6, 7)")
    assert by(rows, "call_id") == {
        1: (f"{ANN} {BOB}",),
        4: (BOB,),
        6: (f"{ANN} {CEM} {GUS}",),
        7: (f"{ANN} {BOB}",),
    }


def test_a_person_with_two_simultaneous_participations_counts_once_per_minute(built: Warehouse) -> None:
    rows = built.rows(
        "select participation_id, stay_seconds / 60 as stay, counted_seconds / 60 as counted,"
        " paired_seconds / 60 as paired from tuple_models.tuple__participations where call_id = 1"
    )
    assert by(rows, "participation_id") == {
        100: (60, 60, 40),
        101: (20, 20, 20),
        102: (20, 10, 10),
        103: (10, 10, 10),
    }


def test_a_participation_without_start_end_or_person_has_no_hours(built: Warehouse) -> None:
    rows = built.rows(
        "select participation_id, person_id, stay_seconds, counted_seconds, paired_seconds"
        " from tuple_models.tuple__participations where participation_id in (105, 107, 109)"
    )
    assert by(rows, "participation_id") == {
        105: (ANN, None, 0, 0),
        107: (CEM, None, 0, 0),
        109: (None, 1200, 0, 0),
    }


def test_pairs_have_the_hours_of_each_week_in_local_time(built: Warehouse) -> None:
    rows = built.rows(
        "select week, person_id, partner_id, calls, hours * 60 as minutes from tuple_models.tuple__pair_weeks"
    )
    assert by(rows, "week", "person_id", "partner_id") == {
        ("2026-02-02", ANN, BOB): (1, pytest.approx(40)),
        ("2026-02-02", CEM, DIA): (1, pytest.approx(20)),
        ("2026-02-09", CEM, DIA): (1, pytest.approx(20)),
        ("2026-02-09", ANN, CEM): (1, pytest.approx(60)),
        ("2026-02-09", ANN, GUS): (1, pytest.approx(60)),
        ("2026-02-09", CEM, GUS): (1, pytest.approx(60)),
        ("2026-03-09", ANN, BOB): (1, pytest.approx(30)),
        ("2026-03-09", DIA, ELI): (1, pytest.approx(60)),
        ("2026-03-16", ANN, ELI): (1, pytest.approx(30)),
    }


def test_pairs_of_a_team_are_due_after_four_weeks_or_if_they_never_paired(built: Warehouse) -> None:
    rows = built.rows(
        "select person_id, partner_id, team, calls, last_paired_on, days_since_paired, has_never_paired, is_due"
        " from tuple_models.tuple__team_pairs"
    )
    never = ("design", 0, None, None, True, True)
    assert by(rows, "person_id", "partner_id") == {
        (ANN, BOB): ("design", 2, "2026-03-10", 6, False, False),
        (ANN, CEM): ("design", 1, "2026-02-13", 31, False, True),
        (ANN, FAY): never,
        (BOB, CEM): never,
        (BOB, FAY): never,
        (CEM, FAY): never,
        (DIA, ELI): ("platform", 1, "2026-03-09", 7, False, False),
    }


def test_people_have_hours_partners_and_new_partners_for_each_week(built: Warehouse) -> None:
    rows = built.rows(
        "select week, person_id, calls, hours_in_calls * 60 as present, hours_paired * 60 as paired, partners,"
        f" new_partners from tuple_models.tuple__person_weeks where person_id in ('{ANN}', '{BOB}', '{CEM}')"
    )
    assert by(rows, "week", "person_id") == {
        ("2026-02-02", ANN): (1, pytest.approx(60), pytest.approx(40), 1, 1),
        ("2026-02-02", BOB): (3, pytest.approx(90), pytest.approx(40), 1, 1),
        ("2026-02-02", CEM): (2, pytest.approx(50), pytest.approx(20), 1, 1),
        ("2026-02-09", ANN): (1, pytest.approx(60), pytest.approx(60), 2, 2),
        ("2026-02-09", CEM): (2, pytest.approx(80), pytest.approx(80), 3, 2),
        ("2026-03-09", ANN): (1, pytest.approx(30), pytest.approx(30), 1, 0),
        ("2026-03-09", BOB): (1, pytest.approx(30), pytest.approx(30), 1, 0),
        ("2026-03-16", ANN): (1, pytest.approx(30), pytest.approx(30), 1, 1),
    }


def test_teams_have_shares_a_median_length_and_a_density_for_each_week(built: Warehouse) -> None:
    rows = built.rows(
        "select week, team, members, members_paired, share_paired, calls, median_minutes, pairs, density,"
        " hours_paired * 60 as paired, out_of_hours_share from tuple_models.tuple__team_weeks"
    )
    teams = by(rows, "week", "team")
    assert len(teams) == 7 * 2 + 1
    nothing = (0, 0, 0, None, 0)
    assert {key: value for key, value in teams.items() if key[1] != "platform"} == {
        ("2026-02-02", "design"): (3, 3, 1, 2, 50, 1, *map(pytest.approx, (1 / 3, 40 + 40 + 20, 0.2))),
        ("2026-02-09", "design"): (3, 2, *map(pytest.approx, (2 / 3, 1, 60, 1, 1 / 3, 60 + 60 + 20, 80 / 140))),
        ("2026-02-09", "(not listed)"): (1, 1, 1, 1, 60, 0, None, 60, 0.5),
        ("2026-02-16", "design"): (3, *nothing, 0, 0, None),
        ("2026-02-23", "design"): (3, *nothing, 0, 0, None),
        ("2026-03-02", "design"): (4, *nothing, 0, 0, None),
        ("2026-03-09", "design"): (4, 2, 0.5, 1, 30, 1, pytest.approx(1 / 6), 60, 0),
        ("2026-03-16", "design"): (4, 1, 0.25, 1, 30, 0, 0, 30, 0),
    }
    assert teams["2026-02-02", "platform"] == (1, 1, 1, 1, 40, 0, None, 20, 1)
    assert teams["2026-03-09", "platform"] == (2, 2, 1, 1, 60, 1, 1, 120, 0)


def test_onboarding_has_the_partners_reached_by_each_week(built: Warehouse) -> None:
    rows = built.rows(
        "select person_id, week_number, begins_on, is_newcomer, new_partners, partners_reached"
        f" from tuple_models.tuple__onboarding where person_id in ('{ANN}', '{ELI}')"
    )
    assert by(rows, "person_id", "week_number") == {
        (ANN, 0): ("2026-02-02", False, 1, 1),
        (ANN, 1): ("2026-02-09", False, 2, 3),
        **{
            (ANN, week): (begins, False, 0, 3)
            for week, begins in enumerate(("2026-02-16", "2026-02-23", "2026-03-02", "2026-03-09"), start=2)
        },
        (ANN, 6): ("2026-03-16", False, 1, 4),
        (ELI, 0): ("2026-03-09", True, 1, 1),
        (ELI, 1): ("2026-03-16", True, 1, 2),
    }


def test_people_have_names_teams_and_the_days_of_their_calls(built: Warehouse) -> None:
    rows = built.rows("select * from tuple_models.tuple__people")
    assert by(rows, "person_id") == {
        ANN: ("Ann Arbor", "design", None, "2026-02-02", "2026-03-16", True, True),
        BOB: ("Bob Bee", "design", None, "2026-02-02", "2026-03-10", True, True),
        CEM: ("Cem Cey", "design", None, "2026-02-03", "2026-02-13", True, True),
        FAY: ("Fay Foy", "design", "2026-03-02", None, None, True, True),
        DIA: ("Dia Doe", "platform", None, "2026-02-08", "2026-03-09", True, True),
        ELI: ("Eli Eck", "platform", "2026-03-09", "2026-03-09", "2026-03-16", True, True),
        GUS: (None, "(not listed)", None, "2026-02-13", "2026-02-13", False, False),
    }


def test_the_three_analyses_return_names(built: Warehouse) -> None:
    compiled = built.dbt("compile", "--select", "path:analyses")
    results = {
        node["name"]: [tuple(row.values()) for row in built.rows(node["compiled_code"])]
        for node in compiled.manifest["nodes"].values()
        if node["resource_type"] == "analysis"
    }
    assert results == {
        "who_paired_this_month": [
            ("2026-03-01", "Ann Arbor", "Bob Bee", 1, 0.5),
            ("2026-03-01", "Ann Arbor", "Eli Eck", 1, 0.5),
            ("2026-03-01", "Dia Doe", "Eli Eck", 1, 1),
        ],
        "pairs_that_are_due": [
            ("design", "Ann Arbor", "Fay Foy", None, None),
            ("design", "Bob Bee", "Cem Cey", None, None),
            ("design", "Bob Bee", "Fay Foy", None, None),
            ("design", "Cem Cey", "Fay Foy", None, None),
            ("design", "Ann Arbor", "Cem Cey", "2026-02-13", 31),
        ],
        "how_newcomers_connect": [
            ("newcomers", 0, 1, 1, 1, 1),
            ("newcomers", 1, 1, 2, 2, 2),
            # Ann, Bob, Cem, Dia and Gus.
            ("everybody else", 0, 5, 1, 1, 2),
            ("everybody else", 1, 5, 2, 1, 3),
            ("everybody else", 2, 5, 2, 1, 3),
            ("everybody else", 4, 5, 2, 1, 3),
        ],
    }
