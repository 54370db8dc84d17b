"""The house: nothing imports upward, the twins do not know each other, and importing the course is light."""

import ast
import subprocess
import sys

import pytest

from mlcourse.paths import REPOSITORY

PACKAGE = REPOSITORY / "mlcourse"
FLOORS = [  # ground first; a module may import from its own floor and from those below
    {"arguments", "errors", "files", "paths", "rates"},
    {"tasks"},
    {"metrics"},
    {"weights", "reference", "fast"},
    {"evaluation"},
    {"methods", "baselines"},
    {"training", "checkpoints"},
    # the wings, and what looks whether all is there
    {"lessons", "experiments", "assignments", "adapters", "serving", "doctor"},
    {"cli", "__main__", "__init__"},
]
FILES = sorted(PACKAGE.rglob("*.py"))


def part(path) -> str:
    """The room of a file: `reference` for mlcourse/reference/maml.py, `training` for mlcourse/training.py."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported(path) -> set[str]:
    """The rooms of the package and the other packages that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module] if node.module != "mlcourse" else [f"mlcourse.{a.name}" for a in node.names]
        else:
            continue
        found |= {
            ".".join(name.split(".")[:2]) if name.startswith("mlcourse.") else name.split(".")[0] for name in names
        }
    return found


def floor(room: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_imports_upward(path):
    rooms = {name.removeprefix("mlcourse.") for name in imported(path) if name.startswith("mlcourse.")}
    assert {room for room in rooms if floor(room) > floor(part(path))} == set()


def test_the_twins_do_not_know_each_other():
    for path in FILES:
        if part(path) == "reference":
            assert not imported(path) & {"torch", "mlcourse.fast"}, path
        if part(path) == "fast":
            assert "mlcourse.reference" not in imported(path), path


def test_every_file_says_its_reason():
    silent = [path.name for path in FILES if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert silent == []


def test_importing_the_course_is_light():
    heavy = ("torch", "matplotlib", "pooch", "PIL")
    loads = f"import sys, mlcourse, mlcourse.tasks; print(*(m for m in {heavy} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
