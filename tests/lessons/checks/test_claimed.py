"""A claim that fails says what it missed, and shows no traceback to a reader."""

import subprocess
import sys

import nbclient
import nbformat
import pytest

from mlcourse.lessons.checks.claimed import ClaimMissed, claims


def test_what_holds_says_nothing():
    with claims():
        assert 1 < 2


def test_a_name_that_is_not_there_is_a_cell_that_did_not_run():
    with pytest.raises(ClaimMissed, match="claims need 'losses', which is not there: .* was cut short"), claims():
        assert losses[-1] < 1  # noqa: F821


def test_a_claim_that_fails_is_quoted():
    value = 0.7
    with (
        pytest.raises(ClaimMissed, match=r"does not show: assert value < 0.5\. If training above was cut"),
        claims(),
    ):
        assert value < 0.5


def test_any_other_error_is_a_claim_missed_too():
    with pytest.raises(ClaimMissed, match=r"does not show: assert \[\]\[0\] == 1"), claims():
        assert [][0] == 1


def test_claims_that_python_leaves_out_do_not_pass():
    code = "from mlcourse.lessons.checks import claims\nwith claims():\n    assert False"
    done = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True)
    assert "ClaimMissed: Nothing was checked: Python was started with -O" in done.stderr.splitlines()[-1]


def test_a_reader_sees_the_words_alone():
    """In a kernel: a training loop that was stopped, then the claims below it."""
    cells = [
        "from mlcourse.lessons.checks import claims\nlosses = [3.0, 2.9]",
        "with claims():\n    assert losses[-1] < 0.5",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, allow_errors=True).execute()
    (output,) = notebook.cells[1].outputs
    assert output.output_type == "error" and output.ename == "ClaimMissed"
    (words,) = output.traceback
    assert (
        "does not show: assert losses[-1] < 0.5. If training above was cut short, run that cell to its end"
        in words
    )
