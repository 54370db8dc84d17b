"""The invented reports, each with one flaw: their numbers are computed, and each key tells flawed from sound.

A report is `notebooks/source/clinic/NN_name.py`. Its last cell, tagged `key`, is for lecturers. It defines `flaw`
and `still` (sentences), `points` (what earns how many), `exposes` (the test), `flawed` and `sound` (what it is run
on), and `stated`, every number of the report as it was computed.
"""

import re
from pathlib import Path

import jupytext
import pytest

from tests.notebooks.exercises import ROOT, run

REPORTS = sorted((ROOT / "notebooks/source/clinic").glob("[0-9]*.py"))
NUMBER = re.compile(r"−?\d+(?:,\d{3})*(?:\.\d+)?")

every_report = pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.stem)


def is_key(cell) -> bool:
    return "key" in cell.metadata.get("tags", [])


def report(path: Path) -> str:
    """The words of the report: the quoted block."""
    words = [cell.source for cell in jupytext.read(path).cells if cell.cell_type == "markdown"]
    return "\n".join(line[1:] for line in "\n".join(words).splitlines() if line.startswith(">"))


def ran(path: Path) -> dict:
    """The names that a report's cells define, the key included; its assertions run with it."""
    namespace: dict = {"__name__": "__main__"}
    for cell in jupytext.read(path).cells:
        if cell.cell_type == "code":
            run(cell.source, namespace)
    return namespace


def test_there_are_ten() -> None:
    assert [path.stem[:2] for path in REPORTS] == [f"{number:02}" for number in range(1, 11)]


@every_report
def test_a_report_says_that_it_is_invented_and_asks_for_a_test(path: Path) -> None:
    assert report(path).strip().startswith("**An invented report.**")
    words = "\n".join(cell.source for cell in jupytext.read(path).cells if cell.cell_type == "markdown")
    assert "We made this report up." in words and "Write `exposes(" in words
    assert 80 < len(report(path).split()) < 250, "half a page"


@every_report
def test_the_key_is_one_cell_at_the_end_and_nothing_else_tells(path: Path) -> None:
    cells = jupytext.read(path).cells
    assert [is_key(cell) for cell in cells] == [False] * (len(cells) - 1) + [True]
    code = "\n".join(cell.source for cell in cells[:-1] if cell.cell_type == "code")
    assert not re.search(r"\b(flaw\w*|sound|exposes|assert)\b", code)


@every_report
def test_the_numbers_are_computed_and_the_key_tells_flawed_from_sound(path: Path) -> None:
    found = ran(path)
    stated = set(NUMBER.findall(report(path)))
    assert stated == set(found["stated"]), "the report's numbers and the computed ones"
    assert found["exposes"](found["flawed"]) is True
    assert found["exposes"](found["sound"]) is False
    assert found["flaw"].endswith(".") and found["still"].endswith(".")
    assert sorted(found["points"].values()) == [2, 3, 5]
