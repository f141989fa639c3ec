"""A server on loopback that behaves as badly as real ones: it cuts short, corrupts, refuses, stalls and lies."""

from __future__ import annotations

import hashlib
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
            self.server.requests.append(behaviour)
            count = self.server.requests.count(behaviour)
        content = self.server.files.get(path, CONTENT)
        if behaviour == "gone" or (behaviour == "busy" and count == 1):
            return self.send_error(404 if behaviour == "gone" else 503)
        body = {
            "corrupt": bytes([content[0] ^ 1]) + content[1:],
            "portal": b"<html>please log in</html>",
            "endless": content + b"more",
        }.get(behaviour, content)
        self.send_response(200)
        if behaviour != "endless":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        half = behaviour in ("truncated", "stalled") or (behaviour == "flaky" and count % 2)
        try:
            self.wfile.write(body[: len(body) // 2] if half else body)
            if behaviour == "stalled":
                self.server.release.wait(5)
        except OSError:
            pass  # the client hung up, as it should

    def log_message(self, *_: object) -> None: ...


class Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str] = []
        self.files: dict[str, bytes] = {}
        self.lock = threading.Lock()
        self.release = threading.Event()

    def url(self, behaviour: str, path: str = "a.bin") -> str:
        return f"http://127.0.0.1:{self.server_port}/{behaviour}/{path}"

    def count(self, behaviour: str) -> int:
        return self.requests.count(behaviour)


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
