"""A server in processes of its own, as `python -m mlcourse serve` starts it: to be loaded, and to be broken."""

import contextlib
import http.client
import os
import signal
import socket
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

JSON, NPY = "application/json", "application/x-npy"
SECONDS_TO_START = 90
SECONDS_TO_ANSWER = 30


def free_port() -> int:
    """A port of this machine on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(connection: http.client.HTTPConnection, path: str, body: bytes, kind: str = JSON) -> tuple[int, bytes]:
    """POST, and the status and the body of the answer; OSError or HTTPException where none comes."""
    try:
        connection.request("POST", path, body, {"Content-Type": kind})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        connection.close()  # the next request opens it again
        raise


class Server:
    """`python -m mlcourse serve OPTIONS` on a free port, with the course's own models; up once it is made.

    folder: empty, for its log and what else it leaves. store: by default a file there. Leaving its `with` ends it.
    """

    def __init__(self, folder: Path, *options: str, store: str | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port = folder, free_port()
        store = store or str(folder / "adapters.sqlite")
        self.command = [sys.executable, "-m", "mlcourse", "serve", "--port", str(self.port), "--store", store]
        self.command += options
        self.start()

    def start(self) -> None:
        """Start it, and return when it is ready; RuntimeError with its last words where it ends instead."""
        own = {"TMPDIR": str(self.folder), "OMP_NUM_THREADS": "1"}
        with (self.folder / "log").open("ab") as log:
            self.process = psutil.Popen(
                self.command, cwd=self.folder, env=os.environ | own, stdout=log, stderr=log
            )
        until = time.monotonic() + SECONDS_TO_START
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > until:
                self.kill()
                words = (self.folder / "log").read_text(errors="replace")[-500:]
                raise RuntimeError(f"the server did not start: {words}")
            time.sleep(0.05)

    def _ready(self) -> bool:
        connection = self.connection()
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def connection(self) -> http.client.HTTPConnection:
        """One of its own for a caller, opened at the first request."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS_TO_ANSWER)

    def processes(self) -> list[psutil.Process]:
        """The one that was started, and those that it has started."""
        return [self.process, *self.process.children(recursive=True)]

    def workers(self) -> list[psutil.Process]:
        """The processes that answer, where it has several."""
        return [one for one in self.processes()[1:] if "spawn_main" in " ".join(_words(one))]

    def cpu(self) -> float:
        """Seconds of processor time that they have taken until now."""
        return sum(sum(one.cpu_times()[:2]) for one in self.processes())

    def memory(self) -> float:
        """MB that they hold now."""
        return sum(one.memory_info().rss for one in self.processes()) / 1024**2

    def kill(self) -> None:
        """kill -9 of all of them, the first one first, so that it starts no other."""
        for one in self.processes() if self.process.is_running() else []:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(psutil.Error):  # ended already, or it hangs
            self.process.terminate()
            self.process.wait(20)
        self.kill()


def _words(process: psutil.Process) -> list[str]:
    """What it was started by; nothing of one that has ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.cmdline()
    return []
