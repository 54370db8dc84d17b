"""Meta-training in the browser, without a browser: the state, what the page carries, the words and the picture."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from mlcourse.lessons.widgets import MetaTrain, base
from mlcourse.lessons.widgets.training import training
from mlcourse.lessons.widgets.waves import plane
from mlcourse.reference import maml, networks
from mlcourse.tasks import five_points
from mlcourse.tasks.sinusoids import AMPLITUDE, INPUT, PHASE

ORDER = ("w0", "b0", "w1", "b1", "w2", "b2")


@pytest.fixture
def widget() -> MetaTrain:
    return MetaTrain()


@pytest.mark.parametrize("seed", range(training.SEEDS))
def test_the_page_carries_the_package_s_start_for_each_seed(widget, seed):
    drawn = networks.mlp((1, 40, 40, 1)).init(np.random.default_rng(seed))
    carried = np.frombuffer(base64.b64decode(widget.data["starts"][seed]["numbers"]), dtype="<f4")
    np.testing.assert_array_equal(carried, np.concatenate([drawn[name].ravel() for name in ORDER]).astype("f4"))
    widget.seed = seed
    for params, rate in widget.starts().values():
        np.testing.assert_array_equal(params["w1"].ravel(), carried[80:1680])
        assert rate == 0.01


def test_the_page_trains_on_the_course_s_sines(widget):
    assert widget.data["family"] == {"amplitude": AMPLITUDE, "phase": PHASE}
    assert widget.data["window"]["x"] == INPUT
    assert widget.data["judged"]["k_shot"] == 5 and widget.data["settings"]["k_shot"] == 10
    assert widget.data["judged"]["seed"] not in range(training.SEEDS)  # nobody trains on what is judged


@pytest.mark.parametrize("meta_steps, report_every", [(20_000, 200), (250, 2), (40, 1), (1, 1)])
def test_a_training_is_judged_a_hundred_times_or_at_every_step(meta_steps, report_every):
    settings = MetaTrain(meta_steps=meta_steps).data["settings"]
    assert (settings["meta_steps"], settings["report_every"]) == (meta_steps, report_every)


def test_it_adapts_the_untrained_start_as_the_package_does(widget):
    task, _ = five_points()
    expected = maml.adapt(plane.LOSS, plane.untrained(0), task.support, inner_lr=0.01, inner_steps=4)
    widget.step = 4
    for curve in widget.curves().values():  # one start, so one curve
        np.testing.assert_array_equal(curve, plane.NETWORK.apply(expected, plane.GRID))
    assert list(widget.losses()) == ["maml", "pooled"]


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("seed", 3, "seed is 3; give a whole number from 0 to 2"),
        ("seed", -1, "seed is -1"),
        ("step", 11, "step is 11; give a whole number from 0 to 10"),
        ("points", [[0, 0]], "points is [[0, 0]]; give five pairs"),
    ],
)
def test_wrong_state_is_named_and_changes_nothing(widget, name, value, words):
    before = widget.state()
    with pytest.raises(base.StateError, match=re.escape(words)):
        setattr(widget, name, value)
    assert widget.state() == before


@pytest.mark.parametrize(
    "wrong, words",
    [
        ({"seed": 7}, "seed is 7; give a whole number from 0 to 2"),
        ({"meta_steps": 0}, "meta_steps is 0"),
        ({"meta_steps": 2.5}, "meta_steps is 2.5"),
    ],
)
def test_wrong_arguments_are_named(wrong, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        MetaTrain(**wrong)


def test_what_it_says_of_itself(widget):
    assert repr(widget) == "MetaTrain(seed=0, meta_steps=20000, step=1 of 10)"
    assert widget.describe() == (
        "Meta-training of MAML and of pooled training, seed 0. Nothing is trained yet: both methods start from "
        "the same random numbers. Press Meta-train. On the five points the loss is 4.29 before any gradient step, "
        "4.13 after 1, for both."
    )


def test_the_picture_shows_the_seed_and_the_step(widget):
    pictures = [widget.still()]
    assert Image.open(io.BytesIO(pictures[0])).size[0] > 450
    for name, value in (("step", 5), ("seed", 1), ("revealed", False)):
        setattr(widget, name, value)
        pictures.append(widget.still())
    assert len(set(pictures)) == 4


def test_the_stored_html_is_small_and_asks_nobody_for_anything(widget):
    page = widget.to_html()
    assert len(page.encode()) < 120_000
    assert not re.search(r"https?:|import\s|\bfetch\(|require\(|^export ", page, re.MULTILINE)
    assert page.count("</script") == 1
    state = json.loads(re.search(r"^const state=(.*);$", page, re.MULTILINE)[1])
    assert set(state) == {"data", "points", "wave", "revealed", "seed", "step"}
    assert len(json.dumps({name: value for name, value in state.items() if name != "data"})) < 500
