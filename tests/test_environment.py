"""pyproject.toml, environment.yml, constraints.txt and what the code really imports say the same."""

from __future__ import annotations

import ast
import pathlib
import re
import sys
import tomllib
from collections.abc import Iterable
from importlib import metadata

import pytest
import rattler
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base", "prometheus-client": "prometheus_client"}
# What conda-forge may not have: `pip: -e .` brings it
PYPI_ALONE = {"fastapi-offline", "higher"}
# Imported as itself, and installed as a requirement of the declared package on the right
COMES_WITH = {
    "contourpy": "matplotlib",
    "fonttools": "matplotlib",
    "ipython": "ipywidgets",
    "markupsafe": "jinja2",
    "packaging": "pooch",
    "pydantic-core": "pydantic",
    "requests": "pooch",
    "starlette": "fastapi",
    "traitlets": "ipywidgets",
}
# The course measures itself against these where they are installed, and does without where they are not
OPTIONAL = {"jax", "ray", "redis", "tensorflow", "tensorflow-cpu", "torchopt"}
# What commands of authors and teachers import when they run: they have the extras
AUTHORS = {"playwright", "scikit-image", "jinja2", "jupytext", "nbconvert", "nbformat", "nbgrader", "psutil"}
# Modules of the course; the last four lie beside book/build.py
OURS = {"mlcourse", "tests", "api", "covers", "looks", "slides"}
# Used by people and not by import
TOOLS = {
    "jupyterlab",
    "httptools",
    "httpx",
}  # uvicorn reads requests by one, fastapi.testclient sends by the other


def project(root: pathlib.Path) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


def by_name(lines: Iterable[str]) -> dict[str, Requirement]:
    requirements = map(Requirement, lines)
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


def run_time(root: pathlib.Path) -> dict[str, Requirement]:
    return by_name(project(root)["dependencies"])


def everything(root: pathlib.Path) -> dict[str, Requirement]:
    extras = project(root)["optional-dependencies"].values()
    return run_time(root) | by_name(line for extra in extras for line in extra)


def conda_specs(root: pathlib.Path) -> dict[str, str]:
    """What environment.yml asks conda for: a name and the versions, such as ">=4.4,<5"."""
    lines = yaml.safe_load((root / "environment.yml").read_text())["dependencies"]
    specs = [rattler.MatchSpec(line) for line in lines if isinstance(line, str)]
    return {spec.name.normalized: spec.version or "" for spec in specs}


def imported_packages(paths: Iterable[pathlib.Path]) -> dict[str, str]:
    """Each package from elsewhere that the files import, with one file that does."""
    packages = metadata.packages_distributions()
    found: dict[str, str] = {}
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            modules = {name.split(".")[0] for name in names}
            for module in modules - sys.stdlib_module_names - OURS:
                name = canonicalize_name(packages.get(module, [module])[0])
                found.setdefault(COMES_WITH.get(name, name), str(path))
    return found


def course_files(root: pathlib.Path) -> list[pathlib.Path]:
    """What runs on a learner's machine."""
    return [*(root / "mlcourse").rglob("*.py"), *(root / "notebooks/source").glob("[0-9]*.py")]


def author_files(root: pathlib.Path) -> list[pathlib.Path]:
    """What runs on an author's machine only."""
    builders = [root / "notebooks/source/build.py", *(root / "data").rglob("*.py")]
    book = [*(root / "book").glob("*.py"), *(root / "book/_ext").glob("*.py")]  # not what is built beside them
    return [*builders, *book, *(root / "tests").rglob("*.py")]


def test_conda_and_pip_ask_for_the_same(root: pathlib.Path) -> None:
    ours = {
        CONDA_NAMES.get(name, name): line.specifier
        for name, line in run_time(root).items()
        if name not in PYPI_ALONE
    }
    theirs = {name: spec for name, spec in conda_specs(root).items() if name not in {"python", "pip"}}
    assert {name: SpecifierSet(spec) for name, spec in theirs.items()} == ours
    assert conda_specs(root)["python"] == project(root)["requires-python"]


def test_conda_takes_one_channel_and_installs_the_course(root: pathlib.Path) -> None:
    environment = yaml.safe_load((root / "environment.yml").read_text())
    assert environment.keys() == {"name", "channels", "dependencies"}
    assert environment["channels"] == ["conda-forge"]
    assert [entry for entry in environment["dependencies"] if isinstance(entry, dict)] == [{"pip": ["-e ."]}]


def test_course_imports_only_what_it_declares(root: pathlib.Path) -> None:
    imported = imported_packages(course_files(root))
    assert everything(root).keys() >= AUTHORS
    known = {*run_time(root), *OPTIONAL, *AUTHORS}
    assert {name: path for name, path in imported.items() if name not in known} == {}


def test_authors_import_only_what_is_declared(root: pathlib.Path) -> None:
    imported = imported_packages(author_files(root))
    assert {name: path for name, path in imported.items() if name not in everything(root)} == {}


@pytest.mark.parametrize(("package", "bringer"), COMES_WITH.items())
def test_what_comes_with_another_package_does_come_with_it(package: str, bringer: str) -> None:
    assert package in by_name(metadata.requires(bringer) or [])


def test_every_run_time_dependency_is_used(root: pathlib.Path) -> None:
    assert run_time(root).keys() - imported_packages(course_files(root)).keys() - TOOLS == set()


def test_constraints_pin_what_is_declared(root: pathlib.Path) -> None:
    lines = (root / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9a-z.]*", pin)] == []
    versions = dict(pin.split("==") for pin in pins)
    declared = everything(root)
    assert declared.keys() - versions.keys() == set()
    assert [name for name, line in declared.items() if versions[name] not in line.specifier] == []
