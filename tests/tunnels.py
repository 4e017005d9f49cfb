"""TLS servers and proxies in front of a sandbox, with certificates that only these tests trust."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import trustme

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap_tuple.sandbox import Sandbox

AUTHORITY = trustme.CA()
NAMES = ("localhost", "api.example.com", "app.tuple.app", "production.tuple.app", "127.0.0.1")
CERTIFICATE = AUTHORITY.issue_cert(*NAMES)


class Tunnel:
    """Accepts connections and forwards their bytes, as a TLS server or as a proxy for CONNECT requests.

    Args:
        target_port: Where to forward the bytes. A proxy without one responds with `status`.
        tls: Whether it is a TLS server; otherwise it is a proxy.
        status: The status line with which a proxy refuses the connection.
        certificate: The certificate of a TLS server.
    """

    def __init__(
        self,
        target_port: int | None,
        *,
        tls: bool,
        status: str = "403 Forbidden",
        certificate: trustme.LeafCert = CERTIFICATE,
    ) -> None:
        self.connects: list[bytes] = []
        """The heads of the CONNECT requests."""
        self.seen = bytearray()
        """All bytes that were forwarded."""
        self._status = status
        self._target_port = target_port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if tls else None
        if self._context:
            certificate.configure_cert(self._context)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def proxy_url(self) -> str:
        """The URL of the proxy."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Tunnel:  # noqa: PYI034 - `Self` needs Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        for each in [self._socket, *self._connections]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        # Each thread closes its own connections, also those that it opens after the tunnel has been closed.
        with suppress(OSError), client:
            if self._context:
                with self._context.wrap_socket(client, server_side=True) as secured:
                    self._connect(secured)
            elif self._accepts_connect(client):
                self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._target_port or 0)) as target:
            self._connections += [client, target]
            answers = threading.Thread(target=self._forward, args=(target, client), daemon=True)
            answers.start()
            self._forward(client, target)
            answers.join()

    def _accepts_connect(self, client: socket.socket) -> bool:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            if not (byte := client.recv(1)):
                return False
            head += byte
        self.connects.append(head)
        if self._target_port is None:
            client.sendall(f"HTTP/1.1 {self._status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            client.shutdown(socket.SHUT_WR)
            return False
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        return True

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                self.seen += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


def port_of(api: Sandbox) -> int:
    """Return the port of a sandbox."""
    return int(api.url.split(":")[2].partition("/")[0])


def trusting_environment(folder: Path) -> dict[str, str]:
    """Return the environment variables with which a process trusts these certificates."""
    bundle = folder / "bundle.pem"
    AUTHORITY.cert_pem.write_to_path(str(bundle))
    return {"REQUESTS_CA_BUNDLE": str(bundle), "NO_PROXY": "", "no_proxy": ""}


@contextmanager
def tuple_hosts(api: Sandbox, folder: Path) -> Iterator[dict[str, str]]:
    """Provide an environment in which the sandbox serves every host, over https."""
    with Tunnel(port_of(api), tls=True) as front, Tunnel(front.port, tls=False) as proxy:
        yield {**trusting_environment(folder), "HTTPS_PROXY": proxy.proxy_url}


@contextmanager
def unused_host() -> Iterator[str]:
    """Provide the origin of a server; fail if it receives a connection."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield f"http://127.0.0.1:{other.getsockname()[1]}"
        other.setblocking(False)  # noqa: FBT003 - the method's only argument
        with pytest.raises(BlockingIOError):
            other.accept()
