"""The doctor: sees what is missing, says how to mend it, and never falls over itself."""

import importlib
import importlib.metadata
import shutil

import pytest

from mlcourse import doctor, paths
from mlcourse.doctor import NOTE, OK, PROBLEM
from mlcourse.fast import capture


def test_it_looks_at_everything_and_each_trouble_has_a_fix():
    findings = doctor.examine()
    needed = ["python", "packages", "torch", "C++ compiler", "browser for tests"]
    assert [f.name for f in findings] == [*needed, "cache", "mirror", "disk space", "notebooks"]
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


def test_a_mirror_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("MLCOURSE_MIRROR", str(tmp_path))
    assert doctor.mirror() == ("mirror", OK, str(tmp_path), "")
    monkeypatch.setenv("MLCOURSE_MIRROR", str(tmp_path / "gone"))
    assert doctor.mirror().status == PROBLEM and "MLCOURSE_MIRROR" in doctor.mirror().fix


def test_little_room_on_the_disk(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9 - 10**6, 10**6))
    assert doctor.disk().status == NOTE and "0.0 GB free" in doctor.disk().found


@pytest.mark.parametrize(("built", "status"), [(("00_a", "01_b"), OK), (("00_a",), PROBLEM), ((), PROBLEM)])
def test_notebooks_that_were_not_built(monkeypatch, tmp_path, built, status):
    (tmp_path / "notebooks" / "source").mkdir(parents=True)
    for name in ("00_a", "01_b"):
        (tmp_path / "notebooks" / "source" / f"{name}.py").write_text("")
    for name in built:
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text("{}")
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    assert doctor.notebooks().status == status
    assert ("01_b" in doctor.notebooks().found) == (status == PROBLEM)
