"""The tables of the server: a small load, what counts as lost, and what the stored tables promise."""

import asyncio
import contextlib
import http.client
import shutil
import socket
import time

import numpy as np
import pytest

from mlcourse.errors import DataError
from mlcourse.experiments import results
from mlcourse.experiments.bench import serving, serving_faults
from mlcourse.experiments.bench.server import Server
from mlcourse.serving.sqlite_store import SqliteStore
from mlcourse.serving.store import Adapter, Damaged

COLUMNS = ["sent, kB", "requests/s", "p50, ms", "p95, ms", "p99, ms", "CPU, ms", "not 200"]
LOADS = [
    "adapt, sines, one at a time",
    "adapt, sines, micro-batched",
    "adapt, sines, two workers",
    "predict by adapter, sines",
    "adapt, 5 glyphs, npy",
    "adapt, 25 glyphs, JSON",
    "adapt, 25 glyphs, npy in JSON",
    "adapt, 25 glyphs, npy",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.mark.skipif(not shutil.which("hey"), reason="the load is sent by hey: apt install hey")
def test_a_small_load_makes_a_sound_table(server, monkeypatch, tmp_path):
    monkeypatch.setattr(serving, "Server", lambda *_: contextlib.nullcontext(server))
    for name, small in (("REQUESTS", 16), ("WARM_UP", 16), ("ADAPTERS", (16, 32))):
        monkeypatch.setattr(serving, name, small)
    table = serving.load(rounds=1)
    table = results.load(str(results.save(table, tmp_path / "serving.json")))
    rows = {row["method"]: row["values"] for row in table["rows"]}
    assert list(rows) == [*LOADS, "16 adapters made", "32 adapters made"]
    for name in LOADS:
        assert list(rows[name]) == COLUMNS and rows[name]["not 200"] == "0"
        assert 0 < rows[name]["p50, ms"] <= rows[name]["p99, ms"]
    assert rows["adapt, 25 glyphs, npy"]["sent, kB"] == pytest.approx(25 * 784 * 4 / 1000, rel=0.02)
    assert rows["32 adapters made"]["memory, MB"] > 50
    assert table["command"] == "python -m mlcourse bench serving --rounds 1"


@pytest.mark.skipif(not shutil.which("hey"), reason="the load is sent by hey: apt install hey")
def test_other_answers_are_counted(server):
    one = serving.Load("micro-batched", "/adapt", serving.JSON, b"{}")
    run = serving.hey(server.port, one, 16)
    assert serving._values(one, [(run, 0.1)])["not 200"] == "422: 16"


def test_without_hey_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(serving.shutil, "which", lambda _: None)
    with pytest.raises(DataError, match="apt install hey"):
        serving.load()


def test_what_is_gone_and_what_answers_otherwise_is_lost(server):
    callers, since = serving_faults.Callers(server, n=3), time.perf_counter()
    with callers:
        callers.wait_for(lambda: len({number for _, number in callers.kept}) == 3, "each had an adapter")
    values = callers.values(since)
    assert (values["acknowledged"], values["lost"], values["damaged"]) == (len(callers.kept), 0, 0)
    assert values["callers saw"] == f"200: {2 * len(callers.kept)}"
    assert values["answered again after, s"] >= 0
    gone = next(id for id, number in callers.kept if number == 0)
    connection = server.connection()
    connection.request("DELETE", f"/adapters/{gone}")
    assert connection.getresponse().status == 204
    connection.close()
    callers.expected[1] = (np.array(callers.expected[1]) + 0.1).tolist()
    others = sum(number == 1 for _, number in callers.kept)
    assert callers.values(since)["lost"] == 1 + others


def test_a_caller_without_an_answer_goes_on():
    """No server at all: every request is seen as "none"."""
    callers = object.__new__(serving_faults.Callers)
    callers.seen = []
    nobody = http.client.HTTPConnection("127.0.0.1", 1)
    assert callers._ask(nobody, "/adapt", b"{}", "adapter") == ("none", None)
    assert callers.statuses() == {"none": 1} and callers.answered(0.0) is None


def test_the_page_of_one_adapter_is_damaged_and_no_other(tmp_path):
    async def scenario():
        store = SqliteStore(tmp_path / "a.sqlite", max_age=None, cache_bytes=0)
        for number in range(5):
            arrays = {"w": np.random.default_rng(number).normal(size=2000)}
            await store.put(Adapter(f"id{number}", "", "m", 1, time.time(), {}, arrays))
        serving_faults._corrupt(tmp_path / "a.sqlite", "id2")
        with pytest.raises(Damaged):
            await store.get("id2", "")
        whole = [await store.get(f"id{number}", "") for number in (0, 1, 3, 4)]
        assert all(whole)
        await store.close()

    asyncio.run(scenario())


def test_a_slow_client_hears_its_answer():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        assert serving_faults._send_or_hear(ours, b"x") == "" and theirs.recv(10) == b"x"
        theirs.sendall(b"HTTP/1.1 408 Request Timeout\r\n")
        assert serving_faults._send_or_hear(ours, b"x") == "408"


def test_a_fault_that_cannot_be_made_here_keeps_its_row(monkeypatch):
    monkeypatch.setattr(serving_faults.shutil, "which", lambda _: None)
    names = ("full disk", "stopped store, Redis")
    monkeypatch.setattr(serving_faults, "FAULTS", {name: serving_faults.FAULTS[name] for name in names})
    table = serving_faults.faults()
    results.validate(table)
    said = {row["method"]: row["values"]["callers saw"] for row in table["rows"]}
    assert said["full disk"].startswith("not measured: it takes the right to mount")
    assert said["stopped store, Redis"].startswith("not measured: it takes the program redis-server")


def test_what_the_stored_load_promises():
    """A micro-batched adaptation takes a third of the processor at most; 8,000 adapters more, at most 10 MB."""
    rows = {row["method"]: row["values"] for row in results.load("serving")["rows"]}
    assert list(rows) == [*LOADS, "2,000 adapters made", "10,000 adapters made"]
    for name in LOADS:
        assert list(rows[name]) == COLUMNS and rows[name]["not 200"] == "0", name
    alone, together = (rows[name]["CPU, ms"] for name in LOADS[:2])
    assert together <= alone / 3
    few, many = (rows[name]["memory, MB"] for name in ("2,000 adapters made", "10,000 adapters made"))
    assert many - few <= 10


def test_what_the_stored_faults_promise():
    """Nothing that was acknowledged is lost; only a damaged page costs its adapter, and says so."""
    rows = {row["method"]: row["values"] for row in results.load("serving_faults")["rows"]}
    assert list(rows) == list(serving_faults.FAULTS)
    for name, values in rows.items():
        assert values["acknowledged"] > 100 and values["lost"] == 0, name
        assert (values["damaged"] == 1) == (name == "corrupt page of the database"), name
        assert "500: " not in values["callers saw"], name
