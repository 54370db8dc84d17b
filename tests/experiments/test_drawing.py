"""The recogniser of drawings: a tiny run of the whole path, and what the stored table and weights promise."""

import dataclasses
import json

import numpy as np
import pytest

from mlcourse import weights
from mlcourse.experiments import drawing, drawing_browser, results
from mlcourse.experiments.runner import run
from mlcourse.paths import data_folder
from mlcourse.tasks import drawings, glyphs, omniglot, store

TINY = drawing.Settings(
    candidates=((4, 0.004, False), (4, 0.016, True)),
    sweep_steps=2,
    meta_steps=3,
    n_way_training=8,
    n_query_training=1,
    n_tasks=4,
    timed=10,
)
COLUMNS = [f"{where}, {k_shot}-shot" for where in ("Omniglot", "glyphs") for k_shot in (1, 5)]


@pytest.fixture(scope="module")
def tiny() -> drawing.Data:
    """Glyphs in both roles."""
    written = drawings.of_glyphs()
    letters = glyphs.load()
    background = drawings.in_form(letters.take(np.arange(16)), written[:16])
    return drawing.Data(
        omniglot=[background, background],
        held_out=np.arange(16) < 6,
        glyphs=drawings.in_form(letters.take(np.arange(20, 30)), written[20:30]),
        test={"Omniglot": written[40:47], "glyphs": written[50:57]},
    )


def made_by(tiny, folder, **options):
    said: list[str] = []

    class OnTiny(drawing.Drawing):
        data = tiny

    how = {"out": folder / "t.json", "weights_folder": folder, "say": said.append}
    table = run(OnTiny, TINY, seeds=(0, 1), **how, **options)
    return table, said


def test_without_a_browser_one_line_says_so_and_no_row_is_invented(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(drawing_browser.doctor, "find_browser", lambda: None)
    table, said = made_by(tiny, tmp_path)
    assert said[0].startswith("no row for the browser: no Chromium or Chrome was found") and "\n" not in said[0]
    assert [row["method"] for row in table["rows"]] == [drawing.TORCH, drawing.PIXELS]
    assert table["details"]["browser and torch"] == {"Omniglot": {}, "glyphs": {}}


def test_without_playwright_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(drawing_browser.importlib.util, "find_spec", lambda name: None)
    assert drawing_browser.missing().startswith("Playwright is not installed: pip install")


@pytest.mark.browser
def test_the_table_and_the_weights_are_stored_whole(tiny, tmp_path, chromium):
    made, said = made_by(tiny, tmp_path)
    stored = results.load(str(tmp_path / "t.json"))
    assert stored["rows"] == made["rows"] and stored["seeds"] == [0, 1]
    methods = [drawing.BROWSER, drawing.TORCH, drawing.PIXELS]
    assert [row["method"] for row in stored["rows"]] == methods
    assert all(list(row["values"]) == COLUMNS for row in stored["rows"])
    browser, torch, _ = (row["values"] for row in stored["rows"])
    assert browser == torch  # the same numbers, but for the last digits of float32
    for apart in stored["details"]["browser and torch"].values():
        assert apart["image"] == 0 and apart["embedding"] < 1e-4 and apart["log-probability"] < 1e-3
    sweep = stored["details"]["sweep"]
    best = max(sweep["tried"], key=lambda one: one["accuracy"])
    assert (
        sweep["chosen"] == {name: best[name] for name in ("channels", "meta_lr", "rotations")}
        and len(sweep["tried"]) == 2
    )
    assert list(stored["details"]["spread over seeds"][drawing.TORCH]) == COLUMNS and len(said) == 3
    with np.load(tmp_path / "drawing.npz") as kept:
        assert kept["w1"].shape == (4, 4, 3, 3)
        assert all((kept[name] == kept[name].astype(np.float16)).all() for name in kept.files)
    assert json.loads((tmp_path / "drawing.json").read_text())["seeds"] == [0]


def test_training_twice_gives_the_same_weights(tiny):
    how = {"channels": 4, "meta_lr": 0.01, "rotations": False, "meta_steps": 2}
    first, second = (drawing.train(tiny, ~tiny.held_out, 3, TINY, **how)[0] for _ in range(2))
    assert all((first[name] == second[name]).all() for name in first)


def test_the_courses_own_table_keeps_its_promise():
    table = results.load("drawing")
    assert table["details"]["settings"] == json.loads(json.dumps(dataclasses.asdict(drawing.Settings())))
    ours = {row["method"]: {column: mean for column, (mean, _) in row["values"].items()} for row in table["rows"]}
    assert ours[drawing.BROWSER]["Omniglot, 1-shot"] >= 96.5
    for column in COLUMNS:
        assert abs(ours[drawing.BROWSER][column] - ours[drawing.TORCH][column]) < 0.05
        assert ours[drawing.PIXELS][column] < ours[drawing.BROWSER][column]
    for apart in table["details"]["browser and torch"].values():
        assert apart["image"] == 0 and apart["embedding"] < 1e-4 and apart["milliseconds"] < 30


def test_the_shipped_weights_are_small_and_are_those_of_the_table():
    path = data_folder() / "weights" / "drawing.npz"
    assert path.stat().st_size <= 500_000
    made = json.loads(path.with_suffix(".json").read_text())
    table = results.load("drawing")
    assert made["measured"] == {row["method"]: row["values"] for row in table["rows"]}
    kept = weights.load("drawing")
    assert all((values == values.astype(np.float16)).all() for values in kept.values())
    assert len(kept["b0"]) == table["details"]["sweep"]["chosen"]["channels"]


# Omniglot's evaluation alphabets that the glyphs hold too, and the glyphs' meta-test scripts that Omniglot's
# background alphabets hold, under the names of the other set
SHARED = {
    "Avesta": "Avestan",
    "Ge_ez": "Ethiopic",
    "Glagolitic": "Glagolitic",
    "Gurmukhi": "Gurmukhi",
    "Kannada": "Kannada",
    "Malayalam": "Malayalam",
    "Manipuri": "Meetei Mayek",
    "Mongolian": "Mongolian",
    "Old_Church_Slavonic_(Cyrillic)": "Cyrillic",
    "Oriya": "Oriya",
    "Sylheti": "Syloti Nagri",
    "Syriac_(Serto)": "Syriac",
    "Tibetan": "Tibetan",
    "N_Ko": "Nko",
    "Early_Aramaic": "Imperial Aramaic",
}


def test_no_script_of_a_meta_test_is_trained_on_in_either_set():
    if store.locate(omniglot.SOURCE) is None:
        pytest.skip("Omniglot is not here: python -m mlcourse data fetch omniglot")
    background, letters = drawing.training_classes()
    parts = background, letters, omniglot.splits("alphabets").test, glyphs.splits().test
    names = (set(part.alphabet_names[part.alphabet].tolist()) for part in parts)
    trained, rendered, tested, rendered_tests = names
    assert [len(trained), len(rendered), len(tested)] == [28, 80, 20]
    assert not trained & tested and not rendered & rendered_tests
    assert not rendered & {SHARED.get(name) for name in tested}
    assert not rendered_tests & {SHARED.get(name) for name in trained}
