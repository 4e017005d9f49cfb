"""The structure of the package: imports point one way, and each file is short and has a unique name."""

from __future__ import annotations

import ast
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "tap_tuple"
MAX_MODULES = 22
MAX_LINES = 3450
MAX_LINES_PER_MODULE = 220
API = "tap_tuple.api"
API_IMPORTS = {API, "tap_tuple.exceptions", "tap_tuple.timestamps"}
API_IMPORTS_FROM_THE_SDK = {"singer_sdk.pagination", "singer_sdk.authenticators"}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


SOURCES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in SOURCES.items()}
CORE = {name: path for name, path in SOURCES.items() if name.split(".")[1:2] not in (["airbyte"], ["sandbox"])}


def imports(name: str) -> set[str]:
    """Return the modules that a module imports, including imports in functions and for type checking."""
    found: set[str] = set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            module = node.module or ""
            # `from tap_tuple.api import errors` imports a module, `from tap_tuple.api.errors import X` an object.
            found |= {f"{module}.{a.name}" if f"{module}.{a.name}" in SOURCES else module for a in node.names}
    return found


def lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def test_there_are_no_import_cycles() -> None:
    graph = {name: {other for other in imports(name) if other in SOURCES} for name in SOURCES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' → '.join(error.args[1])}")


@pytest.mark.parametrize("name", [name for name in SOURCES if name.startswith(API)])
def test_the_api_client_imports_only_pagination_and_authenticators_from_the_sdk(name: str) -> None:
    own = {other for other in imports(name) if other.partition(".")[0] == "tap_tuple"}
    allowed = {other for other in own if other in API_IMPORTS or other.startswith(f"{API}.")}
    assert own == allowed
    assert {other for other in imports(name) if other.startswith("singer")} <= API_IMPORTS_FROM_THE_SDK


@pytest.mark.parametrize("part", ["airbyte", "sandbox"])
def test_the_core_imports_neither_airbyte_nor_the_sandbox(part: str) -> None:
    assert [name for name in CORE if any(other.startswith(f"tap_tuple.{part}") for other in imports(name))] == []


def test_the_sandbox_imports_nothing_from_the_tap() -> None:
    for name in SOURCES:
        if name.startswith("tap_tuple.sandbox"):
            own = {other for other in imports(name) if other.partition(".")[0] == "tap_tuple"}
            assert {other for other in own if not other.startswith("tap_tuple.sandbox")} == set(), name


def test_no_two_modules_have_the_same_name() -> None:
    names = Counter(path.stem for path in SOURCES.values() if not path.stem.startswith("__"))
    assert [name for name, count in names.items() if count > 1] == []


def test_no_two_classes_have_the_same_name() -> None:
    names = Counter(node.name for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    assert [name for name, count in names.items() if count > 1] == []


def test_the_core_has_no_more_modules_than_the_limit() -> None:
    assert len([path for path in CORE.values() if not path.stem.startswith("__")]) <= MAX_MODULES


def test_the_core_has_no_more_lines_than_the_limit() -> None:
    assert sum(map(lines, CORE.values())) <= MAX_LINES


@pytest.mark.parametrize("name", SOURCES)
def test_no_module_has_more_lines_than_the_limit(name: str) -> None:
    assert lines(SOURCES[name]) <= MAX_LINES_PER_MODULE
