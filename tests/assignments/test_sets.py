"""Every problem set: the reference gets all points, the stub none, each planted mistake costs exactly its item.

Students get no solution, no hidden test and no mark scheme, and no two of 200 share their data.
"""

import functools
import importlib
import re

import nbformat
import numpy as np
import pytest

from mlcourse.assignments import sets
from mlcourse.assignments.grade import grade
from mlcourse.assignments.variants import own
from tests.assignments.planted import answers, planted, right_for, verdicts

SETS = sets.names()
SEEDS = 5  # hidden inputs that each reference meets here; its author tried three hundred


@functools.cache
def notebook(name):
    return sets.instructor(sets.source(name))


def mistakes(name):
    return importlib.import_module(f"tests.assignments.mistakes.{name}")


def automatic(name):
    return {item.name: item.points for item in sets.ProblemSet.of(name, notebook(name)).items if not item.manual}


PLANTED = [
    pytest.param(name, m, id=f"{name}-{m.item}-{m.says[:25]}") for name in SETS for m in mistakes(name).MISTAKES
]


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_worth_100_points(name):
    items = sets.ProblemSet.of(name, notebook(name)).items
    assert sum(item.points for item in items) == 100
    assert len({item.name for item in items}) == len(items)


@pytest.mark.parametrize("name", SETS)
def test_the_reference_gets_all_points_whatever_the_inputs(name):
    for seed in range(SEEDS):
        found = verdicts(notebook(name), seed=seed, student=f"u{seed:04d}")
        assert {item: verdict.status for item, verdict in found.items()} == dict.fromkeys(
            automatic(name), "passed"
        ), found


@pytest.mark.parametrize(("name", "mistake"), PLANTED)
def test_a_planted_mistake_costs_its_item_and_is_named(name, mistake):
    found = verdicts(planted(notebook(name), [(mistake.old, mistake.new)]), seed=11)
    assert {item for item in automatic(name) if item not in found or found[item].status != "passed"} == {
        mistake.item
    }
    assert mistake.says in found[mistake.item].message, found[mistake.item].message


@pytest.mark.parametrize("name", SETS)
def test_there_are_ten_mistakes_and_two_for_each_item(name):
    costs = [mistake.item for mistake in mistakes(name).MISTAKES]
    assert len(costs) >= 10
    assert {item: costs.count(item) for item in automatic(name) if costs.count(item) < 2} == {}


@pytest.mark.parametrize("name", SETS)
def test_through_the_walls_it_gives_the_same_points(name, tmp_path, wall):
    """The reference, the stub, and three that are partly right."""
    problem_set = sets.ProblemSet.of(name, notebook(name))
    partly = mistakes(name).PARTLY
    assert len(partly) >= 3
    handed_in = {"all": (notebook(name), sum(automatic(name).values())), "none": (sets.student(notebook(name)), 0)}
    handed_in |= {kind: (planted(notebook(name), some), points) for kind, (some, points) in partly.items()}
    for kind, (version, points) in handed_in.items():
        path = tmp_path / f"{kind}.ipynb"
        path.write_text(nbformat.writes(version), encoding="utf-8")
        assert grade(path, problem_set, "u0001", wall=wall).points == points, kind


@pytest.mark.parametrize("name", SETS)
def test_students_see_no_answer(name):
    version = sets.student(notebook(name))
    text = nbformat.writes(version)
    for hidden in ("BEGIN SOLUTION", "HIDDEN TESTS", "MARK SCHEME", "hidden=True"):
        assert hidden not in text
    assert all("raise NotImplementedError()" in cell.source for cell in answers(version))
    shown = [cell for cell in version.cells if "manual" in cell.metadata.get("tags", [])]
    assert all(cell.source.strip() == "YOUR ANSWER HERE" for cell in shown)


def test_the_stored_students_notebooks_are_those_of_the_sources(root):
    for name in SETS:
        stored = (root / "notebooks" / "assignments" / name / f"{name}.ipynb").read_text(encoding="utf-8")
        assert stored == nbformat.writes(sets.student(notebook(name))) + "\n", f"{name}: make notebooks"


@pytest.mark.parametrize("name", SETS)
def test_every_link_leads_somewhere(name, root):
    folder = root / "notebooks" / "assignments" / name
    text = "\n".join(cell.source for cell in notebook(name).cells if cell.cell_type == "markdown")
    links = [link.split("#")[0] for link in re.findall(r"\]\((?!https?:|#)([^)]+)\)", text)]
    assert links
    assert [link for link in links if not (folder / link).exists()] == []


@pytest.mark.parametrize("name", SETS)
def test_an_answer_on_own_data_is_right_for_one_student_alone(name):
    ids = [f"u{number:04d}" for number in range(1, 16)]
    passed = right_for(notebook(name), ids)
    assert bool(passed) == (name != "ps4")
    for item, pairs in passed.items():
        assert pairs == [(one, one) for one in ids], item


def test_nobody_shares_their_data():
    drawn = np.array([own("ps1/x", f"u{n:04d}").normal(size=3) for n in range(200)])
    apart = np.abs(drawn[:, None] - drawn[None]).max(axis=-1) + np.eye(200)
    assert apart.min() > 1e-3
