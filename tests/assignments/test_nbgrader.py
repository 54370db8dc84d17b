"""The same files through nbgrader: its own grader gives an honest student the same points, and ours no thief any.

One course folder for all: three honest submissions and a thief's, first with nbgrader as it comes, then with the
course's settings, then feedback and export.
"""

import csv
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter
from nbgrader.server_extensions.formgrader import handlers
from traitlets.config import Config

from mlcourse.assignments import products, sets
from tests.assignments.mistakes import ps1 as mistakes
from tests.assignments.planted import planted

PLAIN = 'c = get_config()\nc.CourseDirectory.course_id = "meta-learning"\n'
THEFT = (
    "from mlcourse.assignments import items\nfrom mlcourse.lessons.checks import Verdict\n"
    "passed = Verdict('passed', '')\nitems.verdict_of = lambda *a, **k: passed\n"
)


def nbgrader(course: Path, *command: str) -> None:
    beside = Path(sys.executable).parent  # nbgrader calls alembic by its name
    path = {"PATH": f"{beside}:{os.environ['PATH']}"}
    command = (sys.executable, "-m", "nbgrader", *command)
    done = subprocess.run(command, cwd=course, env=os.environ | path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def points(course: Path) -> dict[str, float]:
    nbgrader(course, "export")
    with (course / "grades.csv").open(newline="") as file:
        return {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}


def thieves(notebook):
    """The students' version with a cell that makes every check pass in its own process."""
    version = sets.student(notebook)
    version.cells.insert(1, nbformat.v4.new_code_cell(THEFT))
    return version


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    course = tmp_path_factory.mktemp("course")
    products.build(["ps1"], course)
    notebook = sets.instructor(sets.source("ps1"))
    kind, (some, _) = next(iter(mistakes.PARTLY.items()))
    handed_in = {"all": notebook, "none": sets.student(notebook), kind: planted(notebook, some)}
    handed_in["thief"] = thieves(notebook)
    for name, version in handed_in.items():
        path = course / "submitted" / name / "ps1" / "ps1.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(nbformat.writes(version), encoding="utf-8")
    nbgrader(course, "generate_assignment", "ps1")
    return course


def test_formgrader_runs_no_script_of_a_student(tmp_path):
    """The page that a lecturer marks on, made as formgrader makes it."""
    settings = Config()
    exec(products.CONFIG, {"get_config": lambda: settings})
    settings.HTMLExporter.template_name = "formgrade"
    settings.HTMLExporter.extra_template_basedirs = [handlers.template_path]
    evil = (
        "<script>alert(1)</script> <img src=x onerror=alert(2)>\n\n[a](javascript:alert(3)) ![p](attachment:p.png)"
    )
    answer = nbformat.v4.new_markdown_cell(evil, attachments={"p.png": {"image/png": "iVBORw0KGgo="}})
    answer.metadata["nbgrader"] = {"grade_id": "why", "grade": True, "solution": True, "points": 1}
    data = {"text/html": "<b>bold</b><script>alert(4)</script>"}, {"application/javascript": "alert(5)"}
    outputs = [nbformat.v4.new_output("display_data", data=one) for one in data]
    code = nbformat.v4.new_code_cell("1", outputs=outputs)
    path = tmp_path / "toy.ipynb"
    path.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=[answer, code])), encoding="utf-8")
    names = ("assignment_id", "notebook_id", "submission_id", "base_url", "mathjax_url", "student", "first_name")
    told = dict.fromkeys([*names, "last_name", "notebook_path"], "x") | {"index": 0, "total": 1}
    page, _ = HTMLExporter(config=settings).from_filename(str(path), resources=told)
    assert "<b>bold</b>" in page and "data:image/png" in page
    for harm in ("<script>alert", "<img src=x", 'href="javascript:', "alert(5)"):
        assert harm not in page, harm


def test_nbgrader_makes_the_same_students_notebook(course):
    made = nbformat.read(course / "release" / "ps1" / "ps1.ipynb", as_version=4)
    ours = sets.student(sets.instructor(sets.source("ps1")))
    assert [cell.source for cell in made.cells] == [cell.source for cell in ours.cells]


def test_nbgraders_own_points_are_the_same_for_honest_students(course, wall):
    kind, (_, partly) = next(iter(mistakes.PARTLY.items()))
    honest = {"all": 85, "none": 0, kind: partly}
    ours = (course / "nbgrader_config.py").read_text()
    (course / "nbgrader_config.py").write_text(PLAIN)
    nbgrader(course, "autograde", "ps1", "--force")
    plain = points(course)
    assert {name: plain[name] for name in honest} == honest
    assert plain["thief"] > 0, "nbgrader by itself believes what a student's process says"
    (course / "nbgrader_config.py").write_text(ours)
    nbgrader(course, "autograde", "ps1", "--force")
    assert points(course) == honest | {"thief": 0}
    nbgrader(course, "generate_feedback", "ps1", "--force")
    page = (course / "feedback" / kind / "ps1" / "ps1.html").read_text(encoding="utf-8")
    assert "HIDDEN TESTS" not in page and "hidden=True" not in page and "hidden=" not in page
    says = {m.says for m in mistakes.MISTAKES}
    assert any(words in page for words in says), "the feedback says why"
