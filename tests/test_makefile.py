"""`make` sets the environment up once, again when it must, and never takes a half-made one for a ready one.

A pretended Python stands in for the real one, so that no test takes long. It writes down what pip is asked.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
from collections.abc import Callable

import pytest

PRETENDED_PYTHON = """#!/bin/sh
here=$(pwd)
case "$*" in
    *"sys.version_info <"*) exit "${TOO_OLD:-0}" ;;
    *"import ensurepip"*) exit "${NO_ENSUREPIP:-0}" ;;
    *"sys.version_info[:2]"*) echo 3.12 ;;
    "-m venv "*)
        echo venv >> "$here/log"; mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; cp "$0" "$3/bin/jupyter" ;;
    "-m pip --version") ;;
    "-m pip "*) echo "$*" >> "$here/log"; exit "${PIP_FAILS:-0}" ;;
    *) echo "$*" >> "$here/log" ;;
esac
"""
Make = Callable[..., subprocess.CompletedProcess]


@pytest.fixture
def project(root: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """An empty project with the course's Makefile and a pretended Python."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(root / name, tmp_path)
    (tmp_path / "notebooks").mkdir()
    python = tmp_path / "python"
    python.write_text(PRETENDED_PYTHON)
    python.chmod(0o755)
    return tmp_path


@pytest.fixture
def make(project: pathlib.Path) -> Make:
    """make(*words, **environment) runs make in the pretended project."""

    def run(*words: str, **environment: str) -> subprocess.CompletedProcess:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        command = ["make", f"PYTHON={project / 'python'}", *words]
        return subprocess.run(command, cwd=project, env=clean | environment, capture_output=True, text=True)

    return run


def log(project: pathlib.Path) -> list[str]:
    path = project / "log"
    return path.read_text().splitlines() if path.exists() else []


def age(path: pathlib.Path, seconds: float) -> None:
    """Set a file's time to so many seconds ago."""
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


def test_help_lists_every_target(root: pathlib.Path, make: Make) -> None:
    targets = re.search(r"^\.PHONY: (.*)$", (root / "Makefile").read_text(), re.MULTILINE)[1].split()
    listed = re.findall(r"^  ([a-z-]+) +\S", make("help").stdout, re.MULTILINE)
    assert listed == targets


def test_second_call_does_nothing(project: pathlib.Path, make: Make) -> None:
    assert make(".venv/ready").returncode == 0
    assert [line.split()[0] for line in log(project)] == ["venv", "-m"]
    assert make(".venv/ready").returncode == 0
    assert len(log(project)) == 2


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_change_installs_into_the_same_environment(name: str, project: pathlib.Path, make: Make) -> None:
    make(".venv/ready")
    age(project / ".venv/ready", 10)
    age(project / name, -10)
    make(".venv/ready")
    assert [line.split()[0] for line in log(project)] == ["venv", "-m", "-m"]


def test_a_failed_set_up_is_not_ready_and_the_next_begins_anew(project: pathlib.Path, make: Make) -> None:
    assert make(".venv/ready", PIP_FAILS="1").returncode != 0
    assert not (project / ".venv/ready").exists()
    assert make(".venv/ready").returncode == 0
    assert [line.split()[0] for line in log(project)] == ["venv", "-m", "venv", "-m"]


def test_a_failed_update_takes_the_readiness_away(project: pathlib.Path, make: Make) -> None:
    make(".venv/ready-to-author")
    age(project / ".venv/ready", 10)
    age(project / "constraints.txt", -10)
    assert make(".venv/ready", PIP_FAILS="1").returncode != 0
    assert not (project / ".venv/ready").exists() and not (project / ".venv/ready-to-author").exists()


def test_an_authors_environment_is_a_learners_too(project: pathlib.Path, make: Make) -> None:
    make(".venv/ready-to-author")
    make(".venv/ready")
    assert [line.split()[0] for line in log(project)] == ["venv", "-m"]
    assert "-e .[test,authoring,oracles]" in log(project)[1]


def test_versions_and_the_torch_index_reach_pip_in_one_command(project: pathlib.Path, make: Make) -> None:
    make(".venv/ready", "TORCH_INDEX=https://example.org/cpu")
    assert log(project)[1].endswith("-c constraints.txt --extra-index-url https://example.org/cpu -e .")


def test_lab_opens_the_first_notebook_and_passes_options_on(project: pathlib.Path, make: Make) -> None:
    assert make("lab", "PORT=9999", "LAB_OPTIONS=--no-browser --ip 0.0.0.0").returncode == 0
    opened = log(project)[-1]
    assert opened.startswith("lab --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb")
    assert opened.endswith("--port 9999 --no-browser --ip 0.0.0.0")
    assert ("--allow-root" in opened) == (os.geteuid() == 0)


def test_only_notebooks_as_committed_are_trusted(project: pathlib.Path, make: Make) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for name in ("01_same", "02_changed"):
        (project / f"notebooks/{name}.ipynb").write_text("{}")
    for words in (("init", "-q"), ("add", "notebooks"), (*identity, "commit", "-qm", "notebooks")):
        subprocess.run(["git", *words], cwd=project, check=True)
    (project / "notebooks/02_changed.ipynb").write_text("{ }")
    (project / "notebooks/03_added.ipynb").write_text("{}")
    make("lab")
    assert [line for line in log(project) if line.startswith("trust")] == ["trust notebooks/01_same.ipynb"]


@pytest.mark.parametrize(
    ("lack", "words"),
    [("TOO_OLD", "needs Python 3.11 or newer"), ("NO_ENSUREPIP", "apt install python3.12-venv")],
)
def test_an_unsuitable_python_is_named(lack: str, words: str, project: pathlib.Path, make: Make) -> None:
    done = make(".venv/ready", **{lack: "1"})
    assert done.returncode != 0 and words in done.stderr
    assert log(project) == []
