"""Your own sinusoid without a browser: what the kernel computes and says, what the page carries, the picture."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from mlcourse import weights
from mlcourse.errors import DataError
from mlcourse.experiments import results
from mlcourse.lessons.widgets.saving import WIDGET_VIEW
from mlcourse.lessons.widgets.waves import plane, waves
from mlcourse.lessons.widgets.waves.waves import OwnWave
from mlcourse.reference import maml, networks
from mlcourse.tasks import five_points

LINE = plane.presets()[1]["points"]


@pytest.fixture
def own() -> OwnWave:
    return OwnWave()


# --- the starting places -----------------------------------------------------------------------------------


def unpacked(numbers: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(numbers), dtype="<f4").astype(np.float64)


@pytest.mark.parametrize("method", waves.METHODS)
def test_the_page_carries_the_kernel_s_numbers_exactly(own, method):
    order = ("w0", "b0", "w1", "b1", "w2", "b2")
    expected = np.concatenate([waves.start(method)[name].ravel() for name in order])
    np.testing.assert_array_equal(unpacked(own.data["starts"][method]["numbers"]), expected)


def test_the_starts_are_the_course_s_own():
    drawn = networks.mlp((1, 40, 40, 1)).init(np.random.default_rng(0))
    for name, value in waves.start("scratch").items():
        np.testing.assert_allclose(value, drawn[name], rtol=1e-7)
        np.testing.assert_array_equal(waves.start("maml")[name], weights.load("sinusoid_maml")[name])
        np.testing.assert_array_equal(waves.start("pooled")[name], weights.load("sinusoid_pooled")[name])


def test_the_rates_at_first_are_the_tuned_ones(own):
    sweeps = results.load("sinusoid")["details"]["sweeps"]
    for method, row in (("scratch", "from scratch"), ("pooled", "pooled, fine-tuned")):
        after_ten = [tried for tried in sweeps[row]["tried"] if tried["inner_steps"] == 10]
        assert own.rates[method] == min(after_ten, key=lambda tried: tried["score"])["inner_lr"]
    assert own.rates["maml"] == 0.01
    assert set(own.rates.values()) <= set(waves.RATES)


def test_weights_and_tables_that_lack_something_are_named(monkeypatch):
    whole, table = dict(waves.start("maml")), results.load("sinusoid")
    start, rates = waves.start.__wrapped__, waves.tuned_rates.__wrapped__  # as they are before anything is kept
    for held, words in (
        ({name: value for name, value in whole.items() if name != "b2"}, "'b2' is missing, in this network (1,)"),
        (whole | {"w0": whole["w0"].T}, "'w0' is (40, 1), in this network (1, 40)"),
    ):
        monkeypatch.setattr(weights, "load", lambda name, held=held: held)
        with pytest.raises(DataError, match=re.escape(f"weights 'sinusoid_maml': {words}; restore")):
            start("maml")
    for lacking in ({}, {"details": {"sweeps": {}, "settings": {}}}):
        rest = {name: part for name, part in table.items() if name != "details"} | lacking
        monkeypatch.setattr(results, "load", lambda name, rest=rest: rest)
        with pytest.raises(DataError, match="sinusoid.json lacks what a widget needs .* git checkout"):
            rates()


# --- what the kernel computes ------------------------------------------------------------------------------


def test_it_adapts_as_the_package_does(own):
    own.step, own.rates = 3, {"scratch": 0.01, "pooled": 0.003, "maml": 0.02}
    task, _ = five_points()
    for method, params in own.adapted().items():
        expected = maml.adapt(
            plane.LOSS, waves.start(method), own.support, inner_lr=own.rates[method], inner_steps=3
        )
        np.testing.assert_array_equal(params["w1"], expected["w1"])
        assert own.losses()[method] == plane.LOSS(expected, *own.support)
        np.testing.assert_array_equal(own.curves()[method], plane.NETWORK.apply(expected, task.query.x))
        assert own.errors()[method] == pytest.approx(plane.LOSS(expected, *task.query), rel=1e-12)


def test_it_begins_with_the_course_s_five_points(own):
    task, wave = five_points()
    np.testing.assert_array_equal(own.support.x, task.support.x)
    np.testing.assert_array_equal(own.support.y, task.support.y)
    assert own.wave == [wave.amplitude[0], wave.phase[0]]


def test_a_point_that_leaves_the_wave_takes_the_truth_with_it(own):
    assert own.truth is not None
    moved = [*own.points[:4], [own.points[4][0], own.points[4][1] + 0.2]]
    before, own.points = own.points, moved
    assert own.truth is None and own.errors() is None
    own.points = before
    assert own.truth is not None


def test_what_the_widget_is_there_to_show(own):
    """One step: MAML is near the wave, scratch has hardly moved, pooled a little. On a line MAML is worst."""
    error, before = own.errors(1), own.errors(0)
    assert error["maml"] < 0.15 and 1.5 < error["pooled"] < 2 and abs(error["scratch"] - before["scratch"]) < 0.05
    own.points, own.rates = LINE, dict.fromkeys(own.methods, 0.01)
    losses = own.losses(10)
    assert losses["scratch"] < 0.05 and losses["maml"] > 0.7


# --- what it says ------------------------------------------------------------------------------------------


def test_the_caption_says_what_the_step_did(own):
    assert (
        own.caption()
        == "Before any step the loss on the five points is 4.29 for scratch, 2.14 for pooled and 2.15 for MAML."
    )
    own.step, own.revealed = 1, True
    assert own.caption() == (
        "Gradient step 1 of 10: the loss on the five points goes from 4.29 to 4.27 for scratch, "
        "from 2.14 to 1.63 for pooled and from 2.15 to 0.06 for MAML. "
        "Over the whole wave the error is now 4.95 for scratch, 1.80 for pooled and 0.10 for MAML."
    )


def test_a_loss_that_rises_and_one_that_runs_away_are_named(own):
    own.rates, own.points = {"scratch": 0.05, "pooled": 0.01, "maml": 0.05}, LINE
    risen, gone = own.caption(1), own.caption(9)
    assert "Too long a step for MAML: that loss rose." in risen and waves.SENTENCES["no wave"] in risen
    assert not np.isfinite(own.losses(9)["maml"])
    assert "over 1,000 for MAML" in gone and "By now MAML ran away" in gone and "nan" not in gone.lower()
    assert waves.SENTENCES["prior"] in risen and waves.SENTENCES["prior"] not in gone


def test_every_sentence_is_whole(own):
    for step in range(11):
        assert "{" not in own.caption(step)


def test_without_maml_it_is_never_named():
    two = OwnWave(("scratch", "pooled"))
    two.points = LINE
    assert set(two.data["starts"]) == set(two.rates) == {"scratch", "pooled"}
    assert "MAML" not in two.describe() + two.caption(5)
    assert two.describe().startswith(
        "Your own sinusoid: five points, and the curves of scratch and pooled. Gradient step 1"
    )


# --- the widget --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "methods, words",
    [
        (("reptile",), "methods is 'reptile'; give one of 'scratch', 'pooled', 'maml'"),
        ((), "methods is (); give one to three different ones"),
        (("maml", "maml"), "methods is ('maml', 'maml'); give one to three different ones"),
    ],
)
def test_wrong_methods_are_named(methods, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        OwnWave(methods)


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("points", [[0, 0]] * 4, "give five pairs [x, y], x from -5 to 5, y from -6 to 6"),
        ("points", [[0, 0]] * 4 + [[9, 0]], "give five pairs"),
        ("points", [[0, 0]] * 4 + [[0, float("nan")]], "give five pairs"),
        ("points", [[0, 0]] * 4 + [[0]], "give five pairs"),
        ("wave", [1.0], "wave is [1.0]; give two numbers, [amplitude, phase], or [] for none"),
        ("wave", ["a", 2], "wave is ['a', 2]; give two numbers"),
        ("wave", ["1", "2"], "wave is ['1', '2']; give two numbers"),
        ("wave", [1, [2]], "wave is [1, [2]]; give two numbers"),
        ("wave", [float("nan"), 1], "wave is [nan, 1]; give two numbers"),
        ("rates", {"maml": 0.01}, "give one for each of ('scratch', 'pooled', 'maml')"),
        ("rates", {"scratch": 0.01, "pooled": 0.01, "maml": -1}, "rates['maml'] is -1; give one of 0.001, 0.003"),
        ("step", 11, "step is 11; give a whole number from 0 to 10"),
    ],
)
def test_wrong_state_is_named_and_changes_nothing(own, name, value, words):
    before = getattr(own, name)
    with pytest.raises(ValueError, match=re.escape(words)):
        setattr(own, name, value)
    assert getattr(own, name) == before


def test_the_output_holds_a_live_view_and_stored_html(own):
    data, _ = own._repr_mimebundle_()
    assert set(data) == {"text/plain", "text/html", WIDGET_VIEW}
    rates = "{'scratch': 0.001, 'pooled': 0.01, 'maml': 0.01}"
    assert data["text/plain"] == f"OwnWave(methods=('scratch', 'pooled', 'maml'), step=0 of 10, rates={rates})"


def test_the_picture_shows_the_first_step_and_says_so(own):
    image = re.match(r'<div id="[^"]+"><img alt="([^"]+)"[^>]*src="data:image/png;base64,([^"]+)"', own.to_html())
    assert image[1].startswith(
        "Your own sinusoid: five points, and the curves of scratch, pooled and MAML. Gradient step 1"
    )
    assert Image.open(io.BytesIO(base64.b64decode(image[2]))).size[0] > 450
    first = own.still()
    own.step = 1
    assert own.still() == first
    own.step = 2
    assert own.still() != first


def test_the_picture_survives_a_curve_that_ran_away(own):
    own.rates, own.points, own.step = {"scratch": 0.05, "pooled": 0.05, "maml": 0.05}, LINE, 10
    assert len(own.still()) > 3000 and "ran away" in own.describe()


def test_the_stored_html_is_small_and_asks_nobody_for_anything(own):
    page = own.to_html()
    assert len(page.encode()) < 100_000
    assert not re.search(r"https?:|import\s|\bfetch\(|require\(|^export ", page, re.MULTILINE)
    assert page.count("</script") == 1
    state = json.loads(re.search(r"^const state=(.*);$", page, re.MULTILINE)[1])
    assert set(state) == {"data", "points", "wave", "revealed", "rates", "step"}
