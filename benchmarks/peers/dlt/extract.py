"""Runs the extract step of a dlt pipeline with the `rest_api` source, and prints the number of records.

Usage: `extract.py API_URL TOKEN`. It neither normalizes nor loads.
Source: https://dlthub.com/docs/dlt-ecosystem/verified-sources/rest_api/basic
"""

from __future__ import annotations

import sys
from pathlib import Path

import dlt  # type: ignore[import-not-found]
from dlt.sources.rest_api import rest_api_source  # type: ignore[import-not-found]


def main(api_url: str, token: str) -> None:
    """Extract the calls into files below the working directory."""
    source = rest_api_source(
        {
            "client": {
                "base_url": api_url,
                "auth": {"type": "bearer", "token": token},
                "paginator": "header_link",
            },
            "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
            "resources": [
                {
                    "name": "calls",
                    "endpoint": {
                        "path": "call_usage",
                        "params": {"per_page": 1000, "since": "{incremental.start_value}"},
                        "incremental": {"cursor_path": "ended_at", "initial_value": "1970-01-01T00:00:00Z"},
                    },
                }
            ],
        }
    )
    pipeline = dlt.pipeline("tuple", pipelines_dir=str(Path.cwd()), dataset_name="tuple")
    extracted = pipeline.extract(source)
    metrics = extracted.metrics[extracted.loads_ids[0]]
    print(sum(resource.items_count for resource in metrics[0]["resource_metrics"].values()))


if __name__ == "__main__":
    main(*sys.argv[1:])
