"""Task data in files: how many tasks a second, and how much memory, mapped, loaded whole, or by torch's loader.

Run it with `python -m mlcourse bench stream`. Each reader runs in a process of its own, first while nothing of the
files is in the system's memory, then once more. Memory is read while it runs, of the process and its workers.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from mlcourse.arguments import require_count, require_positive
from mlcourse.experiments.results import cpu_cores, provenance
from mlcourse.fast.arrays import tensors
from mlcourse.tasks import Episodes, Task, glyphs
from mlcourse.tasks.stream import NAMES, Streamed, write_tasks

BATCH = 25  # tasks of a meta-step
PER_FILE = 2_000
WORKERS = 2
EPISODES = {"n_way": 5, "k_shot": 1, "n_query": 5}
MAPPED, WHOLE, LOADER = "mapped: Streamed", "loaded whole", f"torch's DataLoader, {WORKERS} workers"
EVERY = 0.05  # seconds between two looks at the memory


class Files(IterableDataset):
    """torch's own way: each worker reads its share of the tasks, in an order of its own, through the same maps."""

    def __init__(self, folder: str, n_batches: int) -> None:
        self.folder, self.n_batches = folder, n_batches

    def __iter__(self) -> Iterator[Task]:
        worker = get_worker_info()
        family, rng = Streamed(self.folder), np.random.default_rng(worker.seed)
        for _ in range(worker.id, self.n_batches, worker.num_workers):
            yield tensors(family.sample(BATCH, rng), device="cpu")


def stream(
    *, gigabytes: float = 2.0, n_batches: int = 400, seed: int = 0, say: Callable[[str], None] = lambda line: None
) -> dict[str, Any]:
    """Write image tasks of so many gigabytes into a temporary folder and read them in three ways; a table.

    n_batches: of 25 tasks that are drawn, each time. say: told what goes on. Linux alone tells a process's own
    memory from the system's.
    """
    require_positive("gigabytes", gigabytes)
    n_batches = require_count("n_batches", n_batches)
    started = time.perf_counter()
    family = Episodes(glyphs.splits().train, **EPISODES)
    one = family.sample(1, np.random.default_rng(seed))
    size = sum(array.nbytes for part in one for array in part)
    n_tasks = max(BATCH, round(gigabytes * 1e9 / size))
    with tempfile.TemporaryDirectory(prefix="mlcourse-stream-") as folder:
        say(f"writing {n_tasks:,} tasks of {size / 1000:.0f} kB")
        begun = time.perf_counter()
        write_tasks(folder, family, n_tasks, np.random.default_rng(seed), per_file=PER_FILE)
        writing = time.perf_counter() - begun
        rows = [_row("nothing but the imports", _alone("nothing", folder, n_batches))]
        for name in READERS:
            say(name)
            _forget(Path(folder))
            first, again = (_alone(name, folder, n_batches) for _ in range(2))
            rows.append(_row(name, again) | {"values": _row(name, again)["values"] | _rate("first", first)})
    command = "python -m mlcourse bench stream"
    for flag, value, default in (("gigabytes", gigabytes, 2.0), ("n-batches", n_batches, 400), ("seed", seed, 0)):
        command += f" --{flag} {value:g}" if value != default else ""
    return {
        "name": "stream",
        "title": "Task data in files, read in three ways",
        **provenance(command, [seed], started),
        "protocol": (
            f"{n_tasks:,} tasks of {size / 1000:.0f} kB, {n_tasks * size / 1e9:.1f} GB, in {writing:.0f} s. "
            f"{n_batches} batches of {BATCH} tasks, drawn at random on {cpu_cores()} cores, made tensors, nothing "
            "trained. First: no page of the files in the system's memory. Own memory: the largest sum over the "
            "process and its workers of what no file backs (shared pages in parts). With files: the same with the "
            "mapped pages, which the system takes back when it needs them."
        ),
        "rows": rows,
    }


def _row(name: str, found: dict[str, float]) -> dict[str, Any]:
    values: dict[str, Any] = _rate("again", found) if name in READERS else {}
    if found["ready"] > 0.5:
        values["seconds before the first task"] = round(found["ready"], 1)
    for column, key in (("own memory, MB", "own"), ("with files, MB", "all")):
        values[column] = round(found[key] / 1e6) if found[key] else "not told by this system"
    return {"method": name, "values": values}


def _rate(word: str, found: dict[str, float]) -> dict[str, float]:
    return {f"tasks a second, {word}": round(found["tasks"] / found["seconds"])}


def _forget(folder: Path) -> None:
    """Ask the system to let go of the files' pages, where it knows how."""
    os.sync()
    for path in folder.glob(NAMES):
        with open(path, "rb") as file:
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


# --- in a process of its own ---------------------------------------------------------------------------------


def _alone(name: str, folder: str, n_batches: int) -> dict[str, float]:
    """What a fresh process finds that reads in this way."""
    script = "import sys; from mlcourse.experiments.bench import stream; stream.measure(*sys.argv[1:])"
    command = [sys.executable, "-c", script, name, folder, str(n_batches)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(name: str, folder: str, n_batches: str) -> None:
    """Read in one way and print what it took."""
    torch.set_num_threads(1)
    peak, over = {"own": 0, "all": 0}, threading.Event()
    watcher = threading.Thread(target=_watch, args=(peak, over))
    watcher.start()
    begun = time.perf_counter()
    batches = READERS.get(name, _nothing)(folder, int(n_batches))
    first = next(batches, None)
    ready = time.perf_counter() - begun
    tasks = sum(len(batch.support.x) for batch in batches)
    seconds = time.perf_counter() - begun - ready
    over.set()
    watcher.join()
    print(json.dumps({"tasks": tasks, "seconds": seconds, "ready": ready if first else 0.0, **peak}))


def _watch(peak: dict[str, int], over: threading.Event) -> None:
    """Keep the largest memory of this process and its workers, in bytes."""
    while True:
        family = [psutil.Process(), *psutil.Process().children(recursive=True)]
        found = [_memory(process.pid) for process in family]
        for place, key in enumerate(peak):
            peak[key] = max(peak[key], sum(one[place] for one in found))
        if over.wait(EVERY):
            return


def _memory(pid: int) -> tuple[int, int]:
    """A process's proportional share of memory that no file backs, and of all that it sees; 0 if not told."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return 0, 0
    told = {line.split(":")[0]: 1024 * int(line.split()[1]) for line in lines}
    return told.get("Pss_Anon", 0) + told.get("Pss_Shmem", 0), told["Pss"]


def _nothing(folder: str, n_batches: int) -> Iterator[Task]:
    time.sleep(5 * EVERY)
    return iter(())


def _mapped(folder: str, n_batches: int) -> Iterator[Task]:
    family, rng = Streamed(folder), np.random.default_rng(0)
    return (tensors(family.sample(BATCH, rng), device="cpu") for _ in range(n_batches))


def _whole(folder: str, n_batches: int) -> Iterator[Task]:
    family, rng = Streamed(folder), np.random.default_rng(0)
    family.files = [np.load(path) for path in sorted(Path(folder).glob(NAMES))]
    return (tensors(family.sample(BATCH, rng), device="cpu") for _ in range(n_batches))


def _loader(folder: str, n_batches: int) -> Iterator[Task]:
    return iter(DataLoader(Files(folder, n_batches), batch_size=None, num_workers=WORKERS))


READERS = {MAPPED: _mapped, WHOLE: _whole, LOADER: _loader}
