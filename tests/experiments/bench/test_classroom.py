"""The bench of a classroom measures each lesson of a folder in a kernel of its own, and the server."""

import nbformat

from mlcourse.experiments import results
from mlcourse.experiments.bench import classroom


def test_every_lesson_is_measured(tmp_path):
    for name, source in {
        "01_small": "x = 1",
        "02_large": "x = bytearray(300_000_000); x[::4096] = x[::4096]",
    }.items():
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
        (tmp_path / f"{name}.ipynb").write_text(nbformat.writes(notebook), encoding="utf-8")
    table = classroom.students(tmp_path)
    results.validate(table)
    memory = {row["method"]: row["values"]["memory, MB"] for row in table["rows"]}
    assert list(memory) == ["JupyterLab's server", "01", "02"]
    assert memory["02"] - memory["01"] > 250
    assert 30 < memory["JupyterLab's server"] < 1000


def test_the_stored_table_covers_the_lessons(root):
    rows = results.load("classroom")["rows"]
    lessons = sorted(path.stem[:2] for path in (root / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    assert [row["method"] for row in rows[1:]] == lessons


def test_the_guide_says_what_was_measured(root):
    """book/classroom.md: 0.65 GB on average with one kernel, 1.4 GB for the largest; 40 students, 26 GB."""
    server, *kernels = [row["values"]["memory, MB"] for row in results.load("classroom")["rows"]]
    assert 0.6 < (server + sum(kernels) / len(kernels)) / 1000 < 0.7
    assert 1.3 < (server + max(kernels)) / 1000 < 1.5
    text = (root / "book" / "classroom.md").read_text(encoding="utf-8")
    assert "0.65 GB on average and 1.4 GB for the largest" in text and "take 26 GB" in text
