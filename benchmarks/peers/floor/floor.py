"""Writes each call of each response as a record, without parsing it.

Usage: `floor.py API_URL TOKEN`. This is the floor: only what any program must do, without schema, state or retries.
"""

from __future__ import annotations

import sys

import msgspec
import requests


def main(api_url: str, token: str) -> None:
    """Request all pages, and write their calls."""
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
