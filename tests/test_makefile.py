"""`make` sets the environment up once, again when it must, and never takes a half-made one for a ready one.

A pretended Python stands in for the real one, so that no test takes long. It writes down what pip is asked. Where
a test stops make half-way, a program pauses at the moment that PAUSE names, and says so through a pipe.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

PRETENDED_PYTHON = """#!/bin/sh
here=$(pwd)
[ "$1" != -I ] || shift
case "$*" in
    *fcntl*) exec "REAL" -I "$@" ;;
    *"sys.version_info <"*) exit "${TOO_OLD:-0}" ;;
    *"import ensurepip"*) exit "${NO_ENSUREPIP:-0}" ;;
    *"sys.version_info[:2]"*) echo 3.12 ;;
    *_base_executable*) echo "$0" ;;
    *base_prefix*) [ -e "$(dirname "$0")/../pyvenv.cfg" ] ;;
    "-m venv "*)
        echo venv >> "$here/log"; mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; cp "$0" "$3/bin/jupyter"
        pause venv; touch "$3/pyvenv.cfg" ;;
    "-m pip "*--version) ;;
    "-m pip "*) echo "$*" >> "$here/log"; pause pip; exit "${PIP_FAILS:-0}" ;;
    "lab "*) echo "$*" >> "$here/log"; echo "$JUPYTER_CONFIG_PATH" > "$here/config-path"; exec pause lab ;;
    *) echo "$*" >> "$here/log" ;;
esac
"""
# These go before the system's own. A pause holds the pipe open as long as it lives.
PROGRAMS = {
    "pause": """[ "${PAUSE:-}" = "$1" ] || exit 0
exec 3> "PROJECT/pipe"; echo $$ >&3
until [ -e "PROJECT/go" ]; do sleep 0.05 3>&-; done""",
    "mv": """case "$*" in *unfinished*) pause stamps ;; esac
exec REAL "$@" """,
    # `rm -r` works in any order; here in the worst: what tells an environment from a ruin goes first
    "rm": """if [ "${PAUSE:-}" = removal ] && [ -d "$2/bin" ]; then
    REAL -f "$2/pyvenv.cfg" "$2/unfinished" "$2/ready"; pause removal
fi
exec REAL "$@" """,
    "git": """[ "$1" != checkout ] || pause checkout
exec REAL "$@" """,
}
PATIENCE = 60  # seconds that a busy machine may take over anything here
MOMENTS = {"venv": ".venv/ready", "pip": ".venv/ready", "stamps": ".venv/ready", "removal": "clean-all"}
Make = Callable[..., subprocess.CompletedProcess]


@pytest.fixture
def project(root: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """An empty project with the course's Makefile, a pretended Python, and programs that can pause."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt", ".gitignore"):
        shutil.copy(root / name, tmp_path)
    for name in ("notebooks", "mlcourse", "tests", "programs"):
        (tmp_path / name).mkdir()
    programs = {"python": PRETENDED_PYTHON.replace("REAL", sys.executable)}
    for name, text in PROGRAMS.items():
        text = text.replace("REAL", shutil.which(name) or "").replace("PROJECT", str(tmp_path))
        programs[f"programs/{name}"] = f"#!/bin/sh\n{text}\n"
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def environment(project: pathlib.Path, **more: str) -> dict[str, str]:
    """What a make of the tests sees: nothing of an outer make's, nobody's own settings of git."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    clean["PATH"] = f"{project / 'programs'}{os.pathsep}{clean['PATH']}"
    clean |= {"PYTHON": str(project / "python"), "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for who in ("AUTHOR", "COMMITTER"):
        clean |= {f"GIT_{who}_NAME": "a", f"GIT_{who}_EMAIL": "a@example.org"}
    return clean | more


@pytest.fixture
def make(project: pathlib.Path) -> Make:
    """make(*words, **environment) runs make in the pretended project, or in the folder `cwd`."""

    def run(*words: str, cwd: pathlib.Path = project, **more: str) -> subprocess.CompletedProcess:
        seen = environment(project, **more)
        return subprocess.run(
            ["make", *words], cwd=cwd, env=seen, capture_output=True, text=True, timeout=PATIENCE
        )

    return run


def wait_for(condition: Callable[[], bool], what: Callable[[], str]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what()}"
        time.sleep(0.01)


class Running:
    """A make that goes on beside the test, as in a terminal of its own; with `pause` it stands there already."""

    def __init__(self, project: pathlib.Path, command: list[str], pause: str, cwd: pathlib.Path) -> None:
        self.project, self.pause = project, pause
        self.output = project / f"output-{time.monotonic_ns()}"
        if pause:
            (project / "pipe").unlink(missing_ok=True)
            os.mkfifo(project / "pipe")
            self.pipe = os.open(project / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                command,
                cwd=cwd,
                env=environment(project, PAUSE=pause),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # what started the tests may ignore Ctrl+C, and that would be inherited
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def until_it_pauses(self) -> None:
        said = b""

        def heard() -> bool:
            nonlocal said
            said = self._listen()
            return said.strip().isdigit()

        wait_for(heard, lambda: f"a pause at {self.pause}; so far {self.told()}")
        self.group = os.getpgid(int(said))

    def until_the_paused_is_dead(self) -> None:
        wait_for(lambda: self._listen() == b"", lambda: "the end of what paused")

    def _listen(self) -> bytes:
        """What a pausing program says: its number, once. Nothing comes when none lives."""
        try:
            return os.read(self.pipe, 100)
        except BlockingIOError:
            return b"alive"

    def told(self) -> str:
        return self.output.read_text()

    def ends(self) -> int:
        return self.process.wait(PATIENCE)

    def stop(self, how: signal.Signals) -> None:
        """SIGTERM as from `kill`, SIGINT as from Ctrl+C, SIGKILL to all at once, as when the power fails."""
        if how == signal.SIGTERM:
            self.process.terminate()
        else:
            os.killpg(self.process.pid, how)
        if how == signal.SIGKILL and self.group != self.process.pid:
            os.killpg(self.group, how)


@pytest.fixture
def start(project: pathlib.Path) -> Iterator[Callable[..., Running]]:
    """start(*words, pause="pip") runs make, or another program, beside the test until it pauses there."""
    started = []

    def run(*words: str, program: str = "make", pause: str = "", cwd: pathlib.Path = project) -> Running:
        (project / "go").unlink(missing_ok=True)
        started.append(Running(project, [program, *words], pause, cwd))
        if pause:
            started[-1].until_it_pauses()
        return started[-1]

    yield run
    (project / "go").touch()  # whatever a failed test has left pausing
    for running in started:
        running.process.kill()
        running.ends()


def log(project: pathlib.Path) -> list[str]:
    path = project / "log"
    return path.read_text().splitlines() if path.exists() else []


def calls(project: pathlib.Path) -> list[str]:
    """The log's first words: "venv" for an environment made, "-m" for a pip that installed."""
    return [line.split()[0] for line in log(project)]


def is_whole(project: pathlib.Path) -> bool:
    there = [(project / ".venv" / name).exists() for name in ("ready", "pyvenv.cfg", "bin/python", "etc/jupyter")]
    return all(there) and not (project / ".venv/unfinished").exists() and not (project / ".venv.removed").exists()


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
    assert calls(project) == ["venv", "-m"]
    assert make(".venv/ready").returncode == 0
    assert len(log(project)) == 2


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_change_installs_into_the_same_environment(name: str, project: pathlib.Path, make: Make) -> None:
    make(".venv/ready")
    age(project / ".venv/ready", 10)
    age(project / name, -10)
    make(".venv/ready")
    assert calls(project) == ["venv", "-m", "-m"]


def test_a_failed_set_up_is_not_ready_and_the_next_begins_anew(project: pathlib.Path, make: Make) -> None:
    assert make(".venv/ready", PIP_FAILS="1").returncode != 0
    assert not (project / ".venv/ready").exists()
    assert make(".venv/ready").returncode == 0
    assert calls(project) == ["venv", "-m", "venv", "-m"]


def test_a_failed_update_takes_the_readiness_away(project: pathlib.Path, make: Make) -> None:
    make(".venv/ready-to-author")
    age(project / ".venv/ready", 10)
    age(project / "constraints.txt", -10)
    assert make(".venv/ready", PIP_FAILS="1").returncode != 0
    assert not (project / ".venv/ready").exists() and not (project / ".venv/ready-to-author").exists()


def test_an_authors_environment_is_a_learners_too(project: pathlib.Path, make: Make) -> None:
    make(".venv/ready-to-author")
    make(".venv/ready")
    assert calls(project) == ["venv", "-m"]
    assert "-e .[test,authoring,oracles]" in log(project)[1]


def test_versions_and_the_torch_index_reach_pip_in_one_command(project: pathlib.Path, make: Make) -> None:
    make(".venv/ready", "TORCH_INDEX=https://example.org/cpu")
    assert log(project)[1].endswith("-c constraints.txt --extra-index-url https://example.org/cpu -e .")


def test_with_a_wheelhouse_pip_asks_nobody_else(project: pathlib.Path, make: Make) -> None:
    make(".venv/ready", "WHEELHOUSE=/share/wheels")
    assert log(project)[1].endswith("-c constraints.txt --no-index --find-links /share/wheels -e .")


def test_a_wheelhouse_holds_what_building_needs_too(project: pathlib.Path, make: Make) -> None:
    make("wheelhouse")
    assert log(project)[-1].endswith("-d wheelhouse setuptools>=77 wheel .[test,authoring,oracles]")


def test_pip_works_in_an_environment_or_not_at_all(project: pathlib.Path, make: Make) -> None:
    make(".venv/ready")
    assert "--require-virtualenv" in log(project)[1] and "--no-user" in log(project)[1]


def test_lab_opens_the_first_notebook_and_passes_options_on(project: pathlib.Path, make: Make) -> None:
    assert make("lab", "PORT=9999", "LAB_OPTIONS=--no-browser --ip 0.0.0.0").returncode == 0
    opened = log(project)[-1]
    assert opened.startswith("lab --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb")
    assert opened.endswith("--port 9999 --no-browser --ip 0.0.0.0")
    assert ("--allow-root" in opened) == (os.geteuid() == 0)


def settings(folder: pathlib.Path) -> tuple[dict, dict]:
    """Of JupyterLab's page and of its server: what is disabled, and what is enabled."""
    page = json.loads((folder / "labconfig/page_config.json").read_text())
    server = json.loads((folder / "jupyter_server_config.json").read_text())
    return page["disabledExtensions"], server["ServerApp"]["jpserver_extensions"]


def test_what_authors_have_in_jupyterlab_is_off_unless_one_teaches(project: pathlib.Path, make: Make) -> None:
    path = project / "config-path"
    make("lab", JUPYTER_CONFIG_PATH="/own")
    assert path.read_text() == "/own\n" and not any("authoring" in line for line in log(project))
    make("lab", "TEACH=1", JUPYTER_CONFIG_PATH="/own")
    assert any(line.endswith("-e .[test,authoring,oracles]") for line in log(project))
    assert path.read_text() == f"{project}/.venv/etc/teach:/own\n"
    (off, server_off), (on, server_on) = (settings(project / ".venv/etc" / name) for name in ("jupyter", "teach"))
    news = "@jupyterlab/apputils-extension:announcements"
    assert off.pop(news) and on.pop(news)
    assert off.keys() == on.keys() and set(off.values()) == {True} and set(on.values()) == {False}
    assert server_off.keys() == server_on.keys() and set(server_off.values()) == {False}
    assert set(server_on.values()) == {True}


def test_jupyterlab_ends_with_make(start) -> None:
    running = start("lab", pause="lab")
    running.stop(signal.SIGTERM)
    assert running.ends() != 0
    running.until_the_paused_is_dead()


def git(folder: pathlib.Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, env=environment(folder), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_only_notebooks_as_committed_are_trusted(project: pathlib.Path, make: Make) -> None:
    for name in ("01_same", "02_changed"):
        (project / f"notebooks/{name}.ipynb").write_text("{}")
    for words in (("init", "-q"), ("add", "notebooks"), ("commit", "-qm", "notebooks")):
        git(project, *words)
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


# ---- half-made states ----


def test_a_ruin_is_not_an_environment(project: pathlib.Path, make: Make) -> None:
    """Without pyvenv.cfg, .venv/bin/python is the reader's own Python, and its pip would install there."""
    make(".venv/ready")
    (project / ".venv/pyvenv.cfg").unlink()
    (project / ".venv/ready").unlink()
    assert make(".venv/ready").returncode == 0
    assert calls(project) == ["venv", "-m", "venv", "-m"] and is_whole(project)


@pytest.mark.parametrize("flaw", ["unfinished", "no Python", "no pyvenv.cfg"])
def test_a_stamp_is_not_believed_against_the_evidence(flaw: str, project: pathlib.Path, make: Make) -> None:
    make(".venv/ready")
    if flaw == "unfinished":
        (project / ".venv/unfinished").touch()
    elif flaw == "no Python":
        (project / ".venv/bin/python").unlink()
        (project / ".venv/bin/python").symlink_to("/nowhere/python3")
    else:
        (project / ".venv/pyvenv.cfg").unlink()
    assert make(".venv/ready").returncode == 0
    assert calls(project) == ["venv", "-m", "venv", "-m"] and is_whole(project)


def test_a_copied_clone_makes_an_environment_of_its_own(project: pathlib.Path, make: Make) -> None:
    """The copy's programs, and the course that it imports, are still those of the first clone."""
    make(".venv/ready-to-author")
    copy = project / "copy of the clone"
    shutil.copytree(project, copy, symlinks=True, ignore=lambda folder, names: {copy.name} & set(names))
    assert make(".venv/ready", cwd=copy).returncode == 0
    assert calls(copy) == ["venv", "-m", "venv", "-m"] and is_whole(copy)
    assert make(".venv/ready", cwd=copy).returncode == make(".venv/ready").returncode == 0
    assert len(calls(copy)) == 4 and len(calls(project)) == 2


def test_a_change_while_pip_works_is_not_missed(project: pathlib.Path, make: Make, start) -> None:
    running = start(".venv/ready", pause="pip")
    began = (project / ".venv/unfinished").stat().st_mtime_ns

    def change() -> bool:
        (project / "pyproject.toml").touch()
        return (project / "pyproject.toml").stat().st_mtime_ns > began

    wait_for(change, lambda: "a later time")
    (project / "go").touch()
    assert running.ends() == 0
    make(".venv/ready")
    assert calls(project) == ["venv", "-m", "-m"]


def test_a_place_that_cannot_be_written_is_named(project: pathlib.Path, make: Make) -> None:
    (project / ".venv.lock").mkdir()  # the tests may run as root, whom no permission stops
    done = make(".venv/ready")
    assert done.returncode != 0 and "cannot be changed here" in done.stderr and "Traceback" not in done.stderr
    assert log(project) == []


def test_clean_all_needs_no_python(project: pathlib.Path, make: Make) -> None:
    make(".venv/ready")
    assert make("clean-all", PYTHON="/nowhere/python3").returncode == 0
    assert not (project / ".venv").exists() and not (project / ".venv.removed").exists()


# ---- stopped half-way ----


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("moment", MOMENTS)
def test_what_was_stopped_is_set_up_whole_by_the_next_call(
    moment: str, how: signal.Signals, project: pathlib.Path, make: Make, start
) -> None:
    if moment == "removal":
        make(".venv/ready-to-author")
    running = start(MOMENTS[moment], pause=moment)
    running.stop(how)
    assert running.ends() != 0
    running.until_the_paused_is_dead()
    assert not (project / ".venv/ready").exists() and not (project / ".venv/ready-to-author").exists()
    assert moment == "removal" or (project / ".venv/unfinished").exists()

    before = len(log(project))
    done = make(".venv/ready")
    assert done.returncode == 0 and "waiting" not in done.stdout
    assert calls(project)[before:] == ["venv", "-m"] and is_whole(project)
    make(".venv/ready")
    assert len(log(project)) == before + 2


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_an_update_that_was_stopped_is_made_anew(
    how: signal.Signals, project: pathlib.Path, make: Make, start
) -> None:
    make(".venv/ready-to-author")
    age(project / ".venv/ready", 10)
    running = start(".venv/ready", pause="pip")
    running.stop(how)
    assert running.ends() != 0
    running.until_the_paused_is_dead()
    assert make(".venv/ready-to-author").returncode == 0
    assert calls(project) == ["venv", "-m", "-m", "venv", "-m"] and is_whole(project)


def test_the_automatic_check_ends_with_all_that_it_started(
    root: pathlib.Path, project: pathlib.Path, start
) -> None:
    (project / ".ci").mkdir()
    shutil.copy(root / ".ci/run", project / ".ci")
    (project / "programs/chromium").symlink_to("pause")  # or it would try to install one
    running = start(".ci/run", program="bash", pause="pip")
    running.stop(signal.SIGTERM)
    assert running.ends() != 0
    running.until_the_paused_is_dead()


# ---- two at once ----


@pytest.mark.parametrize("moment", ["venv", "pip", "stamps"])
def test_the_second_of_two_waits_and_says_for_whom(moment: str, project: pathlib.Path, start) -> None:
    first = start(".venv/ready", pause=moment)
    second = start(".venv/ready")
    line = f"Another make (process {first.process.pid}) is setting up .venv: waiting for it.\n"
    wait_for(lambda: second.told() == line, lambda: f"one line, not {second.told()!r}")
    (project / "go").touch()
    assert first.ends() == second.ends() == 0
    assert second.told() == line
    assert calls(project) == ["venv", "-m"] and is_whole(project)


def test_a_learner_and_an_author_at_once(project: pathlib.Path, start) -> None:
    first = start(".venv/ready", pause="pip")
    second = start(".venv/ready-to-author")
    wait_for(lambda: "waiting" in second.told(), second.told)
    (project / "go").touch()
    assert first.ends() == second.ends() == 0
    assert calls(project) == ["venv", "-m", "-m"] and log(project)[-1].endswith("-e .[test,authoring,oracles]")
    assert is_whole(project) and (project / ".venv/ready-to-author").exists()


def test_who_waits_for_one_that_is_stopped_does_it_all(project: pathlib.Path, start) -> None:
    first = start(".venv/ready", pause="pip")
    second = start(".venv/ready")
    wait_for(lambda: "waiting" in second.told(), second.told)
    first.stop(signal.SIGKILL)
    assert first.ends() != 0 and second.ends() == 0
    assert calls(project) == ["venv", "-m", "venv", "-m"] and is_whole(project)


def test_who_waits_can_be_stopped(project: pathlib.Path, start) -> None:
    first = start(".venv/ready", pause="pip")
    second = start(".venv/ready")
    wait_for(lambda: "waiting" in second.told(), second.told)
    second.process.terminate()
    assert second.ends() != 0
    (project / "go").touch()
    assert first.ends() == 0
    assert calls(project) == ["venv", "-m"] and is_whole(project)


def test_a_set_up_that_outlives_its_make_is_waited_for(project: pathlib.Path, start) -> None:
    """SIGKILL to make alone stops nothing else, and two that write into .venv would spoil it."""
    first = start(".venv/ready", pause="pip")
    first.process.kill()
    first.ends()
    second = start(".venv/ready")
    wait_for(lambda: f"(process {first.process.pid})" in second.told(), second.told)
    (project / "go").touch()
    assert second.ends() == 0
    assert calls(project) == ["venv", "-m"] and is_whole(project)


def test_a_pip_that_outlives_everything_is_waited_for(project: pathlib.Path, start) -> None:
    first = start(".venv/ready", pause="pip")
    os.killpg(first.process.pid, signal.SIGKILL)  # make and what it started, but not the set-up's own group
    first.ends()
    second = start(".venv/ready")
    wait_for(lambda: "waiting" in second.told(), second.told)
    (project / "go").touch()
    assert second.ends() == 0
    assert calls(project) == ["venv", "-m"] and is_whole(project)


def test_clean_all_waits_for_a_set_up(project: pathlib.Path, start) -> None:
    first = start(".venv/ready", pause="pip")
    second = start("clean-all")
    wait_for(lambda: "waiting" in second.told(), second.told)
    (project / "go").touch()
    assert first.ends() == second.ends() == 0
    assert not (project / ".venv").exists()


def test_the_lock_of_the_dead_blocks_nobody(project: pathlib.Path, make: Make) -> None:
    (project / ".venv.lock").write_text(str(os.getpid()))  # not even when its number has gone to another process
    assert "waiting" not in make(".venv/ready").stdout and is_whole(project)


# ---- a newer course ----


@pytest.fixture
def course(project: pathlib.Path) -> pathlib.Path:
    """What the reader's clone comes from; its next commit is `newer(course)`."""
    folder = project / "course"
    for name in ("01_tasks", "02_learning", "assignments/ps1"):
        (folder / f"notebooks/{name}.ipynb").parent.mkdir(parents=True, exist_ok=True)
        (folder / f"notebooks/{name}.ipynb").write_text(f"{name} as it was")
    for name in ("Makefile", "pyproject.toml", "constraints.txt", ".gitignore"):
        shutil.copy(project / name, folder)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


@pytest.fixture
def clone(course: pathlib.Path, project: pathlib.Path) -> pathlib.Path:
    git(project, "clone", "-q", str(course), "clone")
    return project / "clone"


def newer(course: pathlib.Path) -> None:
    """One more commit: it changes a notebook and adds one."""
    (course / "notebooks/01_tasks.ipynb").write_text("01_tasks, newer")
    (course / "notebooks/03_more.ipynb").write_text("03_more")
    git(course, "add", ".")
    git(course, "commit", "-qm", "newer")


def answer(clone: pathlib.Path, text: str = "my answer") -> None:
    """What a reader leaves behind: two changed notebooks, one removed, one of their own."""
    for name in ("01_tasks", "assignments/ps1"):
        (clone / f"notebooks/{name}.ipynb").write_text(f"{text} to {name}")
    (clone / "notebooks/02_learning.ipynb").unlink()
    (clone / "notebooks/mine.ipynb").write_text("mine")


def files(folder: pathlib.Path) -> dict[str, str]:
    """All that a reader sees, with what is in it."""
    every = (path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(every)}


def notebooks(folder: pathlib.Path) -> dict[str, str]:
    return files(folder / "notebooks")


def test_update_without_changes_only_pulls(course: pathlib.Path, clone: pathlib.Path, make: Make) -> None:
    newer(course)
    done = make("update", cwd=clone)
    assert done.returncode == 0 and files(clone) == files(course)
    assert done.stdout == "You have the newest course now. Open it with: make lab\n"


def test_update_keeps_what_the_reader_changed(course: pathlib.Path, clone: pathlib.Path, make: Make) -> None:
    newer(course)
    answer(clone)
    done = make("update", cwd=clone)
    assert done.returncode == 0, done.stderr
    [kept] = (clone / "answers").iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", kept.name)
    assert files(kept) == {
        "01_tasks.ipynb": "my answer to 01_tasks",
        "assignments/ps1.ipynb": "my answer to assignments/ps1",
    }
    assert notebooks(clone) == notebooks(course) | {"mine.ipynb": "mine"}
    assert git(clone, "status", "--porcelain") == "?? notebooks/mine.ipynb\n"
    for told in (f"answers/{kept.name}/01_tasks.ipynb", "notebooks/02_learning.ipynb, which you had removed"):
        assert told in done.stdout


def test_a_second_update_on_a_day_replaces_nothing(course: pathlib.Path, clone: pathlib.Path, make: Make) -> None:
    for number in range(3):
        (course / "more").write_text(str(number))
        git(course, "add", ".")
        git(course, "commit", "-qm", "more")
        answer(clone, f"answer {number}")
        assert make("update", cwd=clone).returncode == 0
    kept = sorted((clone / "answers").iterdir(), key=lambda folder: folder.stat().st_mtime_ns)
    assert sorted(files(folder)["01_tasks.ipynb"] for folder in kept) == [
        f"answer {number} to 01_tasks" for number in range(3)
    ]


def test_nothing_new_touches_nothing(clone: pathlib.Path, make: Make) -> None:
    answer(clone)
    before = files(clone)
    done = make("update", cwd=clone)
    assert done.returncode == 0 and "Nothing was changed" in done.stdout and files(clone) == before


def test_a_failed_update_puts_everything_back(course: pathlib.Path, clone: pathlib.Path, make: Make) -> None:
    newer(course)
    answer(clone)
    (clone / "notebooks/03_more.ipynb").write_text("my own, in the way of the new one")
    before = notebooks(clone)
    done = make("update", cwd=clone)
    assert done.returncode != 0 and "03_more.ipynb" in done.stderr and "in place as they were" in done.stderr
    assert notebooks(clone) == before
    assert git(clone, "log", "--format=%s") == "first\n"


def test_an_update_that_was_stopped_puts_everything_back(
    course: pathlib.Path, clone: pathlib.Path, project: pathlib.Path, start
) -> None:
    newer(course)
    answer(clone)
    before = notebooks(clone)
    running = start("update", pause="checkout", cwd=clone)
    running.stop(signal.SIGTERM)
    (project / "go").touch()  # git itself is not interrupted
    assert running.ends() != 0
    assert notebooks(clone) == before and "in place as they were" in running.told()


def no_network(course: pathlib.Path, clone: pathlib.Path) -> None:
    course.rename(course.with_name("elsewhere"))


def own_commit(course: pathlib.Path, clone: pathlib.Path) -> None:
    git(clone, "commit", "-qm", "mine", "notebooks/01_tasks.ipynb")


def other_file(course: pathlib.Path, clone: pathlib.Path) -> None:
    (clone / "constraints.txt").write_text("torch==1")


def added_file(course: pathlib.Path, clone: pathlib.Path) -> None:
    (clone / "notebooks/helper.py").write_text("")
    git(clone, "add", "notebooks/helper.py")


def no_branch(course: pathlib.Path, clone: pathlib.Path) -> None:
    git(clone, "checkout", "-q", "--detach")


def no_clone(course: pathlib.Path, clone: pathlib.Path) -> None:
    shutil.rmtree(clone / ".git")
    git(clone.parent, "init", "-q")  # git would find this one, further up


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (no_network, "cannot be had now"),
        (own_commit, "commits that the course does not have"),
        (other_file, "constraints.txt"),
        (added_file, "notebooks/helper.py"),
        (no_branch, "git checkout main"),
        (no_clone, "a folder that git has cloned"),
    ],
)
def test_an_update_that_cannot_be_touches_nothing(
    trouble: Callable, told: str, course: pathlib.Path, clone: pathlib.Path, make: Make
) -> None:
    newer(course)
    answer(clone)
    trouble(course, clone)
    before = files(clone)
    done = make("update", cwd=clone)
    assert done.returncode != 0 and told in done.stderr and "Nothing was changed." in done.stderr
    assert files(clone) == before


def test_without_git_an_update_says_so(clone: pathlib.Path, project: pathlib.Path, make: Make) -> None:
    (project / "programs/git").write_text("#!/bin/sh\necho 'git: not found' >&2; exit 127\n")
    done = make("update", cwd=clone)
    assert done.returncode != 0 and "This needs git" in done.stderr and "git: not found" in done.stderr
