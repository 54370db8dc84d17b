"""An experiment written in a few lines: its table, its command, its options, its weights."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from mlcourse import baselines, experiments
from mlcourse.errors import DataError
from mlcourse.experiments import commands, experiment, results, runner
from mlcourse.experiments.experiment import MISSING, Experiment, Place, option
from mlcourse.tasks import Sinusoids


@dataclass(frozen=True, kw_only=True)
class Settings(experiment.Settings):
    k_shot: int = option(5, "Points of a task.")
    n_tasks: int = option(12, "Meta-test tasks.")
    ridges: tuple[float, ...] = option((0.1, 1.0), "Ridges; repeat for several.")
    hidden: int = option(3)


class Probes(Experiment):
    name = "probes"
    about = "Linear probes."
    settings_type = Settings

    def title(self):
        return "Probes"

    def protocol(self):
        return f"{self.settings.n_tasks} tasks."

    def families(self):
        return {"near": Sinusoids(self.settings.k_shot, 10), "far": Sinusoids(self.settings.k_shot, 20)}

    def learners(self, seed):
        return {f"ridge {ridge}": baselines.linear_probe(ridge * (seed + 1)) for ridge in self.settings.ridges}

    def baselines(self):
        return {"nearest": baselines.nearest_neighbour()}

    def published(self, row):
        return ({"near": 4.2}, "Somebody 2017, table 1") if row == "nearest" else None

    def weights(self):
        return {"probes": ({"w": np.ones(2)}, {"method": "nothing"})}


def test_a_few_lines_make_a_whole_table(tmp_path):
    said = []
    made = runner.run(Probes, seeds=(0, 1), out=tmp_path / "t.json", weights_folder=tmp_path, say=said.append)
    stored = results.load(str(tmp_path / "t.json"))
    assert stored == json.loads(json.dumps(made)) and said == ["seed 0 is done", "seed 1 is done"]
    assert [row["method"] for row in stored["rows"]] == ["ridge 0.1", "ridge 1.0", "nearest"]
    assert stored["rows"][2]["published"] == {"near": 4.2} and "published" not in stored["rows"][0]
    assert all(len(figure) == 2 for row in stored["rows"] for figure in row["values"].values())
    assert set(stored["details"]["spread over seeds"]) == {"ridge 0.1", "ridge 1.0"}
    assert stored["details"]["settings"] == {
        "threads": 1, "k_shot": 5, "n_tasks": 12, "ridges": [0.1, 1.0], "hidden": 3,
    }  # fmt: skip
    assert stored["command"] == "python -m mlcourse reproduce probes --seeds 0 --seeds 1"
    made_by = json.loads((tmp_path / "probes.json").read_text())
    assert made_by["seeds"] == [0] and made_by["method"] == "nothing" and made_by["command"] == stored["command"]


def test_every_row_is_judged_on_the_same_tasks_far_from_the_training_seeds():
    first, again = (runner.run(Probes, seeds=(0,))["rows"] for _ in range(2))
    assert first == again
    assert experiment.TEST_SEED > experiment.VAL_SEED >= experiment.FIRST_SEED_OF_TESTS
    with pytest.raises(ValueError, match="seeds is 1000000; give whole numbers below 1,000,000"):
        runner.run(Probes, seeds=(1_000_000,))


def test_the_command_names_what_differs():
    settings = Settings(ridges=(0.5, 2.0), n_tasks=7, threads=2)
    made = Probes(settings, Place((3,), torch.device("cpu")))
    words = "--threads 2 --n-tasks 7 --ridges 0.5 --ridges 2.0 --seeds 3"
    assert made.command() == f"python -m mlcourse reproduce probes {words}"


def test_threads_come_back():
    before = torch.get_num_threads()
    runner.run(Probes, Settings(threads=before + 1), seeds=(0,))
    assert torch.get_num_threads() == before
    with pytest.raises(ValueError, match="threads is 0"):
        runner.run(Probes, Settings(threads=0), seeds=(0,))


def test_what_is_wrong_is_told_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(Probes, "measure", lambda self: pytest.fail("the work began"))
    with pytest.raises(DataError):
        runner.run(Probes, out=tmp_path)
    with pytest.raises(ValueError, match="seeds"):
        runner.run(Probes, seeds=())
    with pytest.raises(ValueError, match="n_tasks is 1"):
        runner.run(Probes, Settings(n_tasks=1))


# --- commands ----------------------------------------------------------------------------------------------


def invoked(monkeypatch, words, kind=Probes):
    monkeypatch.setattr(commands, "experiment", lambda name: kind)
    from mlcourse.cli import COMMON

    shown, app = [], typer.Typer()
    app.command()(
        commands.command("probes", COMMON, lambda table, as_json: shown.append(table), lambda line: None)
    )
    done = CliRunner().invoke(app, words)
    return done, shown


def test_the_options_of_a_command_are_the_fields(monkeypatch):
    words = ["--k-shot", "4", "--ridges", "0.5", "--seeds", "2", "--n-tasks", "5"]
    done, (table,) = invoked(monkeypatch, words)
    assert done.exit_code == 0, done.output
    assert table["seeds"] == [2] and table["details"]["settings"]["ridges"] == (0.5,)
    assert [row["method"] for row in table["rows"]] == ["ridge 0.5", "nearest"]


def test_what_has_no_words_is_no_option_and_a_cpu_experiment_has_no_device(monkeypatch):
    done, _ = invoked(monkeypatch, ["--help"])
    assert "--k-shot" in done.output and "Points of a task." in done.output
    assert "--hidden" not in done.output and "--device" not in done.output


def test_a_setting_without_a_default_is_asked_for(monkeypatch):
    @dataclass(frozen=True, kw_only=True)
    class Asking(Settings):
        kind: str = option(MISSING, "Which.")

    done, _ = invoked(monkeypatch, [], type("Other", (Probes,), {"settings_type": Asking}))
    assert done.exit_code == 2 and "--kind" in done.output


@pytest.mark.parametrize("name", experiments.NAMES)
def test_every_experiment_has_its_command_name_and_words(name):
    kind = commands.experiment(name)
    assert kind.name == name and kind.about.endswith(".")
    assert kind.settings_type.__dataclass_fields__["threads"].default == 1
    capture = kind.settings_type.__dataclass_fields__.get("capture")  # what trains nothing has none
    assert capture is None or capture.default != "auto", "a stored table's way is fixed"
