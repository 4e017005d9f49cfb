"""The pages in `docs/`, and a place to do what they say, word for word."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml
from environments import MELTANO, ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DOCS = ROOT / "docs"
RUN_SECONDS = 180
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
# A block that is a file begins with its name.
FILE_NAME = re.compile(r"# ([\w.-]+)\n")
# What else is set where the tests run is not for what they start.
FOREIGN = ("TAP_", "TARGET_", "MELTANO_", "SINGER_", "PYTHON", "VIRTUAL_ENV", "PG", "HTTP", "ALL_PROXY")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    section: str
    language: str
    text: str


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, each with the heading above it."""
    _, *parts = HEADING.split((DOCS / page).read_text(encoding="utf-8"))
    return [
        Block(section, *fenced.groups())
        for section, text in zip(parts[::2], parts[1::2], strict=True)
        for fenced in FENCED.finditer(text)
    ]


def block(page: str, language: str, section: str | None = None) -> str:
    """The one block of a page in a language."""
    [text] = [b.text for b in blocks(page) if b.language == language and section in {None, b.section}]
    return text


def dotenv(page: str, values: Mapping[str, str]) -> str:
    """The `.env` file of a page, with values of the test's own for all that stands in `values`."""
    lines = [line.split("=", 1) for line in block(page, "text").splitlines()]
    assert {name for name, _ in lines} >= set(values)
    assert {name for name, value in lines if "…" in value} <= set(values)
    return "".join(f"{name}={values.get(name, value)}\n" for name, value in lines)


@dataclass
class Project:
    """A folder with a `meltano.yml`, in which one may do what a page says."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    output: str = ""
    logs: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.upper().startswith(FOREIGN)}
        return {
            **own,
            # First what a page calls `meltano`, then what it calls `tap-tuple`.
            "PATH": os.pathsep.join([str(MELTANO.parent), str(ROOT / ".venv" / "bin"), own["PATH"]]),
            "MELTANO_DATABASE_URI": f"sqlite:///{self.folder}/meltano.db",
            "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
            "NO_PROXY": "127.0.0.1",
            **self.variables,
        }

    def shell(self, script: str, *, succeeds: bool = True) -> str:
        """Runs a script, and returns what it says on stdout; what it says at all is `output`."""
        done = subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
        self.output = done.stdout + done.stderr
        self.logs.append(done.stderr)
        assert (done.returncode == 0) == succeeds, self.output
        return done.stdout

    def follow(self, page: str, section: str | None = None) -> str:
        """Does what a page says, or a section of it; returns what the last of its scripts says on stdout.

        `sh` is run, `yaml` is put where its first line says; what has another language is for the test.
        """
        said = ""
        for step in blocks(page):
            if section in {None, step.section}:
                if step.language == "sh":
                    said = self.shell(step.text)
                elif step.language == "yaml":
                    self.put(step.text)
        return said

    def put(self, text: str) -> None:
        """Writes a file; what is meant for `meltano.yml` is added to it."""
        name = FILE_NAME.match(text)
        assert name, "a file's block begins with its name"
        path = self.folder / name[1]
        if path.name == "meltano.yml":
            text = yaml.safe_dump(merged(self.meltano_yml, yaml.safe_load(text)), sort_keys=False)
        path.write_text(text, encoding="utf-8")

    @property
    def meltano_yml(self) -> dict[str, Any]:
        content: dict[str, Any] = yaml.safe_load((self.folder / "meltano.yml").read_text(encoding="utf-8"))
        return content

    def state(self, state_id: str) -> dict[str, Any]:
        """The bookmarks that Meltano keeps."""
        kept: dict[str, Any] = json.loads(self.shell(f"meltano state get {state_id}"))
        bookmarks: dict[str, Any] = kept.get("singer_state", {}).get("bookmarks", {})
        return bookmarks

    def jsonl(self, table: str) -> list[dict[str, Any]]:
        """What target-jsonl has written of a table."""
        files = sorted((self.folder / "output").glob(f"{table}-*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]

    def duckdb(self, query: str) -> list[dict[str, Any]]:
        """The rows of a query to what target-duckdb has written; all values but numbers are texts."""
        code = (
            "import duckdb, json, sys; c = duckdb.connect('warehouse.duckdb'); q = c.execute(sys.argv[1]);"
            "n = [d[0] for d in q.description]; r = [dict(zip(n, row)) for row in q.fetchall()];"
            "print(json.dumps(r, default=str))"
        )
        read = [MELTANO.with_name("python"), "-c", code, query]
        done = subprocess.run(read, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        return rows


def merged(one: Any, other: Any) -> Any:
    """Puts a fragment of YAML into a whole, entries with the same `name` into each other."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one | {key: merged(one[key], value) if key in one else value for key, value in other.items()}
    if isinstance(one, list) and isinstance(other, list):
        named: dict[str, Any] = {entry["name"]: entry for entry in one}
        return list(merged(named, {entry["name"]: entry for entry in other}).values())
    return other


def install(folder: Path) -> None:
    """Makes a project of the tap in this checkout, with its plugins installed."""
    if not MELTANO.exists():
        raise FileNotFoundError("Meltano is not installed here; make test-targets does that first.")
    text = (ROOT / "meltano.yml").read_text(encoding="utf-8")
    assert text.count("pip_url: -e .\n") == 1
    (folder / "meltano.yml").write_text(text.replace("pip_url: -e .\n", f"pip_url: -e {ROOT}\n"), encoding="utf-8")
    Project(folder).follow("meltano.md", "Install")


def another(installed: Path, folder: Path, variables: Mapping[str, str]) -> Project:
    """Makes a project with the plugins of another one, and nothing else of it."""
    (folder / ".meltano").mkdir(parents=True)
    for plugins in ("extractors", "loaders"):
        (folder / ".meltano" / plugins).symlink_to(installed / ".meltano" / plugins)
    (folder / "meltano.yml").write_bytes((installed / "meltano.yml").read_bytes())
    return Project(folder, dict(variables))
