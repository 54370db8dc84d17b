"""The papers' Omniglot table with ours beside it: every cell is measured, or says that it is not yet.

Our runs lie in `data/results/omniglot/`, one file each, as `mlcourse/experiments/omniglot.py` wrote them.
"""

import itertools
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mlcourse.errors import DataError
from mlcourse.experiments import results

NAMES = {
    "protonet": "Prototypical Networks",
    "matching": "Matching Networks",
    "classifier": "ordinary classifier, head dropped",
    "maml": "MAML",
    "fomaml": "first-order MAML",
    "reptile": "Reptile",
}
CELLS = ((5, 1), (5, 5), (20, 1), (20, 5))
NOT_YET = "not measured yet"
TITLES = {  # by split
    "random": "Omniglot, accuracy in %: 1,200 random characters to train, the other 423 to test",
    "alphabets": "Omniglot, accuracy in %: 30 background alphabets to train, 20 evaluation alphabets to test",
}


def cell(n_way: int, k_shot: int) -> str:
    """The short name of a kind of task: 5w1s."""
    return f"{n_way}w{k_shot}s"


class Printed(NamedTuple):
    """What a paper prints: accuracy in per cent by cell, with ± where it gives one."""

    accuracy: dict[str, float | list[float]]
    source: str


def _four(*figures: float | list[float]) -> dict[str, float | list[float]]:
    return dict(zip((cell(*pair) for pair in CELLS), figures, strict=True))


SNELL, FINN, NICHOL = "Snell et al. 2017, table 1", "Finn et al. 2017, table 1", "Nichol et al. 2018, table 2"
PUBLISHED = {  # (method, transductive)
    ("protonet", False): Printed(_four(98.8, 99.7, 96.0, 98.9), SNELL),
    ("matching", False): Printed(_four(98.1, 98.9, 93.8, 98.5), SNELL),
    ("maml", True): Printed(_four([98.7, 0.4], [99.9, 0.1], [95.8, 0.3], [98.9, 0.2]), FINN),
    ("fomaml", True): Printed(_four([98.3, 0.5], [99.2, 0.2], [89.4, 0.5], [97.9, 0.1]), NICHOL),
    ("reptile", True): Printed(_four([97.68, 0.04], [99.48, 0.06], [89.43, 0.14], [97.12, 0.32]), NICHOL),
    ("reptile", False): Printed(_four(95.39, 98.90, 88.14, 96.65), NICHOL),
}


# The rows of the table: (method, transductive)
ROWS = [
    (name, transductive)
    for name in NAMES
    for transductive in ((True, False) if name in ("maml", "fomaml", "reptile") else (False,))
]
PROTOCOLS = {
    "random": (
        "Ours: quarter turns are classes in training only. The papers do not all split alike (Snell et al.: fixed "
        "lists, turned classes in testing too; Finn et al.: one random turn a task; Nichol et al.: as ours), so a "
        "difference of some tenths between two rows may be one of protocol."
    ),
    "alphabets": "The papers split at random: their figures are not for this split, whose alphabets are all new.",
}


def runs(folder: Path | None = None) -> list[dict[str, Any]]:
    """Our stored runs, by name."""
    folder = folder or results.results_folder() / "omniglot"
    stored = {path: results.load(str(path)) for path in sorted(folder.glob("*.json"))}
    for path, run in stored.items():
        if not {"data", "split", "recipe"} <= set(run.get("details", {})) or not run["rows"]:
            raise DataError(f"{path} is no run of `reproduce omniglot`; put it elsewhere")
    return list(stored.values())


def summary(stored: Sequence[dict[str, Any]], split: str = "random") -> str:
    """The table of a split in Markdown: a row for each method and protocol that we ran, then the papers' rows.

    A cell with several seeds is their mean; its letter leads to a note below that says how it was measured. Two
    runs of one cell both stand in it. Runs of other kinds of tasks have no place here. Methods that we have not
    run are folded away with what the papers print.
    """
    mine = [run for run in stored if run["details"]["data"] == "omniglot" and run["details"]["split"] == split]
    mine = [run for run in mine if _kind(run) in {cell(*pair) for pair in CELLS}]
    letters = [*string.ascii_lowercase, *map("".join, itertools.product(string.ascii_lowercase, repeat=2))]
    notes = list(zip(mine, letters, strict=False))
    measured: dict[tuple[str, bool], dict[str, list[str]]] = {}
    for run, letter in notes:
        for row in run["rows"]:
            key = run["details"]["recipe"]["method"], row["values"]["transductive"] == "yes"
            said = f"{results.as_text(row['values']['accuracy, %'])} ({letter})"
            measured.setdefault(key, {}).setdefault(_kind(run), []).append(said)
    ours, others = [], []
    for key in ROWS:
        name = f"{NAMES[key[0]]}, {'' if key[1] else 'not '}transductive"
        printed = [f"published: {PUBLISHED[key].source}", *_printed(PUBLISHED[key])] if key in PUBLISHED else None
        if key in measured:
            ours.append([name, *(" / ".join(measured[key].get(cell(*pair), [NOT_YET])) for pair in CELLS)])
            ours += [printed] if printed else []
        else:
            label, *figures = printed or ["nothing published", *["–" for _ in CELLS]]
            others.append([f"{name}; {label}", *figures])
    none = "No run is stored yet; `python -m mlcourse reproduce omniglot --help` says how to make one."
    below = "\n".join(_note(run, letter) for run, letter in notes) or none
    return "\n\n".join([*([_table(ours)] if ours else []), *_folded(others), PROTOCOLS[split], below])


def _printed(paper: Printed) -> list[str]:
    """What a paper prints, cell by cell."""
    return [results.as_printed(paper.accuracy[cell(*pair)]) for pair in CELLS]


def _table(rows: list[list[str]]) -> str:
    """Rows in Markdown, below the kinds of tasks."""
    heads = ["method", *(f"{n_way}-way {k_shot}-shot" for n_way, k_shot in CELLS)]
    lines = [heads, ["---", *["---:" for _ in CELLS]], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _folded(rows: list[list[str]]) -> list[str]:
    """The paragraphs of what we have not run."""
    count = f"{len(rows)} row{'s' * (len(rows) != 1)}"
    words = f"<details>\n<summary>Not measured yet, published numbers only: {count}</summary>"
    return [words, _table(rows), "</details>"] if rows else []


def _note(run: dict[str, Any], letter: str) -> str:
    """How one run was made, in a line."""
    r, values, hardware = run["details"]["recipe"], run["rows"][0]["values"], run["hardware"]
    machine = hardware["gpu"] if hardware["gpu"] != "none" else f"{hardware['cpu']}, no GPU"
    seeds = f"{len(run['seeds'])} seed{'s' * (len(run['seeds']) != 1)}"
    compilation = f" and {values['compilation, s']:.0f} s of compilation" if values["compilation, s"] >= 1 else ""
    return (
        f"- ({letter}) {NAMES[r['method']]}, {cell(r['n_way'], r['k_shot'])}: {r['channels']} channels, {seeds}, "
        f"{values['meta-steps']:,} meta-steps, {values['training, s']:.0f} s of training{compilation} each on "
        f"{machine}; `{run['command']}`"
    )


def both_splits(stored: Sequence[dict[str, Any]]) -> str:
    """The tables of both splits, each under its title."""
    return "\n\n".join(f"**{title}**\n\n{summary(stored, split)}" for split, title in TITLES.items())


def _kind(run: dict[str, Any]) -> str:
    """The kind of tasks of a run: 5w1s."""
    r = run["details"]["recipe"]
    return cell(r["n_way"], r["k_shot"])
