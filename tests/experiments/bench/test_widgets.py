"""The bench of widgets makes each that the course has, and says how large it is stored."""

from mlcourse.experiments import results
from mlcourse.experiments.bench import widgets as bench
from mlcourse.lessons import widgets


def test_every_widget_is_made_and_weighed(clock, monkeypatch):
    made = bench.makers()
    assert set(made) == set(widgets.__all__) - {"experiment"}, "experiment is made of a reader's own function"
    slow = {"Stepper": lambda: (clock.move(0.2), widgets.Stepper())[1]}
    monkeypatch.setattr(bench, "makers", lambda: slow)
    table = bench.making(repeats=2)
    results.validate(table)
    (row,) = table["rows"]
    size = len(widgets.Stepper().to_html().encode())
    assert row["values"] == {"to make, s": 0.2, "stored, kB": round(size / 1000)}
    assert table["command"] == "python -m mlcourse bench widgets --repeats 2"
