"""The two editions: students get no solution, no source and no key; the lecturer gets all of them."""

import nbformat
import pytest

from mlcourse import paths
from mlcourse.assignments import editions, sets

LESSON = "01_what_is_a_task"


@pytest.fixture(scope="module")
def students(tmp_path_factory):
    out = tmp_path_factory.mktemp("editions") / "student"
    editions.students(out)
    return out


def test_students_get_no_solution(students):
    texts = {path: path.read_text(encoding="utf-8") for path in students.rglob("*.ipynb")}
    lessons = sorted((paths.REPOSITORY / "notebooks").glob("[0-9]*.ipynb"))
    assert {path.name for path in texts} == {path.name for path in lessons} | {
        f"{name}.ipynb" for name in sets.names()
    }
    for path, text in texts.items():
        assert "<summary>Solution</summary>" not in text and "HIDDEN TESTS" not in text, path
    assert any("<summary>Hint 1</summary>" in text for text in texts.values())


def test_a_lesson_keeps_everything_else(students):
    before = nbformat.read(paths.REPOSITORY / "notebooks" / f"{LESSON}.ipynb", as_version=4)
    after = nbformat.read(students / "notebooks" / f"{LESSON}.ipynb", as_version=4)
    changed = [(b, a) for b, a in zip(before.cells, after.cells, strict=True) if b != a]
    assert (
        len(changed)
        == before.cells.__len__() - sum(b == a for b, a in zip(before.cells, after.cells, strict=True))
        > 0
    )
    assert all("solution" in cell.metadata.tags and a.source and a.source in cell.source for cell, a in changed)


def test_the_folder_is_a_course_without_what_is_the_authors(students):
    names = {str(path.relative_to(students)) for path in students.rglob("*")}
    assert {
        "Makefile",
        "pyproject.toml",
        "constraints.txt",
        "mlcourse/__init__.py",
        "data/weights",
        "LICENSE",
    } <= names
    kept_back = ("notebooks/source", "tests", "book", ".git", "notebooks/my_work")
    assert not [name for name in names if name.startswith(kept_back) or "__pycache__" in name]


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(ValueError, match="name a new folder"):
        editions.students(tmp_path)
    with pytest.raises(ValueError, match="name a new folder"):
        editions.instructors(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_lesson_for_teaching_has_notes_mistakes_and_open_solutions():
    before = nbformat.read(paths.REPOSITORY / "notebooks" / f"{LESSON}.ipynb", as_version=4)
    mistakes = editions.said_of_mistakes(LESSON)
    assert len(mistakes["1.1"]) >= 3 and all(said for _, said in mistakes["1.1"])
    taught = editions.for_teaching(before, "**Draw** two loops.", mistakes)
    text = "\n".join(cell.source for cell in taught.cells if cell.cell_type == "markdown")
    assert "## For the lecturer\n\n**Draw** two loops." in taught.cells[1].source
    assert "<details><summary>Solution" not in text and text.count("<details open><summary>Solution") == len(
        mistakes
    )
    assert text.count(editions.WRONG) == len(mistakes)
    nbformat.validate(taught)


def test_every_lesson_has_notes_for_teaching(root):
    lessons = {path.name[:2] for path in (root / "notebooks" / "source").glob("[0-9][0-9]_*.py")}
    notes = {path.stem for path in (root / "notebooks" / "source" / "teaching").glob("*.md")}
    assert notes == lessons


def test_only_the_lecturers_clinic_has_keys(root):
    reports = sorted((root / "notebooks" / "source" / "clinic").glob("[0-9]*.py"))
    assert len(reports) == 10
    for path in reports:
        exam, keys = editions.clinic(path, key=False), editions.clinic(path, key=True)
        assert len(exam.cells) < len(keys.cells)
        assert not [cell for cell in exam.cells if "key" in cell.metadata.get("tags", [])]
