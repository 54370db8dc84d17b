"""Make a deck of slides from each of the lessons 00 to 09, in book/_build/slides. A deck needs no internet.

    python book/slides.py

A cell goes onto a slide by its header in notebooks/source/NN_name.py: `slide=["The headline", "A line below it"]`.
What kind of slide it becomes follows from the cell. A question must be followed by its answer; of an exercise the
headline is known already, so all its lines are the task in short. Pictures, widgets and tables are the stored
outputs of the built notebook; the first and the last slide come from its cover. Speaker notes say what the page
says there, and in which minute a session should be; MINUTES is the plan.
"""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from covers import EXERCISE, Notebook, capital, notebooks
from jinja2 import Template
from nbconvert import SlidesExporter
from nbformat import NotebookNode

from mlcourse.lessons import palette

HERE = Path(__file__).resolve().parent
PARTS = HERE / "_slides"
BUILT = HERE / "_build" / "slides"

# For each deck the minutes of its session: (talk, predictions, exercise, break). In sum 90, and 20 for the first.
MINUTES = {
    "00": (11, 6, 3, 0),
    "01": (33, 27, 20, 10),
    "02": (34, 28, 18, 10),
    "03": (32, 32, 16, 10),
    "04": (34, 28, 18, 10),
    "05": (40, 20, 20, 10),
    "06": (32, 28, 20, 10),
    "07": (26, 36, 18, 10),
    "08": (35, 30, 15, 10),
    "09": (28, 32, 20, 10),
    "18": (34, 26, 20, 10),
    "19": (33, 32, 15, 10),
}
QUESTION = re.compile(r"^\*\*Predict\.\*\*", re.MULTILINE)
ABLE = re.compile(r"^\| \*\*You will be able to\*\* \| (.+) \|$", re.MULTILINE)
PICTURE = re.compile(r"<img (?!.*<script)", re.DOTALL)


@dataclass
class Slide:
    """One slide: few words for the room, many for the speaker."""

    kind: str  # title, words, show, question, answer, exercise or last
    heading: str
    lines: list[str]  # Markdown, a paragraph each
    notes: str  # Markdown
    kicker: str = ""  # the line above the heading
    stage: str = ""  # what is shown: picture, widget, text or code; nothing for words alone
    outputs: list[NotebookNode] | None = None
    code: str = ""


# ---- from a notebook to slides ----


def deck(lesson: Notebook) -> list[Slide]:
    """The slides of a lesson.

    Raises:
        ValueError: a cell's `slide` is not as this file's head says, or a question has no answer.
    """
    built = nbformat.read(HERE.parent / "notebooks" / lesson.file, as_version=4)
    chosen = [place for place, cell in enumerate(built.cells) if "slide" in cell.metadata]
    slides = [slide(built.cells, place, lesson) for place in chosen]
    require_answers(slides, lesson)
    able = ABLE.search(built.cells[1].source)[1].split(" · ")
    last = built.cells[-1].source.partition("## References")[0]
    slides = [
        Slide("title", lesson.title, [capital(lesson.gives) + "."], "", lesson.number),
        *slides,
        Slide("last", "What you can do now", [f"- {capital(what)}" for what in able], last),
    ]
    add_minutes(slides, lesson)
    return slides


def require_answers(slides: list[Slide], lesson: Notebook) -> None:
    """Refuse a deck in which a question is not followed by its answer."""
    for one, after in itertools.zip_longest(slides, slides[1:]):
        if one.kind == "question" and (after is None or after.kind != "answer"):
            raise ValueError(
                f"{lesson.name}: after the question {one.heading!r} comes "
                f"{repr(after.heading) if after else 'no slide'}; give a cell that answers it a `slide`, too"
            )


def slide(cells: list[NotebookNode], place: int, lesson: Notebook) -> Slide:
    """The slide of cell number `place`, whose metadata have its words."""
    cell, words = cells[place], cells[place].metadata.slide
    if not (isinstance(words, list) and words and all(isinstance(word, str) and word for word in words)):
        raise ValueError(f'{lesson.name}: slide={words!r}; write slide=["The headline", "A line below it"]')
    if exercise := EXERCISE.search(cell.source):
        stub = cells[place + 1]
        kicker = exercise["title"].removesuffix(exercise["name"]) + f"{exercise['minutes']} minutes"
        return Slide("exercise", exercise["name"], words, cell.source, kicker, "code", [], stub.source)
    kind = "answer" if "answer" in cell.metadata.get("tags", []) else "words"
    if cell.cell_type == "markdown":
        if QUESTION.search(cell.source):
            return Slide("question", words[0], words[1:], cell.source, "Predict")
        return Slide(kind, words[0], words[1:], cell.source)
    stage, outputs = shown(cell, lesson)
    return Slide(
        "show" if kind == "words" else kind, words[0], words[1:], said_after(cells, place), "", stage, outputs
    )


def shown(cell: NotebookNode, lesson: Notebook) -> tuple[str, list[NotebookNode]]:
    """What a slide shows of a cell's outputs: its widget, or else its pictures, a table or what was printed."""
    html = [output for output in cell.outputs if output.get("data", {}).get("text/html", "").strip()]
    pictures = [output for output in html if PICTURE.match(output.data["text/html"])]
    printed = [output for output in cell.outputs if output.output_type == "stream"]
    if widgets := [output for output in html if "<script>" in output.data["text/html"]]:
        return "widget", widgets[:1]
    if pictures:
        return "picture", pictures
    if html or printed:
        return "text", (html or printed)[:1]
    raise ValueError(f"{lesson.name}: {cell.metadata.slide} is the slide of a cell without an output to show")


def said_after(cells: list[NotebookNode], place: int) -> str:
    """What the page says next below a cell of code, as long as no new section begins."""
    words = next((cell.source for cell in cells[place + 1 :] if cell.cell_type == "markdown"), "")
    return "" if words.startswith("#") else words


# ---- minutes ----


def shares(slides: list[Slide], number: str) -> list[float]:
    """The minutes of each slide: those of its kind in the plan, shared equally."""
    talk, predictions, exercise, _ = MINUTES[number]
    part = {"question": predictions, "answer": predictions, "exercise": exercise}
    alike = [[one for one in slides if part.get(one.kind) == part.get(other.kind)] for other in slides]
    return [part.get(one.kind, talk) / len(same) for one, same in zip(slides, alike, strict=True)]


def add_minutes(slides: list[Slide], lesson: Notebook) -> None:
    """Put the plan into the notes of the first slide, and the minute at which it begins into those of each other.

    The break comes before the first slide of the second half that does not answer a question.
    """
    now, pause = 0.0, MINUTES[lesson.number][-1]
    half = (sum(MINUTES[lesson.number]) - pause) / 2
    for one, minutes in zip(slides, shares(slides, lesson.number), strict=True):
        if pause and now >= half and one.kind != "answer":
            one.notes = f"**First a break of {pause} minutes.**\n\n{one.notes}"
            now, pause = now + pause, 0
        one.notes = f"*From minute {now:.0f}.*\n\n{one.notes}"
        now += minutes
    slides[0].notes = "\n".join(f"- {minutes} minutes: {what}" for what, minutes in plan(slides, lesson.number))


def plan(slides: list[Slide], number: str) -> list[tuple[str, int]]:
    """What a session is made of, with minutes."""
    questions = sum(one.kind == "question" for one in slides)
    exercise = next(one for one in slides if one.kind == "exercise")
    what = ("talk", f"{questions} predictions", exercise.kicker.split(" ●")[0].lower(), "break")
    return [(name, minutes) for name, minutes in zip(what, MINUTES[number], strict=True) if minutes]


def plan_table() -> str:
    """The plans of all decks, as a table in Markdown for the book."""
    rows = ["| deck | slides | talk | predictions | exercise | break | minutes |", "| --- |" + " ---: |" * 6]
    for lesson in lessons():
        slides = deck(lesson)
        questions = sum(one.kind == "question" for one in slides)
        exercise = next(one.kicker.split()[1] for one in slides if one.kind == "exercise")
        talk, predictions, exercising, pause = MINUTES[lesson.number]
        cells = [
            lesson.link(),
            len(slides),
            talk,
            f"{predictions} for {questions}",
            f"{exercising} for {exercise}",
        ]
        rows.append("| " + " | ".join(map(str, [*cells, pause, sum(MINUTES[lesson.number])])) + " |")
    return "\n".join(rows)


# ---- from slides to HTML ----


def as_notebook(slides: list[Slide], title: str) -> NotebookNode:
    """The slides as nbconvert wants them: cells, of which some begin a slide and some are notes."""
    return nbformat.v4.new_notebook(cells=list(as_cells(slides)), metadata={"title": title})


def as_cells(slides: list[Slide]) -> Iterator[NotebookNode]:
    for one in slides:
        heading = f"{'#' if one.kind == 'title' else '##'} {one.heading}"
        about = {"slideshow": {"slide_type": "slide"}, "kind": one.kind, "kicker": one.kicker}
        yield nbformat.v4.new_markdown_cell("\n\n".join([heading, *one.lines]), metadata=about)
        if one.stage:
            about = {"slideshow": {"slide_type": "-"}, "stage": one.stage}
            yield nbformat.v4.new_code_cell(one.code, outputs=one.outputs, metadata=about)
        yield nbformat.v4.new_markdown_cell(one.notes, metadata={"slideshow": {"slide_type": "notes"}})


def colours() -> str:
    """The course's palette as variables, for light and for dark."""
    themes = {"light": palette.LIGHT, "dark": palette.DARK}
    return "".join(
        f'html[data-theme="{name}"] {{ color-scheme: {name}; '
        + "".join(f"--{part}: {colour}; " for part, colour in theme.items())
        + "}\n"
        for name, theme in themes.items()
    )


def lessons() -> list[Notebook]:
    """The notebooks that have a deck."""
    return [lesson for number, lesson in notebooks().items() if number in MINUTES]


def main(target: Path = BUILT) -> None:
    """Write every deck, the page that lists them, and what they load."""
    exporter = SlidesExporter(template_name="deck", extra_template_basedirs=[str(PARTS)])
    decks = [(lesson, deck(lesson)) for lesson in lessons()]  # first: an error leaves what is there
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(PARTS / "reveal", target / "reveal")
    shutil.copytree(HERE / "_static" / "mathjax", target / "mathjax")
    for path in (PARTS / "deck.css", PARTS / "deck.js", HERE / "_static" / "favicon.svg"):
        shutil.copy(path, target)
    (target / "colours.css").write_text(colours(), encoding="utf-8")
    for lesson, slides in decks:
        html, _ = exporter.from_notebook_node(as_notebook(slides, f"{lesson.number} {lesson.title}"))
        (target / f"{lesson.name}.html").write_text(html, encoding="utf-8")
    listed = Template((PARTS / "index.html.j2").read_text(encoding="utf-8"), autoescape=True)
    rows = [(lesson, len(slides), sum(MINUTES[lesson.number])) for lesson, slides in decks]
    (target / "index.html").write_text(listed.render(rows=rows) + "\n", encoding="utf-8")
    print(f"{len(decks)} decks: open {target / 'index.html'} in a browser")


if __name__ == "__main__":
    main()
