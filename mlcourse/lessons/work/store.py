"""The folder of a reader's work: kept functions, one file an exercise, and the log of the checks."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from mlcourse.files import write_whole
from mlcourse.paths import REPOSITORY

HEAD = """# Exercise {number} · {title}: your own solution, as it passed its check.
# A later notebook takes it by yours("{number}", ...). It is yours: change it as you like. When another solution
# passes, this file is not overwritten; it gets a number in its name.

"""


def folder() -> Path:
    """`MLCOURSE_WORK`; by default `notebooks/my_work` of the course, elsewhere `my_work` where Python runs."""
    if name := os.environ.get("MLCOURSE_WORK"):
        return Path(name).expanduser()
    notebooks = REPOSITORY / "notebooks"
    return (notebooks if notebooks.is_dir() else Path.cwd()) / "my_work"


def path_of(number: str) -> Path:
    """Where the solution of an exercise is kept."""
    return folder() / f"exercise_{number.replace('.', '_')}.py"


def keep(number: str, title: str, text: str, name: str) -> Path:
    """Write a solution, of which `name` is what later notebooks take; another one that was there gets a number."""
    path = path_of(number)
    line = "" if name == "answer" else f"\n\nanswer = {name}\n"
    content = HEAD.format(number=number, title=title) + text + line
    if path.exists():
        if path.read_text(encoding="utf-8") == content:
            return path
        version = 1
        while (older := path.with_name(f"{path.stem}_version_{version}.py")).exists():
            version += 1
        path.rename(older)
    write_whole(path, lambda file: file.write(content.encode()))
    return path


def load(number: str) -> dict[str, Any] | None:
    """What the kept file of an exercise defines, None where there is none; whatever it raises passes through."""
    path = path_of(number)
    if not path.exists():
        return None
    namespace: dict[str, Any] = {"__name__": path.stem}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), namespace)
    return namespace


def log(**entry: Any) -> None:
    """Add a line to the log, with the time."""
    folder().mkdir(parents=True, exist_ok=True)
    line = {"when": datetime.now().isoformat(timespec="seconds"), **entry}
    with open(folder() / "log.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def logged() -> list[dict[str, Any]]:
    """All lines of the log, oldest first; one that was torn or edited so that it cannot be read is left out."""
    path, entries = folder() / "log.jsonl", []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return [entry for entry in entries if isinstance(entry, dict)]
