"""A temporary PostgreSQL server, and the content of its databases."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SUPERUSER = "admin"
PASSWORD = "only-for-this-server"
# Another program can take the port between the search for a free one and its use.
MAX_ATTEMPTS = 5


@dataclass(frozen=True)
class Database:
    """A database, and a user who can access it."""

    programs: Path
    port: int
    name: str
    user: str = SUPERUSER

    @property
    def variables(self) -> dict[str, str]:
        """The connection as environment variables of `libpq`."""
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": PASSWORD,
            "PGDATABASE": self.name,
        }

    @property
    def target_variables(self) -> dict[str, str]:
        """The connection as settings of target-postgres."""
        settings = {
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "USER": self.user,
            "PASSWORD": PASSWORD,
            "DATABASE": self.name,
        }
        return {f"TARGET_POSTGRES_{name}": value for name, value in settings.items()}

    @property
    def target_config(self) -> dict[str, Any]:
        """The connection as a configuration file of target-postgres."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": self.user,
            "password": PASSWORD,
            "database": self.name,
        }

    def run(self, sql: str) -> str:
        """Run statements, and return the output of psql; stop at the first error."""
        command: list[str | Path] = [self.programs / "psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]
        done = subprocess.run(
            [*command, "--set", "ON_ERROR_STOP=1"],
            input=sql,
            capture_output=True,
            text=True,
            env={**os.environ, **self.variables},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of a query, by the names of its columns."""
        rows: list[dict[str, Any]] = json.loads(self.run(f"select coalesce(json_agg(t), '[]') from ({query}) t"))
        return rows

    def as_user(self, user: str) -> Database:
        """Return the same database for another user."""
        return Database(self.programs, self.port, self.name, user)

    def new(self, name: str) -> Database:
        """Create another database on the server."""
        self.run(f'create database "{name}"')
        return Database(self.programs, self.port, name)


def programs() -> Path:
    """Return the folder of the server's programs.

    Raises:
        FileNotFoundError: PostgreSQL is not installed.
    """
    folders = []
    if pg_config := shutil.which("pg_config"):
        result = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=True)
        folders.append(Path(result.stdout.strip()))
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    folders += sorted(versions, key=lambda folder: float(folder.parent.name), reverse=True)
    folders += [Path(folder) for folder in os.get_exec_path()]
    for folder in folders:
        if all((folder / name).exists() for name in ("initdb", "pg_ctl", "postgres", "psql")):
            return folder
    raise FileNotFoundError("PostgreSQL server not found: install the package postgresql, or add it to PATH.")


def unprivileged() -> dict[str, Any]:
    """Return arguments of `subprocess.run` for a user other than root, as PostgreSQL does not run as root."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = known.get("postgres") or known["nobody"]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@contextmanager
def server() -> Iterator[Database]:
    """Start a server with an empty database, and stop it at the end."""
    folder = programs()
    process_user = unprivileged()
    with tempfile.TemporaryDirectory(prefix="tap-tuple-postgres-") as home:
        if process_user:
            os.chown(home, process_user["user"], process_user["group"])

        log = Path(home, "log")

        def call(name: str, *arguments: str) -> bool:
            # The output is not a pipe, as the server would inherit it from pg_ctl and keep it open.
            with log.open("ab") as output:
                command: list[str | Path] = [folder / name, "--pgdata", f"{home}/data", *arguments]
                done = subprocess.run(command, cwd=home, stdout=output, stderr=output, check=False, **process_user)
            return done.returncode == 0

        password = Path(home, "password")
        password.write_text(PASSWORD, encoding="utf-8")
        password.chmod(0o644)
        is_initialized = call(
            "initdb",
            *("--username", SUPERUSER, "--pwfile", str(password), "--auth", "scram-sha-256"),
            *("--encoding", "UTF8", "--locale", "C", "--no-sync"),
        )
        assert is_initialized, log.read_text(encoding="utf-8")
        for _ in range(MAX_ATTEMPTS):
            port = _free_port()
            options = f"-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
            if call("pg_ctl", "start", "--wait", "--options", options):
                break
        else:
            raise RuntimeError(log.read_text(encoding="utf-8"))
        try:
            yield Database(folder, port, "postgres")
        finally:
            assert call("pg_ctl", "stop", "--wait", "--mode", "immediate"), log.read_text(encoding="utf-8")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
