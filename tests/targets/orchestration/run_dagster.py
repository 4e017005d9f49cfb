"""Runs in Dagster's environment, with the definitions of the page.

`set-up` creates the instance, `run` materializes the assets of a pipeline, and `show` prints their metadata as JSON.
`mark-failed` marks a run whose worker is gone as failed, and frees its slot in the pool, as run monitoring does.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone
from typing import Any

import dagster
import tuple_dagster


def run(pipeline: str) -> bool:
    """Materialize the assets of a pipeline, as its schedule does."""
    job = tuple_dagster.defs.resolve_job_def(f"{pipeline}_job")
    with dagster.DagsterInstance.get() as instance:
        return bool(job.execute_in_process(instance=instance, raise_on_error=False).success)


def show(pipeline: str) -> dict[str, dict[str, Any]]:
    """Return the metadata of the last materialization of each asset."""
    with dagster.DagsterInstance.get() as instance:
        shown = {}
        for stream in tuple_dagster.STREAMS:
            event = instance.get_latest_materialization_event(dagster.AssetKey([pipeline, stream]))
            assert event
            assert event.asset_materialization
            metadata = event.asset_materialization.metadata
            shown[stream] = {name: plain(value) for name, value in metadata.items()}
        return shown


def mark_failed(pipeline: str) -> None:
    """Mark the runs of a pipeline that never ended as failed, and free their slots."""
    started = dagster.RunsFilter(job_name=f"{pipeline}_job", statuses=[dagster.DagsterRunStatus.STARTED])
    with dagster.DagsterInstance.get() as instance:
        [run] = instance.get_runs(filters=started)
        instance.report_run_failed(run)
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def plain(value: dagster.MetadataValue[Any]) -> Any:
    """Return a metadata value in JSON format."""
    if isinstance(value, dagster.TimestampMetadataValue):
        instant = datetime.fromtimestamp(value.value, tz=timezone.utc)
        return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value.value


if __name__ == "__main__":
    verb, *names = sys.argv[1:]
    if verb == "set-up":
        dagster.DagsterInstance.get().dispose()
    elif verb == "run":
        sys.exit(not run(*names))
    elif verb == "show":
        print(json.dumps(show(*names)))  # noqa: T201 - the result
    elif verb == "mark-failed":
        mark_failed(*names)
