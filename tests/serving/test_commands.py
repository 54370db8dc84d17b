"""The command line from task data to an answer: train, list, promote, adapt in a job, serve."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
import uvicorn
from typer.testing import CliRunner

from mlcourse.cli import app
from mlcourse.serving import commands, plans
from mlcourse.serving.plans import Choices
from tests.conftest import free_port
from tests.serving.conftest import SINE


def run(*words: str) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_train_list_promote_and_adapt_in_a_job(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plans, "register", lambda *a, **k: REGISTER(*a, **k, n_tasks=20))
    for _ in range(2):
        told = run("train", "--meta-steps", 3, "--name", "mine")
    assert "models/mine/2: squared error" in told and "serve --models models" in told
    assert "mine 1: squared error" in (told := run("models", "list")) and "mine 2 (answers): squared" in told
    assert "version 1 answers now" in run("models", "promote", "mine", 1)
    assert "mine 1 (answers)" in run("models", "list")
    run("train", "--meta-steps", 3, "--name", "mine", "--no-promote")
    assert "mine 1 (answers)" in run("models", "list") and "mine 3: squared" in run("models", "list")
    record = json.loads((tmp_path / "models/mine/1/model.json").read_text())
    assert record["made"]["command"].startswith("python -m mlcourse") and record["made"]["meta_steps"] == 3

    x, y = np.array(SINE["x"]), np.array(SINE["y"])
    np.savez("good.npz", x=x, y=y, query=np.array([[0.5]]))
    np.savez("short.npz", x=x, y=y)
    np.savez("wrong.npz", x=x[:, 0], y=y, query=x)
    (tmp_path / "broken.npz").write_bytes(b"PK")
    names = ["good.npz", "short.npz", "wrong.npz", "broken.npz"]
    done = CliRunner().invoke(app, ["adapt", *names, "--model", "mine"])
    assert done.exit_code == 1  # a batch scheduler shall see that some failed
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["file"] for line in lines] == names
    assert len(lines[0]["predictions"]) == 1 and lines[0]["version"] == 1
    assert "no array query" in lines[1]["error"] and "support.x has shape" in lines[2]["error"]
    assert "broken.npz" in lines[3]["error"]
    assert CliRunner().invoke(app, ["adapt", "good.npz", "--model", "mine"]).exit_code == 0
    nobody = CliRunner().invoke(app, ["adapt", "good.npz", "--model", "nobody"])
    assert nobody.exit_code == 1 and "there are: glyphs, mine, sines" in nobody.output


REGISTER = plans.register


@pytest.mark.parametrize("method", ["maml", "protonet"])
def test_the_plans_for_images_train_register_and_know_their_rival(method, tmp_path, monkeypatch):
    monkeypatch.setattr(plans, "register", lambda *a, **k: REGISTER(*a, **k, n_tasks=4))
    monkeypatch.setattr(plans, "labels_saved", lambda *a, **k: None)
    where = plans.carry_out(
        "glyphs",
        Choices(method=method, meta_steps=1, channels=4),
        name="letters",
        folder=tmp_path,
        checkpoint=None,
        command="",
        progress=False,
    )
    judged = json.loads((where / "model.json").read_text())["judged"]
    assert judged["labels_saved"] == {"labels": 14, "or_more": True, "rival": "nearest class mean on pixels"}
    assert judged["gap"] is not None


def test_a_plan_that_cannot_be_is_refused(tmp_path):
    with pytest.raises(ValueError, match="glyphs, omniglot, or a folder"):
        plans.plan("nowhere", Choices())
    with pytest.raises(ValueError, match="method is 'protonet'"):
        plans.plan("sines", Choices(method="protonet"))
    with pytest.raises(ValueError, match="method is 'anil'"):
        plans.plan("glyphs", Choices(method="anil"))


def test_a_folder_of_few_classes_is_told_how_many_it_needs(tmp_path):
    from PIL import Image

    for name in "abcdef":
        (tmp_path / name).mkdir()
        for number in range(8):
            ink = np.random.default_rng(ord(name) + number).integers(0, 256, (28, 28)).astype(np.uint8)
            Image.fromarray(ink).save(tmp_path / name / f"{number}.png")
    with pytest.raises(ValueError, match="6 classes; tasks of 5 need 15.*--n-way 2"):
        plans.plan(str(tmp_path), Choices())
    made = plans.plan(str(tmp_path), Choices(n_way=2))
    assert made.training.n_way == 2 and made.rival is not None


def test_workers_send_the_parts_of_an_answer_at_once(monkeypatch):
    """Else an answer's body waits 40 ms for the header to be acknowledged."""

    def note(config, sockets):
        seen.extend(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for one in sockets)
        sockets[0].close()
        return SimpleNamespace(run=lambda: None)

    seen: list[int] = []
    monkeypatch.setattr("uvicorn.supervisors.Multiprocess", note)
    commands._run_several(uvicorn.Config(commands.APP, port=0, workers=2))
    assert seen and all(seen)


def test_two_workers_serve_share_what_is_deleted_and_count_together(tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "mlcourse", "serve", "--port", str(port), "--workers", "2"]
    log = (tmp_path / "log").open("w")
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=log,
        stderr=log,
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=20, headers={"Connection": "close"}
        ) as client:
            deadline = time.monotonic() + 60
            while True:
                try:
                    if client.get("/readyz").status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                assert time.monotonic() < deadline and process.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.2)
            made = client.post("/adapt", json={"model": "sines", "support": SINE}).json()["adapter"]
            asked = {"adapter": made, "x": [[1.0]]}
            answers = [client.post("/predict", json=asked) for _ in range(20)]  # a connection each: both workers
            assert {answer.status_code for answer in answers} == {200}
            assert client.delete(f"/adapters/{made}").status_code == 204
            assert {client.post("/predict", json=asked).status_code for _ in range(20)} == {404}
            counts = {client.get("/metrics").text.count('path="/predict",status="200"} 20.0') for _ in range(6)}
            assert counts == {1}  # whichever worker is asked
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)
    assert process.returncode == 0 or process.returncode == -signal.SIGTERM
