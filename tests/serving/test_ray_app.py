"""The app on Ray Serve with two replicas and Redis: one is killed, and no acknowledged adapter is lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from mlcourse.serving.settings import Settings
from tests.conftest import free_port
from tests.serving.conftest import SINE

ray = pytest.importorskip("ray", reason='Ray is not installed: pip install -c constraints.txt -e ".[cluster]"')
pytest.importorskip("redis", reason='redis is not installed: pip install -c constraints.txt -e ".[cluster]"')
if shutil.which("redis-server") is None:
    pytest.skip("no redis-server on this machine (Debian: apt install redis-server)", allow_module_level=True)


@pytest.fixture(scope="module")
def redis_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, folder = free_port(), tmp_path_factory.mktemp("redis")
    command = ["redis-server", "--port", str(port), "--dir", str(folder), "--appendonly", "yes"]
    process = subprocess.Popen([*command, "--appendfsync", "always"], stdout=subprocess.DEVNULL)
    yield f"redis://127.0.0.1:{port}/0"
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="module")
def address(redis_address: str) -> Iterator[str]:
    from ray import serve

    from mlcourse.serving.ray_app import deployment

    port = free_port()
    ray.init(num_cpus=2, include_dashboard=False, configure_logging=False)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(deployment(Settings(store=redis_address), min_replicas=2, max_replicas=2), name="adapting")
    yield f"http://127.0.0.1:{port}"
    serve.shutdown()
    ray.shutdown()


def replicas() -> list[int]:
    """The processes of the replicas that are alive: Ray writes what an actor is into its command line."""
    found = [(one.pid, " ".join(one.info["cmdline"] or ())) for one in psutil.process_iter(["cmdline"])]
    return [pid for pid, command in found if "ServeReplica" in command and "Adapting" in command]


def test_a_store_on_one_machine_is_refused():
    from mlcourse.serving.ray_app import deployment

    with pytest.raises(ValueError, match="redis://"):
        deployment(Settings(store="adapters.sqlite"))


def test_a_killed_replica_takes_no_adapter_with_it(address):
    body = {"model": "sines", "support": SINE}
    with httpx.Client(base_url=address, timeout=60) as client:
        made = [client.post("/adapt", json=body).json()["adapter"] for _ in range(10)]
        asked = {"x": [[0.5], [1.0]]}
        before = {
            one: client.post("/predict", json=asked | {"adapter": one}).json()["predictions"] for one in made
        }
        assert len(alive := replicas()) == 2
        threading.Timer(0.3, os.kill, (alive[0], signal.SIGKILL)).start()  # while eight callers ask
        with ThreadPoolExecutor(8) as callers:
            wanted = [one for _ in range(30) for one in made]
            answers = list(callers.map(lambda one: client.post("/predict", json=asked | {"adapter": one}), wanted))
        statuses = Counter(answer.status_code for answer in answers)
        print("callers saw", dict(statuses))
        assert set(statuses) <= {200, 500, 503} and statuses[200] >= 280  # those that the dead one had begun
        for one, answer in zip(wanted, answers, strict=True):
            assert answer.status_code != 200 or answer.json()["predictions"] == before[one]
        for one in made:  # none is lost
            assert client.post("/predict", json=asked | {"adapter": one}).json()["predictions"] == before[one]
        began = time.monotonic()
        while len(replicas()) < 2 and time.monotonic() < began + 120:
            time.sleep(1)
        assert len(replicas()) == 2
        print(f"two replicas again after {time.monotonic() - began:.0f} s")


def test_mistakes_keep_their_sentences(address):
    with httpx.Client(base_url=address, timeout=60) as client:
        bad = client.post("/adapt", json={"model": "sines", "support": {"x": [[1, 2]], "y": [1]}})
        assert bad.status_code == 422 and "shape (1, 2)" in bad.json()["error"]
        assert client.get("/readyz").json() == {"ready": True}
