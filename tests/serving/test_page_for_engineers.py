"""What `book/serving.md` and the README show works: a network of one's own is trained, registered and served."""

import json
import re
import runpy

import numpy as np
from typer.testing import CliRunner

from mlcourse.cli import app


def test_the_model_of_one_s_own(root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    text = (root / "book/serving.md").read_text(encoding="utf-8")
    for block in re.findall(r"```python\n(# my_.*?)```", text, flags=re.DOTALL):
        name = re.match(r"# (\w+\.py)\n", block).group(1)
        quick = block.replace("meta_steps=1000", "meta_steps=3, capture='eager'")
        quick = quick.replace("Families(sample, sample)", "Families(sample, sample), n_tasks=9")
        (tmp_path / name).write_text(quick, encoding="utf-8")
    runpy.run_path("my_training.py")
    assert capsys.readouterr().out.strip() == "models/parabolas/1"
    np.savez("task.npz", x=np.ones((5, 1)), y=np.ones((5, 1)), query=np.ones((2, 1)))
    done = CliRunner().invoke(app, ["adapt", "task.npz", "--model", "parabolas", "--models", "models"])
    answer = json.loads(done.stdout)
    assert answer["model"] == "parabolas" and len(answer["predictions"]) == 2


def test_the_curl_lines_are_requests_that_work(root, client):
    for name in ("README.md", "book/serving.md"):
        text = (root / name).read_text(encoding="utf-8")
        bodies = re.findall(r"curl --json '(\{.*?\})'[\s\\]+http://127.0.0.1:8000(/\w+)", text, flags=re.DOTALL)
        assert bodies
        for body, path in bodies:
            sent = json.loads(body)
            status = client.post(path, json=sent).status_code
            assert status == (404 if sent.get("adapter") == "THE-ID" else 200), (name, body)
