"""Make notebooks/NN_name.ipynb from notebooks/source/NN_name.py (py:percent), with real outputs stored.

The students' problem sets, notebooks/assignments/, are written each time: nothing in them is run.

    python notebooks/source/build.py                     run those whose code has changed, store outputs
    python notebooks/source/build.py 05_maml_from_zero   the same for the named ones
    python notebooks/source/build.py --all               run them in any case (mlcourse/ may have changed)
    python notebooks/source/build.py --check             write nothing, name the stale ones, exit 1 if any

A change in the words alone keeps the outputs and runs nothing. Cell ids come from the cells' sources, so that
a change in one cell is a change of one cell in the stored notebook too. What answers a **Predict.** waits, by
rule: in JupyterLab the outputs are closed until they are run, in the book until the reader has answered.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import os
import pathlib
import re
import sys
import tempfile
import textwrap
import time

import jupytext
import nbclient
import nbformat
from nbformat import NotebookNode

from mlcourse.assignments import sets
from mlcourse.lessons.widgets.saving import WIDGET_VIEW

SOURCE = pathlib.Path(__file__).resolve().parent
NOTEBOOKS = SOURCE.parent
# As JupyterLab writes it when it saves: a reader's first save changes nothing, with another Python one line.
LANGUAGE = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
    "version": "3.11.7",
}
# Around the asserts of a cell with the tag "claims": a reader whose training was cut short is told so.
CLAIMS = "from mlcourse.lessons.checks import claims\n\nwith claims():\n"
CLAIMS_TITLE = "# The numbers in the text, checked\n"  # all that JupyterLab shows of such a cell
# How the paragraphs begin that ask for a prediction and that say what came of it, and what begins something new
SEEN = "**What you saw.**"
QUESTION = re.compile(r"^\*\*Predict\.\*\*", re.MULTILINE)
SOMETHING_NEW = re.compile(rf"{QUESTION.pattern}|^#+ ", re.MULTILINE)
# In place of closed outputs JupyterLab shows their first line, which would tell the answer: so it is a blank one.
NOTHING = nbformat.v4.new_output("display_data", {"text/html": " "})
SECONDS_A_CELL = 600


def from_source(path: pathlib.Path) -> NotebookNode:
    """The notebook that a py:percent file describes: no outputs, ids from a hash of each cell's source."""
    notebook = jupytext.read(path, fmt="py:percent")
    notebook.metadata = nbformat.from_dict({"kernelspec": sets.KERNEL, "language_info": LANGUAGE})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for cell in notebook.cells:
        if "claims" in cell.metadata.get("tags", []):
            cell.source = CLAIMS + textwrap.indent(cell.source, "    ")
    seen: collections.Counter[str] = collections.Counter()
    for cell in notebook.cells:
        digest = hashlib.sha1(cell.source.encode()).hexdigest()[:12]
        cell["id"] = f"{digest}-{seen[digest]}"
        seen[digest] += 1
    for cell in notebook.cells:  # after the ids: a comment is no code that would have to run again
        if "claims" in cell.metadata.get("tags", []):
            cell.source = CLAIMS_TITLE + cell.source
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown" and QUESTION.search(cell.source):
            for one in answer(notebook.cells, place):  # the tag tells the book, too: book/_ext/course_book.py
                one.metadata["tags"] = [*one.metadata.get("tags", []), "answer"]
    return notebook


def answer(cells: list[NotebookNode], question: int) -> list[NotebookNode]:
    """The cells that answer the prediction of cell number `question`: code, then the words on what was seen.

    More words may stand among the code. Where a heading or another question comes before any words on what was
    seen, the answer is the code up to the next words.
    """
    after = cells[question + 1 :]
    words = [place for place, cell in enumerate(after) if cell.cell_type == "markdown"]
    seen = next((place for place in words if after[place].source.startswith(SEEN)), len(after))
    new = next((place for place in words if SOMETHING_NEW.search(after[place].source)), len(after))
    end = seen + 1 if seen <= new else min(words, default=len(after))
    answered = [cell for place, cell in enumerate(after[:end]) if cell.cell_type == "code" or place == seen]
    return [cell for cell in answered if "claims" not in cell.metadata.get("tags", [])]


def read_stored(path: pathlib.Path) -> NotebookNode | None:
    """The stored notebook, or None where there is none that can be read."""
    try:
        return nbformat.read(path, as_version=4)
    except (OSError, nbformat.reader.NotJSONError):
        return None


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def was_executed(notebook: NotebookNode) -> bool:
    """Whether every code cell ran, in order, without an error."""
    counts = [cell.execution_count for cell in code_cells(notebook)]
    failed = any(o.output_type == "error" for cell in code_cells(notebook) for o in cell.outputs)
    return counts == list(range(1, len(counts) + 1)) and not failed


def same_code(one: NotebookNode, other: NotebookNode) -> bool:
    return [cell.id for cell in code_cells(one)] == [cell.id for cell in code_cells(other)]


def take_outputs(notebook: NotebookNode, stored: NotebookNode) -> None:
    """Give the cells of `notebook` the outputs of the same cells in `stored`."""
    by_id = {cell.id: cell for cell in code_cells(stored)}
    for cell in code_cells(notebook):
        cell.outputs, cell.execution_count = by_id[cell.id].outputs, by_id[cell.id].execution_count


def execute(notebook: NotebookNode) -> float:
    """Run all cells as a learner's machine would, on one thread and with no data set but the embedded ones.

    Returns:
        the seconds that it took, the start of the kernel included.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as empty_cache:
        kernel_env = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "MLCOURSE_CACHE": empty_cache,
            "MLCOURSE_WORK": empty_cache,
        }
        kernel_env.pop("MLCOURSE_MIRROR", None)
        client = nbclient.NotebookClient(
            notebook,
            timeout=SECONDS_A_CELL,
            resources={"metadata": {"path": str(NOTEBOOKS)}},
            record_timing=False,
            store_widget_state=False,
            coalesce_streams=True,
        )
        client.execute(env=kernel_env)
    return time.perf_counter() - start


def strip(notebook: NotebookNode) -> None:
    """Leave only what a reader without a kernel can see: no live widget views, no state, no timing."""
    notebook.metadata = nbformat.from_dict({"kernelspec": sets.KERNEL, "language_info": LANGUAGE})
    for cell in code_cells(notebook):
        cell.metadata.pop("execution", None)
        for output in cell.outputs:
            output.get("data", {}).pop(WIDGET_VIEW, None)
            output.get("metadata", {}).pop(WIDGET_VIEW, None)


def text_of(notebook: NotebookNode) -> str:
    """The notebook as it is stored, with the answers closed."""
    for cell in code_cells(notebook):
        cell.outputs = [output for output in cell.outputs if output != NOTHING]
        if "answer" in cell.metadata.get("tags", []) and cell.outputs:
            cell.outputs.insert(0, NOTHING)
            # As JupyterLab writes it: the outputs are closed until the cell is run. Code that is folded stays so.
            closed = {"collapsed": True, "jupyter": {**cell.metadata.get("jupyter", {}), "outputs_hidden": True}}
            cell.metadata.update(nbformat.from_dict(closed))
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


def is_stale(source: pathlib.Path, target: pathlib.Path) -> bool:
    """Whether the stored notebook is not what its source and its own outputs would give."""
    notebook, stored = from_source(source), read_stored(target)
    if stored is None or not same_code(notebook, stored) or not was_executed(stored):
        return True
    take_outputs(notebook, stored)
    return target.read_text(encoding="utf-8") != text_of(notebook)


def build(source: pathlib.Path, target: pathlib.Path, *, run_anyway: bool = False) -> float | None:
    """Write the notebook; run it first if its code changed or it never ran.

    Returns:
        the seconds that running took, None if it was not run.
    """
    notebook, stored = from_source(source), read_stored(target)
    seconds = None
    if stored is not None and same_code(notebook, stored) and was_executed(stored) and not run_anyway:
        take_outputs(notebook, stored)
    else:
        seconds = execute(notebook)
        strip(notebook)
    text = text_of(notebook)
    if stored is None or target.read_text(encoding="utf-8") != text:
        target.write_text(text, encoding="utf-8")
    return seconds


def write_problem_sets() -> None:
    """Write what students get of each problem set; the rest is made by `python -m mlcourse assignment build`."""
    for name in sets.names():
        path = NOTEBOOKS / "assignments" / name / f"{name}.ipynb"
        sets.store(sets.student(sets.instructor(sets.source(name))), path)


def chosen_sources(names: list[str]) -> list[pathlib.Path]:
    """The sources named on the command line (with or without folder and ending); all if none is named."""
    sources = {path.stem: path for path in sorted(SOURCE.glob("[0-9]*.py"))}
    wanted = [pathlib.Path(name).stem for name in names] or list(sources)
    unknown = [name for name in wanted if name not in sources]
    if unknown:
        sys.exit(f"no such notebook: {', '.join(unknown)}; {SOURCE} has {', '.join(sources) or 'none'}")
    return [sources[name] for name in wanted]


def main() -> int:
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument("names", nargs="*", help="notebooks, such as 05_maml_from_zero (default: all)")
    parser.add_argument("--all", action="store_true", help="run them even if their code has not changed")
    parser.add_argument("--check", action="store_true", help="write nothing, exit with 1 if one is stale")
    arguments = parser.parse_args()
    failed = False
    for source in chosen_sources(arguments.names):
        target = NOTEBOOKS / f"{source.stem}.ipynb"
        if arguments.check:
            if is_stale(source, target):
                print(f"stale: {target.name} (make notebooks)")
                failed = True
            continue
        try:
            seconds = build(source, target, run_anyway=arguments.all)
        except nbclient.exceptions.CellExecutionError as error:
            print(f"failed: {target.name}, left as it was\n{error}", file=sys.stderr)
            failed = True
        else:
            what = "not run again" if seconds is None else f"run in {seconds:.1f} s"
            print(f"{target.name}: {what}", flush=True)
    if not arguments.check:
        write_problem_sets()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
