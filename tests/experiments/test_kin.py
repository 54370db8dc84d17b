"""MAML's kin: a tiny run of the whole path, and what the stored table promises."""

from mlcourse.experiments import kin, results
from mlcourse.experiments.runner import run


def test_a_tiny_run_makes_the_whole_table(tmp_path):
    settings = kin.Settings(meta_steps=3, meta_batch_size=2, n_tasks=4, capture="eager")
    made = run(kin.Kin, settings, seeds=(0, 1), out=tmp_path / "t.json")
    assert [row["method"] for row in made["rows"]] == ["MAML", "ANIL", "Meta-SGD"]
    assert all(list(row["values"]) == ["1 step", "5 steps"] for row in made["rows"])
    assert results.load(str(tmp_path / "t.json"))["command"].startswith("python -m mlcourse reproduce kin")


def test_learned_rates_halve_the_error_of_the_step_that_they_were_learned_for():
    table = results.load("kin")
    assert len(table["seeds"]) == 3 and table["details"]["settings"]["meta_steps"] == 5_000
    one_step = {row["method"]: row["values"]["1 step"] for row in table["rows"]}
    assert one_step["Meta-SGD"][0] < 0.6 * one_step["MAML"][0] < 0.6 * one_step["ANIL"][0]
