"""Records contain the fields of the API unchanged; unknown fields are dropped, and invalid ones become null."""

from __future__ import annotations

import copy
import json
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from factories import a_call, a_participation, minute
from jsonschema import Draft202012Validator, FormatChecker

from tap_tuple.sandbox import Sandbox, generate_calls
from tap_tuple.timestamps import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runners import Run, TapRunner

    Settings = Callable[..., dict[str, Any]]

CALLS = generate_calls(300, now=datetime(2024, 4, 1, tzinfo=timezone.utc))
SECRET = "very-secret"


def unknown_fields(run: Run) -> list[str]:
    return [line.rpartition(" ")[2].strip("`") for line in run.warnings if "Ignoring unknown field" in line]


def schema(run: Run, stream: str = "calls") -> dict[str, Any]:
    (message,) = [m for m in run.messages if m["type"] == "SCHEMA" and m["stream"] == stream]
    whole: dict[str, Any] = message["schema"]
    return whole


def fields(part: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, field in part.get("properties", {}).items():
        yield f"{path}{name}", field
        yield from fields(field, f"{path}{name}.")
    if "items" in part:
        yield f"{path}[]", part["items"]
        yield from fields(part["items"], path)


class TestUnchanged:
    """Valid calls."""

    def test_each_call_is_written_as_the_api_returned_it(self, tap: TapRunner, settings: Settings) -> None:
        with Sandbox(CALLS) as api:
            run = tap(settings(api, page_size=100))
            expected = api.calls
        assert [json.dumps(record) for record in run.records()] == [json.dumps(call) for call in expected]
        assert unknown_fields(run) == []
        emails = {participation["user"]["email"] for call in expected for participation in call["call_participations"]}
        assert not [email for email in emails if email in run.log]

    @pytest.mark.parametrize("stream", ["calls", "call_participations"])
    def test_records_are_valid_against_the_preceding_schema(
        self, tap: TapRunner, settings: Settings, stream: str
    ) -> None:
        with Sandbox([*CALLS, {"id": 1, "ended_at": "2024-04-01T00:00:00.000Z"}]) as api:
            run = tap(settings(api))
        kinds = [m["type"] for m in run.messages if m.get("stream") == stream]
        assert kinds == ["SCHEMA"] + ["RECORD"] * len(run.records(stream))
        checker = FormatChecker()
        checker.checks("date-time", ValueError)(lambda text: text is None or bool(parse_timestamp(str(text))))
        whole = {**schema(run, stream), "additionalProperties": False}
        validator = Draft202012Validator(whole, format_checker=checker)
        assert [error.message for record in run.records(stream) for error in validator.iter_errors(record)] == []

    def test_numbers_keep_every_digit(self, tap: TapRunner, settings: Settings) -> None:
        numbers = [-1, 0, 2**31, 2**53 + 1, 2**63 - 1]
        with Sandbox([a_call(number, minute(1), duration_seconds=number) for number in numbers]) as api:
            run = tap(settings(api))
        assert [(record["id"], record["duration_seconds"]) for record in run.records()] == [
            *zip(numbers, numbers, strict=True)
        ]

    def test_strings_keep_every_character(self, tap: TapRunner, settings: Settings) -> None:
        email = 'zoë "\\\n\t\u2028 😀 <&>@example.com'
        participation = a_participation(7, email)
        with Sandbox([a_call(1, minute(1), call_participations=[participation])]) as api:
            run = tap(settings(api))
        assert run.records()[0]["call_participations"] == [participation]
        assert run.records("call_participations")[0]["user_email"] == email


class TestMissingAndUnknownFields:
    """Fields that only the schema or only the call has."""

    def test_a_missing_field_is_null(self, tap: TapRunner, settings: Settings) -> None:
        participations = [{"id": 7}, {"id": 8, "user": {}}, {"id": 9, "user": None, "joined_at": None, "left_at": None}]
        calls = [
            {"id": 1, "ended_at": minute(1)},
            a_call(2, minute(2), started_at=None, duration_seconds=None, call_participations=None),
            a_call(3, minute(3), call_participations=participations),
        ]
        with Sandbox(calls) as api:
            run = tap(settings(api))
        bare = {"started_at": None, "duration_seconds": None, "call_participations": None}
        nothing = {"joined_at": None, "left_at": None, "user": None}
        assert run.exit_code == 0
        assert run.records() == [
            {"id": 1, "ended_at": minute(1), **bare},
            {"id": 2, "ended_at": minute(2), **bare},
            a_call(
                3,
                minute(3),
                call_participations=[
                    {"id": 7, **nothing},
                    {"id": 8, **nothing, "user": {"email": None}},
                    {"id": 9, **nothing},
                ],
            ),
        ]
        assert [row["id"] for row in run.records("call_participations")] == [7, 8, 9]

    def test_an_unknown_field_is_dropped_and_named_once(self, tap: TapRunner, settings: Settings) -> None:
        participations = [a_participation(7), a_participation(8)]
        known = [a_call(number, minute(number), call_participations=participations) for number in range(1, 7)]
        returned = copy.deepcopy(known)
        for call in returned[1:]:
            call["recording"] = {"url": f"https://example.com/{SECRET}"}
            for participation in call["call_participations"]:
                participation["device"] = SECRET
                participation["user"]["name"] = SECRET
        returned[5]["zz"] = None
        with Sandbox(returned) as api:
            run = tap(settings(api, page_size=2))
        assert run.exit_code == 0
        assert run.records() == known
        expected = ["call_participations.device", "call_participations.user.name", "recording", "zz"]
        assert sorted(unknown_fields(run)) == expected
        assert SECRET.encode() not in run.output
        assert SECRET not in run.log


INVALID: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "string duration": ({"duration_seconds": SECRET}, {"duration_seconds": None}, "duration_seconds"),
    "boolean duration": ({"duration_seconds": True}, {"duration_seconds": None}, "duration_seconds"),
    "fraction": ({"duration_seconds": 1800.5}, {"duration_seconds": None}, "duration_seconds"),
    "number as time": ({"started_at": 1773532800}, {"started_at": None}, "started_at"),
    "not a time": ({"started_at": SECRET}, {"started_at": None}, "started_at"),
    "time without a zone": ({"started_at": "2026-03-15T00:13:00"}, {"started_at": None}, "started_at"),
    "nonexistent date": ({"started_at": "2026-02-30T00:13:00Z"}, {"started_at": None}, "started_at"),
    "object instead of an array": ({"call_participations": {}}, {"call_participations": None}, "call_participations"),
    "strings instead of objects": (
        {"call_participations": [SECRET, {"id": 7}]},
        {"call_participations": [None, {"id": 7, "joined_at": None, "left_at": None, "user": None}]},
        "call_participations",
    ),
    "string instead of a user": (
        {"call_participations": [{"id": 7, "user": SECRET}]},
        {"call_participations": [{"id": 7, "joined_at": None, "left_at": None, "user": None}]},
        "call_participations.user",
    ),
    "array instead of an e-mail address": (
        {"call_participations": [{"id": 7, "user": {"email": [SECRET]}}]},
        {"call_participations": [{"id": 7, "joined_at": None, "left_at": None, "user": {"email": None}}]},
        "call_participations.user.email",
    ),
    "nonexistent date in a participation": (
        {"call_participations": [{"id": 7, "joined_at": "2026-02-30T00:13:00Z", "left_at": minute(3)}]},
        {"call_participations": [{"id": 7, "joined_at": None, "left_at": minute(3), "user": None}]},
        "joined_at",
    ),
}


class TestInvalidFields:
    """Fields whose values do not match the schema."""

    @pytest.mark.parametrize("name", INVALID)
    def test_an_invalid_field_is_null_and_named_with_the_call(
        self, tap: TapRunner, settings: Settings, name: str
    ) -> None:
        invalid, written, field = INVALID[name]
        calls = [a_call(1, minute(1)), a_call(2, minute(2), **invalid), a_call(3, minute(3), **invalid)]
        with Sandbox(calls) as api:
            run = tap(settings(api, requests_per_minute=60))
        assert run.exit_code == 0, run.log
        assert run.records() == [calls[0], a_call(2, minute(2), **written), a_call(3, minute(3), **written)]
        (warning,) = run.warnings
        assert re.search(rf"Field `{field}` is not .+: writing null \(first in call 2\)$", warning)
        assert SECRET not in run.log

    @pytest.mark.parametrize("duration", [1800.0, 0.0, -5.0, 1e3])
    def test_an_integral_float_is_written_as_an_integer(
        self, tap: TapRunner, settings: Settings, duration: float
    ) -> None:
        with Sandbox([a_call(1, minute(1), duration_seconds=duration)]) as api:
            run = tap(settings(api, requests_per_minute=60))
        assert run.exit_code == 0
        assert f'"duration_seconds":{int(duration)},'.encode() in run.output
        assert run.warnings == []

    def test_the_error_for_a_participation_without_an_id_suggests_deselecting_its_stream(
        self, tap: TapRunner, settings: Settings
    ) -> None:
        with Sandbox([a_call(1, minute(1), call_participations=[{"id": "x", "joined_at": minute(0)}])]) as api:
            run = tap(settings(api))
        assert run.exit_code == 1
        assert "Invalid call 1: a participation has no `id`" in run.errors[0]
        assert "Deselect that stream" in run.errors[0]


class TestSchemas:
    """The SCHEMA messages."""

    def test_every_field_of_calls_has_a_description_and_only_the_id_cannot_be_null(
        self, tap: TapRunner, settings: Settings
    ) -> None:
        with Sandbox() as api:
            whole = schema(tap(settings(api)))
        named = dict(fields(whole))
        participation = ["id", "joined_at", "left_at", "user", "user.email"]
        assert list(named) == [
            *("id", "started_at", "ended_at", "duration_seconds", "call_participations", "call_participations.[]"),
            *(f"call_participations.{name}" for name in participation),
        ]
        assert [name for name, field in named.items() if len(field.get("description", "")) < len("The person.")] == []
        assert [name for name, field in named.items() if "null" not in field["type"]] == ["id"]
        assert whole["description"]
        datetimes = [name for name, field in named.items() if field.get("format") == "date-time"]
        assert datetimes == [name for name in named if name.endswith("_at")]
        Draft202012Validator.check_schema(whole)

    @pytest.mark.parametrize(
        ("stream", "replication_key"), [("calls", "ended_at"), ("call_participations", "call_ended_at")]
    )
    def test_a_schema_message_has_the_primary_key_and_the_replication_key(
        self, tap: TapRunner, settings: Settings, stream: str, replication_key: str
    ) -> None:
        with Sandbox() as api:
            messages = tap(settings(api)).messages
        (message,) = [m for m in messages if m["type"] == "SCHEMA" and m["stream"] == stream]
        assert message["key_properties"] == ["id"]
        assert message["bookmark_properties"] == [replication_key]
