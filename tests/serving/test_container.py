"""The Dockerfile installs what the server and the training need of the course's dependencies, and no more."""

import re
import subprocess
import sys
import tomllib

NOT_IN_IT = {"matplotlib", "ipywidgets", "anywidget", "jupyterlab", "higher", "httpx"}


def test_the_container_has_what_is_declared_but_for_the_lab(root):
    text = (root / "Dockerfile").read_text()
    (listed,) = re.findall(r"^ +numpy .*?(?=\nCOPY)", text, flags=re.DOTALL | re.MULTILINE)
    installed = {re.split(r"[>\"]", word.strip('"'))[0] for word in listed.replace("\\", " ").split()}
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[<>=]", line)[0] for line in project["dependencies"]}
    assert installed - {"redis", "setuptools"} == declared - NOT_IN_IT


def test_the_server_does_without_the_lab():
    blocked = f"import sys; sys.modules.update(dict.fromkeys({sorted(NOT_IN_IT)!r}))"  # importing one raises
    loads = "import mlcourse.serving.app, mlcourse.serving.plans, mlcourse.serving.jobs, mlcourse.cli"
    done = subprocess.run([sys.executable, "-c", f"{blocked}; {loads}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
