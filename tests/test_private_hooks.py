"""The tap uses at most four private hooks of its libraries; a test in this module fails when one of them changes."""

from __future__ import annotations

import ast
import inspect
import re
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
import pytest
from factories import TOKEN
from singer_sdk import Tap

import tap_tuple
from tap_tuple.signals import SIGNALS
from tap_tuple.tap import TapTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(tap_tuple.__file__).parent
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if "__" not in path.name and "sandbox" not in path.parts)
MAX_HOOKS = 4
PUBLIC = {"_exit", "_asdict", "_fields", "_make", "_replace"}
"""Names of the standard library that are public in spite of their underscore: `os._exit`, and those of named tuples."""
ACCESSORS = {"getattr", "setattr", "hasattr", "delattr"}


class Use(NamedTuple):
    """A private name of a library, and the line of the tap that uses it."""

    name: str
    line: int


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and len(name) > 1


def private_uses(path: Path) -> Iterator[Use]:
    """Yield the private names of libraries that a module imports, overrides, calls or reads."""
    tree = ast.parse(path.read_text("utf-8"))
    typing_only = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if node in typing_only:
            # mypy checks these.
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            parts = [part for name in names for part in name.split(".")]
            yield from (Use(part, node.lineno) for part in parts if is_private(part))
        elif isinstance(node, ast.Attribute) and is_private(node.attr):
            # The names that are accessed by `self`, `cls` and `super()` are compared with the base classes below.
            is_own = ast.unparse(node.value) in {"self", "cls", "super()"} or node.attr in OWN_NAMES
            if not is_own and node.attr not in PUBLIC:
                yield Use(node.attr, node.lineno)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ACCESSORS:
            literals = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
            yield from (Use(text, node.lineno) for text in literals if isinstance(text, str) and is_private(text))
        elif isinstance(node, ast.ClassDef):
            yield from _private_names_of_bases(path, node)


def _private_names_of_bases(path: Path, definition: ast.ClassDef) -> Iterator[Use]:
    module = import_module(".".join(["tap_tuple", *path.relative_to(PACKAGE).with_suffix("").parts]))
    kind: type = getattr(module, definition.name)
    known: set[str] = set()
    for base in kind.__mro__:
        if base.__module__.partition(".")[0] not in {"tap_tuple", "builtins", kind.__module__}:
            known |= set(vars(base))
            try:
                known |= set(re.findall(r"\bself\.(_\w+)", inspect.getsource(base)))
            except (OSError, TypeError):
                # A class without Python source has no private attributes that could be used by accident.
                continue
    for node in ast.walk(definition):
        name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "name", None)
        if isinstance(name, str) and is_private(name) and name in known:
            yield Use(name, node.lineno)  # type: ignore[attr-defined] # both kinds of nodes have a line


OWN_NAMES = {
    name
    for path in SOURCES
    for name in re.findall(r"\b(?:self\.|def )(_[a-z]\w*)(?: = |: |\()", path.read_text("utf-8"))
}
USES = {path: sorted(set(private_uses(path))) for path in SOURCES}
HOOKS = {use.name for uses in USES.values() for use in uses}


def test_the_tap_uses_at_most_four_private_hooks() -> None:
    assert len(HOOKS) <= MAX_HOOKS, HOOKS


@pytest.mark.parametrize("hook", sorted(HOOKS))
def test_each_private_hook_has_a_test_in_this_module(hook: str) -> None:
    assert [name for name in globals() if name.startswith("test_") and hook.strip("_") in name], hook


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_each_use_of_a_private_hook_has_a_comment_and_vice_versa(path: Path) -> None:
    comments = [
        number for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1) if "# Private:" in line
    ]
    for use in USES[path]:
        assert any(abs(use.line - number) <= 4 for number in comments), use
    for number in comments:
        assert any(abs(use.line - number) <= 4 for use in USES[path]), f"{path.name}:{number}"


def test_the_search_finds_each_kind_of_private_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "example.py"
    module.write_text(
        "from singer_sdk._logging import logger\n"
        "from singer_sdk import Stream\n"
        "class ExampleStream(Stream):\n"
        "    def _sync_records(self): self._tap; self._own\n"
        "    def use(self, tap): tap._input_catalog; getattr(tap, '_mapper')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "example", import_module("example"))
    monkeypatch.setattr(f"{__name__}.PACKAGE", tmp_path)
    monkeypatch.setattr(f"{__name__}.import_module", lambda _: sys.modules["example"])
    uses = [(use.name, use.line) for use in sorted(set(private_uses(module)), key=lambda use: (use.line, use.name))]
    assert uses == [("_logging", 1), ("_sync_records", 4), ("_tap", 4), ("_input_catalog", 5), ("_mapper", 5)]


def test_setup_signal_handlers_is_the_only_place_where_the_sdk_handles_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = Tap._setup_signal_handlers  # noqa: SLF001 - the hook
    module = inspect.getsource(import_module(hook.__module__))
    assert 0 < module.count("signal.signal(") == inspect.getsource(hook).count("signal.signal(")
    calls: list[TapTuple] = []
    monkeypatch.setattr(TapTuple, "_setup_signal_handlers", lambda tap: calls.append(tap))  # noqa: PLW0108
    tap = TapTuple(config={"auth_token": TOKEN})
    assert calls == [tap]


def test_the_tap_does_not_handle_signals_outside_the_command_line() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    TapTuple(config={"auth_token": TOKEN})
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_the_config_option_of_the_sdk_returns_an_object_with_the_settings() -> None:
    [option] = [option for option in TapTuple.cli.params if option.name == "config"]
    assert isinstance(option, click.Option)
    parsed = TapTuple.cb_config(click.Context(TapTuple.cli), option, ())
    assert parsed.config in (None, {})
    assert parsed.parse_env is False
