"""Renamed, duplicated, split, re-kernelled or stripped notebooks are graded by their contents, and it is said."""

import json

import nbformat
import pytest

from mlcourse.assignments import remote
from mlcourse.assignments.contents import defines, read
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


def import_in_setup(notebook):
    named(notebook, "setup-1").source += "\nimport math"
    named(notebook, "next-answer").source = "def next_one(a):\n    return a + math.exp(0)"


def helper_again(notebook):
    """A helper of an answer is defined anew for a later one."""
    named(notebook, "double-answer").source = "def h(a): return 2 * a\ndef double(a): return h(a)"
    named(notebook, "next-answer").source = "def h(a): return a + 1\ndef next_one(a): return h(a)"


def scratch(notebook):
    """What comes further down takes nothing away."""
    notebook.cells.append(nbformat.v4.new_code_cell("mine = 'scratch'\ndel double\n%reset -f"))


def answered_below(notebook):
    """The answer was written anew under its test; above it stands the first try."""
    named(notebook, "double-answer").source = "def double(a):\n    return a"
    notebook.cells.append(nbformat.v4.new_code_cell("def double(a):\n    return a + a"))


def prose_in_a_cell_of_its_own(notebook):
    named(notebook, "why").source = "YOUR ANSWER HERE"
    notebook.cells.append(nbformat.v4.new_markdown_cell("Because it is so."))


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
    import_in_setup: "the cell setup-1 had been changed; it was run",
    helper_again: None,
    scratch: None,
    answered_below: None,
    prose_in_a_cell_of_its_own: "the cell of why is empty, and there are texts elsewhere",
    reverse_ids: None,
    extra: None,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_notebook_keeps_its_points(change, hand_in, toy, wall):
    report = grade(hand_in(change=change), toy, "u1", wall=wall)
    assert {result.name: result.points for result in report.results} == FULL, report
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
    assert found.cells[1] == "x = 3" and found.cells[2].startswith("import numpy")
    assert found.notes == ["the cell setup-1 had been changed; it was run, and then as it was given"]


def test_an_old_notebook_is_read(hand_in, toy, tmp_path):
    notebook = nbformat.read(hand_in(), as_version=4)
    for cell in notebook.cells:
        del cell["id"]
    notebook.nbformat_minor = 2
    old = tmp_path / "old" / "toy.ipynb"
    old.parent.mkdir()
    old.write_text(nbformat.writes(notebook), encoding="utf-8")
    assert read(old, toy).notes == []


def test_a_notebook_as_other_programs_write_it_is_read(hand_in, toy, tmp_path):
    told = json.loads(hand_in().read_text(encoding="utf-8"))
    for cell in told["cells"]:
        cell["source"] = cell["source"] if isinstance(cell["source"], list) else [cell["source"]]
        if cell["cell_type"] == "code":
            cell["outputs"] = None
        cell["source"] = [text.replace("\n", "\r\n") for text in cell["source"]]
    del told["cells"][0]["metadata"]
    other = tmp_path / "other" / "toy.ipynb"
    other.parent.mkdir()
    other.write_text("\ufeff" + json.dumps(told), encoding="utf-8")
    assert read(other, toy) == read(hand_in(), toy)


def test_what_defines_an_answer_is_found_and_hostile_texts_are_read_at_once():
    again = ["mine = 3", "mine: float = 3", "other, mine = 1, 2", "if x:\n    mine = 2", "def mine(a): pass"]
    assert all(defines([cell], ("mine",)) for cell in again)
    no_more = ["f(mine=3)", "mine == 3", "mines = 3", "print(mine)", "yours(mine)"]
    assert not any(defines([cell], ("mine",)) for cell in no_more)
    assert not defines(["mine, " * 10**6, "mine\n" * 10**6, "\n" * 10**6 + "mine"], ("mine", "other"))


def test_of_two_copies_the_answered_one_is_graded(hand_in, toy):
    solved = hand_in(name="two/toy-Copy1.ipynb")
    hand_in({"double-answer": "raise NotImplementedError()"}, name="two/toy.ipynb")
    assert read(solved.parent, toy).notes[0] == "of several notebooks toy-Copy1.ipynb was graded, not toy.ipynb"


def test_cells_below_the_last_item_are_not_run(hand_in, toy, wall, monkeypatch):
    """So experiments for a written answer, however long, cost nothing and cannot lose what was right."""
    monkeypatch.setattr(remote, "SECONDS_A_CELL", 1.0)

    def experiments(notebook):
        notebook.cells += [nbformat.v4.new_code_cell("while True: pass") for _ in range(9)]

    report = grade(hand_in(change=experiments), toy, "u1", wall=wall)
    assert {result.name: result.points for result in report.results} == FULL and report.stopped == ()


def test_a_notebook_that_names_another_student_is_noted(hand_in, toy, wall):
    def says(name):
        return grade(hand_in(change=lambda book: named_student(book, name)), toy, "u1", wall=wall).notes

    def named_student(book, name):
        next(cell for cell in book.cells if cell.source.startswith("STUDENT")).source = f'STUDENT = "{name}"'

    assert says("U1") == ()
    assert says("u2") == ("the notebook says that it is of 'u2': own data are those of u1",)


def test_the_stub_of_a_manual_question_is_no_answer(hand_in, toy):
    assert read(hand_in({"why": "YOUR ANSWER HERE\n"}), toy).texts == {"why": ""}
    assert read(hand_in({"why": "It is so."}), toy).texts == {"why": "It is so."}
