"""Airflow and Dagster, each with the code of `docs/orchestration.md` as written."""

from __future__ import annotations

import abc
import json
import os
import shutil
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from environments import programs
from recipes import FILE_NAME, block, blocks

if TYPE_CHECKING:
    from recipes import Project

PAGE = "orchestration.md"
RUN_SECONDS = 180
RETRY_AFTER_SECONDS = "1"
ONE_PIPELINE = next(
    line for found in blocks(PAGE) for line in found.text.splitlines() if line.startswith("PIPELINES = ")
)


def write_code(folder: Path, *, pipelines: str = ONE_PIPELINE) -> None:
    """Write the Python files of the page, optionally with other pipelines."""
    for found in blocks(PAGE):
        name = FILE_NAME.match(found.text)
        if found.language == "python" and name:
            (folder / name[1]).write_text(found.text.replace(ONE_PIPELINE, pipelines), encoding="utf-8")


class Run:
    """A run of a pipeline, possibly still running."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """Kill the worker and all its processes, as the end of its container does."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def exit_code(self) -> int:
        try:
            return self._process.wait(RUN_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


class Orchestrator(abc.ABC):
    """An orchestrator with its own folder.

    Args:
        project: The Meltano project whose pipelines it runs.
        home: The folder of its own files.
    """

    name: ClassVar[str]

    def __init__(self, project: Project, home: Path) -> None:
        self.project = project
        self.home = home
        self.code = home / "code"
        self.programs = programs(self.name)
        self._runs: list[Run] = []
        empty = home.parent.parent / f"empty-{self.name}"
        if not empty.exists():
            empty.mkdir()
            self.set_up(empty)
        shutil.copytree(empty, home)
        self.code.mkdir()
        write_code(self.code)

    @abc.abstractmethod
    def set_up(self, home: Path) -> None:
        """Create the orchestrator's database in an empty folder. This is slow, so each home is a copy."""

    @property
    def environment(self) -> dict[str, str]:
        own = self.project.environment
        return {
            **own,
            "PATH": os.pathsep.join([str(self.programs), own["PATH"]]),
            "TUPLE_PROJECT": str(self.project.folder),
            "TUPLE_RETRY_AFTER_SECONDS": RETRY_AFTER_SECONDS,
        }

    @abc.abstractmethod
    def command(self, pipeline: str) -> list[str]:
        """Return the command that runs a pipeline once."""

    @abc.abstractmethod
    def loaded(self, pipeline: str) -> dict[str, dict[str, Any]]:
        """Return what the orchestrator shows for each stream of the last successful run."""

    def register(self) -> None:  # noqa: B027 - optional
        """Do what the orchestrator's own services do when they find new pipelines."""

    def mark_killed_runs_as_failed(self) -> None:  # noqa: B027 - optional
        """Do what the orchestrator's own services do when a worker is lost."""

    def stop(self) -> None:
        """Kill the runs that have not ended."""
        for run in self._runs:
            if run.is_running:
                run.kill()

    def start(self, pipeline: str = "tuple") -> Run:
        log = self.home / f"run-{len(self._runs)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                self.command(pipeline),
                cwd=self.home,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._runs.append(Run(process, log))
        return self._runs[-1]

    def run(self, pipeline: str = "tuple", *, succeeds: bool = True) -> str:
        """Run a pipeline to its end, and return what was logged."""
        run = self.start(pipeline)
        assert (run.exit_code() == 0) == succeeds, run.log
        return run.log


class Airflow(Orchestrator):
    """Apache Airflow, which runs a DAG with `airflow dags test`."""

    name = "airflow"

    def set_up(self, home: Path) -> None:
        command = [str(self.programs / "airflow"), "db", "migrate"]
        subprocess.run(command, env={**os.environ, **settings(home)}, check=True, capture_output=True)

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, **settings(self.home), "AIRFLOW__CORE__DAGS_FOLDER": str(self.code)}

    def command(self, pipeline: str) -> list[str]:
        return ["airflow", "dags", "test", pipeline]

    def register(self) -> None:
        # Concurrent `airflow dags test` commands would both insert the rows of new DAGs, and one of them would fail.
        command = [str(self.programs / "airflow"), "dags", "reserialize"]
        subprocess.run(command, env=self.environment, check=True, capture_output=True)

    def run(self, pipeline: str = "tuple", *, succeeds: bool = True) -> str:
        log = super().run(pipeline, succeeds=succeeds)
        [state] = self._query("select state from dag_run where dag_id = ? order by id desc limit 1", pipeline)
        assert state == ("success" if succeeds else "failed"), log
        return log

    def loaded(self, pipeline: str) -> dict[str, dict[str, Any]]:
        [value] = self._query(
            "select value from xcom where dag_id = ? and key = 'return_value' order by timestamp desc limit 1", pipeline
        )
        result: dict[str, dict[str, Any]] = json.loads(value)
        return result

    def _query(self, sql: str, *values: str) -> list[Any]:
        with closing(sqlite3.connect(self.home / "airflow.db")) as connection:
            return [row[0] for row in connection.execute(sql, values)]


def settings(home: Path) -> dict[str, str]:
    """Return the settings of an Airflow that needs only a folder."""
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": f"{home}/logs",
    }


class Dagster(Orchestrator):
    """Dagster, which runs a job in process, and keeps the materializations in its instance."""

    name = "dagster"

    def set_up(self, home: Path) -> None:
        (home / "dagster.yaml").write_text(block(PAGE, "yaml", "Dagster"), encoding="utf-8")
        write_code(home)
        environment = {**os.environ, "DAGSTER_HOME": str(home), "PYTHONPATH": str(home)}
        subprocess.run(self._command("set-up"), env=environment, check=True, capture_output=True)

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "DAGSTER_HOME": str(self.home), "PYTHONPATH": str(self.code)}

    def command(self, pipeline: str) -> list[str]:
        return self._command("run", pipeline)

    def loaded(self, pipeline: str) -> dict[str, dict[str, Any]]:
        result: dict[str, dict[str, Any]] = json.loads(self._call("show", pipeline))
        return result

    def mark_killed_runs_as_failed(self) -> None:
        self._call("mark-failed", "tuple")

    def _command(self, *arguments: str) -> list[str]:
        return [str(self.programs / "python"), str(Path(__file__).with_name("run_dagster.py")), *arguments]

    def _call(self, verb: str, pipeline: str) -> bytes:
        done = subprocess.run(self._command(verb, pipeline), env=self.environment, capture_output=True, check=True)
        return done.stdout


ALL: tuple[type[Orchestrator], ...] = (Airflow, Dagster)
