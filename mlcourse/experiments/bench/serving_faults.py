"""What the server of adapters survives: each fault strikes under load, then every adapter is asked for again.

An adapter is acknowledged when its caller has read 200 and its id. It is lost when afterwards it is not there, or
answers with other numbers than its support set led to before the fault. Run it with
`python -m mlcourse bench serving --faults`.
"""

import contextlib
import http.client
import importlib.util
import json
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

from mlcourse.experiments.bench.server import SECONDS_TO_ANSWER, Server, ask, free_port
from mlcourse.experiments.bench.serving import CLIENTS, counted
from mlcourse.experiments.results import provenance
from mlcourse.tasks import Sinusoids

BEFORE, AFTER = 2.0, 3.0  # seconds of load before a fault, and after it or its mending
PAUSE = 0.05  # seconds until a caller who was not answered well asks again
MEGABYTES = 6  # of the disk that is to be full
SLOW = 50


class NotHere(Exception):
    """This fault cannot be made on this machine; the message says what it takes."""


def faults(*, say: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Break servers on this machine in every way of `FAULTS`; returns a table of `results`. say: what goes on."""
    started, rows = time.perf_counter(), []
    for name, fault in FAULTS.items():
        say(name)
        with tempfile.TemporaryDirectory() as folder:
            try:
                values = fault(Path(folder))
            except NotHere as error:
                values = {"callers saw": f"not measured: {error}"}
        rows.append({"method": name, "values": values})
    return {
        "name": "serving_faults",
        "title": "What the server of adapters survives",
        **provenance("python -m mlcourse bench serving --faults", [], started),
        "protocol": PROTOCOL,
        "rows": rows,
    }


PROTOCOL = (
    f"{CLIENTS} callers, each of whom waits for an answer before it asks again, adapt to sines and predict by "
    f"what they got; {BEFORE:g} s later the fault strikes. Acknowledged: answered 200 with an id. Lost: "
    "afterwards, each asked for once more, not there or with other numbers. Damaged: answered 410, with the "
    "advice to adapt again. Callers saw: how often each status; none: the connection broke. Answered again: "
    "seconds to the first 200 to an adaptation that was asked for after the fault, or after its mending where "
    "it has one (room made, Redis started). Longest: the longest that a caller waited. The full disk: "
    f"{MEGABYTES} MB of tmpfs. The page: one that holds a part of an adapter's numbers; one of an index would "
    "cost many adapters. The slow: half of them are slow from the header's first byte on, to which uvicorn "
    "sets no limit of time, as a proxy before it does; they were still waiting. Redis wrote each change to "
    "its log before it answered (appendfsync always)."
)


class Seen(NamedTuple):
    """A request of a caller: when it began and ended, where it went, and its status, "none" without an answer."""

    began: float
    ended: float
    path: str
    status: str


class Callers:
    """Inside its `with` 16 callers adapt and predict as fast as they are answered.

    kept: the ids that were acknowledged, each with its caller's number. Every caller has a support set of its own,
    and `expected` holds what it leads to, as the server said before anything befell it. wrong: ids by which it
    said anything else.
    """

    def __init__(self, server: Server, n: int = CLIENTS) -> None:
        self.server, self.wrong = server, list[str]()
        self.seen, self.kept = list[Seen](), list[tuple[str, int]]()
        tasks = Sinusoids(10, 10).sample(n, np.random.default_rng(0))
        parts = zip(tasks.support.x.tolist(), tasks.support.y.tolist(), strict=True)
        self.supports = [json.dumps({"model": "sines", "support": {"x": x, "y": y}}).encode() for x, y in parts]
        self.x = tasks.query.x[0].tolist()
        connection = server.connection()
        self.expected = [self._predict(connection, self._adapt(connection, number)[1])[1] for number in range(n)]
        connection.close()
        self.seen.clear()
        self.going = True
        self.threads = [threading.Thread(target=self._call, args=(number,)) for number in range(n)]

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.going = False
        for thread in self.threads:
            thread.join()

    def _call(self, number: int) -> None:
        connection = self.server.connection()
        while self.going:
            status, id = self._adapt(connection, number)
            if status == "200":
                self.kept.append((id, number))
                status, found = self._predict(connection, id)
                if status == "200" and not _same(found, self.expected[number]):
                    self.wrong.append(id)
            if status != "200":
                time.sleep(PAUSE)
        connection.close()

    def _adapt(self, connection: http.client.HTTPConnection, number: int) -> tuple[str, Any]:
        return self._ask(connection, "/adapt", self.supports[number], "adapter")

    def _predict(self, connection: http.client.HTTPConnection, id: str) -> tuple[str, Any]:
        body = json.dumps({"adapter": id, "x": self.x}).encode()
        return self._ask(connection, "/predict", body, "predictions")

    def _ask(self, connection: http.client.HTTPConnection, path: str, body: bytes, field: str) -> tuple[str, Any]:
        """The status, and a field of an answer of 200."""
        began, found = time.perf_counter(), None
        try:
            code, answer = ask(connection, path, body)
            status = str(code)
            if code == 200:
                found = json.loads(answer)[field]
        except (OSError, http.client.HTTPException):
            status = "none"
        self.seen.append(Seen(began, time.perf_counter(), path, status))
        return status, found

    def answered(self, since: float) -> float | None:
        """Seconds from `since` to the first answer of 200 to an adaptation that was asked for later."""
        later = [one for one in list(self.seen) if one.began >= since and one.path == "/adapt"]
        return min((one.ended - since for one in later if one.status == "200"), default=None)

    def wait_for(self, what: Callable[[], Any], why: str) -> None:
        """Let them go on until something has happened; RuntimeError where it does not."""
        until = time.monotonic() + 2 * SECONDS_TO_ANSWER
        while not what():
            if time.monotonic() > until:
                raise RuntimeError(f"waited in vain until {why}; callers saw {counted(self.statuses())}")
            time.sleep(0.01)

    def go_on(self, since: float) -> None:
        """Until they are answered again, and some seconds more."""
        self.wait_for(lambda: self.answered(since), "the server answered again")
        time.sleep(AFTER)

    def statuses(self) -> Counter:
        """How often each status was seen."""
        return Counter(one.status for one in list(self.seen))

    def values(self, since: float) -> dict[str, Any]:
        """The columns of a row; they must have stopped, and the server must be up."""
        statuses, waits = self.statuses(), [one.ended - one.began for one in self.seen]
        again = self.answered(since)
        assert again is not None  # `go_on` has waited for it
        after = self._asked_for_again()
        return {
            "acknowledged": len(self.kept),
            "lost": len(set(self.wrong) | set(after["lost"])),
            "damaged": len(after["damaged"]),
            "callers saw": counted(statuses),
            "answered again after, s": round(again, 2),
            "longest, s": round(max(waits), 2),
        }

    def _asked_for_again(self) -> dict[str, list[str]]:
        """Of all that was acknowledged, the ids that are damaged, and those that are lost."""
        connection = self.server.connection()
        found: dict[str, list[str]] = {"damaged": [], "lost": []}
        for id, number in self.kept:
            status, outputs = self._predict(connection, id)
            if status == "410":
                found["damaged"].append(id)
            elif status != "200" or not _same(outputs, self.expected[number]):
                found["lost"].append(id)
        connection.close()
        return found


def _same(found: list, expected: list) -> bool:
    """Whether two predictions are one and the same: sums of another batch differ in float32's last digits."""
    return np.allclose(found, expected, rtol=1e-3, atol=1e-3)


# --- the faults ----------------------------------------------------------------------------------------------


def killed_worker(folder: Path) -> dict[str, Any]:
    """Of two the one that more callers have a connection to; the supervisor starts another."""
    with Server(folder, "--workers", "2") as server:
        time.sleep(AFTER)  # one is up; now the other is, too
        with Callers(server) as callers:
            time.sleep(BEFORE)
            victim = max(server.workers(), key=lambda worker: len(worker.net_connections("tcp")))
            struck = time.perf_counter()
            victim.kill()
            callers.wait_for(lambda: len(set(server.workers()) - {victim}) == 2, "there was a new worker")
            callers.go_on(struck)
        return callers.values(struck)


def killed_server(folder: Path) -> dict[str, Any]:
    """All of it; started again at once."""
    with Server(folder) as server:
        with Callers(server) as callers:
            time.sleep(BEFORE)
            struck = time.perf_counter()
            server.kill()
            server.start()
            callers.go_on(struck)
        return callers.values(struck)


def full_disk(folder: Path) -> dict[str, Any]:
    """A file system of 6 MB, which grows when it has been full for some seconds."""
    disk = folder / "disk"
    with _small_disk(disk), Server(folder, store=str(disk / "adapters.sqlite")) as server:
        with Callers(server) as callers:
            callers.wait_for(lambda: callers.statuses()["507"], "the disk was full")
            time.sleep(AFTER)
            mended = time.perf_counter()
            _enlarge(disk)
            callers.go_on(mended)
        return callers.values(mended)


def corrupt_page(folder: Path) -> dict[str, Any]:
    """A page that holds a part of an adapter; the server is started again, lest it remember what was there."""
    with Server(folder) as server:
        with Callers(server) as callers:
            time.sleep(BEFORE)
            _corrupt(folder / "adapters.sqlite", callers.kept[len(callers.kept) // 2][0])
            struck = time.perf_counter()
            callers.go_on(struck)
        server.kill()
        server.start()
        return callers.values(struck)


def slow_clients(folder: Path) -> dict[str, Any]:
    """Half of them send their header by bytes, half their body."""
    with Server(folder) as server:
        with Callers(server) as callers:
            time.sleep(BEFORE)
            struck = time.perf_counter()
            saw = _send_slowly(server.port, seconds=15)
            callers.go_on(struck)
        return callers.values(struck) | {"the slow saw": counted(saw)}


def stopped_store(folder: Path) -> dict[str, Any]:
    """Redis, which writes each change to its log before it answers, killed by -9 and started two seconds later."""
    if not shutil.which("redis-server") or not importlib.util.find_spec("redis"):
        raise NotHere("it takes the program redis-server and the package redis")
    port = free_port()
    with contextlib.ExitStack() as stack:
        redis = stack.enter_context(_redis(folder, port))
        server = stack.enter_context(Server(folder, store=f"redis://127.0.0.1:{port}/0"))
        with Callers(server) as callers:
            time.sleep(BEFORE)
            redis.kill()
            time.sleep(2)
            mended = time.perf_counter()
            stack.enter_context(_redis(folder, port))
            callers.go_on(mended)
        return callers.values(mended)


FAULTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "kill -9 of one of two workers": killed_worker,
    "kill -9 of the whole server": killed_server,
    "full disk": full_disk,
    "corrupt page of the database": corrupt_page,
    f"{SLOW} clients who send a byte a second": slow_clients,
    "stopped store, Redis": stopped_store,
}


# --- how they are made ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    """A file system of `MEGABYTES` at `folder`."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        raise NotHere("it takes the right to mount a small file system (tmpfs)")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _enlarge(folder: Path) -> None:
    subprocess.run(["mount", "-o", f"remount,size={100 * MEGABYTES}m", str(folder)], check=True)


def _corrupt(path: Path, id: str) -> None:
    """Overwrite a page in the middle of this adapter's arrays, or of the last that has the same ones.

    It is overwritten in the file itself, after what lay in the log has been brought there.
    """
    with contextlib.closing(sqlite3.connect(path, timeout=SECONDS_TO_ANSWER)) as database:
        database.execute("PRAGMA wal_checkpoint(FULL)")
        (page,) = database.execute("PRAGMA page_size").fetchone()
        (arrays,) = database.execute("SELECT arrays FROM adapters WHERE id = ?", (id,)).fetchone()
    middle = len(arrays) // 2
    at = path.read_bytes().rindex(arrays[middle : middle + 64])
    with path.open("r+b") as file:
        file.seek(at // page * page)
        file.write(b"\x55" * page)


@contextlib.contextmanager
def _redis(folder: Path, port: int) -> Iterator[subprocess.Popen]:
    """A Redis server whose log lies in `folder`, as it answers; killed at the end."""
    words = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    words += ["--appendonly", "yes", "--appendfsync", "always"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + SECONDS_TO_ANSWER
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("redis-server did not start")
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _send_slowly(port: int, seconds: int) -> Counter:
    """A byte a second by each of many connections; how often each status answered them."""
    head = b"POST /adapt HTTP/1.1\r\nHost: here\r\nContent-Length: 9999\r\n"
    waiting, saw = {}, Counter()
    for number in range(SLOW):
        connection = socket.create_connection(("127.0.0.1", port), SECONDS_TO_ANSWER)
        if number % 2:
            connection.sendall(head + b"\r\n")
        connection.setblocking(False)
        waiting[connection] = b" " * seconds if number % 2 else head
    for second in range(seconds):
        for connection, text in list(waiting.items()):
            status = _send_or_hear(connection, text[second : second + 1])
            if status:
                saw[status] += 1
                connection.close()
                del waiting[connection]
        time.sleep(1)
    for connection in waiting:
        connection.close()
    return saw + Counter(none=len(waiting))


def _send_or_hear(connection: socket.socket, byte: bytes) -> str:
    """Send a byte, or give the status of an answer that has come."""
    try:
        return connection.recv(1000)[9:12].decode() or "closed"
    except BlockingIOError:
        connection.send(byte)
        return ""
