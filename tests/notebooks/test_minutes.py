"""How long a notebook takes: what is counted, and that its cover says so."""

import importlib.util
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def script(path: str) -> object:
    """A script of the course as a module."""
    spec = importlib.util.spec_from_file_location(pathlib.Path(path).stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


covers, minutes = script("book/covers.py"), script("notebooks/source/minutes.py")
SOURCES = sorted((ROOT / "notebooks/source").glob("[0-9]*.py"))
MOST_MINUTES, MOST_WORDS, MOST_LINES = 45, 4_000, 25
PAGE = """
# %% [markdown]
# # A title of {words} words
#
# > <details><summary>Answer</summary>
# >
# > {folded}
# >
# > </details>
#
# **Predict.** More or less?

# %%
from mlcourse.lessons.widgets import OwnWave, Stepper

OwnWave(
    seed=1,
)

# %% tags=["hide-input"]
folded = 1

# %% tags=["claims"]
assert True

# %% [markdown]
# ### Exercise 1.1 ●○○○○ Not counted
# It says its own minutes.

# %% tags=["exercise"]
answer = ...

# %% [markdown]
# ## Second sitting: more
# {second}

# %% [markdown]
# ## References
# - A paper
"""


def page(folder: pathlib.Path, words: int = 0, second: int = 0) -> pathlib.Path:
    path = folder / "01_page.py"
    path.write_text(PAGE.format(words="word " * words, folded="word " * 500, second="word " * second))
    return path


def test_what_is_read_is_counted_and_what_is_folded_is_not(tmp_path):
    first, second = minutes.sittings(page(tmp_path, words=100, second=50))
    assert 100 < first.words < 130 and 50 < second.words < 70
    assert (first.lines, first.predictions, first.widgets) == (4, 1, 1)
    assert (second.lines, second.predictions, second.widgets) == (0, 0, 0)


def test_minutes_follow_the_rule(tmp_path):
    """4,000 words, 20 minutes; four lines, a prediction and a widget, another three."""
    first, second = minutes.sittings(page(tmp_path, words=4_000, second=2_000))
    assert (first.minutes, second.minutes) == (25, 10)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_the_cover_says_the_minutes_that_are_counted(path):
    counted = tuple(sitting.minutes for sitting in minutes.sittings(path))
    assert covers.read(path).sittings == counted
    assert max(counted) <= MOST_MINUTES
    assert minutes.words_on_the_page(path) <= MOST_WORDS
