"""Is everything there that the course needs? Looks, changes nothing, and says how to mend what is not.

`examine` returns plain data; `python -m mlcourse doctor` prints it. A "problem" stops parts of the course, a
"note" only tells what goes more slowly or is left out.
"""

import importlib
import importlib.metadata
import json
import platform
import shutil
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

from mlcourse import paths
from mlcourse.errors import DataError
from mlcourse.files import require_place

OK, NOTE, PROBLEM = "ok", "note", "problem"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER_APPS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
ROOM = 1_000_000_000  # bytes that downloads, arrays and compiled code want
REINSTALL = "run `make clean-all`, then `make lab`; or: pip install -c constraints.txt -e ."
# what lies in data/, and lessons read
WEIGHTS = ("drawing", "glyphs_maml", "sinusoid_maml", "sinusoid_pooled", "sinusoid_reptile")
TABLES = (
    "bench_libraries",
    "bench_meta_gradient_conv4",
    "bench_meta_gradient_conv4_cuda",
    "bench_meta_gradient_sinusoid",
    "classroom",
    "exact",
    "kin",
    "drawing",
    "serving",
    "serving_faults",
    "sinusoid",
    "stream",
    "transfer_glyphs_to_omniglot",
)


class Finding(NamedTuple):
    """One thing looked at: `status` is "ok", "note" or "problem"; `fix` is empty when nothing needs doing."""

    name: str
    status: str
    found: str
    fix: str = ""


def examine() -> list[Finding]:
    """Look at everything. Never raises: what breaks while being looked at is a finding, too."""
    findings = []
    for look in (python, packages, torch, compiler, browser, grading_walls, cache, mirror, disk, data, notebooks):
        try:
            findings.append(look())
        except Exception as error:
            found = f"could not be looked at: {type(error).__name__}: {error}"
            findings.append(Finding(look.__name__, PROBLEM, found, REINSTALL))
    return findings


def healthy(findings: list[Finding]) -> bool:
    """Whether nothing stands in the way of the course."""
    return all(finding.status != PROBLEM for finding in findings)


def _project() -> dict:
    return tomllib.loads((paths.REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def python() -> Finding:
    """The interpreter's version against what pyproject.toml asks for."""
    from packaging.specifiers import SpecifierSet

    asked, found = _project()["requires-python"], f"{platform.python_version()} at {sys.executable}"
    if platform.python_version() in SpecifierSet(asked, prereleases=True):
        return Finding("python", OK, found)
    return Finding(
        "python", PROBLEM, f"{found}; the course needs {asked}", "install a newer Python; then `make lab`"
    )


def packages() -> Finding:
    """What is installed against what pyproject.toml asks for."""
    from packaging.requirements import Requirement

    listed = [Requirement(line) for line in _project()["dependencies"]]
    asked = [requirement for requirement in listed if not requirement.marker or requirement.marker.evaluate()]
    wrong = []
    for requirement in asked:
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} is {version}, not {requirement.specifier}")
    if wrong:
        return Finding("packages", PROBLEM, "; ".join(wrong), REINSTALL)
    return Finding("packages", OK, f"all {len(asked)} that the course needs")


def torch() -> Finding:
    """Whether torch works, and on which device the course will run."""
    module = importlib.import_module("torch")
    cores = f"{module.get_num_threads()} CPU thread{'s' if module.get_num_threads() > 1 else ''}"
    if not module.cuda.is_available():
        return Finding("torch", OK, f"{module.__version__}, no GPU, {cores}: enough for every notebook")
    name = module.cuda.get_device_name()
    try:
        module.ones(2, device="cuda").sum().item()
    except RuntimeError as error:
        fix = "update the GPU's driver, or hide the GPU: CUDA_VISIBLE_DEVICES="
        return Finding("torch", PROBLEM, f"{module.__version__} sees {name} but cannot use it: {error}", fix)
    return Finding("torch", OK, f"{module.__version__}, {name}, {cores}")


def compiler() -> Finding:
    """The C++ compiler with which torch compiles meta-steps on a CPU: found, and tried on a small function."""
    from mlcourse.fast import capture

    found = capture.cpp_compiler()
    without = "meta-training runs eagerly, with the same results, slower"
    if not found:
        fix = "Debian, Ubuntu: sudo apt install g++. macOS: xcode-select --install"
        return Finding("C++ compiler", NOTE, f"none: {without}", fix)
    problem = capture.compiler_works()
    if problem:
        fix = "Debian, Ubuntu: sudo apt install g++ python3-dev. macOS: xcode-select --install"
        return Finding("C++ compiler", NOTE, f"{problem}: {without}", fix)
    return Finding("C++ compiler", OK, found)


def find_browser() -> str | None:
    """The path of the system's Chromium or Chrome, or None; the browser tests use the same one."""
    on_path = (shutil.which(name) for name in BROWSERS)
    return next((path for path in (*on_path, *BROWSER_APPS) if path and Path(path).exists()), None)


def browser() -> Finding:
    """The browser that the browser tests use; lessons need none in particular."""
    found = find_browser()
    if found:
        return Finding("browser for tests", OK, found)
    fix = "only authors need it. Debian, Ubuntu: sudo apt install chromium"
    return Finding("browser for tests", NOTE, f"none of {', '.join(BROWSERS)} on PATH", fix)


def grading_walls() -> Finding:
    """What keeps students' code in while it is graded; only teachers need it."""
    from mlcourse.assignments import walls

    problem = walls.bubblewrap_problem()
    if not problem:
        return Finding("walls for grading", OK, "bubblewrap stands")
    return Finding("walls for grading", NOTE, f"none: {problem}", f"only teachers need them. {walls.INSTALL}")


def cache() -> Finding:
    """Whether downloads can be kept."""
    try:
        folder = paths.cache_folder()
        require_place(folder / "download")
        return Finding("cache", OK, f"{folder}{'' if folder.exists() else ' (made when needed)'}")
    except (DataError, OSError) as error:
        fix = "let MLCOURSE_CACHE name a folder that you may write to"
        return Finding("cache", PROBLEM, str(error), fix)


def mirror() -> Finding:
    """The folder of data sets for rooms without internet, if one is named."""
    try:
        folder = paths.mirror()
    except DataError as error:
        return Finding("mirror", PROBLEM, str(error), "correct MLCOURSE_MIRROR, or unset it")
    return Finding("mirror", OK, str(folder) if folder else "none: data sets are downloaded when asked for")


def disk() -> Finding:
    """Room where the cache lies."""
    try:
        folder = _existing(paths.cache_folder())
        free = shutil.disk_usage(folder).free
    except (DataError, OSError) as error:
        return Finding("disk space", NOTE, f"unknown: {error}", "see to the cache first")
    found = f"{free / 1e9:.1f} GB free at {folder}"
    if free >= ROOM:
        return Finding("disk space", OK, found)
    return Finding("disk space", NOTE, found, "free some, or let MLCOURSE_CACHE name a folder on another disk")


def data() -> Finding:
    """Whether what the lessons read is there and whole: the glyphs, the weights, the tables."""
    from mlcourse import weights
    from mlcourse.experiments import omniglot_table, results
    from mlcourse.tasks import store

    fix = f"git -C {paths.REPOSITORY} checkout data"
    try:
        folder = paths.data_folder()
    except DataError as error:
        return Finding("data", PROBLEM, str(error), fix)
    glyphs, wrong = store.verify("glyphs"), []
    if not glyphs["ok"]:
        wrong.append(glyphs["detail"])
    runs = ("omniglot runs", lambda _: omniglot_table.runs(folder / "results" / "omniglot"))
    looks = [(name, weights.load) for name in WEIGHTS] + [(name, results.load) for name in TABLES] + [runs]
    for name, load in looks:
        try:
            if not load(name):
                wrong.append(f"{name} are missing")
        except DataError as error:
            wrong.append(str(error))
    return Finding("data", PROBLEM, "; ".join(wrong), fix) if wrong else Finding("data", OK, f"whole, in {folder}")


def notebooks() -> Finding:
    """Whether the lessons are built from their sources."""
    folder = paths.REPOSITORY / "notebooks"
    sources = sorted(path.stem for path in (folder / "source").glob("[0-9]*.py"))
    missing = [name for name in sources if not _is_notebook(folder / f"{name}.ipynb")]
    if not sources:
        return Finding("notebooks", PROBLEM, f"none in {folder}", "clone the whole project")
    if missing:
        return Finding("notebooks", PROBLEM, f"not built: {', '.join(missing)}", "run `make notebooks`")
    return Finding("notebooks", OK, f"all {len(sources)} built")


def _is_notebook(path: Path) -> bool:
    """Whether a file is there and holds cells."""
    try:
        return bool(json.loads(path.read_text(encoding="utf-8"))["cells"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _existing(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that is there."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())
