"""The walls around a student's process, and whether they stand on this machine.

The walls are bubblewrap's (https://github.com/containers/bubblewrap): Linux namespaces, without root and without a
service. Inside there is no network, no process but its own, and no file but Python, this package, the course's
data and an empty /tmp; only /tmp can be written to, 64 MB of it. In a container that is thrown away afterwards, as
Gradescope's is, and where bubblewrap may not work, another user's name is the wall.
"""

import ctypes
import functools
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from mlcourse import paths

Wall = Literal["bubblewrap", "other user", "none"]
ROOM = 64 * 2**20  # bytes of /tmp
NOBODY = "65534"
INSTALL = "Debian, Ubuntu: sudo apt install bubblewrap"


class NoWalls(ValueError):
    """There is nothing here that could keep a student's code in."""


def choose(*, trust: bool = False, container: bool = False) -> Wall:
    """Return the best wall that stands.

    Args:
        trust: whether the submissions may run without any, with all rights of who grades.
        container: whether this machine is a container that holds nothing else and is thrown away.

    Raises:
        NoWalls: none stands, and none of the two was said.
    """
    problem = bubblewrap_problem()
    if not problem:
        return "bubblewrap"
    if container and os.geteuid() == 0 and shutil.which("setpriv"):
        return "other user"
    if trust:
        return "none"
    raise NoWalls(
        f"submissions run only inside walls, and bubblewrap does not stand: {problem}. {INSTALL}. Or grade in "
        "a container or virtual machine that holds nothing else; there --trust-submissions runs them without walls"
    )


@functools.cache
def bubblewrap_problem() -> str:
    """Try bubblewrap: say why a process inside it cannot run this course, or return ""."""
    if not shutil.which("bwrap"):
        return "it is not installed"
    command = [*around("bubblewrap"), sys.executable, "-c", "import mlcourse.assignments.worker"]
    try:
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]


def around(wall: Wall, at_hand: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """The beginning of a command line that runs the rest of it inside a wall.

    Args:
        at_hand: what bubblewrap shows inside beside the rest, to be read: file or folder -> its place there.
    """
    if wall == "none":
        return []
    if wall == "other user":
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"]
    command = "bwrap --unshare-all --unshare-user --disable-userns --die-with-parent --new-session".split()
    command += "--as-pid-1 --cap-drop ALL --hostname student".split()  # process 1 cannot be killed from inside
    command += ["--size", str(ROOM), "--tmpfs", "/tmp", "--chdir", "/tmp"]  # first: the course may lie in /tmp
    outside, of_the_clone = _readable()
    covered = _covered(outside)
    for folder in outside:
        command += ["--ro-bind-try", folder, folder]
    for folder in covered:
        command += ["--tmpfs", folder]
    for folder in of_the_clone:
        command += ["--ro-bind-try", folder, folder]
    command += ["--proc", "/proc", "--dev", "/dev", "--size", str(ROOM // 8), "--tmpfs", "/dev/shm"]
    for here, inside in at_hand.items():
        command += ["--ro-bind-try", here, inside]
    for folder in (*covered, "/proc", "/dev", "/"):
        command += ["--remount-ro", folder]
    return [*command, "--"]


@functools.cache
def made_before() -> dict[str, str]:
    """What each process would make anew, as `at_hand` for `around`: matplotlib's list of fonts, the letters."""
    import matplotlib
    import matplotlib.font_manager  # writes the list, if there is none yet

    cached = Path("/tmp/.cache")
    lists = Path(matplotlib.get_cachedir()).glob("fontlist-*.json")
    fonts = {str(path): str(cached / "matplotlib" / path.name) for path in lists}
    return fonts | {str(paths.cache_folder() / "glyphs"): str(cached / "mlcourse" / "glyphs")}


def own_keyring() -> None:
    """Join an empty keyring of the kernel's, before the walls go up: they do not hold keys back."""
    number = {"x86_64": 250, "aarch64": 219}.get(platform.machine())  # of the system call keyctl
    if number:
        join_session_keyring = 1
        ctypes.CDLL(None).syscall(number, join_session_keyring, None)


def environment() -> dict[str, str]:
    """The variables of a student's process: none of the grader's own."""
    given = {
        "HOME": "/tmp",
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "Agg",
        # Python orders a set of strings anew in each process: an answer that depends on it would get other points
        # at each grading.
        "PYTHONHASHSEED": "0",
    }
    return given | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(paths.REPOSITORY)}


def _readable() -> tuple[list[str], list[str]]:
    """What a student's process reads: the system's libraries, Python, this package, the course's data.

    Returns:
        the folders outside of the course's clone, and those in it.
    """
    system = ["/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives"]
    python = [sys.base_prefix, sys.prefix, *sysconfig.get_paths().values()]
    course = [str(paths.REPOSITORY / "mlcourse"), str(paths.REPOSITORY / "data")]
    folders = list(dict.fromkeys([*system, *python, *course]))
    of_the_clone = [folder for folder in folders if Path(folder).is_relative_to(paths.REPOSITORY)]
    return [folder for folder in folders if folder not in of_the_clone], of_the_clone


def _covered(folders: list[str]) -> list[str]:
    """The places at which these folders show the clone, if it lies in one of them: it holds the solutions."""
    real = {folder: Path(folder).resolve() for folder in folders}  # /lib is /usr/lib, say, and shows it again
    inside = [folder for folder in folders if paths.REPOSITORY.is_relative_to(real[folder])]
    return list(dict.fromkeys(str(Path(folder) / paths.REPOSITORY.relative_to(real[folder])) for folder in inside))
