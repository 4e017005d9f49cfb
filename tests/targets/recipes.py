"""The pages in `docs/`, and projects in which tests run their blocks as written."""

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
# A block with the content of a file begins with the file's name.
FILE_NAME = re.compile(r"# ([\w.-]+)\n")
# Variables with these prefixes in the environment of the tests are not passed on.
FOREIGN = ("TAP_", "TARGET_", "MELTANO_", "SINGER_", "PYTHON", "VIRTUAL_ENV", "PG", "HTTP", "ALL_PROXY")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    section: str
    language: str
    text: str


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page, each with the heading above it."""
    _, *parts = HEADING.split((DOCS / page).read_text(encoding="utf-8"))
    return [
        Block(section, *fenced.groups())
        for section, text in zip(parts[::2], parts[1::2], strict=True)
        for fenced in FENCED.finditer(text)
    ]


def block(page: str, language: str, section: str | None = None) -> str:
    """Return the only block of a page in a language."""
    [text] = [b.text for b in blocks(page) if b.language == language and section in {None, b.section}]
    return text


def dotenv(page: str, values: Mapping[str, str], section: str | None = None) -> str:
    """Return the `.env` file of a page, with the test's own `values`."""
    lines = [line.split("=", 1) for line in block(page, "text", section).splitlines()]
    assert {name for name, _ in lines} >= set(values)
    assert {name for name, value in lines if "…" in value} <= set(values)
    return "".join(f"{name}={values.get(name, value)}\n" for name, value in lines)


@dataclass
class Project:
    """A folder with a `meltano.yml`, in which a test runs the blocks of a page, with its placeholders replaced."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    replaced: dict[str, str] = field(default_factory=dict)
    output: str = ""
    logs: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.upper().startswith(FOREIGN)}
        return {
            **own,
            # First the `meltano` of a page, then its `tap-tuple`.
            "PATH": os.pathsep.join([str(MELTANO.parent), str(ROOT / ".venv" / "bin"), own["PATH"]]),
            "MELTANO_DATABASE_URI": f"sqlite:///{self.folder}/meltano.db",
            "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
            "NO_PROXY": "127.0.0.1",
            **self.variables,
        }

    def shell(self, script: str, *, succeeds: bool = True) -> str:
        """Run a script, and return its stdout; `output` has its stdout and stderr."""
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
        """Run the blocks of a page, or of one section; return the stdout of the last script.

        `sh` blocks are run, `yaml` blocks are written to the file that their first line names. The test handles others.
        """
        output = ""
        for step in blocks(page):
            if section in {None, step.section}:
                text = step.text
                for placeholder, value in self.replaced.items():
                    text = text.replace(placeholder, value)
                if step.language == "sh":
                    output = self.shell(text)
                elif step.language == "yaml":
                    self.put(text)
        return output

    def put(self, text: str) -> None:
        """Write a file; merge a block for `meltano.yml` into that file."""
        name = FILE_NAME.match(text)
        assert name, "the block of a file must begin with the name of the file"
        path = self.folder / name[1]
        if path.name == "meltano.yml":
            present = self.meltano_yml if path.exists() else {}
            text = yaml.safe_dump(merged(present, yaml.safe_load(text)), sort_keys=False)
        path.write_text(text, encoding="utf-8")

    @property
    def meltano_yml(self) -> dict[str, Any]:
        content: dict[str, Any] = yaml.safe_load((self.folder / "meltano.yml").read_text(encoding="utf-8"))
        return content

    def state(self, state_id: str) -> dict[str, Any]:
        """Return the bookmarks that Meltano stores."""
        kept: dict[str, Any] = json.loads(self.shell(f"meltano state get {state_id}"))
        bookmarks: dict[str, Any] = kept.get("singer_state", {}).get("bookmarks", {})
        return bookmarks

    def jsonl(self, table: str) -> list[dict[str, Any]]:
        """Return the records of a table that target-jsonl has written."""
        files = sorted((self.folder / "output").glob(f"{table}-*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]

    def duckdb(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of a query on the database of target-duckdb; all values except numbers are strings."""
        code = (
            "import duckdb, json, sys; c = duckdb.connect('warehouse.duckdb'); q = c.execute(sys.argv[1]);"
            "n = [d[0] for d in q.description]; r = [dict(zip(n, row)) for row in q.fetchall()];"
            "print(json.dumps(r, default=str))"
        )
        read = [str(MELTANO.with_name("python")), "-c", code, query]
        done = subprocess.run(read, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        return rows


def merged(one: Any, other: Any) -> Any:
    """Merge a fragment of YAML into a document; entries with the same `name` are merged."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one | {key: merged(one[key], value) if key in one else value for key, value in other.items()}
    if isinstance(one, list) and isinstance(other, list):
        named: dict[str, Any] = {entry["name"]: entry for entry in one}
        return list(merged(named, {entry["name"]: entry for entry in other}).values())
    return other


def install(folder: Path) -> None:
    """Create a project with the tap of this checkout, with its plugins installed."""
    if not MELTANO.exists():
        raise FileNotFoundError("Meltano is not installed: run `make test-targets`, which installs it.")
    text = (ROOT / "meltano.yml").read_text(encoding="utf-8")
    assert text.count("pip_url: -e .\n") == 1
    (folder / "meltano.yml").write_text(text.replace("pip_url: -e .\n", f"pip_url: -e {ROOT}\n"), encoding="utf-8")
    Project(folder).follow("meltano.md", "Install")


def new_project(installed: Path, folder: Path, variables: Mapping[str, str]) -> Project:
    """Create a project with the plugins and the `meltano.yml` of another one."""
    (folder / ".meltano").mkdir(parents=True)
    for plugins in ("extractors", "loaders"):
        (folder / ".meltano" / plugins).symlink_to(installed / ".meltano" / plugins)
    (folder / "meltano.yml").write_bytes((installed / "meltano.yml").read_bytes())
    return Project(folder, dict(variables))
