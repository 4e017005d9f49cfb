"""Serves calls from an indexed SQL table until stdin is closed, and measures the time of the queries.

It prints its URL when it starts, and the number of requests and the total time of their queries when it stops.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from benchmarks.history import history

MAX_PER_PAGE = 1000
COUNT = "select count(*) from calls where ended_at >= ? and ended_at < ?"
PAGE = "select json from calls where ended_at >= ? and ended_at < ? order by ended_at, id limit ? offset ?"


class Handler(BaseHTTPRequestHandler):
    """Responds to `GET /api/v2/call_usage` as the API does: the page, its links and the total."""

    protocol_version = "HTTP/1.1"
    database: ClassVar[sqlite3.Connection]
    lock: ClassVar[Lock] = Lock()
    requests: ClassVar[int] = 0
    sql_seconds: ClassVar[float] = 0.0

    def do_GET(self) -> None:
        """Respond to a request."""
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query))
        page, per_page = int(query.get("page", 1)), min(int(query.get("per_page", 100)), MAX_PER_PAGE)
        window = query["since"], query.get("until", "9999")
        with self.lock:
            started_at = time.perf_counter()
            [(total,)] = self.database.execute(COUNT, window)
            rows = self.database.execute(PAGE, (*window, per_page, (page - 1) * per_page)).fetchall()
            Handler.sql_seconds += time.perf_counter() - started_at
            Handler.requests += 1
        body = f"[{','.join(row for (row,) in rows)}]".encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Total-Count", str(total))
        if page * per_page < total:
            next_query = urlencode({**query, "page": page + 1})
            self.send_header("Link", f'<http://{self.headers["Host"]}{url.path}?{next_query}>; rel="next"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in http.server
        """Log nothing."""


def main() -> None:
    """Serve calls as the argument specifies."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tap-tuple-sql-") as folder:
        Handler.database = sqlite3.connect(Path(folder, "calls.db"), check_same_thread=False)
        Handler.database.execute("create table calls (id integer, ended_at text, json text)")
        rows = ((call["id"], call["ended_at"], json.dumps(call)) for call in history(arguments.calls))
        Handler.database.executemany("insert into calls values (?, ?, ?)", rows)
        Handler.database.execute("create index by_end on calls (ended_at, id)")
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=server.serve_forever, daemon=True).start()
        print(json.dumps({"url": f"http://127.0.0.1:{server.server_port}/api/v2"}), flush=True)
        sys.stdin.read()
        server.shutdown()
        print(json.dumps({"requests": Handler.requests, "sql_seconds": Handler.sql_seconds}), flush=True)


if __name__ == "__main__":
    main()
