"""Gradescope's zip: unpacked as its container does, it grades a submission and gives the same points."""

import json
import subprocess
import sys
import zipfile

import nbformat
import pytest

from mlcourse.assignments import gradescope, products, sets
from mlcourse.assignments.grade import Report, Result, grade


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    out = tmp_path_factory.mktemp("course")
    products.build(["ps1"], out)
    return out


def test_the_zip_holds_what_gradescope_runs(course):
    with zipfile.ZipFile(course / "gradescope" / "ps1.zip") as archive:
        names = set(archive.namelist())
        modes = {name: archive.getinfo(name).external_attr >> 16 for name in ("setup.sh", "run_autograder")}
    assert {"setup.sh", "run_autograder", "tests/ps1.ipynb", "mlcourse/__init__.py", "constraints.txt"} <= names
    assert set(modes.values()) == {0o755}
    for script in (products.SETUP, products.RUN):
        assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


def test_it_gives_the_same_points(course, tmp_path, wall):
    with zipfile.ZipFile(course / "gradescope" / "ps1.zip") as archive:
        archive.extractall(tmp_path / "source")
    notebook = sets.instructor(sets.source("ps1"))
    (tmp_path / "submission").mkdir()
    handed_in = tmp_path / "submission" / "my work.ipynb"
    handed_in.write_text(nbformat.writes(notebook))
    (tmp_path / "submission_metadata.json").write_text(
        json.dumps({"users": [{"sid": "", "email": "ann@example.org"}]})
    )
    command = [sys.executable, "-m", "mlcourse.assignments.gradescope", str(tmp_path)]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path / "source"), "HOME": str(tmp_path)}
    subprocess.run(command, check=True, cwd=tmp_path / "source", env=environment)
    told = json.loads((tmp_path / "results" / "results.json").read_text())
    ours = grade(handed_in, sets.ProblemSet.of("ps1", notebook), "ann@example.org", wall=wall)
    assert told["score"] == ours.points == 85
    assert [test["score"] for test in told["tests"][:-1]] == [result.points or 0 for result in ours.results]
    assert told["tests"][-1]["visibility"] == "hidden" and "Walls: bubblewrap" in told["tests"][-1]["output"]


def test_notes_are_hidden_from_students():
    report = Report("u1", "ps1", "", (Result("a", 0, 10, "wrong", "The sign."),), notes=("right for u2",))
    told = gradescope.results(report, "none")
    visible = [test for test in told["tests"] if test.get("visibility") != "hidden"]
    assert "u2" not in json.dumps([visible, told["output"]])
