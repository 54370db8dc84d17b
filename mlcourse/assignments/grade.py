"""Grade one submission: its cells run inside walls, the tests run here, and only answers go between.

    report = grade(Path("submitted/u0001/ps1/ps1.ipynb"), problem_set, "u0001", wall="bubblewrap")

The grading process never runs a student's code. It runs the cells that the set gives and the test cells of the
lecturer's notebook, in which `item` asks the student's process for the answers. Hidden inputs are drawn anew for
each submission, from a seed that the report names.
"""

import contextlib
import io
import re
import secrets
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mlcourse.assignments import contents, variants
from mlcourse.assignments.items import Findings, NotYet, judged_by, verdict_of
from mlcourse.assignments.remote import Box, Lost, Missing, Student
from mlcourse.assignments.sets import Item, ProblemSet
from mlcourse.assignments.walls import Wall
from mlcourse.lessons.checks.verdict import Verdict

SECONDS_OF_A_CHECK = 20.0  # of this process: an answer may be built to keep a check busy
LONGEST_TEXT, LONGEST_MESSAGE = 20_000, 2_000  # characters of a written answer, and of what is said of an item
OWN = "own("


class Busy(BaseException):
    """A check has taken too long; no `except Exception` on the way holds it up."""


@dataclass(frozen=True)
class Result:
    """What one item brought. `points` is None while a person has to mark it; `text` is what is to be marked."""

    name: str
    points: float | None
    most: float
    status: str
    message: str
    text: str = ""


@dataclass(frozen=True)
class Report:
    """What grading a submission found.

    Attributes:
        results: one for each item, in the set's order.
        stopped: what the student is told about cells that stopped.
        notes: for the lecturer alone: the state of the notebook, answers that are right for another student.
        seed: of the hidden inputs.
    """

    student: str
    problem_set: str
    file: str
    results: tuple[Result, ...]
    stopped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seed: int = 0

    @property
    def points(self) -> float:
        """The points so far: manual questions that nobody has marked bring none."""
        return sum(result.points or 0 for result in self.results)


def grade(
    path: Path,
    problem_set: ProblemSet,
    name: str,
    *,
    wall: Wall,
    others: tuple[str, ...] = (),
    seed: int | None = None,
) -> Report:
    """Grade one submission.

    Args:
        path: the notebook, or a folder that holds it.
        name: the student's id, from the roster or the folder.
        others: ids of all students, to tell whose answer is right for another.
        seed: of the hidden inputs; None draws one.
    """
    seed = secrets.randbits(32) if seed is None else seed
    try:
        held = contents.read(path, problem_set)
    except contents.NoNotebook as error:
        why = printable(str(error))  # a person has to look at it: what cannot be read is not yet wrong
        results = tuple(
            Result(item.name, None, item.points, "to be marked", why, why) for item in problem_set.items
        )
        return Report(name, problem_set.name, printable(str(path)), results, notes=(why,), seed=seed)
    with Box(wall) as box, variants.graded_as(name):
        student = Student(box, held.cells, name)
        sitting = Sitting(problem_set, student, held, others, np.random.default_rng(seed))
        results = sitting.results()
    stopped = (f"Code cell {number + 1} stopped: {why}" for number, why in sorted(student.stopped.items()))
    notes = (*held.notes, *_of_another(held.cells, name), *sitting.notes)
    said = tuple(map(printable, stopped)), tuple(map(printable, notes))
    return Report(name, problem_set.name, printable(str(path)), results, *said, seed)


def printable(text: str) -> str:
    """A text that students had a hand in, so that it can be written anywhere."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in whole)


def _of_another(cells: list[str], name: str) -> list[str]:
    """A note, if the notebook names another student than the one for whom it was handed in."""
    said = {told for cell in cells for told in re.findall(r"^STUDENT *= *[\"']([^\"'\n]+)[\"']", cell, re.M)}
    other = [told for told in sorted(said) if told.strip().lower() != name.lower()]
    return [f"the notebook says that it is of {other[0]!r}: own data are those of {name}"] if other else []


@dataclass
class Sitting:
    """The items of one submission: first what is visible of each, then what is hidden.

    A visible check tells values. So none runs after a hidden one, whose inputs a student's code could have kept.
    An answer is asked for where its test stands, so that later cells take nothing from it and need not run; and,
    where it is defined anew further down, at the end, too. It is right if it is right at one of the two.
    """

    problem_set: ProblemSet
    student: Student
    held: contents.Contents
    others: tuple[str, ...]
    rng: np.random.Generator
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.namespace: dict[str, Any] = {"__name__": "__grader__"}
        self.had: dict[tuple[str, int, str], Any] = {}
        self.names: tuple[str, ...] = ()
        with judged_by(self._decide), contextlib.redirect_stdout(io.StringIO()):
            for source in self.problem_set.given:
                self._run(source)

    def results(self) -> tuple[Result, ...]:
        """What each item brings."""
        end = len(self.held.cells)
        automatic = [item for item in self.problem_set.items if not item.manual]
        asked = sorted(((self.held.places.get(item.name, end), item) for item in automatic), key=lambda at: at[0])
        wrong: dict[str, dict[int, Result]] = {item.name: {} for item in automatic}
        self.hidden, at_the_end = False, []
        for place, item in asked:
            self._judge(item, place, wrong)
            if contents.defines(self.held.cells[place:], self.names):
                at_the_end.append((end, item))
        for place, item in at_the_end:
            self._judge(item, place, wrong)
        self.hidden, right = True, set()
        for place, item in asked + at_the_end:
            if item.name not in right and place not in wrong[item.name]:
                self._judge(item, place, wrong)
                right |= set() if place in wrong[item.name] else {item.name}
        last = {name: found[max(found)] for name, found in wrong.items() if name not in right}
        return tuple(last.get(item.name) or self._whole(item) for item in self.problem_set.items)

    def _judge(self, item: Item, place: int, wrong: dict[str, dict[int, Result]]) -> None:
        """Judge an item by its visible or by its hidden check, at a place; say what is wrong."""
        self.student.place = place
        if found := self._judged(item):
            wrong[item.name][place] = found

    def _whole(self, item: Item) -> Result:
        """An item that was passed, or that a person marks."""
        if not item.manual:
            return Result(item.name, item.points, item.points, "passed", "Correct.")
        text = printable(self.held.texts[item.name])
        if not text.strip() and self.held.elsewhere.strip():
            self.notes.append(f"the cell of {item.name} is empty, and there are texts elsewhere in the notebook")
            text = f"(Nothing stands in its cell. Elsewhere:)\n\n{printable(self.held.elsewhere)}"
        if not text.strip():
            return Result(item.name, 0.0, item.points, "not attempted", "There is no answer.")
        if len(text) > LONGEST_TEXT:
            self.notes.append(f"the answer to {item.name} is longer than {LONGEST_TEXT} characters, and was cut")
        return Result(item.name, None, item.points, "to be marked", "", text[:LONGEST_TEXT])

    def _judged(self, item: Item) -> Result | None:
        """What is wrong with an item, by its visible or by its hidden check; None if nothing is."""
        self.verdict, self.item = None, item
        try:
            with judged_by(self._decide), contextlib.redirect_stdout(io.StringIO()), _at_most(SECONDS_OF_A_CHECK):
                self._run(item.source)
            return None
        except NotYet:
            message = printable(self.verdict.message)[:LONGEST_MESSAGE]
            return Result(item.name, 0, item.points, self.verdict.status, message)
        except Busy:
            self.student.leave()
            return Result(item.name, 0, item.points, "wrong", "Your answer kept the check busy for too long.")
        except MemoryError:
            return Result(item.name, 0, item.points, "wrong", "Your answer is too large for the check.")

    def _run(self, source: str) -> None:
        """Run a cell of the lecturer's notebook."""
        exec(compile(source, "<set>", "exec"), self.namespace)

    def _decide(self, check: Findings, question: str, names: tuple[str, ...], hidden: bool, _: dict) -> None:
        """The court of `item`: judge what the student's process answers."""
        self.names = names
        if hidden != self.hidden:
            return
        self.student.discreet, self.student.lost = hidden, ""
        answers: dict[str, Any] = {}
        unreadable = ""
        for name in names:
            try:
                answers[name] = self._value(name)
            except (Missing, Lost):
                continue
            except Exception as error:  # whatever an answer may be
                answers[name], unreadable = None, f"`{name}` cannot be handed to the grader: {error}".rstrip(": ")
        seed = self.rng.integers(2**63)

        def judged() -> Verdict:
            return verdict_of(check, question, names, answers, hidden=hidden, rng=np.random.default_rng(seed))

        self.verdict = Verdict("wrong", unreadable, question) if unreadable else judged()
        if self.student.lost:
            self.verdict = Verdict("wrong", f"There is no answer: {self.student.lost}.", question)
        if self.verdict.status == "passed":
            return
        values = answers and not unreadable and not any(callable(answer) for answer in answers.values())
        if self.verdict.status == "wrong" and values and OWN in self.item.source:
            self._whose(question, judged)
        raise NotYet

    def _value(self, name: str) -> Any:
        """An answer, asked for once at a place: the visible and the hidden check judge the same."""
        here = self.item.name, self.student.place, name
        if here not in self.had:
            self.had[here] = self.student.get(name)
        return self.had[here]

    def _whose(self, question: str, judged: Callable[[], Verdict]) -> None:
        """Note the students for whom a wrong answer would have been right."""
        for other in self.others:
            with variants.graded_as(other):
                if judged().status == "passed":
                    self.notes.append(f"the answer to {question} is wrong here, and right for {other}")


@contextlib.contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Stop this process's own computation after so much processor time, with `Busy`."""

    def stop(*_: object) -> None:
        raise Busy

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
