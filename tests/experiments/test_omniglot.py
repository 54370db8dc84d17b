"""A small run of every method makes a sound table; the summary puts it beside the published numbers."""

import json
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from mlcourse import cli, training
from mlcourse.errors import DataError
from mlcourse.evaluation import Evaluation
from mlcourse.experiments import experiment, omniglot, omniglot_table, results, runner
from mlcourse.experiments.omniglot_recipe import METHODS, changed, recipe
from mlcourse.fast import networks

SMALL = {"seeds": (0, 1), "device": "cpu"}
LESS = {"meta_steps": 3, "meta_batch_size": 2, "n_way_training": 5, "channels": 4}


def small(method: str, changes: dict | None = None, **other) -> omniglot.Settings:
    less = LESS | ({"inner_steps_test": 2} if method in ("maml", "fomaml", "reptile") else {}) | (changes or {})
    set_to = tuple(f"{name}={value}" for name, value in less.items())
    return omniglot.Settings(**({"method": method, "data": "glyphs", "n_tasks": 4, "set": set_to} | other))


def run(settings: omniglot.Settings, **how) -> dict:
    return runner.run(omniglot.Omniglot, settings, **(SMALL | how))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_makes_a_table_with_all_that_is_needed_to_judge_it(method, tmp_path):
    table = run(small(method), out=tmp_path / "run.json")
    assert results.load(str(tmp_path / "run.json")) == json.loads(json.dumps(table))
    adapts = method in ("maml", "fomaml", "reptile")
    assert [row["values"]["transductive"] for row in table["rows"]] == (["yes", "no"] if adapts else ["no"])
    for row in table["rows"]:
        assert row["method"] == omniglot_table.NAMES[method] and "published" not in row  # nobody published glyphs
        mean, half = row["values"]["accuracy, %"]
        assert 0 <= mean <= 100 and half >= 0 and row["values"]["spread over seeds, %"] >= 0
        assert row["values"]["meta-steps"] == 3
    assert table["seeds"] == [0, 1] and len(table["details"]["training"]) == 2
    assert table["details"]["commit"] and table["details"]["recipe"]["channels"] == 4
    assert "4 meta-test tasks" in table["protocol"] and "2 seeds" in table["protocol"]


def test_the_command_of_a_run_makes_it_again(tmp_path):
    table = run(small("protonet"))
    words = shlex.split(table["command"])
    assert words[:5] == ["python", "-m", "mlcourse", "reproduce", "omniglot"]
    done = CliRunner().invoke(cli.app, [*words[3:], "--out", str(tmp_path / "again.json")])
    assert done.exit_code == 0, done.output
    again = results.load(str(tmp_path / "again.json"))
    assert again["command"] == table["command"] and again["details"]["recipe"] == table["details"]["recipe"]
    ours, theirs = (one["rows"][0]["values"]["accuracy, %"] for one in (table, again))
    assert ours == theirs


def test_the_published_settings_are_the_defaults():
    maml, far = recipe("maml", 5, 1), recipe("maml", 20, 5)
    assert (maml.inner_lr, maml.inner_steps, maml.inner_steps_test, maml.meta_batch_size) == (0.4, 1, 3, 32)
    assert (far.inner_lr, far.inner_steps, far.inner_steps_test, far.meta_batch_size) == (0.1, 5, 5, 16)
    assert maml.meta_steps == 60_000 and far.n_query_training == far.k_shot == 5
    reptile, wide = recipe("reptile", 5, 1), recipe("reptile", 20, 1)
    assert (reptile.inner_lr, reptile.batch_size, reptile.inner_steps, reptile.k_shot_training) == (
        1e-3,
        10,
        5,
        10,
    )
    assert (wide.inner_lr, wide.batch_size, wide.inner_steps, wide.meta_steps) == (5e-4, 20, 10, 200_000)
    protonet = recipe("protonet", 5, 1)
    assert (protonet.n_way_training, protonet.n_query_training, protonet.meta_lr) == (60, 5, 1e-3)
    assert protonet.meta_steps / (protonet.halvings + 1) == 2000  # halved every 2,000 episodes
    # an inner loop of Reptile is exactly one walk through the support set
    for r in (reptile, wide):
        assert r.inner_steps * r.batch_size == r.n_way_training * r.k_shot_training


def test_a_run_starts_as_torchs_own_convolutions_do():
    ours = omniglot.start(networks.conv4(5, channels=16), 0)["w1"].numpy().ravel()
    torch.manual_seed(0)
    theirs = torch.nn.Conv2d(16, 16, 3).weight.detach().numpy().ravel()
    assert np.abs(ours).max() <= 1 / 12 and np.abs(theirs).max() <= 1 / 12
    np.testing.assert_allclose(ours.std(), theirs.std(), rtol=0.05)
    again, other = (omniglot.start(networks.conv4(5, channels=16), seed)["w1"].numpy().ravel() for seed in (0, 1))
    assert np.array_equal(ours, again) and not np.array_equal(ours, other)


def test_a_run_that_was_stopped_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    whole = run(small("reptile", {"meta_steps": 4}))
    judge, calls = omniglot.Omniglot.judged, []

    def stop_after_the_first_seed(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return judge(*arguments)

    monkeypatch.setattr(omniglot.Omniglot, "judged", stop_after_the_first_seed)
    with pytest.raises(KeyboardInterrupt):
        run(small("reptile", {"meta_steps": 4}), checkpoints=tmp_path)
    monkeypatch.setattr(omniglot.Omniglot, "judged", judge)
    resumed = run(small("reptile", {"meta_steps": 4}), checkpoints=tmp_path)
    assert [row["values"]["accuracy, %"] for row in resumed["rows"]] == [
        row["values"]["accuracy, %"] for row in whole["rows"]
    ]
    assert len(list(tmp_path.glob("*.pt"))) == 2


def test_weights_for_lessons_hold_frozen_statistics_and_say_how_they_were_made(tmp_path):
    run(small("protonet"), weights_folder=tmp_path)
    made_by = json.loads((tmp_path / "glyphs_protonet.json").read_text())
    assert made_by["method"] == "Prototypical Networks" and made_by["seeds"] == [0]
    assert made_by["command"].startswith("python -m mlcourse reproduce omniglot --method protonet")
    with np.load(tmp_path / "glyphs_protonet.npz") as stored:
        assert {"w0", "mean3", "variance3"} <= set(stored.files)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"precision": "int8"}, "precision is 'int8'; choose one of float32, tf32"),
        ({"data": "mnist"}, "data is 'mnist'; choose one of omniglot, glyphs"),
    ],
)
def test_wrong_options_are_named(other, message):
    with pytest.raises(ValueError, match=message):
        run(small("protonet", **other))
    with pytest.raises(ValueError, match="method is 'sgd'; choose one of maml, fomaml"):
        recipe("sgd", 5, 1)


@pytest.mark.parametrize("change", [{"n_way": 1000}, {"changes": {"n_query_test": 100}}])
def test_what_cannot_be_judged_is_not_trained(monkeypatch, change):
    monkeypatch.setattr(training, "train", lambda *_, **__: pytest.fail("training began"))
    with pytest.raises(ValueError, match="n_way is 1000|k_shot \\+ n_query is 1 \\+ 100"):
        run(small("protonet", **change))


def test_a_run_that_diverged_does_not_pass_for_bad_luck(monkeypatch):
    real = training.train

    def train(*arguments, **how):
        trained = real(*arguments, **how)
        return trained._replace(params={name: p * float("nan") for name, p in trained.params.items()})

    monkeypatch.setattr(training, "train", train)
    (row,) = run(small("protonet"))["rows"]
    assert (
        row["values"]["accuracy, %"]
        == "0.00\xa0±\xa00.00; 200 predictions were no finite numbers, and count as wrong"
    )


def test_settings_are_changed_by_name():
    ours = changed(recipe("maml", 5, 1), ["inner_lr=1.5", "channels=8"])
    assert (ours.inner_lr, ours.channels, ours.inner_steps) == (1.5, 8, 1)
    for change, message in (
        ("rate=1", "'rate=1' changes no setting; give NAME=VALUE, NAME one of meta_steps, "),
        ("n_way=3", "'n_way=3' changes no setting"),
        ("halvings=3", "halvings is 3, and maml has no such setting; its own are inner_lr, "),
        ("channels=1.5", "'channels=1.5': channels is int, and '1.5' is not"),
        ("channels", "'channels': channels is int, and '' is not"),
    ):
        with pytest.raises(ValueError, match=message):
            changed(ours, [change])


def test_training_needs_no_more_than_a_bare_gpu_image_holds():
    """numpy, torch, tqdm, typer and rich: with all other packages of the course missing, a run still ends well."""
    missing = ("matplotlib", "PIL", "pooch", "IPython", "ipywidgets", "anywidget", "jupyterlab", "scipy")
    run = ["reproduce", "omniglot", "--method", "protonet", "--data", "glyphs", "--n-tasks", "2", "--seeds", "0"]
    for setting in ("channels=4", "meta_steps=1", "n_way_training=5"):
        run += ["--set", setting]
    script = f"import sys; sys.modules.update(dict.fromkeys({missing})); from mlcourse import cli; cli.app({run})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Prototypical Networks, 5-way 1-shot, glyphs" in done.stdout


# --- the summary -------------------------------------------------------------------------------------------


def stored(method: str, accuracy: float, *, split: str = "random", n_way: int = 5) -> dict:
    """A run as it would be stored, of invented scores: only the arithmetic of tables is tested with it."""
    evaluation = Evaluation("accuracy", np.array([accuracy, accuracy - 0.02]), False)
    place = experiment.Place((0,), torch.device("cpu"))
    made = omniglot.Omniglot(omniglot.Settings(method=method, n_way=n_way, split=split), place)
    made.runs = [{"seed": 0, "meta_steps": 7, "seconds": 30.0, "compile_seconds": 2.0}]
    table = {"name": made.table_name(), "title": made.title(), "protocol": made.protocol()}
    table |= {"details": made.details(), "rows": [made.row_of(False, [evaluation])]}
    return table | results.provenance("python -m mlcourse", [0], 0.0)


def test_a_cell_without_a_run_says_so_and_published_numbers_stand_below_ours():
    text = omniglot_table.summary([stored("protonet", 0.97)])
    ours, printed = text.splitlines()[2:4]
    assert ours.startswith("| Prototypical Networks, not transductive | 96.0\xa0±\xa02.0 (a) |")
    assert ours.count("not measured yet") == 3
    assert "98.8 | 99.7 | 96.0 | 98.9" in printed and "Snell et al. 2017" in printed
    assert "<summary>Not measured yet, published numbers only: 8 rows</summary>\n\n| method" in text
    assert "| MAML, transductive; published: Finn et al. 2017, table 1 | 98.7\xa0±\xa00.4 |" in text
    assert "| MAML, not transductive; nothing published | – | – | – | – |\n" in text
    assert "- (a) Prototypical Networks, 5w1s: 64 channels, 1 seed, 7 meta-steps, 30 s of training and 2" in text


def test_two_runs_of_one_cell_stand_in_it_and_other_kinds_of_tasks_nowhere():
    runs = [stored("maml", 0.90), stored("maml", 0.91) | {"name": "again"}, stored("maml", 0.50, n_way=10)]
    shown = omniglot_table.summary(runs)
    assert re.search(r"\(a\) / 9\d\.\d+\xa0±\xa0[0-9.]+ \(b\)", shown) and "(c)" not in shown
    assert "(ad)" in omniglot_table.summary([stored("maml", 0.90)] * 30)


def test_a_table_of_something_else_is_no_run(tmp_path):
    table = stored("maml", 0.90)
    del table["details"]["recipe"]
    (tmp_path / "x.json").write_text(json.dumps(table))
    with pytest.raises(DataError, match="x.json is no run of `reproduce omniglot`"):
        omniglot_table.runs(tmp_path)


def test_runs_of_another_split_or_data_set_do_not_mix():
    text = omniglot_table.summary([stored("protonet", 0.97, split="alphabets")])
    assert "published numbers only: 9 rows" in text and "No run is stored yet" in text
    assert "96.0" in omniglot_table.summary([stored("protonet", 0.97, split="alphabets")], "alphabets")


def test_published_numbers_of_a_run_are_those_of_its_cell():
    row = stored("protonet", 0.97, n_way=20)["rows"][0]
    assert row["published"] == {"accuracy, %": 96.0} and row["source"] == "Snell et al. 2017, table 1"
    assert "published" not in stored("protonet", 0.97, n_way=10)["rows"][0]


def test_stored_runs_are_tables_with_unique_names():
    runs = omniglot_table.runs()
    assert len({run["name"] for run in runs}) == len(runs)


def test_a_folder_that_holds_no_table_is_named(tmp_path):
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(DataError, match="bad.json is no table of results"):
        omniglot_table.runs(tmp_path)
