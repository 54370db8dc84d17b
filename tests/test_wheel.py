"""The package without its clone: from a wheel, elsewhere, without what only lessons and experiments need."""

import shutil
import subprocess
import sys

import pytest

from mlcourse.paths import REPOSITORY

SOURCES = ("pyproject.toml", "README.md", "LICENSE", "LICENSE-text")
NOT_NEEDED = "matplotlib IPython ipywidgets anywidget traitlets jupyterlab pooch typer rich".split()

WORK = """
import sys
sys.modules.update(dict.fromkeys(NOT_NEEDED))
import numpy as np
from PIL import Image
from torch import nn

import mlcourse
from mlcourse import baselines, methods, metrics, weights
from mlcourse.errors import DataError
from mlcourse.evaluation import evaluate
from mlcourse.fast import losses, networks
from mlcourse.fast.arrays import arrays
from mlcourse.reference import maml
from mlcourse.tasks import Episodes, Sinusoids, glyphs, own
from mlcourse.training import train

assert SITE in mlcourse.__file__, mlcourse.__file__
rng = np.random.default_rng(0)
network = networks.from_module(nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 1)))
method = methods.MAML(losses.squared_error(network), inner_lr=0.02)
trained = train(method, network.init(rng), Sinusoids(5, 5), meta_steps=20, checkpoint="run.pt", progress=False)
print(evaluate(trained.learner(), Sinusoids(5, 5), n_tasks=20, rng=rng, metric=metrics.RMSE))
weights.save("mine", arrays(trained.params), {}, ".")
for shape in range(6):
    for drawer in range(3):
        picture = np.full((20, 20), 255, np.uint8)
        picture[3 * shape : 3 * shape + 3, drawer:15] = 0
        path = __import__("pathlib").Path("pictures", f"class {shape}", f"{drawer}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
pictures = Episodes(own.read_folder("pictures", dark_ink=True), n_way=5, k_shot=1, n_query=2)
print(evaluate(baselines.nearest_class_mean(), pictures, n_tasks=10, rng=rng))
try:
    glyphs.splits()
except DataError as error:
    print(error)
wings = [name for name in sys.modules if name.startswith(("mlcourse.lessons", "mlcourse.experiments"))]
assert not wings, wings
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder that holds the installed wheel and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    source, wheels, site = (folder / name for name in ("source", "wheels", "site"))
    shutil.copytree(REPOSITORY / "mlcourse", source / "mlcourse", ignore=shutil.ignore_patterns("__pycache__"))
    for name in SOURCES:
        shutil.copy(REPOSITORY / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", wheels, source], check=True)
    (wheel,) = wheels.glob("mlcourse-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", site, wheel], check=True)
    return site


def test_the_package_works_from_a_wheel(site, tmp_path):
    script = f"NOT_NEEDED = {NOT_NEEDED}; SITE = {str(site)!r}\n{WORK}"
    environment = {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    rmse, accuracy, missing = done.stdout.splitlines()
    assert rmse.startswith("root-mean-square error ") and accuracy.startswith("accuracy ")
    assert "clone the whole project" in missing
    assert (tmp_path / "run.pt").exists() and (tmp_path / "mine.npz").exists()


def test_scripts_and_styles_travel_in_the_wheel(site):
    for kind in ("*.js", "*.css"):
        ours = {path.relative_to(REPOSITORY) for path in (REPOSITORY / "mlcourse").rglob(kind)}
        assert ours and ours == {path.relative_to(site) for path in (site / "mlcourse").rglob(kind)}
