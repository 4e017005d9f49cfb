"""A stand-in for Amazon S3 on loopback, and the content of its buckets."""

from __future__ import annotations

import re
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import requests
from environments import programs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REGION = "us-east-1"
# The stand-in accepts any credentials.
ACCESS_KEY = "access"
SECRET_KEY = "secret"

SERVE = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(*server.get_host_and_port(), flush=True)
sys.stdin.read()
server.stop()
"""


@dataclass(frozen=True)
class Bucket:
    """A bucket of the stand-in."""

    endpoint: str
    name: str

    @property
    def variables(self) -> dict[str, str]:
        """Return the environment variables with which AWS clients reach the stand-in."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
        }

    def keys(self, prefix: str = "") -> list[str]:
        """Return the keys of the objects, sorted."""
        listing = _request("GET", f"{self.endpoint}/{self.name}?list-type=2&prefix={quote(prefix)}")
        assert b"<IsTruncated>false" in listing
        return sorted(re.findall("<Key>(.*?)</Key>", listing.decode()))

    def read(self, key: str) -> bytes:
        """Return the content of an object."""
        return _request("GET", f"{self.endpoint}/{self.name}/{quote(key)}")

    def download(self, prefix: str, folder: Path) -> list[Path]:
        """Write the objects with a prefix into a folder, and return their paths."""
        paths = []
        for key in self.keys(prefix):
            path = folder / key.replace("/", "_")
            path.write_bytes(self.read(key))
            paths.append(path)
        return paths

    def new(self, name: str) -> Bucket:
        """Create another bucket."""
        bucket = Bucket(self.endpoint, name)
        _request("PUT", f"{bucket.endpoint}/{bucket.name}")
        return bucket


@contextmanager
def server() -> Iterator[Bucket]:
    """Start the stand-in with an empty bucket, and stop it at the end."""
    command = [str(programs("s3") / "python"), "-c", SERVE]
    # Its access log would fill the report of every failed test.
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        host, port = process.stdout.readline().split()
        try:
            yield Bucket(f"http://{host}:{port}", "unused").new("first")
        finally:
            process.stdin.close()


def _request(method: str, url: str) -> bytes:
    with requests.Session() as session:
        session.trust_env = False  # no proxy for loopback
        response = session.request(method, url, timeout=30)
        response.raise_for_status()
        return response.content
