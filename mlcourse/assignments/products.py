"""All that is made of one source: nbgrader's course folder, the students' notebooks, and a zip for Gradescope.

course/nbgrader_config.py           nbgrader, with the course's walls
course/source/ps1/ps1.ipynb         the lecturer's: solutions, hidden tests, mark schemes
course/students/ps1/ps1.ipynb       the students'
course/gradescope/ps1.zip           Gradescope's autograder; holds the tests, so it is the lecturer's, too
"""

import zipfile
from pathlib import Path

from mlcourse import paths
from mlcourse.assignments import sets

CONFIG = '''\
"""nbgrader for this course: submissions run inside walls, and students' feedback shows no hidden test."""

c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "meta-learning"
c.Autograde.autograde_preprocessors = [
    "mlcourse.assignments.nbgrader_safe.GradeOutside",  # in place of nbgrader's Execute
    "nbgrader.preprocessors.LimitOutput",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.GenerateFeedback.preprocessors = [
    "nbgrader.preprocessors.GetGrades",
    "nbgrader.preprocessors.ClearHiddenTests",
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
]
# Formgrader shows what students wrote; their scripts stay text there.
c.HTMLExporter.sanitize_html = True
c.HTMLExporter.filters = {"markdown2html": "mlcourse.assignments.nbgrader_safe.markdown2html"}
'''
# What grading needs of what the course needs: no torch
GRADER_NEEDS = "numpy ipython psutil nbformat jinja2 matplotlib matplotlib-inline traitlets packaging"
SETUP = f"""\
#!/usr/bin/env bash
# Gradescope runs this once, when it makes the container.
set -e
apt-get update
apt-get install -y --no-install-recommends python3 python3-venv bubblewrap util-linux
python3 -m venv /opt/grader
/opt/grader/bin/pip install -c /autograder/source/constraints.txt {GRADER_NEEDS}
"""
RUN = """\
#!/usr/bin/env bash
# Gradescope runs this for each submission. Whatever happens, there is a result.
mkdir -p /autograder/results
echo '{"score": 0, "output": "The grader did not finish: please tell your lecturer."}' \\
    > /autograder/results/results.json
chmod -R go-rwx /autograder/results /autograder/submission /autograder/source/tests
cd /autograder/source
PYTHONPATH=/autograder/source /opt/grader/bin/python -m mlcourse.assignments.gradescope /autograder
"""


def build(names: list[str], out: Path) -> list[Path]:
    """Make all products of the sets with these names; return the files written.

    Raises:
        ValueError: there is no such set.
    """
    config = out / "nbgrader_config.py"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(CONFIG, encoding="utf-8")
    written = [config]
    for name in names:
        notebook = sets.instructor(sets.source(name))
        for folder, version in (("source", notebook), ("students", sets.student(notebook))):
            written.append(sets.store(version, out / folder / name / f"{name}.ipynb"))
        written.append(_gradescope(name, written[-2], out / "gradescope" / f"{name}.zip"))
    return written


def _gradescope(name: str, notebook: Path, path: Path) -> Path:
    """Write the zip: Gradescope's two scripts, the tests, and of the course what grading needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for script, text in (("setup.sh", SETUP), ("run_autograder", RUN)):
            entry = zipfile.ZipInfo(script)
            entry.external_attr = 0o755 << 16
            archive.writestr(entry, text)
        archive.write(notebook, f"tests/{name}.ipynb")
        archive.write(paths.REPOSITORY / "constraints.txt", "constraints.txt")
        for folder in (Path(sets.__file__).parents[1], paths.data_folder() / "glyphs"):
            for file in sorted(folder.rglob("*")):
                if file.is_file() and "__pycache__" not in file.parts:
                    archive.write(file, str(file.relative_to(paths.REPOSITORY)))
    return path
