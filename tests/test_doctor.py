"""The doctor: sees what is missing, says how to mend it, and never falls over itself."""

import importlib
import importlib.metadata
import shutil
from pathlib import Path

import pytest

from mlcourse import doctor, paths
from mlcourse.doctor import NOTE, OK, PROBLEM
from mlcourse.errors import DataError
from mlcourse.fast import capture


def test_it_looks_at_everything_and_each_trouble_has_a_fix():
    findings = doctor.examine()
    needed = ["python", "packages", "torch", "C++ compiler", "browser for tests", "walls for grading"]
    assert [f.name for f in findings] == [*needed, "cache", "mirror", "disk space", "data", "notebooks"]
    assert all(f.status in (OK, NOTE, PROBLEM) and f.found for f in findings)
    assert all(bool(f.fix) == (f.status != OK) for f in findings)


def test_what_this_environment_has_is_found():
    for look in (doctor.python, doctor.packages, doctor.torch):
        assert look().status == OK


def test_an_old_python(monkeypatch):
    monkeypatch.setattr(doctor.platform, "python_version", lambda: "3.10.4")
    assert doctor.python().status == PROBLEM and ">=3.11" in doctor.python().found


def test_missing_and_old_packages(monkeypatch):
    real = importlib.metadata.version

    def version(name):
        if name == "pooch":
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.26.4" if name == "numpy" else real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    finding = doctor.packages()
    assert finding.status == PROBLEM and "pip install" in finding.fix
    assert finding.found == "numpy is 1.26.4, not >=2; pooch is missing"


def test_packages_for_another_system_are_not_missed(monkeypatch):
    asked = ["numpy>=2", 'no-such-package; sys_platform == "no such system"']
    monkeypatch.setattr(doctor, "_project", lambda: {"dependencies": asked})
    assert doctor.packages() == ("packages", OK, "all 1 that the course needs", "")


def test_no_compiler_and_no_browser_are_only_notes(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert doctor.compiler().status == doctor.browser().status == NOTE
    assert "eagerly" in doctor.compiler().found and "apt install chromium" in doctor.browser().fix


def test_a_compiler_that_works_is_named(monkeypatch):
    monkeypatch.setattr(capture, "cpp_compiler", lambda: "/usr/bin/g++")
    monkeypatch.setattr(capture, "compiler_works", lambda: None)
    assert doctor.compiler() == ("C++ compiler", OK, "/usr/bin/g++", "")


def test_a_compiler_that_is_found_but_does_not_work_is_a_note(monkeypatch):
    reason = "/usr/bin/g++ cannot compile for torch: fatal error: Python.h: No such file or directory"
    monkeypatch.setattr(capture, "cpp_compiler", lambda: "/usr/bin/g++")
    monkeypatch.setattr(capture, "compiler_works", lambda: reason)
    finding = doctor.compiler()
    assert finding.status == NOTE and finding.found.startswith(reason) and "eagerly" in finding.found
    assert "apt install g++ python3-dev" in finding.fix and "xcode-select --install" in finding.fix


def test_a_torch_that_does_not_load_is_a_finding(monkeypatch):
    real = importlib.import_module

    def broken(name, *rest):
        if name == "torch":
            raise ImportError("libtorch.so: cannot open shared object file")
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", broken)
    finding = next(f for f in doctor.examine() if f.name == "torch")
    assert finding.status == PROBLEM and "libtorch.so" in finding.found and finding.fix


def test_the_cache_is_where_the_variable_says(monkeypatch, tmp_path):
    monkeypatch.setenv("MLCOURSE_CACHE", str(tmp_path / "new" / "cache"))
    assert doctor.cache().status == OK and "made when needed" in doctor.cache().found
    assert str(tmp_path) in doctor.disk().found
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MLCOURSE_CACHE", str(tmp_path / "file"))
    assert doctor.cache().status == PROBLEM and "MLCOURSE_CACHE" in doctor.cache().fix


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no /proc")
def test_a_cache_where_nothing_can_be_made(monkeypatch):
    monkeypatch.setenv("MLCOURSE_CACHE", "/proc/x")  # even for root, who passes for one who may write there
    assert doctor.cache().status == PROBLEM and "/proc/x/download cannot be written" in doctor.cache().found


def test_folders_in_a_home_that_nobody_has(monkeypatch):
    for variable in ("MLCOURSE_CACHE", "MLCOURSE_MIRROR"):
        monkeypatch.setenv(variable, "~nosuchuser/x")
    with pytest.raises(
        DataError, match="MLCOURSE_CACHE is '~nosuchuser/x', but there is no home folder ~nosuchuser"
    ):
        paths.cache_folder()
    with pytest.raises(DataError, match="MLCOURSE_MIRROR is '~nosuchuser/x', but there is no home folder"):
        paths.mirror()
    found = {finding.name: finding for finding in doctor.examine()}
    assert found["cache"].status == PROBLEM and "MLCOURSE_CACHE" in found["cache"].fix
    assert found["disk space"].status == NOTE and found["mirror"].status == PROBLEM


def test_a_mirror_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("MLCOURSE_MIRROR", str(tmp_path))
    assert doctor.mirror() == ("mirror", OK, str(tmp_path), "")
    monkeypatch.setenv("MLCOURSE_MIRROR", str(tmp_path / "gone"))
    assert doctor.mirror().status == PROBLEM and "MLCOURSE_MIRROR" in doctor.mirror().fix


def test_little_room_on_the_disk(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9 - 10**6, 10**6))
    assert doctor.disk().status == NOTE and "0.0 GB free" in doctor.disk().found


@pytest.fixture
def clone(monkeypatch, tmp_path):
    """A clone of the course in which there are two lessons, both built, and all data."""
    (tmp_path / "notebooks" / "source").mkdir(parents=True)
    for name in ("00_a", "01_b"):
        (tmp_path / "notebooks" / "source" / f"{name}.py").write_text("")
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text('{"cells": [{}]}')
    shutil.copytree(paths.data_folder(), tmp_path / "data")
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    return tmp_path


@pytest.mark.parametrize("stored", [None, "", "{", "[]", "{}", '{"cells": []}'])
def test_notebooks_that_were_not_built(clone, stored):
    assert doctor.notebooks().status == OK
    notebook = clone / "notebooks" / "01_b.ipynb"
    notebook.unlink() if stored is None else notebook.write_text(stored)
    assert doctor.notebooks() == ("notebooks", PROBLEM, "not built: 01_b", "run `make notebooks`")


def test_notebooks_without_sources(clone):
    shutil.rmtree(clone / "notebooks")
    assert doctor.notebooks().status == PROBLEM and "clone" in doctor.notebooks().fix


def test_all_data_of_the_course_are_looked_for():
    folder = paths.data_folder()
    assert sorted(doctor.WEIGHTS) == sorted(path.stem for path in (folder / "weights").glob("*.npz"))
    assert sorted(doctor.TABLES) == sorted(path.stem for path in (folder / "results").glob("*.json"))


def test_data_that_is_missing_or_damaged(clone):
    assert doctor.data().status == OK
    (clone / "data" / "weights" / "drawing.npz").write_bytes(b"")
    (clone / "data" / "results" / "drawing.json").write_text("{}")
    found = doctor.data()
    assert found.status == PROBLEM and found.fix == f"git -C {clone} checkout data"
    assert "drawing.npz is truncated or corrupt" in found.found and "drawing.json is no table" in found.found
    for part in ("glyphs", "weights", "results/omniglot"):
        shutil.rmtree(clone / "data" / part)
    found = doctor.data().found
    for said in ("strokes.npz is missing", "no weights called 'sinusoid_maml'", "omniglot runs are missing"):
        assert said in found
    shutil.rmtree(clone / "data")
    assert f"data folder {clone / 'data'} is missing" in doctor.data().found
