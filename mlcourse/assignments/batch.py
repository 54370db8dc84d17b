"""Grade many submissions, two or more at a time: whose each is, and one report for every one, whatever it held."""

import csv
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from mlcourse.assignments.grade import Report, Result, grade, printable
from mlcourse.assignments.sets import ProblemSet
from mlcourse.assignments.walls import Wall

ID = re.compile(r"[\w.][\w.@+-]{0,99}")  # what may stand in the name of a feedback file


def roster(path: Path) -> dict[str, dict[str, str]]:
    """Read a list of students: a CSV with a column `id`; other columns, such as `name` and `email`, help exports.

    Raises:
        ValueError: it has no such column, or an id that is empty, odd or there twice.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    students: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows, start=2):
        name = (row.get("id") or "").strip()
        if not ID.fullmatch(name) or name in students:
            raise ValueError(
                f"{path.name}, line {number}: the column id holds {name!r}; each student needs one of their own"
            )
        students[name] = {key: (value or "").strip() for key, value in row.items() if key}
    if not students:
        raise ValueError(f"{path.name} names no student; give it a first line such as id,name,email")
    return students


def whose(path: Path, problem_set: str, known: dict[str, dict[str, str]]) -> str:
    """Return the id of the student who handed this in; never from the notebook itself.

    With a roster: the one id, email or name of it that is in the path. Without: the folder above the set's, as
    nbgrader has it (submitted/ID/ps1/ps1.ipynb), else the name of the file or folder.

    Raises:
        ValueError: the roster has none, or more than one, that fits.
    """
    if known:
        words = " / ".join(part for part in (*path.parts[-3:-1], path.stem) if part != problem_set)
        told = {name: [row.get("email", ""), row.get("name", "")] for name, row in known.items()}
        said = {name: {name, *(value for value in values if len(value) > 2)} for name, values in told.items()}
        fit = [name for name, values in said.items() if any(_names(words, value) for value in values)]
        if len(fit) != 1:
            what = f"more than one student of the roster ({', '.join(fit)})" if fit else "no student of the roster"
            raise ValueError(f"{path} names {what}: rename it, or put it into a folder with the student's id")
        return fit[0]
    folder = path if path.is_dir() else path.parent
    name = folder.parent.name if folder.name == problem_set else path.stem
    if not ID.fullmatch(name):
        raise ValueError(
            f"{path}: {name!r} cannot be a student's id; give a --roster, or name the folder by the id"
        )
    return name


def _names(words: str, value: str) -> bool:
    """Whether a value stands in the words, with no letter or digit at its ends."""
    return re.search(rf"(?<![^\W_]){re.escape(value)}(?![^\W_])", words, re.IGNORECASE) is not None


def grade_all(
    submissions: dict[str, Path],
    problem_set: ProblemSet,
    *,
    wall: Wall,
    everybody: tuple[str, ...] = (),
    jobs: int = 2,
    seed: int | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> list[Report]:
    """Grade what each student handed in.

    Args:
        submissions: student -> notebook or folder.
        everybody: the ids of all students, those included who handed in nothing.
        jobs: how many at a time.
        seed: of the hidden inputs, the same for all; None: one for each.
        say: gets a line for each that is done.

    Returns:
        one report a submission, in the order of the ids; also where grading itself failed.
    """
    ids = tuple(dict.fromkeys([*submissions, *everybody]))
    reports = []
    with ProcessPoolExecutor(jobs) as pool:
        work = {}
        for name, path in submissions.items():
            others = tuple(other for other in ids if other != name)
            done = pool.submit(grade, path, problem_set, name, wall=wall, others=others, seed=seed)
            work[done] = name
        for done in as_completed(work):
            name = work[done]
            try:
                report = done.result()
            except BrokenProcessPool:  # another submission's grading was killed: this one begins anew, alone
                report = _alone(submissions[name], problem_set, name, wall=wall, seed=seed)
            except Exception as error:  # nobody's submission is lost
                report = _failed(name, submissions[name], problem_set, error)
            reports.append(report)
            say(f"{len(reports)}/{len(work)}  {name}: {report.points:g}")
    return sorted(reports, key=lambda report: report.student)


def _alone(path: Path, problem_set: ProblemSet, name: str, **named: Any) -> Report:
    """Grade one submission in a process of its own."""
    with ProcessPoolExecutor(1) as pool:
        try:
            return pool.submit(grade, path, problem_set, name, **named).result()
        except Exception as error:
            return _failed(name, path, problem_set, error)


def _failed(name: str, path: Path, problem_set: ProblemSet, error: Exception) -> Report:
    """A report that says that there is none: every item waits for a person."""
    results = tuple(Result(item.name, None, item.points, "to be marked", "") for item in problem_set.items)
    path = Path(printable(str(path)))
    note = f"the grader itself failed ({type(error).__name__}: {error}); grade this one again"
    return Report(name, problem_set.name, str(path), results, notes=(note,))
