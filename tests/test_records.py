"""A record of `calls` is the API's call, word for word."""

from __future__ import annotations

import copy
import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from conftest import a_call
from jsonschema import Draft202012Validator, FormatChecker

from tap_tuple import instants
from tap_tuple.sandbox import Sandbox, generate_calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Run, TapRunner

CALLS = generate_calls(300, now=datetime(2024, 4, 1, tzinfo=timezone.utc))
PARTICIPATION = {
    "id": 7,
    "joined_at": "2024-03-01T10:00:00.000Z",
    "left_at": None,
    "user": {"email": "zoë.müller+x@example.com"},
}


def unknown_fields(run: Run) -> list[str]:
    lines = [line for line in run.log.splitlines() if "field that this version does not know" in line]
    assert all("| INFO " in line for line in lines)
    return [line.rpartition(" ")[2] for line in lines]


def schema(run: Run) -> dict[str, Any]:
    (message,) = [m for m in run.messages if m["type"] == "SCHEMA" and m["stream"] == "calls"]
    whole: dict[str, Any] = message["schema"]
    return whole


def test_each_call_comes_out_as_the_api_gave_it(tap: TapRunner, settings: Callable[..., Any]) -> None:
    with Sandbox(CALLS) as api:
        run = tap(settings(api, page_size=100))
        assert len(api.requests) == 3
        expected = api.calls
    assert [json.dumps(record) for record in run.records()] == [json.dumps(call) for call in expected]
    assert unknown_fields(run) == []
    emails = {stay["user"]["email"] for call in expected for stay in call["call_participations"]}
    assert not [email for email in emails if email in run.log]


def test_records_are_valid_against_the_schema_that_comes_before_them(
    tap: TapRunner, settings: Callable[..., Any]
) -> None:
    calls = [*CALLS, {"id": 1, "ended_at": "2024-04-01T00:00:00.000Z"}]
    with Sandbox(calls) as api:
        run = tap(settings(api))
    kinds = [m["type"] for m in run.messages if m.get("stream") == "calls"]
    assert kinds == ["SCHEMA"] + ["RECORD"] * 301
    checker = FormatChecker()
    checker.checks("date-time", ValueError)(lambda text: text is None or instants.parse(text))
    validator = Draft202012Validator({**schema(run), "additionalProperties": False}, format_checker=checker)
    assert [error.message for record in run.records() for error in validator.iter_errors(record)] == []


def test_what_a_call_lacks_is_null(tap: TapRunner, settings: Callable[..., Any]) -> None:
    ended_at = "2024-03-01T10:00:00.000Z"
    stays = [{"id": 7}, {"id": 8, "user": {}}, {"id": 9, "user": None, "joined_at": None, "left_at": None}]
    calls = [
        {"id": 1, "ended_at": ended_at},
        a_call(2, ended_at, started_at=None, duration_seconds=None, call_participations=None),
        a_call(3, ended_at, call_participations=stays),
    ]
    with Sandbox(calls) as api:
        run = tap(settings(api))
    bare = {"started_at": None, "ended_at": ended_at, "duration_seconds": None, "call_participations": None}
    nothing = {"joined_at": None, "left_at": None, "user": None}
    expected = [{"id": 7, **nothing}, {"id": 8, **nothing, "user": {"email": None}}, {"id": 9, **nothing}]
    assert run.exit_code == 0
    assert run.records() == [
        {"id": 1, **bare},
        {"id": 2, **bare},
        a_call(3, ended_at, call_participations=expected),
    ]


def test_a_field_that_the_schema_does_not_know_is_left_out_and_named_once(
    tap: TapRunner, settings: Callable[..., Any]
) -> None:
    known = [
        a_call(
            number, f"2024-03-0{number}T10:00:00.000Z", call_participations=[PARTICIPATION, {**PARTICIPATION, "id": 8}]
        )
        for number in range(1, 7)
    ]
    given = copy.deepcopy(known)
    for call in given[1:]:
        call["recording"] = {"url": "https://example.com/very-secret"}
        for stay in call["call_participations"]:
            stay["device"] = "very-secret"
            stay["user"]["name"] = "very-secret"
    given[5]["zz"] = None
    with Sandbox(given) as api:
        run = tap(settings(api, page_size=2))
        assert len(api.requests) == 3
    assert run.exit_code == 0
    assert run.records() == known
    assert sorted(unknown_fields(run)) == [
        "call_participations.device",
        "call_participations.user.name",
        "recording",
        "zz",
    ]
    assert b"very-secret" not in run.output
    assert "very-secret" not in run.log


def test_numbers_keep_every_digit(tap: TapRunner, settings: Callable[..., Any]) -> None:
    numbers = [-1, 0, 2**31, 2**53 + 1, 2**63 - 1]
    calls = [a_call(number, "2024-03-01T10:00:00.000Z", duration_seconds=number) for number in numbers]
    with Sandbox(calls) as api:
        run = tap(settings(api))
    assert run.exit_code == 0
    assert [(record["id"], record["duration_seconds"]) for record in run.records()] == [
        *zip(numbers, numbers, strict=True)
    ]


def test_texts_keep_every_character(tap: TapRunner, settings: Callable[..., Any]) -> None:
    email = 'zoë "\\\n\t\u2028 😀 <&>@example.com'
    stay = {**PARTICIPATION, "user": {"email": email}}
    with Sandbox([a_call(1, "2024-03-01T10:00:00.000Z", call_participations=[stay])]) as api:
        run = tap(settings(api))
    assert run.records()[0]["call_participations"] == [stay]
    assert run.records("call_participations")[0]["user_email"] == email


def fields(part: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, field in part.get("properties", {}).items():
        yield f"{path}{name}", field
        yield from fields(field, f"{path}{name}.")
    if "items" in part:
        yield f"{path}[]", part["items"]
        yield from fields(part["items"], path)


def test_every_field_of_the_schema_is_described_and_all_but_the_id_may_be_null(
    tap: TapRunner, settings: Callable[..., Any]
) -> None:
    with Sandbox() as api:
        whole = schema(tap(settings(api)))
    named = dict(fields(whole))
    assert list(named) == [
        "id",
        "started_at",
        "ended_at",
        "duration_seconds",
        "call_participations",
        "call_participations.[]",
        "call_participations.id",
        "call_participations.joined_at",
        "call_participations.left_at",
        "call_participations.user",
        "call_participations.user.email",
    ]
    assert [name for name, field in named.items() if len(field.get("description", "")) < len("The person.")] == []
    assert [name for name, field in named.items() if "null" not in field["type"]] == ["id"]
    assert whole["description"]
    datetimes = [name for name, field in named.items() if field.get("format") == "date-time"]
    assert datetimes == [name for name in named if name.endswith("_at")]
    Draft202012Validator.check_schema(whole)


def test_the_schema_names_the_keys(tap: TapRunner, settings: Callable[..., Any]) -> None:
    with Sandbox() as api:
        messages = tap(settings(api)).messages
    (message,) = [m for m in messages if m["type"] == "SCHEMA" and m["stream"] == "calls"]
    assert message["key_properties"] == ["id"]
    assert message["bookmark_properties"] == ["ended_at"]
