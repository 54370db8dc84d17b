"""Every exercise of every notebook: the stub is not attempted, the solution passes, planted mistakes are named."""

from collections import Counter

import pytest

from tests.notebooks import exercises as harness
from tests.notebooks.exercises import ROOT, Mistake, exercises, mistakes, outcomes, sources

ALL = [
    pytest.param(source, exercise, id=exercise.number) for source in sources() for exercise in exercises(source)
]
PLANTED = [
    pytest.param(source, exercise, index, id=f"{exercise.number}-{mistake.says[:30]}")
    for source, exercise in (param.values for param in ALL)
    for index, mistake in enumerate(mistakes(source).get(exercise.number, []))
]
# An appendix has the exercises that moved there, perhaps none
LESSONS = [
    pytest.param(source, id=source.stem)
    for source in sources()
    if not source.name.startswith("00") and not harness.is_appendix(source)
]


@pytest.mark.parametrize(("source", "exercise"), ALL)
def test_the_stub_is_not_attempted(source, exercise):
    verdict = outcomes(source)[exercise.number].stub
    assert getattr(verdict, "status", None) == "not attempted", verdict


@pytest.mark.parametrize(("source", "exercise"), ALL)
def test_the_solution_passes(source, exercise):
    verdict = outcomes(source)[exercise.number].solution
    assert getattr(verdict, "status", None) == "passed", verdict
    assert verdict.exercise == f"Exercise {exercise.number} · {exercise.title}", "heading and check disagree"


@pytest.mark.parametrize(("source", "exercise", "index"), PLANTED)
def test_a_planted_mistake_is_named(source, exercise, index):
    verdict = outcomes(source)[exercise.number].mistakes[index]
    assert getattr(verdict, "status", None) == "wrong", verdict
    assert mistakes(source)[exercise.number][index].says in verdict.message


@pytest.mark.parametrize(("source", "exercise"), ALL)
def test_there_are_three_planted_mistakes_with_messages_of_their_own(source, exercise):
    messages = [verdict.message for verdict in outcomes(source)[exercise.number].mistakes]
    assert len(messages) >= 3, f"write tests/notebooks/mistakes/nb{source.name[:2]}.py"
    assert len(set(messages)) == len(messages), messages
    for mistake in mistakes(source)[exercise.number]:
        assert sum(mistake.says in message for message in messages) == 1, mistake.says


@pytest.mark.parametrize("source", LESSONS)
def test_a_lesson_has_three_exercises_with_numbers_of_their_own(source):
    numbers = [exercise.number for exercise in exercises(source)]
    assert len(numbers) >= 3
    assert max(Counter(numbers).values()) == 1
    assert all(number.startswith(f"{int(source.name[:2])}.") for number in numbers)
    there = {e.number for page in sources() if page.name[:2] == source.name[:2] for e in exercises(page)}
    assert mistakes(source).keys() <= there, "mistakes for an exercise that is not there"


def test_every_notebook_that_is_published_is_tested():
    """The tests above find sources by their names: a notebook without a source there would escape them."""
    published = {path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb")}
    assert published <= {source.stem for source in sources()}


NOTEBOOK = """
# %% tags=["setup"]
import numpy as np
from mlcourse.lessons.checks.compare import compare
from mlcourse.lessons.checks.verdict import exercise

@exercise("9.1", "A mean")
def check_mean(answer):
    yield compare(answer(np.array([1.0, 2.0, 6.0])), 3.0, counts={"numbers": 3}, diagnoses=[(2.0, "the median")])

@exercise("9.2", "Its double")
def check_double(answer):
    yield compare(answer, 6.0)

# %% [markdown]
# ### Exercise 9.1 ●○○○○ A mean

# %% tags=["exercise"]
def mean(x):
    return ...

# %% tags=["check"]
check_mean(mean)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# ```python
# len(x)
# ```
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def mean(x):
#     return np.sum(x) / len(x)
# ```
# </details>

# %%
raise RuntimeError("cells without the tag are not run")

# %% [markdown]
# ### Exercise 9.2 ●○○○○ Its double

# %% tags=["exercise"]
double = ...

# %% tags=["check"]
check_double(double)

# %% [markdown] tags=["solution"]
# <details><summary>Solution</summary>
#
# ```python
# double = 2 * mean(np.array([1.0, 2.0, 6.0]))
# ```
# </details>
"""


@pytest.fixture
def notebook(tmp_path):
    path = tmp_path / "source" / "09_example.py"
    path.parent.mkdir()
    path.write_text(NOTEBOOK, encoding="utf-8")
    return path


def test_the_harness_reads_and_judges_a_notebook(notebook, monkeypatch):
    planted = [
        Mistake("np.sum(x) / len(x)", "np.median(x)", "median"),
        Mistake(" / len(x)", "", "a sum over the numbers"),
        Mistake("np.sum", "np.summ", "AttributeError"),
        Mistake("x", "y", "occurs too often"),
    ]
    monkeypatch.setattr(harness, "mistakes", lambda source: {"9.1": planted})
    first, second = outcomes(notebook).values()
    assert (first.stub.status, first.solution.status) == ("not attempted", "passed")
    assert (second.stub.status, second.solution.status) == ("not attempted", "passed")
    for mistake, verdict in zip(planted[:3], first.mistakes[:3], strict=True):
        assert verdict.status == "wrong" and mistake.says in verdict.message
    assert "in line 2" in first.mistakes[2].message
    assert isinstance(first.mistakes[3], ValueError)


@pytest.mark.parametrize(
    ("cut", "problem"),
    [
        ("# ### Exercise 9.1 ●○○○○ A mean", "a stub without its own heading"),
        ('# %% tags=["check"]\ncheck_mean(mean)', "without a stub and a check"),
        ("<summary>Solution</summary>", "no ```python fence"),
        (NOTEBOOK[NOTEBOOK.rindex('# %% [markdown] tags=["solution"]') :], "without its solution cell"),
    ],
)
def test_the_harness_says_what_is_missing(notebook, cut, problem):
    notebook.write_text(NOTEBOOK.replace(cut, ""), encoding="utf-8")
    with pytest.raises(ValueError, match=problem):
        exercises(notebook)
