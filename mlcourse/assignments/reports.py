"""What comes of reports: feedback as HTML, tables as CSV, and the worksheets of Moodle and Canvas, filled in.

out/points.csv            a line a student: every item, and the sum
out/feedback/ID.html      for the student: points, what is wrong and why; no hidden value
out/to_mark.csv           the answers that a person marks; fill in `points` and `comment`, and give it back
out/for_the_lecturer.txt  what was odd
out/reports.json          all of it, for `assignment export`
"""

import csv
import dataclasses
import html
import io
import json
import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import jinja2
from markupsafe import Markup

from mlcourse.assignments.grade import Report, Result
from mlcourse.lessons.checks.verdict import LOOKS, as_html

MARKS = ("student", "item", "most", "points", "comment", "answer")
PAGES = jinja2.Environment(autoescape=True)
PAGES.filters["shown"] = lambda message: Markup(as_html(message))
PAGE = PAGES.from_string("""\
<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>{{ report.problem_set }} · {{ report.student }}</title>
<style>body { font: 16px/1.5 system-ui, sans-serif; max-width: 45em; margin: 2em auto; padding: 0 1em }
section { border-left: .4em solid #808080; margin: 1em 0; padding: 0 .8em }
.passed { border-color: {{ looks.passed[2] }} } .wrong { border-color: {{ looks.wrong[2] }} }
h2 { font-size: 1em; margin: 0 }
p { margin: .3em 0; overflow-wrap: anywhere }</style>
<h1>{{ report.problem_set }}: {{ "%g" % report.points }} of {{ "%g" % most }} points</h1>
<p>{{ report.student }}{% if waiting %} · {{ "%g" % waiting }} points wait to be marked by a person{% endif %}</p>
{% for result in report.results %}<section class="{{ result.status }}">
<h2>{{ signs[result.status] }} {{ result.name }}:
{{ "–" if result.points is none else "%g" % result.points }} of {{ "%g" % result.most }}</h2>
{% if result.message %}<p>{{ result.message | shown }}</p>{% endif %}</section>
{% endfor %}{% for line in report.stopped %}<p>{{ line }}</p>
{% endfor %}</html>
""")
# What may begin a formula in a spreadsheet, and what is before it. A run is looked at once, from its beginning:
# a student could write a long one.
FORMULA = re.compile(r"(?<![\s;,'\"])([\s;,'\"]*)([=+\-@＝＋－＠])")
ANYWHERE = ("id", "name", "email")  # of the roster: each finds a student's line in whatever column it stands
AGAIN = "download it anew, and give it as it is"
SIGNS = {status: sign for status, (sign, _, _) in LOOKS.items()} | {"to be marked": "✎", "marked": "✎"}


def write(reports: list[Report], out: Path) -> None:
    """Write everything but the worksheets into a folder."""
    (out / "feedback").mkdir(parents=True, exist_ok=True)
    stored = json.dumps([dataclasses.asdict(report) for report in reports], indent=1, ensure_ascii=False)
    (out / "reports.json").write_text(stored + "\n", encoding="utf-8")
    for report in reports:
        (out / "feedback" / f"{report.student}.html").write_text(feedback(report), encoding="utf-8")
    names = [result.name for result in reports[0].results] if reports else []
    _table(out / "points.csv", ("student", *names, "sum"), (_line(report) for report in reports))
    waiting = [(report.student, r.name, r.most, "", "", r.text) for report in reports for r in report.results
               if r.status == "to be marked"]  # fmt: skip
    _table(out / "to_mark.csv", MARKS, waiting, encoding="utf-8-sig")  # else Excel shows ü as two signs
    notes = [f"{report.student}: {note}".replace("\n", " ") for report in reports for note in report.notes]
    (out / "for_the_lecturer.txt").write_text("\n".join(notes or ["Nothing odd."]) + "\n", encoding="utf-8")


def read(out: Path) -> list[Report]:
    """Read what `write` has stored.

    Raises:
        ValueError: there is nothing.
    """
    try:
        stored = json.loads((out / "reports.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(
            f"{out} holds no reports.json; grade into it first: assignment grade --out {out}"
        ) from error
    return [_report(told) for told in stored]


def _report(told: dict) -> Report:
    results = tuple(Result(**result) for result in told["results"])
    return Report(**told | {"results": results, "stopped": tuple(told["stopped"]), "notes": tuple(told["notes"])})


def feedback(report: Report) -> str:
    """The page that a student gets."""
    most = sum(result.most for result in report.results)
    waiting = sum(result.most for result in report.results if result.points is None)
    return PAGE.render(report=report, most=most, waiting=waiting, signs=SIGNS, looks=LOOKS)


def marked(reports: list[Report], path: Path) -> list[Report]:
    """Return the reports with the points that a person gave, from a filled-in to_mark.csv.

    Raises:
        ValueError: a column is missing, a line has points for nothing that waits, or points that are no number
            from 0 to the most.
    """
    fix = "keep the first line that `assignment grade` wrote"
    rows, _ = read_table(path, ("student", "item", "points", "comment"), fix)
    rows = [row for row in rows if row["points"].strip()]
    waiting = {
        (report.student, r.name): r for report in reports for r in report.results if r.status.endswith("marked")
    }
    marks: dict[tuple[str, str], Result] = {}
    for row in rows:
        student, item = key = row["student"], row["item"]
        if key not in waiting:
            raise ValueError(f"{path.name}: {item} of {student} waits for no mark")
        points = _points(row["points"], waiting[key].most, f"{path.name}: {item} of {student}")
        marks[key] = dataclasses.replace(waiting[key], points=points, status="marked", message=row["comment"])

    def after(report: Report) -> Report:
        results = (marks.get((report.student, result.name), result) for result in report.results)
        return dataclasses.replace(report, results=tuple(results))

    return [after(report) for report in reports]


def _points(text: str, most: float, where: str) -> float:
    try:
        points = float(text.replace(",", "."))
    except ValueError:
        points = math.nan
    if not 0 <= points <= most:  # which is not so for NaN, too
        raise ValueError(f"{where}: the points are {text!r}; give a number from 0 to {most:g}")
    return points


def fill_moodle(
    reports: list[Report], worksheet: Path, out: Path, students: dict[str, dict[str, str]]
) -> list[str]:
    """Fill in a grading worksheet as Moodle gave it: Grade and Feedback comments; all else stays as it is.

    Returns:
        the students for whom it has no line.

    Raises:
        ValueError: it is no such worksheet.
    """
    rows, columns = read_table(worksheet, ("Identifier", "Grade"), AGAIN)

    def fill(row: dict[str, str], report: Report) -> None:
        row["Grade"] = f"{report.points:g}"
        if "Feedback comments" in columns:
            row["Feedback comments"] = "<br>".join(html.escape(line) for line in _comments(report))

    return _fill(rows, columns, reports, students, fill, out)


def fill_canvas(
    reports: list[Report], gradebook: Path, out: Path, students: dict[str, dict[str, str]], title: str
) -> list[str]:
    """Fill in a gradebook as Canvas exported it: the one column whose name begins with `title`.

    Returns:
        the students for whom it has no line.

    Raises:
        ValueError: it is no such gradebook, or not one column has that title.
    """
    rows, columns = read_table(gradebook, ("Student", "ID"), AGAIN)
    fit = [column for column in columns if column == title or column.startswith(f"{title} (")]
    if len(fit) != 1:
        raise ValueError(
            f"{gradebook.name} has {len(fit)} columns named {title!r}; make the assignment in Canvas first"
        )

    def fill(row: dict[str, str], report: Report) -> None:
        row[fit[0]] = f"{report.points:g}"

    return _fill(rows, columns, reports, students, fill, out)


def read_table(path: Path, needed: Iterable[str], fix: str) -> tuple[list[dict[str, str]], list[str]]:
    """Read a CSV that a person gives, as an LMS or a spreadsheet stored it: its rows, and its columns in order.

    It is UTF-8, else what Excel writes (cp1252). Between cells stands `,` or `;`, as its first line says.

    Args:
        needed: the columns that it must have.
        fix: what to do where one is missing.

    Raises:
        ValueError: one is missing, or it is no CSV.
    """
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    try:
        tables = [
            csv.DictReader(io.StringIO(text, newline=""), restval="", delimiter=separator) for separator in ",;"
        ]
        table = max(tables, key=lambda table: sum(name in (table.fieldnames or ()) for name in needed))
        rows, columns = list(table), list(table.fieldnames or [])
    except csv.Error as error:
        raise ValueError(f"{path.name} cannot be read as a table ({error}); store it as CSV") from error
    missing = [name for name in needed if name not in columns]
    if missing:
        raise ValueError(f"{path.name} has no column {missing[0]!r}: {fix}")
    for row in rows:
        row.pop(None, None)  # what is right of the last column
    return rows, columns


def _fill(
    rows: list[dict[str, str]],
    columns: list[str],
    reports: list[Report],
    students: dict[str, dict[str, str]],
    fill: Callable[[dict[str, str], Report], None],
    out: Path,
) -> list[str]:
    """Fill the line of each student, and return those who have none, or several."""
    lost = []
    for report in reports:
        fit = _lines_of(rows, report.student, students.get(report.student, {}))
        if len(fit) == 1:
            fill(fit[0], report)
        else:
            lost.append(report.student)
    _table(out, columns, ([row[column] for column in columns] for row in rows), guard=False)
    return lost


def _lines_of(rows: list[dict[str, str]], student: str, told: dict[str, str]) -> list[dict[str, str]]:
    """The lines that hold a student's id, name or email; where none does, what else the roster says of them.

    That counts only in a column of the same name: a tutor's email, say, is in the tutor's own line, too.
    """
    known = {_same(value) for value in (student, *(told.get(key, "") for key in ANYWHERE))} - {""}
    fit = [row for row in rows if known & set(map(_same, row.values()))]
    more = {column: _same(value) for column, value in told.items() if column not in ANYWHERE and value}
    return fit or [row for row in rows if any(_same(row.get(column, "")) == more[column] for column in more)]


def _same(value: str) -> str:
    return value.strip().lower()


def _comments(report: Report) -> list[str]:
    def line(result: Result) -> str:
        points = "–" if result.points is None else f"{result.points:g}"
        return f"{result.name} {points}/{result.most:g}: {result.message}".rstrip(": ")

    return [line(result) for result in report.results]


def _line(report: Report) -> list[object]:
    return [
        report.student,
        *("" if r.points is None else f"{r.points:g}" for r in report.results),
        f"{report.points:g}",
    ]


def _table(
    path: Path,
    columns: Iterable[str],
    lines: Iterable[Iterable[object]],
    *,
    guard: bool = True,
    encoding: str = "utf-8",
) -> None:
    """Write a CSV. What a spreadsheet would take for a formula gets an apostrophe: students wrote some.

    One whose separator is not the comma begins a cell inside a text, too, after a semicolon, tab or new line.
    """

    def disarmed(found: re.Match) -> str:
        before, sign = found.groups()
        begins = found.start() == 0 or any(separator in before for separator in ";\t\r\n")
        return f"{before}'{sign}" if begins else found[0]

    def safe(value: object) -> object:
        return FORMULA.sub(disarmed, value) if guard and isinstance(value, str) else value

    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.writer(file)
        writer.writerow(list(columns))
        writer.writerows([safe(value) for value in line] for line in lines)
