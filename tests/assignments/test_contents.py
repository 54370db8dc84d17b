"""Renamed, duplicated, split, re-kernelled or stripped notebooks are graded by their contents, and it is said."""

import nbformat
import pytest

from mlcourse.assignments.contents import read
from mlcourse.assignments.grade import grade

FULL = {"double": 10, "mine": 5, "next": 5, "why": None}


def named(notebook, name):
    return next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == name)


def strip(notebook):
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
    notebook.metadata = nbformat.from_dict({})


def rename_kernel(notebook):
    notebook.metadata.kernelspec.name = "meta-learning-2026"


def duplicate(notebook):
    cell = nbformat.from_dict(named(notebook, "double-answer"))
    notebook.cells.append(cell)


def split(notebook):
    place = notebook.cells.index(named(notebook, "next-answer"))
    notebook.cells.insert(place, nbformat.v4.new_code_cell("one = 1"))
    notebook.cells[place + 1].source = "def next_one(a):\n    return a + one"


def merge(notebook):
    """An answer and its test became one cell."""
    answer, test = named(notebook, "next-answer"), named(notebook, "next")
    answer.source += "\n\n" + test.source
    notebook.cells.remove(test)


def drop_setup(notebook):
    notebook.cells.remove(named(notebook, "setup-1"))


def reverse_ids(notebook):
    for cell in notebook.cells:
        cell["id"] = cell["id"][::-1]


def extra(notebook):
    notebook.cells.insert(0, nbformat.v4.new_code_cell("1 / 0"))
    notebook.cells.append(nbformat.v4.new_raw_cell("raw"))


CHANGES = {
    strip: "no cell is marked as the answer to why",
    rename_kernel: "it names the kernel 'meta-learning-2026'",
    duplicate: "the cell double-answer is there 2 times",
    split: None,
    merge: None,
    drop_setup: "the cell setup-1 was missing, and was put back",
    reverse_ids: None,
    extra: None,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_notebook_keeps_its_points(change, hand_in, toy, wall):
    report = grade(hand_in(change=change), toy, "u1", wall=wall)
    expected = FULL | ({"why": 0} if change is strip else {})
    assert {result.name: result.points for result in report.results} == expected, report
    assert CHANGES[change] is None or any(note.startswith(CHANGES[change]) for note in report.notes)


def test_a_renamed_notebook_is_found_by_what_it_holds(hand_in, tmp_path, toy):
    path = hand_in(name="folder/my homework FINAL (2).ipynb")
    other = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 1")])
    (path.parent / "toy.ipynb").write_text(nbformat.writes(other), encoding="utf-8")
    found = read(path.parent, toy)
    assert found.notes == [
        "of several notebooks my homework FINAL (2).ipynb was graded, not toy.ipynb",
        "the notebook is named my homework FINAL (2).ipynb, not toy.ipynb",
    ]
    assert any("return 2 * a" in cell for cell in found.cells)


def test_an_edited_setup_is_put_back_where_it_stood(hand_in, toy):
    found = read(hand_in({"setup-1": "x = 3"}), toy)
    assert "x = 3" not in found.cells and found.cells[1].startswith("import numpy")
    assert found.notes == ["the cell setup-1 had been changed, and was put back"]


def test_an_old_notebook_is_read(hand_in, toy, tmp_path):
    notebook = nbformat.read(hand_in(), as_version=4)
    for cell in notebook.cells:
        del cell["id"]
    notebook.nbformat_minor = 2
    old = tmp_path / "old" / "toy.ipynb"
    old.parent.mkdir()
    old.write_text(nbformat.writes(notebook), encoding="utf-8")
    assert read(old, toy).notes == []


def test_the_stub_of_a_manual_question_is_no_answer(hand_in, toy):
    assert read(hand_in({"why": "YOUR ANSWER HERE\n"}), toy).texts == {"why": ""}
    assert read(hand_in({"why": "It is so."}), toy).texts == {"why": "It is so."}
