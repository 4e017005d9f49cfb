"""The lower bound: a loop of requests that writes slices of each response without parsing them.

Usage: `floor.py API_URL TOKEN`. No schema, no state, no retries: only what every program has to do.
"""

from __future__ import annotations

import sys

import msgspec
import requests


def main(api_url: str, token: str) -> None:
    """Write each call as a record."""
    calls = msgspec.json.Decoder(list[msgspec.Raw])
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    url = f"{api_url}/call_usage?since=1970-01-01&per_page=1000"
    while url:
        response = session.get(url, timeout=60)
        response.raise_for_status()
        lines = [
            b'{"type":"RECORD","stream":"calls","record":%b}\n' % bytes(call) for call in calls.decode(response.content)
        ]
        sys.stdout.buffer.write(b"".join(lines))
        url = response.links.get("next", {}).get("url", "")


if __name__ == "__main__":
    main(*sys.argv[1:])
