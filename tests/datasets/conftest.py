"""A server on loopback that behaves as badly as real ones: it truncates, corrupts, refuses, stalls and lies."""

from __future__ import annotations

import hashlib
import itertools
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

CONTENT = hashlib.shake_256(b"DSRL Lab").digest(200_000)


class Handler(BaseHTTPRequestHandler):
    """The first folder of the path says how to misbehave."""

    server: Server

    def do_GET(self) -> None:
        behaviour, _, path = self.path.lstrip("/").partition("/")
        with self.server.lock:
            self.server.requests.append((behaviour, self.headers.get("Range")))
            count = sum(name == behaviour for name, _ in self.server.requests)
        content = self.server.files.get(path, CONTENT)
        start = 0
        if self.headers.get("Range") and behaviour not in ("no_ranges", "no_ranges_truncated"):
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        if behaviour == "gone" or (behaviour == "busy" and count == 1):
            return self.send_error(404 if behaviour == "gone" else 503)
        if behaviour == "range_refused" and start:
            return self.send_error(416)
        body = content[start:]
        if behaviour == "corrupt":
            body = bytes([body[0] ^ 1]) + body[1:]
        if behaviour == "portal":
            body = b"<html>please log in</html>"
        if behaviour == "endless":
            body = body + b"more"
        self.send_response(206 if start else 200)
        if behaviour != "endless":
            self.send_header("Content-Length", str(len(body)))
        if start:
            shown = start + 7 if behaviour == "wrong_range" else start
            self.send_header("Content-Range", f"bytes {shown}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        self.send_body(behaviour, body)

    def send_body(self, behaviour: str, body: bytes) -> None:
        if behaviour in ("truncated", "no_ranges_truncated", "wrong_range", "range_refused"):
            body = body[: max(1, len(body) // 2)] if len(body) > 1000 else body
        try:
            if behaviour == "stalled":
                self.wfile.write(body[: len(body) // 2])
                self.server.release.wait(5)
            elif behaviour == "dripping":
                for byte in itertools.islice(body, 200):
                    self.wfile.write(bytes([byte]))
                    if self.server.release.wait(0.02):
                        break
            else:
                self.wfile.write(body)
        except OSError:
            pass  # the client hung up, as it should

    def log_message(self, *_: object) -> None: ...


class Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, str | None]] = []
        self.files: dict[str, bytes] = {}
        self.lock = threading.Lock()
        self.release = threading.Event()

    def url(self, behaviour: str, path: str = "a.bin") -> str:
        return f"http://127.0.0.1:{self.server_port}/{behaviour}/{path}"

    def count(self, behaviour: str) -> int:
        return sum(name == behaviour for name, _ in self.requests)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.release.set()
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture
def refusing() -> Iterator[str]:
    with socket.socket() as taken:  # bound but not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/a.bin"
