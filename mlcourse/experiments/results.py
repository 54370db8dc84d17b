"""Measured tables, `data/results/*.json`: every number beside the command, seeds and hardware that made it.

One file is one table. Its fields:

    name, title    what it is called, and what it shows
    command        what makes it again
    seeds          the seeds behind it, [] where nothing is random
    hardware       {"cpu", "cores", "gpu"}; gpu is "none" where none took part
    versions       {"python", "torch", "numpy"}
    wall_seconds   how long the whole command took
    date           the day, UTC, YYYY-MM-DD
    protocol       how it was measured, in sentences
    details        optional: what a reader who doubts the table would ask for (settings, sweeps, curves)
    rows           [{"method", "values": {column: figure}, and maybe "published": {column: figure}, "source"}]

A figure is a number, a pair [mean, half-width of its 95 % interval], or a text. "published" are the numbers that
`source`, a citation, prints for the same columns; each stands under a column of "values".
"""

import importlib.metadata
import json
import math
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from mlcourse.arguments import nearest, require_count, require_seed
from mlcourse.errors import DataError
from mlcourse.files import require_place, write_whole
from mlcourse.paths import data_folder

FIELDS = {
    "name": str,
    "title": str,
    "command": str,
    "seeds": list,
    "hardware": dict,
    "versions": dict,
    "wall_seconds": int | float,
    "date": str,
    "protocol": str,
    "rows": list,
}
PARTS = {"hardware": ("cpu", "cores", "gpu"), "versions": ("python", "torch", "numpy")}
PLUS_MINUS = "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}"  # a number and its interval stay on one line
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def provenance(command: str, seeds: Sequence[int], started: float, *, device: str = "cpu") -> dict[str, Any]:
    """Where a table comes from: its fields command, seeds, hardware, versions, wall_seconds and date.

    started: `time.perf_counter()` when the command began. device: where the work was done ("cpu", "cuda").
    """
    versions = {name: importlib.metadata.version(name) for name in ("torch", "numpy")}
    return {
        "command": command,
        "seeds": [int(seed) for seed in seeds],
        "hardware": {"cpu": cpu_model(), "cores": cpu_cores(), "gpu": _gpu(device)},
        "versions": {"python": platform.python_version(), **versions},
        "wall_seconds": round(time.perf_counter() - started, 1),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def cpu_model() -> str:
    """The processor's name as the system gives it."""
    try:
        if platform.system() == "Darwin":
            asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, subprocess.CalledProcessError, StopIteration):
        return platform.processor() or platform.machine()


def cpu_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _gpu(device: str) -> str:
    if not str(device).startswith("cuda"):
        return "none"
    import torch

    return torch.cuda.get_device_name(device)


def require_run(
    *, seeds: Sequence[int], n_tasks: int | None = None, out: Path | None = None, folder: Path | None = None
) -> None:
    """Judge what a command that measures is given, before it works: a fault must not be told after an hour.

    out: where the table will go. folder: where weights will go. ValueError or DataError for the first thing wrong.
    """
    if not isinstance(seeds, Sequence | np.ndarray) or not len(seeds):
        raise ValueError(f"seeds is {seeds!r}; give a list of one or more")
    for seed in seeds:
        require_seed("seeds", seed)
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds is {list(seeds)}; give each once")
    if n_tasks is not None:
        require_count("n_tasks", n_tasks, least=2)
    if out is not None:
        require_place(out)
    if folder is not None:
        require_place(Path(folder) / "weights")


# --- files -------------------------------------------------------------------------------------------------


def results_folder() -> Path:
    """Where the course's own tables lie."""
    return data_folder() / "results"


def names() -> list[str]:
    """The names of all tables that are there."""
    return sorted(path.stem for path in results_folder().glob("*.json"))


def save(result: dict[str, Any], path: Path | str | None = None) -> Path:
    """Write a table whole or not at all, by default to `data/results/NAME.json`; returns the path.

    Raises ValueError when a field is missing or of the wrong kind, DataError when it cannot be written there. In
    either case it is put where temporary files go, and the message says so, since what it cost is not to be lost.
    """
    try:
        validate(result)
        text = json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        spare = _spare("table.json", json.dumps(result, indent=1, default=repr, skipkeys=True))
        raise ValueError(f"{error}; what was measured is in {spare}") from error
    path = Path(path) if path is not None else results_folder() / f"{result['name']}.json"
    try:
        write_whole(path, lambda file: file.write(text.encode()))
    except OSError as error:
        raise DataError(
            f"the table {path} could not be written ({error}); what was there is untouched, and the new table is "
            f"in {_spare(path.name, text)}: move it from there"
        ) from error
    return path


def _spare(name: str, text: str) -> Path:
    """Where a text lies that could not be put where it should be."""
    spare = Path(tempfile.mkdtemp(prefix="mlcourse-")) / name
    spare.write_text(text, encoding="utf-8")
    return spare


def load(name: str) -> dict[str, Any]:
    """Read the table `name`, such as "sinusoid" or "omniglot/NAME", or the file at the path `name`.

    Raises DataError when it is not there (the message lists what is) or is no table.
    """
    path, own = Path(name), results_folder() / f"{name}.json"
    if path.suffix != ".json" and (own.exists() or os.sep not in str(name)):
        path = own
    try:
        result = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_each_once)
        validate(result)
    except FileNotFoundError as error:
        known = [*names(), *sorted({path.parent.name for path in results_folder().glob("*/*.json")})]
        raise DataError(
            f"there is no table {name!r}{nearest(name, known)}; there are: {', '.join(known) or 'none yet'}"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is no table of results ({error})") from error
    return result


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, of which Python would keep the last of two entries with the same name."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, _ in pairs if sum(name == other for other, _ in pairs) > 1)
        raise ValueError(f"it has {twice!r} twice")
    return found


def validate(result: Any) -> None:
    """Raise a ValueError that names the first thing in which `result` is no table (see the top of this file)."""
    if not isinstance(result, dict):
        raise ValueError(f"a table is a dict, not {type(result).__name__}")
    for field, kind in FIELDS.items():
        if not isinstance(result.get(field), kind):
            raise ValueError(f"{field} is {result.get(field)!r}; a table needs it, as {kind}")
    if unknown := set(result) - set(FIELDS) - {"details"}:
        raise ValueError(f"unknown field {sorted(unknown)[0]!r}; a table has {', '.join(FIELDS)}")
    for field, names in PARTS.items():
        if missing := [name for name in names if name not in result[field]]:
            raise ValueError(f"{field} lacks {missing[0]!r}; it has {', '.join(names)}")
    _require_figure("wall_seconds", result["wall_seconds"])
    if not all(isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0 for seed in result["seeds"]):
        raise ValueError(f"seeds is {result['seeds']!r}; give whole numbers, none below zero")
    if not DAY.fullmatch(result["date"]):
        raise ValueError(f"date is {result['date']!r}; give YYYY-MM-DD")
    for number, row in enumerate(result["rows"]):
        _require_row(number, row)


def _require_row(number: int, row: Any) -> None:
    """A method with its figures, and perhaps those that a citation prints for the same columns."""
    if not isinstance(row, dict) or not isinstance(row.get("method"), str) or "values" not in row:
        raise ValueError(f"row {number} is {row!r}; it needs a method and values")
    where = f"row {number}, {row['method']!r},"
    if unknown := set(row) - {"method", "values", "published", "source"}:
        raise ValueError(f"{where} has {sorted(unknown)[0]!r}; a row has method, values, published and source")
    if bool(row.get("published")) != bool(row.get("source")):
        raise ValueError(f"{where} has published numbers or a source, not both")
    if not isinstance(row.get("source", ""), str):
        raise ValueError(f"{where} has the source {row['source']!r}; give a text")
    for part in (row["values"], row.get("published") or {}):
        if not isinstance(part, dict) or not all(isinstance(column, str) for column in part):
            raise ValueError(f"{where} has {part!r}; give figures by column, whose name is a text")
        for column, figure in part.items():
            if column not in row["values"]:
                close = nearest(column, list(row["values"]))
                raise ValueError(f"{where} has a published {column!r}, which its values have not{close}")
            _require_figure(f"row {number}, column {column!r}", figure)


def _require_figure(where: str, figure: Any) -> None:
    """A finite number, a mean with a half-width that is none below zero, or a text."""
    numbers = figure if isinstance(figure, list | tuple) else [figure]
    single_or_pair = not isinstance(figure, list | tuple) or (len(figure) == 2 and _is_plain(figure[1], least=0))
    if not isinstance(figure, str) and not (single_or_pair and all(map(_is_plain, numbers))):
        raise ValueError(f"{where} holds {figure!r}; give a finite number, a pair [mean, half-width], or a text")


def _is_plain(number: Any, least: float = -sys.float_info.max) -> bool:
    """Whether a number is one that can be written as a decimal: true and 10**400 are none."""
    plain = isinstance(number, int | float) and not isinstance(number, bool)
    return plain and least <= number <= sys.float_info.max


# --- tables to read ----------------------------------------------------------------------------------------


def table(result: dict[str, Any]) -> str:
    """The table in Markdown: a row a method, published numbers beside ours, and below it how it was made."""
    rows = result["rows"]
    columns = list(dict.fromkeys(column for row in rows for column in row["values"]))
    published = any(row.get("published") for row in rows)
    head = ["method", *columns, *(["published", "source"] if published else [])]
    lines = [head, ["---", *["---:"] * len(columns), *(["---:", "---"] if published else [])]]
    for row in rows:
        cells = [row["method"], *(as_text(row["values"].get(column)) for column in columns)]
        if published:
            printed = row.get("published") or {}
            theirs = [column for column in columns if column in printed]
            named = theirs != columns[: len(theirs)]  # then a reader could not tell which columns are meant
            texts = [f"{column}: " * named + as_printed(printed[column]) for column in theirs]
            cells += [" / ".join(texts) or "–", row.get("source") or "–"]
        lines.append(cells)
    body = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    return f"{body}\n\n{caption(result)}"


def caption(result: dict[str, Any]) -> str:
    """How a table was made, in one paragraph: protocol, seeds, hardware, time, and the command."""
    hardware, versions = result["hardware"], result["versions"]
    cores = f"{hardware['cores']} core{'s' if hardware['cores'] != 1 else ''}"
    gpu = "no GPU" if hardware["gpu"] == "none" else hardware["gpu"]
    seeds = f"seeds {', '.join(map(str, result['seeds']))}; " if result["seeds"] else ""
    return (
        f"{result['protocol']} Measured {result['date']} on {hardware['cpu']}, {cores}, {gpu}; {seeds}"
        f"Python {versions['python']}, torch {versions['torch']}, NumPy {versions['numpy']}; "
        f"{result['wall_seconds']:.0f} s in all, by `{result['command']}`."
    )


def scored(evaluation: Any, *, scale: float = 1.0, digits: int = 3) -> list[float] | str:
    """The figure of an `mlcourse.evaluation.Evaluation`, times `scale`, as a table keeps it.

    A pair [mean, half-width]; in words where predictions were no finite numbers: 0 % would pass for bad luck.
    """
    figure = [round(scale * evaluation.mean, digits), round(scale * evaluation.half_width, digits)]
    if not evaluation.not_finite:
        return figure
    return f"{as_text(figure)}; {evaluation.lost}" if math.isfinite(evaluation.mean) else evaluation.lost


def as_printed(figure: Any) -> str:
    """A published figure as text, with the digits that they gave."""
    return PLUS_MINUS.join(f"{n:g}" for n in figure) if isinstance(figure, list | tuple) else f"{figure}"


def as_text(figure: Any) -> str:
    """A figure as text: three significant digits; a mean is rounded to the digits that its interval has."""
    if figure is None:
        return "–"
    if isinstance(figure, str):
        return figure
    if isinstance(figure, list | tuple):
        mean, half = figure
        digits = max(0, 1 - math.floor(math.log10(half))) if half > 0 else 2
        return f"{mean:.{digits}f}{PLUS_MINUS}{half:.{digits}f}"
    if isinstance(figure, int) or figure == 0:
        return f"{figure:g}" if isinstance(figure, float) else str(figure)
    return f"{figure:.{max(0, 2 - math.floor(math.log10(abs(figure))))}f}"
