"""Find a notebook's exercises in its source; try the stub, the solution and planted mistakes on the checks.

An exercise is a code cell tagged `exercise` (the stub) under a heading `### Exercise 5.1 ●●○○○ Title`, the next
code cell tagged `check`, and the next Markdown cell tagged `solution`, whose last ```python fence, after
`<summary>Solution</summary>`, is the solution. Cells tagged `setup` are what exercises need of the lesson;
nothing else is run. Cells run in the notebook's order, and each exercise leaves its solution to what follows.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import importlib.util
import linecache
import os
import re
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import NamedTuple

import jupytext

from mlcourse.lessons.checks import Verdict

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "notebooks" / "source"
HEADING = re.compile(r"^### Exercise (\d+\.\d+) [●○]{5} (.+)$", re.MULTILINE)
SOLUTION = re.compile(r"<summary>Solution</summary>.*```python\n(.*?)\n```", re.DOTALL)
numbers = count(1)


class Mistake(NamedTuple):
    """A one-line substitution in a solution, and words that the check says about it."""

    old: str
    new: str
    says: str


@dataclass(frozen=True)
class Exercise:
    """An exercise as its cells say it."""

    number: str
    title: str
    stub: str
    check: str
    solution: str


@dataclass
class Outcome:
    """What the check said: a verdict for each answer, or an exception where there should be none."""

    stub: Verdict | Exception | None = None
    solution: Verdict | Exception | None = None
    mistakes: list[Verdict | Exception] = field(default_factory=list)


def is_appendix(path: Path) -> bool:
    """Whether a notebook, or its source, holds what a lesson had no room for, NNb_name, or a clinic, NNc_name."""
    return bool(re.match(r"\d\d[bc]_", path.name))


def sources(folder: Path = SOURCES) -> list[Path]:
    """Return the notebooks' sources in reading order."""
    return sorted(folder.glob("[0-9]*.py"))


@functools.cache
def parts(source: Path) -> list[str | Exercise]:
    """Read a notebook: its `setup` cells, as source, and its exercises, in their order."""
    found, heading, stub, check = [], None, None, None
    for cell in jupytext.read(source).cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "markdown" and HEADING.search(cell.source):
            heading = HEADING.findall(cell.source)[-1]
        if "setup" in tags:
            found.append(cell.source)
        if "exercise" in tags:
            _require(heading and not stub, source, "a stub without its own heading `### Exercise N.M ●●○○○ Title`")
            stub = cell.source
        elif "check" in tags:
            _require(stub, source, f"a check without a stub before it: {cell.source}")
            check = cell.source
        elif "solution" in tags:
            answer = SOLUTION.search(cell.source)
            _require(check, source, "a solution without a stub and a check before it")
            _require(answer, source, f"no ```python fence after <summary>Solution</summary> in {heading[0]}")
            found.append(Exercise(*heading, stub, check, answer[1]))
            heading = stub = check = None
    _require(not stub, source, "an exercise without its solution cell")
    return found


def _require(condition: object, source: Path, problem: str) -> None:
    if not condition:
        raise ValueError(f"{source.name}: {problem}")


def exercises(source: Path) -> list[Exercise]:
    """Return a notebook's exercises."""
    return [part for part in parts(source) if isinstance(part, Exercise)]


@functools.cache
def mistakes(source: Path) -> dict[str, list[Mistake]]:
    """Return the mistakes planted in a notebook, by exercise number; none if nobody has written them."""
    name = f"tests.notebooks.mistakes.nb{source.name[:2]}"
    return importlib.import_module(name).MISTAKES if importlib.util.find_spec(name) else {}


def plant(solution: str, mistake: Mistake) -> str:
    """Put a mistake into a solution."""
    occurrences = solution.count(mistake.old)
    if occurrences != 1 or "\n" in mistake.old + mistake.new:
        raise ValueError(f"{mistake.old!r} is {occurrences} times in the solution; give a piece of one line, once")
    return solution.replace(mistake.old, mistake.new)


@functools.cache
def outcomes(source: Path) -> dict[str, Outcome]:
    """Run a notebook's `setup` cells and exercises once, and say what every check made of every answer."""
    os.environ.setdefault("MPLBACKEND", "agg")
    namespace: dict = {"__name__": "__main__"}
    found = {}
    with contextlib.chdir(source.parents[1]):  # notebooks run in their own folder
        for part in parts(source):
            if isinstance(part, str):
                run(part, namespace)
                continue
            planted = mistakes(source).get(part.number, [])
            found[part.number] = Outcome(
                _judge(part, lambda part=part: part.stub, namespace),
                _judge(part, lambda part=part: part.solution, namespace),
                [_judge(part, lambda p=part, m=m: plant(p.solution, m), namespace) for m in planted],
            )
            run(part.solution, namespace)
    return found


def _judge(exercise: Exercise, answer, namespace: dict) -> Verdict | Exception:
    """Run an answer and then the check, in a copy of the namespace, so that answers do not see each other."""
    namespace = dict(namespace)
    try:
        run(answer(), namespace)
        return run(exercise.check, namespace)
    except Exception as error:
        return error


def run(source: str, namespace: dict) -> object:
    """Run a cell as a kernel does: with its source at hand for tracebacks; return its last expression's value."""
    name = f"<cell {next(numbers)}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    tree = ast.parse(source, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), namespace)
    return eval(compile(ast.Expression(last.value), name, "eval"), namespace) if last else None
