"""Where the tap builds on what the SDK keeps to itself, a test fails here when the SDK changes it."""

from __future__ import annotations

import ast
import inspect
import io
import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import a_call
from singer_sdk import Stream, Tap
from singer_sdk.helpers._util import load_json
from singer_sdk.singerlib import RecordMessage

import tap_tuple
from tap_tuple import validation
from tap_tuple.sandbox import DEFAULT_TOKEN, Sandbox
from tap_tuple.streams import CallParticipationsStream, CallsStream
from tap_tuple.tap import TapTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(tap_tuple.__file__).parent
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if "__" not in path.name and "sandbox" not in path.parts)

TESTED = {
    "_ConfigInput",
    "_env_var_config",
    "_env_var_prefix",
    "_generate_record_messages",
    "_increment_stream_state",
    "_setup_signal_handlers",
    "singer_sdk.helpers._util",
}
"""What of the SDK's own the tap uses, each with a test below."""


def own(**more: Any) -> TapTuple:
    return TapTuple(config={"auth_token": DEFAULT_TOKEN, **more})


def private_names_used(source: Path) -> Iterator[str]:
    """The private names of the SDK that a module of the tap overrides, calls or imports."""
    module = import_module(".".join(["tap_tuple", *source.relative_to(PACKAGE).with_suffix("").parts]))
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("singer_sdk"):
            if "._" in (node.module or ""):
                yield str(node.module)
            yield from (alias.name for alias in node.names if alias.name.startswith("_"))
        elif isinstance(node, ast.ClassDef):
            yield from private_names_of_bases(getattr(module, node.name), node)


def private_names_of_bases(kind: type, definition: ast.ClassDef) -> Iterator[str]:
    bases = [base for base in kind.__mro__ if base.__module__.startswith("singer_sdk")]
    known = {name for base in bases for name in vars(base) if name.startswith("_") and not name.startswith("__")}
    for node in ast.walk(definition):
        name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "name", None)
        if name in known:
            yield name


def test_every_private_name_of_the_sdk_that_the_tap_uses_has_a_test_here() -> None:
    # Types alone, which no run needs.
    typing_only = {"singer_sdk.helpers._batch"}
    assert {name for source in SOURCES for name in private_names_used(source)} - typing_only <= TESTED


def test_every_comment_on_a_private_hook_is_about_one_that_is_tested_here() -> None:
    for source in SOURCES:
        lines = source.read_text("utf-8").splitlines()
        for number, line in enumerate(lines):
            if "# Private:" in line:
                about = "\n".join(lines[max(0, number - 3) : number + 5])
                assert any(name in about for name in TESTED), f"{source.name}, line {number + 1}"


def test_the_sdk_asks_env_var_config_for_the_settings_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def read(schema: dict[str, Any], prefix: str) -> dict[str, Any]:
        asked.append((sorted(schema["properties"])[:2], prefix))
        return {"auth_token": "sk-tuple-a", "page_size": 7}

    monkeypatch.setattr(validation, "from_environment", read)
    assert TapTuple(config={}, parse_env_config=True).config["page_size"] == 7
    assert asked
    assert {prefix for _, prefix in asked} == {"TAP_TUPLE_"}, "_env_var_prefix"
    assert TapTuple(config={"auth_token": "sk-tuple-a"}).config["page_size"] == 1000


def test_the_sdk_takes_its_own_settings_from_env_var_config_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TAP_TUPLE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TAP_TUPLE_FLATTENING_ENABLED", "true")
    monkeypatch.setenv("TAP_TUPLE_FLATTENING_MAX_DEPTH", "1")
    monkeypatch.setenv("TAP_TUPLE_AUTH_TOKEN", "sk-tuple-a")
    assert TapTuple(config={}, parse_env_config=True).config["flattening_enabled"] is True


def test_generate_record_messages_takes_a_record_through_selection_maps_and_flattening() -> None:
    assert list(inspect.signature(Stream._generate_record_messages).parameters) == ["self", "record"]  # noqa: SLF001
    tap = own(stream_maps={"calls": {"__alias__": "pairs", "twice": "id * 2", "__filter__": "id < 9"}})
    stream = tap.streams["calls"]
    messages = list(stream._generate_record_messages(a_call(4, "2024-03-01T10:00:00.000Z")))  # noqa: SLF001
    assert [type(message) for message in messages] == [RecordMessage]
    assert messages[0].stream == "pairs"
    assert messages[0].record == {**a_call(4, "2024-03-01T10:00:00.000Z"), "twice": 8}
    assert list(stream._generate_record_messages(a_call(9, "2024-03-01T10:00:00.000Z"))) == []  # noqa: SLF001


@pytest.mark.parametrize("stream_class", [CallsStream, CallParticipationsStream])
def test_the_sdk_moves_a_bookmark_by_increment_stream_state_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stream_class: type[Stream]
) -> None:
    call = a_call(1, "2024-03-01T10:00:00.000Z", call_participations=[{"id": 7}])
    batch_config = {"encoding": {"format": "jsonl", "compression": "none"}, "storage": {"root": tmp_path.as_uri()}}
    moved: list[tuple[dict[str, Any], Any]] = []
    monkeypatch.setattr(
        stream_class, "_increment_stream_state", lambda _, record, *, context=None: moved.append((record, context))
    )
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO()))
    with Sandbox([call]) as api:
        tap = own(api_url=api.url, batch_config=batch_config)
        stream = tap.streams[stream_class.name]
        records = list(stream._sync_records(write_messages=False))  # noqa: SLF001 - what batch mode does
        assert len(api.requests) == 1
    assert [record for record, _ in moved] == records
    assert len(records) == 1
    assert "replication_key_value" not in stream.stream_state
    parameters = inspect.signature(Stream._increment_stream_state).parameters  # noqa: SLF001
    assert [(name, str(parameter.kind)) for name, parameter in parameters.items()] == [
        ("self", "POSITIONAL_OR_KEYWORD"),
        ("latest_record", "POSITIONAL_OR_KEYWORD"),
        ("context", "KEYWORD_ONLY"),
    ]


def test_the_sdk_takes_the_signals_in_setup_signal_handlers_once(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[TapTuple] = []

    def take(tap: TapTuple) -> None:
        taken.append(tap)

    monkeypatch.setattr(TapTuple, "_setup_signal_handlers", take)
    tap = own()
    assert taken == [tap]


def test_load_json_reads_numbers_as_they_are_and_refuses_what_is_no_json() -> None:
    assert load_json('{"a": [1, "b"]}') == {"a": [1, "b"]}
    with pytest.raises(ValueError, match="line 1"):
        load_json("{")


def test_config_input_is_where_the_sdk_keeps_what_config_says() -> None:
    config_input = import_module("singer_sdk.plugin_base")._ConfigInput  # noqa: SLF001
    assert "_ConfigInput" in inspect.signature(Tap.invoke).parameters["config"].annotation
    assert config_input().parse_env is False
    assert config_input().config in (None, {})
