"""What one student takes of a shared machine: the server's memory, each notebook's kernel, and its seconds.

Each notebook runs from top to bottom in a kernel of its own, on one thread, as in a classroom. The kernel's memory
is its peak; a JupyterHub must hold the server's and that of every kernel that a student has open.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from mlcourse import paths
from mlcourse.experiments.bench.server import free_port
from mlcourse.experiments.results import provenance

# Runs a notebook, and prints what its kernel took: processor time, and memory at its peak.
RUN = """
import json, resource, sys
import nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": sys.argv[2]}}).execute()
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"seconds": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss}))
"""
IN_MB = 1024 if sys.platform != "darwin" else 1024**2  # ru_maxrss is in kB, on a Mac in bytes
SECONDS_FOR_A_SERVER = 60


def students(folder: Path | None = None) -> dict[str, Any]:
    """Measure every lesson of a folder (by default the course's); returns a table of `results`."""
    started = time.perf_counter()
    notebooks = sorted((folder or paths.REPOSITORY / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    rows = [{"method": "JupyterLab's server", "values": {"memory, MB": _server()}}]
    for path in notebooks:
        used = _run(path)
        values = {"memory, MB": round(used["peak"] / IN_MB), "processor time, s": round(used["seconds"])}
        rows.append({"method": path.stem[:2], "values": values})
    return {
        "name": "classroom",
        "title": "What one student takes of a shared machine",
        **provenance("python -m mlcourse bench classroom", [], started),
        "protocol": "The server's memory with no kernel; each kernel's at its peak, one thread, top to bottom.",
        "rows": rows,
    }


def _run(path: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as work:
        own = {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "MLCOURSE_WORK": work}
        command = [sys.executable, "-c", RUN, str(path), str(path.parent)]
        done = subprocess.run(command, env=os.environ | own, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _server() -> int:
    """The memory of JupyterLab once it answers, in MB."""
    port = free_port()
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", f"--port={port}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + SECONDS_FOR_A_SERVER
    try:
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.2)
        time.sleep(3)  # its extensions load when it answers already
        # As it stands now: a peak would be that of this process, from which it was forked
        return round(psutil.Process(process.pid).memory_info().rss / 1024**2)
    finally:
        process.terminate()
        process.wait()
