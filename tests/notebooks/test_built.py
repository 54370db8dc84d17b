"""The stored notebooks are what their sources give, ran without an error, and have what readers rely on."""

from __future__ import annotations

import pathlib
import re
import runpy
import subprocess
import sys

import nbformat
import pytest

from mlcourse.lessons.widgets.saving import WIDGET_VIEW
from tests.notebooks.exercises import is_appendix

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = runpy.run_path(str(ROOT / "notebooks/source/build.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
# 00 says how the others work; an appendix has no quiz, and only the exercises that moved there
LESSONS = [path for path in NOTEBOOKS[1:] if not is_appendix(path)]
LARGEST_MB = 2
SECTIONS = [
    "Before you start",
    "What can go wrong",
    "Quiz",
    "What you can do now",
    "What comes next",
    "References",
]
EXERCISE = re.compile(r"^### Exercise (\d+)\.(\d+) ([●○]{5}) \S.*$", re.MULTILINE)
EXERCISE_WHY = re.compile(r"\*\d+ minutes\. Why it matters: .+?\*", re.DOTALL)

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
every_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


def cells(path: pathlib.Path, kind: str | None = None) -> list[nbformat.NotebookNode]:
    found = nbformat.read(path, as_version=4).cells
    return [cell for cell in found if kind in (None, cell.cell_type)]


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def words(path: pathlib.Path) -> str:
    return "\n\n".join(cell.source for cell in cells(path, "markdown"))


def outputs(path: pathlib.Path) -> list[nbformat.NotebookNode]:
    return [output for cell in cells(path, "code") for output in cell.outputs]


def section(path: pathlib.Path, title: str) -> str:
    """The words from one `## ` heading to the next."""
    found = re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", words(path), re.MULTILINE | re.DOTALL)
    assert found, f"{path.name} has no section `## {title}`"
    return found[1]


def test_there_is_a_notebook_for_every_source() -> None:
    sources = sorted(path.stem for path in (ROOT / "notebooks/source").glob("[0-9]*.py"))
    assert sources and [path.stem for path in NOTEBOOKS] == sources


def test_notebooks_are_what_their_sources_give() -> None:
    build = [sys.executable, str(ROOT / "notebooks/source/build.py"), "--check"]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@every_notebook
def test_every_cell_ran_without_an_error_or_a_warning(path: pathlib.Path) -> None:
    assert [cell.source for cell in cells(path, "code") if cell.source and cell.execution_count is None] == []
    assert [output.ename for output in outputs(path) if output.output_type == "error"] == []
    streams = [output.text for output in outputs(path) if output.output_type == "stream"]
    assert [text for text in streams if re.search(r"Warning\b|Traceback", text)] == []


@every_notebook
def test_nothing_stored_needs_a_kernel(path: pathlib.Path) -> None:
    assert "widgets" not in nbformat.read(path, as_version=4).metadata
    assert [output for output in outputs(path) if WIDGET_VIEW in output.get("data", {})] == []
    assert path.stat().st_size < LARGEST_MB * 1e6


@every_notebook
def test_every_picture_is_an_img_with_words(path: pathlib.Path) -> None:
    data = [output.data for output in outputs(path) if "data" in output]
    assert [kind for bundle in data for kind in bundle if kind.startswith("image/")] == []
    images = [image for bundle in data for image in re.findall(r"<img\b[^>]*>", bundle.get("text/html", ""))]
    assert [image[:120] for image in images if not re.search(r'\balt="[^"]+"', image)] == []


@every_notebook
def test_claims_are_hidden_in_the_page_and_in_the_book(path: pathlib.Path) -> None:
    claims = [cell for cell in cells(path, "code") if "claims" in tags(cell)]
    assert [cell.source for cell in claims if "remove-cell" not in tags(cell)] == []
    assert [c.source for c in claims if not c.metadata.get("jupyter", {}).get("source_hidden")] == []
    lesson = [cell for cell in cells(path, "code") if not {"claims", "exercise", "check"} & set(tags(cell))]
    assert [cell.source for cell in lesson if re.search(r"^\s*assert ", cell.source, re.MULTILINE)] == []


@every_notebook
def test_title_comes_first_and_is_the_only_one(path: pathlib.Path) -> None:
    assert cells(path)[0].source.startswith("# ")
    assert len(re.findall(r"^# \S", re.sub(r"```.*?```", "", words(path), flags=re.DOTALL), re.MULTILINE)) == 1


@every_lesson
def test_sections_are_there_in_order(path: pathlib.Path) -> None:
    headings = re.findall(r"^## (.+)$", words(path), re.MULTILINE)
    assert [heading for heading in headings if heading in SECTIONS] == SECTIONS
    assert headings[0] == SECTIONS[0]


@every_lesson
@pytest.mark.parametrize("says", ["able to", "need", "minutes", "seconds", "skip"])
def test_cover_says_what_a_reader_asks_first(says: str, path: pathlib.Path) -> None:
    assert says in section(path, "Before you start").lower()


@every_lesson
def test_every_prediction_has_code_and_then_an_answer(path: pathlib.Path) -> None:
    every = cells(path)
    asked = [i for i, cell in enumerate(every) if re.search(r"^\*\*Predict\.\*\*", cell.source, re.MULTILINE)]
    answered = [i for i, cell in enumerate(every) if cell.source.startswith("**What you saw.**")]
    assert asked and len(asked) == len(answered)
    for question, answer in zip(asked, answered, strict=True):
        kinds = {every[i].cell_type for i in range(question + 1, answer)}
        assert "code" in kinds, every[question].source


@every_notebook
def test_every_answer_waits(path: pathlib.Path) -> None:
    """All that is put out between a question and what was seen is closed in JupyterLab, and nothing else is."""
    every, closed, asked = cells(path), [], False
    for i, cell in enumerate(every):
        asked = asked and not cell.source.startswith("**What you saw.**")
        if asked and cell.cell_type == "code" and cell.outputs:
            closed.append(i)
        asked = asked or (cell.cell_type == "markdown" and re.search(r"^\*\*Predict\.\*\*", cell.source, re.M))
    assert closed == [i for i, cell in enumerate(every) if cell.metadata.get("collapsed")]
    assert closed == [i for i, cell in enumerate(every) if cell.metadata.get("jupyter", {}).get("outputs_hidden")]
    assert all("answer" in tags(every[i]) for i in closed)
    assert all(every[i].outputs[0].data == {"text/html": " "} for i in closed), "JupyterLab shows the first line"


RULE = """# %% [markdown]
# **Predict.** How much?

# %% tags=["setup"]
x = 1

# %% [markdown]
# More words.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
x

# %% tags=["claims", "remove-cell"]
assert x

# %% [markdown]
# **What you saw.** One.
#
# **Predict.** And now?

# %%
x + 1

# %% [markdown]
# ## Another section

# %%
x + 2

# %% [markdown]
# **What you saw.** This answers nothing.
"""


def test_an_answer_ends_where_it_should(tmp_path: pathlib.Path) -> None:
    """A section without words on what was seen: the second answer is one cell."""
    (tmp_path / "rule.py").write_text(RULE)
    made = BUILD["from_source"](tmp_path / "rule.py").cells
    assert [i for i, cell in enumerate(made) if "answer" in tags(cell)] == [1, 3, 5, 6]
    assert tags(made[1]) == ["setup", "answer"]


def test_only_what_is_put_out_is_closed_and_words_change_no_id(tmp_path: pathlib.Path) -> None:
    source = tmp_path / "rule.py"
    source.write_text(RULE)
    made = BUILD["from_source"](source)
    made.cells[3].outputs = [nbformat.v4.new_output("stream", text="1")]
    stored = nbformat.reads(BUILD["text_of"](made), as_version=4)
    assert [output.get("text", "blank") for output in stored.cells[3].outputs] == ["blank", "1"]
    assert BUILD["text_of"](stored) == BUILD["text_of"](made), "a blank line is put there once"
    assert [i for i, cell in enumerate(stored.cells) if cell.metadata.get("collapsed")] == [3]
    assert stored.cells[3].metadata["jupyter"] == {"source_hidden": True, "outputs_hidden": True}
    source.write_text(RULE.replace("**Predict.** How", "How"))
    assert BUILD["same_code"](BUILD["from_source"](source), made)


@every_notebook
def test_a_folded_cell_of_claims_says_what_it_is(path: pathlib.Path) -> None:
    claims = [cell.source for cell in cells(path, "code") if "claims" in tags(cell)]
    assert all(source.startswith("# The numbers in the text, checked\n") for source in claims)


@every_lesson
def test_exercises_are_whole(path: pathlib.Path) -> None:
    every = cells(path)
    stubs = [i for i, cell in enumerate(every) if "exercise" in tags(cell)]
    assert len(stubs) >= 3
    last = 0
    for i in stubs:
        heading, check, solution = every[i - 1], every[i + 1], every[i + 2]
        found = EXERCISE.search(heading.source)
        assert found, f"no exercise heading before: {every[i].source}"
        assert int(found[1]) == int(path.name[:2]) and int(found[2]) > last
        last = int(found[2])
        assert re.fullmatch("●+○*", found[3]) and EXERCISE_WHY.search(heading.source), heading.source
        assert "..." in every[i].source
        assert tags(check) == ["check"] and re.fullmatch(r"checks\.nb\d\d\.\w+\(.*\)", check.source)
        assert "solution" in tags(solution)
        assert re.findall(r"<summary>(.*?)</summary>", solution.source) == ["Hint 1", "Hint 2", "Solution"]
        assert "```python\n" in solution.source


@every_lesson
def test_quiz_has_three_questions_with_reasons(path: pathlib.Path) -> None:
    quiz = section(path, "Quiz")
    assert len(re.findall(r"<details", quiz)) == len(re.findall(r"</details>", quiz)) == 3


@every_notebook
def test_markdown_inside_details_stands_between_blank_lines(path: pathlib.Path) -> None:
    """Without them Jupyter and the book show the Markdown raw."""
    tight = re.findall(r"</summary>\n(?!>?\n).*|[^\n>]\n(?:> )?</details>", words(path))
    assert tight == []


@every_notebook
def test_links_to_files_lead_somewhere(path: pathlib.Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", words(path))
    local = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in local if not (path.parent / link).exists()] == []
