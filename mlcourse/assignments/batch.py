"""Grade many submissions, two or more at a time: whose each is, and one report for every one, whatever it held."""

import os
import re
import unicodedata
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from mlcourse.assignments import reports
from mlcourse.assignments.grade import Report, Result, grade, printable
from mlcourse.assignments.sets import ProblemSet
from mlcourse.assignments.walls import Wall

ID = re.compile(r"[\w.][\w.@+-]{0,99}")  # what may stand in the name of a feedback file
# How Canvas, and Moodle without folders, name a download. What follows the numbers is the student's choice.
UPLOADED = re.compile(r"(?P<before>(?P<name>.+?)(?:_LATE)?_\d+)_(?:\d+|assignsubmission_[a-z]+)_.*")
MEMORY = 6 * 2**30  # bytes of one grading process


def roster(path: Path) -> dict[str, dict[str, str]]:
    """Read a list of students: a CSV with a column `id`; other columns, such as `name` and `email`, help exports.

    Raises:
        ValueError: it has no such column, or an id that is empty, odd or there twice, capitals or not.
    """
    rows, _ = reports.read_table(path, ["id"], "give it a first line such as id,name,email")
    students: dict[str, dict[str, str]] = {}
    seen: set[str] = set()  # in lower case, in which two students would have the same data of their own
    for number, row in enumerate(rows, start=2):
        name = row["id"].strip()
        if not ID.fullmatch(name) or name.lower() in seen:
            raise ValueError(
                f"{path.name}, line {number}: the column id holds {name!r}; each student needs one of their own"
            )
        seen.add(name.lower())
        students[name] = {key: value.strip() for key, value in row.items() if key}
    if not students:
        raise ValueError(f"{path.name} names no student; give it a first line such as id,name,email")
    return students


def whose(path: Path, problem_set: str, known: dict[str, dict[str, str]]) -> str:
    """Return the id of the student who handed this in; never from the notebook itself.

    With a roster: the one id, email or name of it that is in the folders above, else in the name of the file or
    folder itself. Of a download from Canvas or Moodle only what stands before the uploaded name counts. Without a
    roster: the folder above the set's, as nbgrader has it (submitted/ID/ps1/ps1.ipynb), else the name of the file
    or folder.

    Raises:
        ValueError: the roster has none, or more than one, that fits.
    """
    last = path.name if path.is_dir() else path.stem
    if known:
        folders = " / ".join(part for part in path.parts[-3:-1] if part != problem_set)
        told = UPLOADED.fullmatch(last)
        fit = _fitting(known, folders)
        if not fit and "_assignsubmission_" not in folders:  # in a folder of Moodle's students named the file
            fit = _fitting(known, told["before"], told["name"]) if told else _fitting(known, last)
        if len(fit) != 1:
            what = f"more than one student of the roster ({', '.join(fit)})" if fit else "no student of the roster"
            raise ValueError(f"{path} names {what}: rename it, or put it into a folder with the student's id")
        return fit[0]
    folder = path if path.is_dir() else path.parent
    name = folder.parent.name if folder.name == problem_set else last
    if not ID.fullmatch(name):
        raise ValueError(
            f"{path}: {name!r} cannot be a student's id; give a --roster, or name the folder by the id"
        )
    return name


def _fitting(known: dict[str, dict[str, str]], words: str, squeezed: str = "") -> list[str]:
    """The ids of the students whose id, email or name is in the words, or whose name is the squeezed one."""

    def fits(name: str, row: dict[str, str]) -> bool:
        values = [name, *(row.get(key, "") for key in ("email", "name") if len(row.get(key, "")) > 2)]
        named = any(_names(words, value) for value in values)
        return named or _letters(squeezed) in _squeezed(row.get("name", ""))

    return [name for name, row in known.items() if fits(name, row)]


def _squeezed(name: str) -> set[str]:
    """How Canvas may write a name, whichever of its words comes first: annother, otherann."""
    words = [_letters(word) for word in name.split()]
    return {"".join(words[first:] + words[:first]) for first in range(len(words))} - {""}


def _letters(text: str) -> str:
    """Its letters in lower case; a Mac writes ü in the name of a file as two signs, which become one first."""
    return "".join(sign for sign in unicodedata.normalize("NFKC", text).lower() if sign.isalpha())


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
    keep: Callable[[Report], None] = lambda report: None,
) -> list[Report]:
    """Grade what each student handed in.

    Args:
        submissions: student -> notebook or folder.
        everybody: the ids of all students, those included who handed in nothing.
        jobs: how many at a time.
        seed: of the hidden inputs, the same for all; None: one for each.
        keep: gets each report when it is done. If it or Ctrl-C stops the grading, what waits is left out.

    Returns:
        one report a submission, in the order of the ids; also where grading itself failed.
    """
    ids = tuple(dict.fromkeys([*submissions, *everybody]))
    done: list[Report] = []
    pool = ProcessPoolExecutor(jobs, initializer=_limit_memory)
    try:
        work = {}
        for name, path in submissions.items():
            others = tuple(other for other in ids if other != name)
            named = {"wall": wall, "others": others, "seed": seed}
            work[pool.submit(_until_stopped, grade, path, problem_set, name, **named)] = (path, name, named)
        for future in as_completed(work):
            path, name, named = work[future]
            try:
                report = future.result()
            except BrokenProcessPool:  # another submission's grading was killed: this one begins anew, alone
                report = _alone(path, problem_set, name, **named)
            except Exception as error:  # nobody's submission is lost
                report = _failed(name, path, problem_set, error)
            done.append(report)
            keep(report)
    finally:
        pool.shutdown(cancel_futures=True)
    return sorted(done, key=lambda report: report.student)


def _alone(path: Path, problem_set: ProblemSet, name: str, **named: Any) -> Report:
    """Grade one submission in a process of its own."""
    with ProcessPoolExecutor(1, initializer=_limit_memory) as pool:
        try:
            return pool.submit(_until_stopped, grade, path, problem_set, name, **named).result()
        except Exception as error:
            return _failed(name, path, problem_set, error)


def _until_stopped(work: Callable[..., Report], *given: Any, **named: Any) -> Report:
    """Do a worker's work. Ctrl-C ends the worker, which else would begin with the next submission."""
    try:
        return work(*given, **named)
    except KeyboardInterrupt:
        os._exit(1)


def _limit_memory() -> None:
    """Limit what a worker may take: a check computes with answers, and one may be so large that it takes all.

    Then the grading of that one submission fails, and says so; the machine and the others live on.
    """
    import resource  # not at the top, nor the worker: Windows has none, and exports points without grading

    from mlcourse.assignments.worker import confine

    confine({resource.RLIMIT_AS: MEMORY})


def _failed(name: str, path: Path, problem_set: ProblemSet, error: Exception) -> Report:
    """A report that says that there is none: every item waits for a person."""
    results = tuple(Result(item.name, None, item.points, "to be marked", "") for item in problem_set.items)
    path = Path(printable(str(path)))
    note = f"the grader itself failed ({type(error).__name__}: {error}); grade this one again"
    return Report(name, problem_set.name, str(path), results, notes=(note,))
