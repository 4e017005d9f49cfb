"""The state outlives the worker, as `docs/orchestration.md` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import expected
import s3
from environments import ROOT
from orchestrators import PAGE
from recipes import dotenv, new_project

if TYPE_CHECKING:
    from postgres import Database
    from recipes import Project
    from s3 import Bucket

    from tap_tuple.sandbox import Sandbox

SECTION = "State that outlives the worker"


def test_a_worker_with_an_empty_folder_resumes_from_the_state_on_s3(
    postgres_project: Project, database: Database, bucket: Bucket, api: Sandbox
) -> None:
    values = {
        "MELTANO_STATE_BACKEND_URI": f"s3://{bucket.name}/meltano-state",
        "MELTANO_STATE_BACKEND_S3_AWS_ACCESS_KEY_ID": s3.ACCESS_KEY,
        "MELTANO_STATE_BACKEND_S3_AWS_SECRET_ACCESS_KEY": s3.SECRET_KEY,
    }
    run = f"{ROOT}/.venv-orchestration/bin/meltano run tap-tuple target-postgres"
    variables = {**postgres_project.variables, "MELTANO_STATE_BACKEND_S3_ENDPOINT_URL": bucket.endpoint}
    newest = api.calls[-1]["ended_at"]

    def work(worker: str) -> None:
        project = new_project(postgres_project.folder, postgres_project.folder / worker, variables)
        (project.folder / ".env").write_text(dotenv(PAGE, values, SECTION), encoding="utf-8")
        project.shell(run)

    work("first")
    for stream, rows in expected.tables(api.calls).items():
        assert expected.plain(database.rows(f"select * from tuple.{stream}")) == rows
    assert any("tap-tuple-to-target-postgres" in key for key in bucket.keys("meltano-state/"))
    # Calls that the second worker does not read again stay deleted.
    database.run("delete from tuple.calls")
    new = api.new_calls(3)

    work("second")

    loaded = {row["id"] for row in database.rows("select * from tuple.calls")}
    assert {call["id"] for call in new} <= loaded
    assert loaded <= {call["id"] for call in api.calls if call["ended_at"] >= newest}
