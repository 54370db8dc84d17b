"""What the server of adapters carries: requests a second, waiting times, processor time and memory.

Sixteen clients at once, by `hey` (https://github.com/rakyll/hey), which takes little of the processor itself. Run
it with `python -m mlcourse bench serving`; what it survives is measured by `serving_faults.py`.
"""

import base64
import contextlib
import csv
import io
import json
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mlcourse.arguments import require_count
from mlcourse.errors import DataError
from mlcourse.experiments.bench.server import JSON, NPY, Server, ask
from mlcourse.experiments.results import cpu_cores, provenance
from mlcourse.tasks import Episodes, Sinusoids, glyphs

CLIENTS = 16
ROUNDS = 5
REQUESTS = 640  # of each kind in a round
WARM_UP = 64
ADAPTERS = (2_000, 10_000)  # after which memory is read
SERVERS = {"one at a time": ("--most-at-once", "1"), "micro-batched": (), "two workers": ("--workers", "2")}


class Load(NamedTuple):
    """One kind of request: to which server of `SERVERS` it goes, and what is sent."""

    server: str
    path: str
    kind: str
    body: bytes


class Run(NamedTuple):
    """What `hey` saw: seconds of each answer, statuses, and seconds from the first request to the last answer."""

    seconds: np.ndarray
    statuses: Counter
    wall: float


def load(*, rounds: int = ROUNDS, say: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Load servers on this machine; returns a table of `results`.

    rounds: in which every kind of request takes its turn, so that a busy neighbour falls on all alike; the figures
    are medians over them. say: told what goes on. DataError where `hey` is not installed.
    """
    require_count("rounds", rounds)
    if not shutil.which("hey"):
        raise DataError("hey, which sends the requests, is not installed; run `apt install hey`")
    started, command = time.perf_counter(), "python -m mlcourse bench serving"
    with tempfile.TemporaryDirectory() as folder:
        rows = _loaded(Path(folder), rounds, say) + _memory(Path(folder), say)
    return {
        "name": "serving",
        "title": "What the server of adapters carries",
        **provenance(command + (f" --rounds {rounds}" if rounds != ROUNDS else ""), [], started),
        "protocol": _protocol(rounds),
        "rows": rows,
    }


def _protocol(rounds: int) -> str:
    return (
        f"{CLIENTS} clients at once, by hey on the server's own {cpu_cores()} cores; one worker where not said "
        "otherwise, one torch thread each, adapters in SQLite on a disk. Medians of "
        f"{rounds} interleaved rounds of {REQUESTS} requests. Sines: 10 examples, MAML with 5 steps; glyphs: 5 "
        "classes, images of 28 x 28, Prototypical Networks. CPU: a request's share of what all processes of the "
        "server took. Memory: of a server that has made so many adapters of sines; a cache of those that are "
        "asked for again comes to it, 32 MB at most."
    )


def _loaded(folder: Path, rounds: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    with contextlib.ExitStack() as stack:
        servers = {}
        for name, options in SERVERS.items():
            say(f"starting a server: {name}")
            servers[name] = stack.enter_context(Server(folder / name.replace(" ", "_"), *options))
        loads = _loads(servers)
        for one in loads.values():
            hey(servers[one.server].port, one, WARM_UP)
        runs: dict[str, list[tuple[Run, float]]] = {name: [] for name in loads}
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            for name, one in loads.items():
                before = servers[one.server].cpu()
                run = hey(servers[one.server].port, one, REQUESTS)
                runs[name].append((run, servers[one.server].cpu() - before))
        return [{"method": name, "values": _values(loads[name], runs[name])} for name in loads]


def _values(sent: Load, runs: list[tuple[Run, float]]) -> dict[str, Any]:
    """The columns of a row: medians over rounds."""
    others = sum((run.statuses for run, _ in runs), Counter())
    others.pop("200", None)

    def middle(figures: list[float], digits: int) -> float:
        return round(float(np.median(figures)), digits)

    waits = {f"p{p}, ms": [1e3 * np.percentile(run.seconds, p) for run, _ in runs] for p in (50, 95, 99)}
    return {
        "sent, kB": round(len(sent.body) / 1000, 1),
        "requests/s": middle([len(run.seconds) / run.wall for run, _ in runs], 0),
        **{name: middle(figures, 1) for name, figures in waits.items()},
        "CPU, ms": middle([1e3 * cpu / REQUESTS for _, cpu in runs], 2),
        "not 200": counted(others) or "0",
    }


def counted(statuses: Counter) -> str:
    """ "200: 812, 503: 3": how often each status was seen."""
    return ", ".join(f"{status}: {number}" for status, number in sorted(statuses.items()))


def _memory(folder: Path, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """A server's memory after it has made some adapters, and after many."""
    made, rows = 0, []
    with Server(folder / "memory") as server:
        for wanted in ADAPTERS:
            say(f"making {wanted} adapters")
            statuses = hey(server.port, _sines("memory"), wanted - made).statuses
            if statuses != {"200": wanted - made}:
                raise RuntimeError(f"not all of {wanted - made} adapters were made: {counted(statuses)}")
            made = wanted
            rows.append({"method": f"{made:,} adapters made", "values": {"memory, MB": round(server.memory(), 1)}})
    return rows


# --- the requests --------------------------------------------------------------------------------------------


def hey(port: int, sent: Load, n: int) -> Run:
    """Send one request `n` times, a multiple of 16, by 16 clients; those that get no answer count as "none"."""
    with tempfile.NamedTemporaryFile() as body:
        body.write(sent.body)
        body.flush()
        words = ["hey", "-n", str(n), "-c", str(CLIENTS), "-m", "POST", "-T", sent.kind, "-D", body.name]
        words += ["-o", "csv", f"http://127.0.0.1:{port}{sent.path}"]
        shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    rows = list(csv.DictReader(io.StringIO(shown)))
    if not rows:
        raise RuntimeError(f"the server answered none of {n} requests to {sent.path}")
    seconds, begins = (np.array([float(row[name]) for row in rows]) for name in ("response-time", "offset"))
    statuses = Counter(row["status-code"] for row in rows) + Counter(none=n - len(rows))
    return Run(seconds, statuses, float((begins + seconds).max() - begins.min()))


def _loads(servers: dict[str, Server]) -> dict[str, Load]:
    """Each kind of request by the name of its row."""
    one_of_each, five_of_each = (_images(k_shot) for k_shot in (1, 5))
    labels = five_of_each[1].tolist()
    return {
        "adapt, sines, one at a time": _sines("one at a time"),
        "adapt, sines, micro-batched": _sines("micro-batched"),
        "adapt, sines, two workers": _sines("two workers"),
        "predict by adapter, sines": _predict(servers["micro-batched"]),
        "adapt, 5 glyphs, npy": _glyphs(NPY, npy(*one_of_each)),
        "adapt, 25 glyphs, JSON": _glyphs(JSON, _support("glyphs", five_of_each[0].tolist(), labels)),
        "adapt, 25 glyphs, npy in JSON": _glyphs(
            JSON,
            _support("glyphs", {"npy": base64.b64encode(npy(five_of_each[0])).decode()}, labels),
        ),
        "adapt, 25 glyphs, npy": _glyphs(NPY, npy(*five_of_each)),
    }


def _sines(server: str) -> Load:
    task = Sinusoids(10, 10).sample(1, np.random.default_rng(0))
    return Load(server, "/adapt", JSON, _support("sines", *(array[0].tolist() for array in task.support)))


def _predict(server: Server) -> Load:
    """Ten questions to an adapter that is made first."""
    connection = server.connection()
    status, answer = ask(connection, "/adapt", _sines("micro-batched").body)
    connection.close()
    if status != 200:
        raise RuntimeError(f"the server made no adapter: {status} {answer[:200]!r}")
    x = np.linspace(-5, 5, 10)[:, None].tolist()
    body = json.dumps({"adapter": json.loads(answer)["adapter"], "x": x}).encode()
    return Load("micro-batched", "/predict", JSON, body)


def _glyphs(kind: str, body: bytes) -> Load:
    return Load("micro-batched", "/adapt" if kind == JSON else "/adapt?model=glyphs", kind, body)


def _images(k_shot: int) -> tuple[np.ndarray, np.ndarray]:
    """A support set of five scripts' characters: x (5 k_shot, 1, 28, 28) and y (5 k_shot,)."""
    x, y = Episodes(glyphs.splits().test, 5, k_shot, 1).sample(1, np.random.default_rng(0)).support[:2]
    return x[0], y[0]


def _support(model: str, x: Any, y: Any) -> bytes:
    return json.dumps({"model": model, "support": {"x": x, "y": y}}).encode()


def npy(*arrays: np.ndarray) -> bytes:
    """Arrays in NumPy's own format, one after another."""
    file = io.BytesIO()
    for array in arrays:
        np.save(file, array)
    return file.getvalue()
