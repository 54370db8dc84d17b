"""Walls: without any nothing is graded unless somebody says so, and what stands is what is said."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlcourse.assignments import walls


@pytest.fixture
def no_bubblewrap(monkeypatch):
    monkeypatch.setattr(walls, "bubblewrap_problem", lambda: "it is not installed")


def test_without_walls_it_refuses(no_bubblewrap):
    with pytest.raises(walls.NoWalls, match="it is not installed.*apt install bubblewrap.*--trust-submissions"):
        walls.choose()
    assert walls.choose(trust=True) == "none"


def test_bubblewrap_comes_before_trust(monkeypatch):
    monkeypatch.setattr(walls, "bubblewrap_problem", lambda: "")
    assert walls.choose(trust=True, container=True) == "bubblewrap"


def test_in_a_container_another_user_is_the_wall(no_bubblewrap, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(walls.NoWalls):
        walls.choose(container=True)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(walls.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert walls.choose(container=True) == "other user"


def inside(wall, code, tmp_path):
    command = [*walls.around(wall), sys.executable, "-c", code]
    return subprocess.run(command, env=walls.environment(), capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "code",
    [
        "import os; assert not os.path.exists('{here}')",
        "import os; assert 'SECRET' not in os.environ and not [p for p in os.listdir('/tmp') if 'pytest' in p]",
        "import os; assert sorted(p for p in os.listdir('/proc') if p.isdigit()) == ['1']",
        "import os, mlcourse; folder = os.path.dirname(os.path.dirname(mlcourse.__file__));"
        "assert not os.path.exists(folder + '/tests') and not os.path.exists(folder + '/notebooks')",
    ],
)
def test_inside_there_is_little(code, tmp_path, wall, monkeypatch):
    monkeypatch.setenv("SECRET", "SECRET")
    done = inside(wall, code.replace("{here}", str(tmp_path)), tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("place", ["/", "/dev", "/usr", "/proc/sys/kernel", sys.prefix])
def test_inside_only_tmp_can_be_written(place, tmp_path, wall):
    done = inside(wall, f"open({place!r} + '/written', 'w')", tmp_path)
    assert "Read-only" in done.stderr or "No such file" in done.stderr or "Permission" in done.stderr


def test_a_clone_inside_a_system_folder_is_covered(monkeypatch):
    monkeypatch.setattr(walls.paths, "REPOSITORY", Path("/usr/local/course"))
    monkeypatch.setattr(sys, "base_prefix", "/usr/local")
    monkeypatch.setattr(sys, "prefix", "/usr/local/course/.venv")
    command = walls.around("bubblewrap")
    cover = command.index("/usr/local/course")
    assert command[cover - 1] == "--tmpfs"
    assert max(command.index(place) for place in ("/usr", "/usr/local")) < cover
    assert all(command.index(f"/usr/local/course/{part}") > cover for part in ("mlcourse", "data", ".venv"))


def test_a_covered_clone_is_empty_inside_and_cannot_be_written(monkeypatch, tmp_path, wall):
    monkeypatch.setattr(walls.paths, "REPOSITORY", Path("/usr/share"))
    done = inside(wall, "import os; print(os.listdir('/usr/share')); open('/usr/share/written', 'w')", tmp_path)
    assert done.stdout == "[]\n" and "Read-only" in done.stderr


def test_a_set_has_the_same_order_in_each_process():
    orders = {
        subprocess.run(
            [sys.executable, "-S", "-c", "print(list(map(hash, 'abc')))"],
            env=walls.environment(), capture_output=True, text=True, check=True,
        ).stdout
        for _ in range(2)
    }  # fmt: skip
    assert len(orders) == 1


def test_a_wall_that_does_not_stand_is_found(monkeypatch):
    monkeypatch.setattr(walls, "around", lambda wall: ["false"])
    walls.bubblewrap_problem.cache_clear()
    monkeypatch.setattr(walls.shutil, "which", lambda name: name)
    try:
        assert walls.bubblewrap_problem() == "exit code 1"
    finally:
        walls.bubblewrap_problem.cache_clear()
