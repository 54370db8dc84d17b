"""What the tests of data share: an empty cache, and a server on 127.0.0.1 that misbehaves on request."""

import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no mirror, no proxy, and no waiting between attempts."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("MLCOURSE_CACHE", str(folder))
    monkeypatch.delenv("MLCOURSE_MIRROR", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    return folder


class Server:
    """Serves files on 127.0.0.1, badly if asked: `plan` lists what to do with the next requests."""

    def __init__(self, files: dict[str, bytes]):
        self.files, self.plan, self.requests = files, [], 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self.requests += 1
        what = self.plan.pop(0) if self.plan else "whole"
        body = self.files.get(handler.path.lstrip("/"))
        if body is None or what == "missing":
            handler.send_error(404)
            return
        if what == "changed":
            body = body[:100] + bytes([body[100] ^ 1]) + body[101:]
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2] if what == "cut" else body)
        handler.close_connection = True

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def serve() -> Iterator[Callable[[dict[str, bytes]], Server]]:
    running: list[Server] = []

    def start(files: dict[str, bytes]) -> Server:
        running.append(Server(files))
        return running[-1]

    yield start
    for server in running:
        server.close()
