"""What a notebook's cover says, for every page that says it again: title, promise, minutes, exercises.

    python book/covers.py      write the table of notebooks in README.md anew

The cover is the section `## Before you start` of `notebooks/source/NN_name.py`. `book/build.py` makes the book's
tables from it; tests hold README.md and `book/_toc.yml` to it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from docutils.nodes import make_id

COURSE = Path(__file__).resolve().parent.parent
TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
GIVES = re.compile(r"^\| \*\*It gives you\*\* \| (.+) \|$", re.MULTILINE)
TIME = re.compile(
    r"^\| \*\*Time\*\* \| (\d+)(?: \+ (\d+))? minutes to read(?:, in two sittings)?(?:, (\d+) for the exercises)?",
    re.MULTILINE,
)
EXERCISE = re.compile(
    r"^### (?P<title>Exercise (?P<number>\d+\.\d+) (?P<circles>●*)○* (?P<name>.+))\n"
    r"+\*(?P<minutes>\d+) minutes\. Why it matters: (?P<why>.+)\*$",
    re.MULTILINE,
)
MARKERS = "<!-- notebooks -->", "<!-- /notebooks -->"


@dataclass(frozen=True)
class Exercise:
    """An exercise as its heading and the line below it announce it."""

    title: str  # the whole heading
    number: str
    difficulty: int  # of 5
    name: str
    minutes: int
    why: str

    @property
    def anchor(self) -> str:
        return make_id(self.title)


@dataclass(frozen=True)
class Notebook:
    """A notebook's title and what its cover promises."""

    name: str  # NN_name
    title: str
    gives: str  # what a reader has afterwards, in a few words
    sittings: tuple[int, ...]  # minutes to read, one number for each sitting
    exercising: int  # minutes
    exercises: list[Exercise] = field(default_factory=list)

    @property
    def number(self) -> str:
        """05, or 05b for its appendix."""
        return self.name.split("_")[0]

    @property
    def reading(self) -> int:
        """Minutes to read."""
        return sum(self.sittings)

    @property
    def file(self) -> str:
        return f"{self.name}.ipynb"

    def link(self, anchor: str = "", words: str = "") -> str:
        """A link in Markdown from a page of the book."""
        return f"[{words or f'{self.number} {self.title}'}](../notebooks/{self.file}{anchor and '#'}{anchor})"


def read(source: Path) -> Notebook:
    """What the Markdown of a notebook's source says: its title, its cover, its exercises.

    Raises:
        ValueError: it has no title, or its cover lacks a row.
    """
    text = re.sub(
        r"^# ?", "", source.read_text(encoding="utf-8"), flags=re.MULTILINE
    )  # as a cell of Markdown has it
    title, gives, time = (row.search(text) for row in (TITLE, GIVES, TIME))
    if not (title and gives and time):
        raise ValueError(
            f"{source.name}: give it a `# Title`, and in its cover the rows `| **It gives you** | … |` and "
            "`| **Time** | N minutes to read …`"
        )
    exercises = [
        Exercise(f["title"], f["number"], len(f["circles"]), f["name"], int(f["minutes"]), capital(f["why"]))
        for f in EXERCISE.finditer(text)
    ]
    sittings = tuple(int(minutes) for minutes in time.groups()[:2] if minutes)
    return Notebook(source.stem, title[1], gives[1], sittings, int(time[3] or 0), exercises)


def capital(words: str) -> str:
    return words[0].upper() + words[1:]


def notebooks() -> dict[str, Notebook]:
    """All notebooks in reading order, by number."""
    read_all = [read(path) for path in sorted((COURSE / "notebooks" / "source").glob("[0-9]*.py"))]
    return {notebook.number: notebook for notebook in read_all}


def readme_table() -> str:
    """The table of notebooks as it stands in README.md."""
    head = "| | | minutes to read | what it gives you |\n| --- | --- | ---: | --- |"
    rows = [
        f"| {n.number} | [{n.title}](notebooks/{n.file}) | {n.reading} | {n.gives} |" for n in notebooks().values()
    ]
    return "\n".join([head, *rows])


def with_table(readme: str) -> str:
    """README.md's text with the table between its markers as the covers have it now."""
    start, end = MARKERS
    before, _, rest = readme.partition(start)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"README.md has no place for the notebooks: {start} and, below it, {end}")
    return f"{before}{start}\n{readme_table()}\n{end}{after}"


if __name__ == "__main__":
    README = COURSE / "README.md"
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
