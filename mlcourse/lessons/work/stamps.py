"""The passport: which exercises a reader has passed, when, in how many tries, and numbers worth keeping."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlcourse.files import write_whole
from mlcourse.lessons.work import store

PAGE = "passport.md"
CHECK = re.compile(r'@exercise\(\s*"(\d+\.\d+)",\s*"([^"]+)"')  # as in `lessons/checks/nb05.py`


@dataclass
class Stamp:
    """What the log says of one exercise."""

    title: str
    tries: int = 0
    passed: str = ""  # the day


@dataclass
class Passport:
    """All exercises by number, and the numbers that notebooks have noted; a notebook shows it as a table."""

    stamps: dict[str, Stamp]
    notes: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)  # day, title, numbers

    def __repr__(self) -> str:
        lines = [self._summary()]
        lines += [f"  {number:5} {stamp.title}: {_words(stamp)}" for number, stamp in self.stamps.items()]
        lines += [f"  {line}" for line in self._noted()]
        return "\n".join(lines)

    def _repr_markdown_(self) -> str:
        rows = ["| exercise | | passed | |", "| ---: | --- | --- | --- |"]
        for number, stamp in self.stamps.items():
            file = store.path_of(number)
            link = f"[{file.name}]({file.name})" if file.exists() else ""
            rows.append(f"| {number} | {stamp.title} | {_words(stamp)} | {link} |")
        noted = "\n".join(f"- {line}" for line in self._noted())
        return "\n\n".join(filter(None, [f"**{self._summary()}**", "\n".join(rows), noted]))

    def _repr_html_(self) -> str:
        by_notebook: dict[str, list[str]] = {}
        for number, stamp in self.stamps.items():
            solved = f"<strong>✓ {number}</strong>" if stamp.passed else number
            by_notebook.setdefault(number.split(".")[0], []).append(solved)
        short = "".join(
            f"<tr><th scope='row' style='padding-right: 1.5em'>{int(notebook):02}</th>"
            f"<td style='text-align: left'>{' &ensp; '.join(marks)}</td></tr>"
            for notebook, marks in by_notebook.items()
        )
        rows = "".join(
            f"<tr><td>{number}</td><td style='text-align: left'>{html.escape(stamp.title)}</td>"
            f"<td style='text-align: left; white-space: nowrap'>{_words(stamp)}</td></tr>"
            for number, stamp in self.stamps.items()
        )
        noted = "".join(f"<li>{html.escape(line)}</li>" for line in self._noted())
        every = f"<details><summary>When, and in how many tries</summary><table>{rows}</table></details>"
        notes = f"<ul>{noted}</ul>" * bool(noted)
        return f"<p><strong>{self._summary()}</strong></p><table>{short}</table>{every}{notes}"

    def _noted(self) -> list[str]:
        return [f"{day}: {title}: {_numbers(numbers)}" for day, title, numbers in self.notes]

    def _summary(self) -> str:
        done = sum(bool(stamp.passed) for stamp in self.stamps.values())
        return f"{done} of {len(self.stamps)} exercises passed"


def passport() -> Passport:
    """What the log holds, for every exercise of the course."""
    found = Passport({number: Stamp(title) for number, title in _exercises()})
    for entry in store.logged():
        day = str(entry.get("when", ""))[:10]
        if "note" in entry:
            found.notes.append((day, str(entry["note"]), dict(entry.get("numbers", {}))))
        elif (stamp := found.stamps.get(str(entry.get("exercise")))) and not stamp.passed:
            stamp.tries += 1
            stamp.passed = day if entry.get("status") == "passed" else ""
    return found


def note(title: str, **numbers: float) -> Passport:
    """Put numbers that a reader has reached into the passport, for example `note("my MAML", loss=0.9)`."""
    store.log(note=title, numbers={name: float(value) for name, value in numbers.items()})
    return write_page()


def write_page() -> Passport:
    """Write the passport as a page, `my_work/passport.md`, which JupyterLab shows with a right click."""
    found = passport()
    text = f"# Passport\n\n{found._repr_markdown_()}\n"
    write_whole(store.folder() / PAGE, lambda file: file.write(text.encode()))
    return found


def _exercises() -> list[tuple[str, str]]:
    """Number and title of every exercise that has a check, in the order of the course: read, not imported."""
    files = (Path(__file__).parents[1] / "checks").glob("nb*.py")
    known = {pair for file in files for pair in CHECK.findall(file.read_text(encoding="utf-8"))}
    return sorted(known, key=lambda pair: [int(part) for part in pair[0].split(".")])


def _words(stamp: Stamp) -> str:
    tries = f"{stamp.tries} {'try' if stamp.tries == 1 else 'tries'}"
    if stamp.passed:
        return f"✓ {stamp.passed}, {tries}"
    return f"not yet, {tries}" if stamp.tries else "not yet"


def _numbers(numbers: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in numbers.items())
