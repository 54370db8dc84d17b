"""A real server on a real port, in a thread of the tests: for browsers, and for requests that no library sends."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import uvicorn

from mlcourse.serving.app import create_app
from mlcourse.serving.settings import Settings
from tests.conftest import free_port


@contextlib.contextmanager
def served(settings: Settings) -> Iterator[int]:
    """The port of a running server."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert server.started, "the server did not start"
    try:
        yield port
    finally:
        server.should_exit = True
        thread.join(20)
