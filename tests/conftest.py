"""What the tests share: quiet drawing, one thread of arithmetic, a browser, and the two servers it looks at.

Browser tests use the Chromium that the system has. Without one they are skipped and say how to get it; with
CI=true that is a failure. Playwright never downloads a browser of its own.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import http.server
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator

import hypothesis
import pytest

from mlcourse import doctor
from mlcourse.assignments import walls

ROOT = pathlib.Path(__file__).resolve().parent.parent
BROWSER_FLAGS = [
    "--no-sandbox",  # a container's root has no sandbox to enter
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SECONDS_FOR_LAB = 60

# Before anything imports torch or matplotlib, and for every process that a test starts: two test workers on
# two cores must not start four threads, and nobody looks at the plots.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
# What tests solve is not a reader's work.
os.environ["MLCOURSE_WORK"] = tempfile.mkdtemp(prefix="mlcourse_work_")
hypothesis.settings.register_profile(
    "course",
    deadline=None,  # a busy machine is not a bug
    derandomize=True,  # the same examples for everybody, every time
    max_examples=50,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("course")


@pytest.fixture(scope="session")
def root() -> pathlib.Path:
    """The folder that holds pyproject.toml."""
    return ROOT


@pytest.fixture(scope="session")
def wall() -> str:
    """The walls for students' code; where they do not stand the test is skipped, or fails when CI=true."""
    problem = walls.bubblewrap_problem()
    if problem:
        reason = f"bubblewrap does not stand here ({problem}). {walls.INSTALL}"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    return "bubblewrap"


class Clock:
    """A clock that stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def move(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """`time.perf_counter` reads this clock while the test runs."""
    made = Clock()
    monkeypatch.setattr(time, "perf_counter", lambda: made.now)
    return made


# ---- seconds for each notebook ----


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List every notebook that ran with its seconds: nbval reports cells, people ask about notebooks."""
    seconds: collections.Counter[str] = collections.Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            path = getattr(report, "nodeid", "").split("::")[0]
            if path.endswith(".ipynb"):
                seconds[path] += getattr(report, "duration", 0.0)
    if seconds:
        terminalreporter.section("seconds per notebook")
        for path, total in sorted(seconds.items()):
            terminalreporter.write_line(f"{total:7.1f} s  {path}")
        terminalreporter.write_line(f"{sum(seconds.values()):7.1f} s  all together")


# ---- the browser ----


GRAVE = {"serious", "critical"}
OF_COLOURS = [
    "color-contrast",
    "link-in-text-block",
]  # axe-core's rules that light and dark can answer differently


@dataclasses.dataclass
class Watched:
    """A browser page that may talk to 127.0.0.1 only, with a record of everything that went wrong on it."""

    page: object  # playwright.sync_api.Page
    outside: list[str]  # addresses elsewhere that the page asked for: each was blocked
    errors: list[str]  # errors in the console and exceptions nobody caught
    missing: list[str]  # addresses that answered with 400 or more

    def complaints(self) -> list[str]:
        return [*self.outside, *self.errors, *self.missing]

    def forget(self) -> None:
        """Begin the record anew."""
        for record in (self.outside, self.errors, self.missing):
            record.clear()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the system's browser; without one the test is skipped, or fails when CI=true."""
    path = doctor.find_browser()
    if path is None:
        reason = (
            "no Chromium or Chrome found. Debian: sudo apt install chromium. Elsewhere: install Chrome. "
            "It must be on PATH as one of " + ", ".join(doctor.BROWSERS)
        )
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    return path


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[object]:
    """One running browser per test file (not per session: playwright's event loop would outlive the file)."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=BROWSER_FLAGS)
        yield running
        running.close()


def watch(context: object) -> Watched:
    """Open a page in a browser context and keep watch over it."""
    watched = Watched(context.new_page(), [], [], [])

    def route(route: object) -> None:
        address = route.request.url
        if address.startswith(("http://127.0.0.1:", "data:", "blob:", "about:")):
            route.continue_()
        else:
            watched.outside.append(address)
            route.abort()

    watched.page.route("**/*", route)
    watched.page.on("console", lambda m: watched.errors.append(m.text) if m.type == "error" else None)
    watched.page.on("pageerror", lambda error: watched.errors.append(str(error)))
    watched.page.on("response", lambda r: watched.missing.append(r.url) if r.status >= 400 else None)
    return watched


def violations(page: object, rules: list[str] | None = None) -> list[str]:
    """What axe-core finds grave on a page, by all its rules or by `rules`, with the first elements.

    No element and no rule is ever excused.
    """
    from axe_playwright_python.sync_playwright import Axe

    options: dict[str, object] = {"resultTypes": ["violations"], "preload": False}  # it would ask for style sheets
    if rules:
        options["runOnly"] = rules
    return [
        f"{violation['id']}: {[node['target'] for node in violation['nodes'][:3]]}"
        for violation in Axe().run(page, options=options).response["violations"]
        if violation["impact"] in GRAVE
    ]


@pytest.fixture
def open_page(browser: object) -> Iterator[Callable[..., Watched]]:
    """A function that opens a watched page: open_page(width=390, color_scheme="dark") -> Watched."""
    contexts = []

    def open_it(width: int = 1200, height: int = 900, **options: object) -> Watched:
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **options))
        return watch(contexts[-1])

    yield open_it
    for context in contexts:
        context.close()


@pytest.fixture
def browser_page(open_page: Callable[..., Watched]) -> Watched:
    """One watched page of desktop size."""
    return open_page()


# ---- what the browser looks at ----


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a test's output is for what failed."""


@pytest.fixture(scope="session")
def static_server() -> Iterator[Callable[[pathlib.Path], str]]:
    """A function that serves a folder on 127.0.0.1: static_server(folder) -> "http://127.0.0.1:PORT/"."""
    with contextlib.ExitStack() as running:

        def serve(folder: pathlib.Path) -> str:
            handler = functools.partial(QuietHandler, directory=str(folder))
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            running.callback(server.server_close)
            running.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_port}/"

        yield serve


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_it_answers(address: str, process: subprocess.Popen, log: pathlib.Path) -> None:
    deadline = time.monotonic() + SECONDS_FOR_LAB
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(address, timeout=5).close()
            return
        time.sleep(0.2)
    pytest.fail(f"JupyterLab did not answer at {address} in {SECONDS_FOR_LAB} s:\n{log.read_text()[-3000:]}")


def plain_settings(folder: pathlib.Path) -> None:
    """Every cell in the page, not just those on the screen; no questions about news."""
    settings = {
        "notebook-extension/tracker": {"windowingMode": "none"},
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    }
    for name, values in settings.items():
        path = folder / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(values))


@dataclasses.dataclass
class LabServer:
    """A running JupyterLab: its page's address, "http://127.0.0.1:PORT/lab", and the folder that it shows."""

    address: str
    folder: pathlib.Path


@contextlib.contextmanager
def running_lab(home: pathlib.Path, folder: pathlib.Path, **more: str) -> Iterator[LabServer]:
    """JupyterLab as on a new machine: nothing trusted, no settings of the user's; all it keeps is in `home`.

    Its page lets tests give commands (`jupyterapp`), such as to open a notebook. `more` are variables for it.
    """
    plain_settings(home / "settings")
    own = {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    own |= {f"JUPYTERLAB_{name}_DIR": str(home / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
    port, log = free_port(), home / "log"
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", f"--port={port}"]
    command += ["--ServerApp.port_retries=0", "--IdentityProvider.token="]
    command += [f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True"]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **own, **more}, cwd=home, stdout=output, stderr=output
        )
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}/api", process, log)
        yield LabServer(f"http://127.0.0.1:{port}/lab", folder)
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:  # a kernel that is just starting can hold it back
            process.kill()


@pytest.fixture(scope="module")
def lab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    """JupyterLab with a copy of the notebooks."""
    home = tmp_path_factory.mktemp("lab")
    ignore = shutil.ignore_patterns(".ipynb_checkpoints")
    shutil.copytree(ROOT / "notebooks", home / "notebooks", ignore=ignore)
    with running_lab(home, home / "notebooks") as server:
        yield server
