"""nbgrader with the course's walls: what `nbgrader autograde` runs in place of its own execution.

The course's nbgrader_config.py names it. A submission's cells then run in a student's process inside walls, the
tests outside; what a test cell brought is written into it as its output, from which nbgrader takes the points. So
formgrader, feedback and export work as ever, on points that no student could write. What students wrote is shown
there without any HTML of theirs: a script in an answer would run with all rights of the lecturer who marks it.
"""

from pathlib import Path
from typing import Any

import nbformat
from jinja2 import pass_context
from nbconvert.exporters.exporter import ResourcesDict
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool

from mlcourse.assignments.grade import Result, grade
from mlcourse.assignments.sets import ProblemSet
from mlcourse.assignments.walls import choose


class GradeOutside(NbGraderPreprocessor):
    """Grade the notebook as `assignment grade` does, and write the verdicts where nbgrader looks for them."""

    trust_submissions = Bool(False, help="Run submissions without walls where none stand.").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        told = resources["nbgrader"]
        here = Path(resources["metadata"]["path"])  # autograded/STUDENT/SET of the course's folder
        problem_set = ProblemSet.stored(
            here.parents[2] / "source" / told["assignment"] / f"{told['notebook']}.ipynb"
        )
        with Gradebook(told["db_url"]) as gradebook:
            others = tuple(student.id for student in gradebook.students if student.id != told["student"])
        wall = choose(trust=self.trust_submissions)
        report = grade(here / f"{told['notebook']}.ipynb", problem_set, told["student"], wall=wall, others=others)
        for note in report.notes:
            self.log.warning("%s: %s", told["student"], note)
        results = {result.name: result for result in report.results}
        for cell in nb.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            if cell.cell_type == "code" and name in results and cell.metadata.nbgrader.grade:
                cell.outputs = [_output(results[name])]
        return nb, resources


def _output(result: Result) -> NotebookNode:
    """What nbgrader reads: an error brings nothing, anything else all points."""
    if result.points:
        return nbformat.v4.new_output("stream", name="stdout", text=f"{result.message}\n")
    return nbformat.v4.new_output("error", ename="NotYet", evalue=result.message, traceback=[result.message])


@pass_context
def markdown2html(context: Any, source: str) -> str:
    """Markdown as nbconvert's filter of this name shows it, with HTML as the text that it is."""
    attachments = context.get("cell", {}).get("attachments", {})
    renderer = IPythonRenderer(escape=True, allow_harmful_protocols=False, attachments=attachments)
    return MarkdownWithMath(renderer=renderer).render(source)
