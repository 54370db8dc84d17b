"""What a submission may try: no point is stolen, no neighbour changed, nothing left running, nothing leaked.

Each attack of attacks.txt stands in the cell of the item `double`, whose honest solution it lacks; honest cells
around it keep their points. `{neighbour}` is the path of another submission.
"""

import dataclasses
import re
import time
from pathlib import Path

import psutil
import pytest

from mlcourse.assignments import remote, reports
from mlcourse.assignments.grade import grade

SEED = 7
HONEST = {"mine": 5, "next": 5}
# Write to the pipe to the grader, past the worker: it is the only pipe that is open for writing.
SAY = """
import os, json, stat
def pipes():
    found = []
    for fd in range(3, 64):
        try:
            if stat.S_ISFIFO(os.fstat(fd).st_mode): found.append(fd)
        except OSError: pass
    return found
def say(line):
    for fd in pipes():
        try: os.write(fd, line if isinstance(line, bytes) else json.dumps(line).encode() + b"\\n")
        except OSError: pass
"""
TEXT = Path(__file__).with_name("attacks.txt").read_text(encoding="utf-8")
ATTACKS = {
    name: source.strip().replace("PIPE", SAY).replace("<NUL>", "\0")
    for name, source in re.findall(r"^## (.+)\n((?:(?!## ).*\n)+)", TEXT, re.M)
}
# Whose own later cells are lost: what they are turned into is the submission's own doing.
SELF_HARM = {"input transformers"}


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Less time than in earnest: the attacks are many."""
    monkeypatch.setattr(remote, "SECONDS_A_CELL", 2.0)
    monkeypatch.setattr(remote, "SECONDS_A_CALL", 1.0)
    monkeypatch.setattr(remote, "MEMORY", 2**30)
    monkeypatch.setenv("GRADER_SECRET", "GRADER_SECRET")


def left_running() -> list[str]:
    """What is there of ours after a moment: what was killed may still be on its way out."""
    until = time.monotonic() + 3
    while (
        found := [" ".join(p.cmdline()) for p in psutil.process_iter() if _is_ours(p)]
    ) and time.monotonic() < until:
        time.sleep(0.1)
    return found


def _is_ours(process: psutil.Process) -> bool:
    """Whether it is a student's process that this test started, or that belongs to nobody any more."""
    try:
        command = process.cmdline()
        return "mlcourse.assignments.worker" in command and command[0] != "bwrap" and _mine(process)
    except psutil.Error:
        return False


def _mine(process: psutil.Process) -> bool:
    """Whether it descends from this test process, or from nobody any more."""
    parents = [parent.pid for parent in process.parents()]
    return psutil.Process().pid in parents or len(parents) < 2


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_point_is_stolen(attack, hand_in, tmp_path, toy, wall):
    neighbour = hand_in(name="neighbour/toy.ipynb")
    before = neighbour.read_bytes()
    source = ATTACKS[attack].replace("{neighbour}", str(neighbour))
    path = hand_in({"double-answer": source})
    report = grade(path, toy, "u1", wall=wall, seed=SEED)
    points = {result.name: result.points for result in report.results}
    assert points["double"] == 0, report
    if attack not in SELF_HARM:
        assert {name: points[name] for name in HONEST} == HONEST, report
    assert neighbour.read_bytes() == before
    assert left_running() == []
    assert len(report.stopped) < 20
    reports.write([report], tmp_path / "out")
    page = reports.feedback(report)
    assert "731." not in page and "732." not in page and "730." not in page and "<script>" not in page, page


def test_the_attacks_would_succeed_but_for_what_is_wrong_with_them(hand_in, toy, wall):
    """The honest solution in the same place gets its points: the cells around the attacks are whole."""
    report = grade(hand_in(), toy, "u1", wall=wall, seed=SEED)
    assert {result.name: result.points for result in report.results} == {"double": 10, "why": None, **HONEST}


TAMPERED = {
    "tests edited": {"double": "pass", "double-answer": "def double(a): return a"},
    "tests deleted": {"double": None, "double-answer": "def double(a): return a"},
    "the setup edited": {
        "setup-1": "def compare(*a, **k): return None\ndef item(*a, **k): return lambda check: None\nx = [0.0]\n",
        "double-answer": "def double(a): return a",
    },
}


@pytest.mark.parametrize("kind", TAMPERED)
def test_edited_tests_change_nothing(kind, hand_in, toy, wall):
    report = grade(hand_in(TAMPERED[kind]), toy, "u1", wall=wall)
    assert {r.name: r.points for r in report.results} == {"double": 0, "why": None, **HONEST}


def test_another_students_id_is_of_no_use(hand_in, toy, wall):
    """What the notebook says of its author does not count, and the neighbour's answer is noted."""
    cells = {
        "mine-answer": "import os\nos.environ['MLCOURSE_STUDENT'] = STUDENT = 'u2'\n"
        "mine = float(draw(own('toy/mine')).sum())"
    }
    report = grade(hand_in(cells), toy, "u1", wall=wall, others=("u2", "u3"))
    assert next(r.points for r in report.results if r.name == "mine") == 0
    assert report.notes[-1] == "the answer to mine is wrong here, and right for u2"
    assert "u2" not in reports.feedback(report)


def test_a_link_is_not_followed(hand_in, tmp_path, toy, wall):
    hand_in(name="neighbour/toy.ipynb")
    link = tmp_path / "mine" / "toy.ipynb"
    link.parent.mkdir()
    link.symlink_to(tmp_path / "neighbour" / "toy.ipynb")
    for path in (link, link.parent):
        report = grade(path, toy, "u1", wall=wall)
        assert report.points == 0 and "link" in report.notes[0]


def test_a_notebook_of_200_mb_is_not_read(tmp_path, toy, wall):
    path = tmp_path / "toy.ipynb"
    with path.open("wb") as file:
        file.truncate(200 * 2**20)
    report = grade(path, toy, "u1", wall=wall)
    assert report.points == 0 and "larger than 64 MB" in report.notes[0]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"cells": 3}', '{"cells": [3], "nbformat": 4}', "[" * 10**5, "\x00"]
)
def test_what_is_no_notebook_is_told_so(text, tmp_path, toy, wall):
    path = tmp_path / "toy.ipynb"
    path.write_text(text)
    report = grade(path, toy, "u1", wall=wall)
    assert report.points == 0 and "not a notebook" in report.notes[0]


def test_the_same_inputs_give_the_same_report(hand_in, toy, wall):
    path = hand_in({"double-answer": ATTACKS["a loop in a call"]})
    reports_ = [grade(path, toy, "u1", wall=wall, seed=SEED) for _ in range(2)]
    assert dataclasses.asdict(reports_[0]) == dataclasses.asdict(reports_[1])


def test_there_are_forty_attacks():
    assert len(ATTACKS) + len(TAMPERED) >= 40
