"""The README's first Python runs as it stands there, on a folder of pictures like the one that it names."""

import re
import subprocess
import sys

import pytest
from PIL import Image

from mlcourse.paths import REPOSITORY
from mlcourse.tasks import glyphs

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
SECTION = README.split("## In ten lines of Python")[1].split("\n## ")[0]
BLOCKS = re.findall(r"```python\n(.*?)```", SECTION, flags=re.DOTALL)


@pytest.fixture
def folder(tmp_path):
    """30 classes of eight pictures, of unequal sizes."""
    letters = glyphs.splits().train
    for number in range(30):
        place = tmp_path / "pictures" / f"class {number}"
        place.mkdir(parents=True)
        for drawer, image in enumerate(letters.images_of(7 * number)[: 8 + number % 3]):
            Image.fromarray(image).save(place / f"{drawer}.png")
    return tmp_path


def test_the_code_of_the_readme_runs_as_it_stands(folder):
    (folder / "readme.py").write_text("\n".join(BLOCKS))
    environment = {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "readme.py"], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    sines, pictures, own = done.stdout.splitlines()
    assert float(re.match(r"squared error ([0-9.]+) ± [0-9.]+ \(95 % interval over 600 tasks", sines)[1]) < 0.3
    assert float(re.match(r"accuracy ([0-9.]+) ± [0-9.]+ %", pictures)[1]) > 55
    assert re.match(r"tasks without an error [0-9.]+ ± [0-9.]+ %", own)


def test_the_blocks_have_about_ten_lines():
    """Statements, without imports and the family's own lines."""
    assert len(BLOCKS) == 3
    for block in BLOCKS:
        lines = [line for line in block.splitlines() if line.strip() and not line.startswith(("import", "from"))]
        assert len(lines) <= 12
