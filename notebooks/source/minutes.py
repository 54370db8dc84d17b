"""How long a notebook takes to read, counted from its page; a test holds what its cover says to it.

    python notebooks/source/minutes.py                   every notebook
    python notebooks/source/minutes.py 05_maml_from_zero the named ones

Words at 200 a minute, lines of code at 8 a minute, 20 seconds for a prediction, two and a half minutes for a
widget. Not counted: exercises, whose headings say their own minutes, what is folded (hints, answers, plotting
code), claims, and references. A page may be cut into two sittings by the heading `## Second sitting`.
"""

from __future__ import annotations

import pathlib
import re
import sys
from dataclasses import dataclass

import jupytext

SOURCE = pathlib.Path(__file__).resolve().parent
WORDS_A_MINUTE, LINES_A_MINUTE = 200, 8
A_PREDICTION, A_WIDGET = 1 / 3, 2.5  # minutes
NOT_READ = {"claims", "exercise", "check", "solution", "hide-input", "hide-cell", "remove-cell"}
FOLDED = re.compile(r"<details>.*?</details>", re.DOTALL)
EXERCISE = re.compile(r"^#{2,3} Exercise \d", re.MULTILINE)
SECOND = re.compile(r"^## Second sitting", re.MULTILINE)
IMPORTED = re.compile(r"^from mlcourse\.lessons\.widgets import (.+)$", re.MULTILINE)


@dataclass
class Count:
    """What one sitting of a notebook holds."""

    words: int = 0
    lines: int = 0
    predictions: int = 0
    widgets: int = 0

    @property
    def minutes(self) -> int:
        """To read, predict and play, rounded to five."""
        exact = self.words / WORDS_A_MINUTE + self.lines / LINES_A_MINUTE
        exact += self.predictions * A_PREDICTION + self.widgets * A_WIDGET
        return max(5, 5 * round(exact / 5))


def sittings(path: pathlib.Path) -> list[Count]:
    """What is to be read in each sitting of a notebook's source."""
    counts, cells = [Count()], jupytext.read(path, fmt="py:percent").cells
    imports = IMPORTED.findall("\n".join(cell.source for cell in cells))
    widgets = {name.strip() for names in imports for name in names.split(",")}
    for cell in cells:
        if NOT_READ & set(cell.metadata.get("tags", [])):
            continue
        if SECOND.search(cell.source):
            counts.append(Count())
        if cell.cell_type == "code":
            counts[-1].lines += sum(bool(line.strip()) for line in cell.source.splitlines())
            counts[-1].widgets += shows(cell.source, widgets)
        elif cell.source.startswith("## References"):
            break
        elif not EXERCISE.search(cell.source):
            counts[-1].words += len(FOLDED.sub("", cell.source).split())
            counts[-1].predictions += cell.source.count("**Predict.**")
    return counts


def shows(source: str, widgets: set[str]) -> bool:
    """Whether a cell ends in one of the widgets: its last statement begins with the name, as `OwnWave()` does."""
    statements = re.split(r"\n(?=[^\s)\]}])", source.rstrip())
    return re.split(r"\W", statements[-1])[0] in widgets


def words_on_the_page(path: pathlib.Path) -> int:
    """All words of the Markdown cells, folded ones and exercises included: at most 4,000 are wanted."""
    cells = jupytext.read(path, fmt="py:percent").cells
    return sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")


def report(path: pathlib.Path) -> str:
    """One line: minutes of each sitting, what they come from, and the words of the whole page."""
    parts = (
        f"{c.minutes} min ({c.words} words, {c.lines} lines, {c.predictions} predictions, {c.widgets} widgets)"
        for c in sittings(path)
    )
    return f"{' + '.join(parts)}; {words_on_the_page(path)} words on the page"


def main() -> None:
    names = sys.argv[1:] or [path.stem for path in sorted(SOURCE.glob("[0-9]*.py"))]
    for name in names:
        path = SOURCE / f"{pathlib.Path(name).stem}.py"
        print(f"{path.stem}: {report(path)}")


if __name__ == "__main__":
    main()
