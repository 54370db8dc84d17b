"""The landscape playground without a browser: five directions against formulas worked out by hand, its HTML."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from mlcourse.lessons.widgets import base
from mlcourse.lessons.widgets.landscape import quadratics
from mlcourse.lessons.widgets.landscape.landscape import LAMBDAS, RATES, SENTENCES, Landscape, caption
from mlcourse.lessons.widgets.landscape.quadratics import METHODS, PRESETS, Scene
from mlcourse.reference import autograd, maml
from mlcourse.tasks import each


def random_scene(seed: int, **fixed) -> Scene:
    """Tasks of any shape and place; what is given in `fixed` is not drawn."""
    rng = np.random.default_rng(seed)
    tasks, points = rng.integers(2, 4), rng.integers(2, 6)
    drawn = {
        "inputs": rng.normal(scale=1.5, size=(tasks, points, 2)),
        "minima": rng.uniform(-3, 3, (tasks, 2)),
        "theta": rng.uniform(-3, 3, 2),
        "inner_lr": float(rng.uniform(*RATES)),
        "inner_steps": int(rng.integers(1, 9)),
        "lam": float(np.exp(rng.uniform(*np.log(LAMBDAS)))),
    }
    return Scene(**(drawn | fixed))


def preset_scene(preset: str, inner_lr: float = 0.05, inner_steps: int = 1, lam: float = 2.0) -> Scene:
    _, *places = PRESETS[preset]
    return Scene(*map(np.array, places), inner_lr, inner_steps, lam)


# --- the directions ----------------------------------------------------------------------------------------


def by_hand(scene: Scene) -> dict[str, np.ndarray]:
    """L(w) = (w - m)' A (w - m) / 2 with A = 2 mean(x x'), whose gradient is A (w - m). With B = I - alpha A:

    phi = m + B^k (theta - m) after k inner steps, d phi / d theta = B^k, and the meta-gradients are A (theta - m)
    for joint training, A (phi - m) for first order, B^k A (phi - m) for MAML; Reptile goes to the mean of the phi.
    Implicit MAML: A (phi - m) + lam (phi - theta) = 0, so phi = (A + lam I)^-1 (A m + lam theta), and
    d phi / d theta = lam (A + lam I)^-1. Each is the mean over the tasks.
    """
    each_task, eye = [], np.eye(2)
    for x, m in zip(scene.inputs, scene.minima, strict=True):
        A = 2 * x.T @ x / len(x)
        Bk = np.linalg.matrix_power(eye - scene.inner_lr * A, scene.inner_steps)
        phi = m + Bk @ (scene.theta - m)
        near = np.linalg.solve(A + scene.lam * eye, A @ m + scene.lam * scene.theta)
        each_task.append(
            {
                "joint": -A @ (scene.theta - m),
                "first-order": -A @ (phi - m),
                "maml": -Bk.T @ A @ (phi - m),
                "reptile": phi - scene.theta,
                "implicit": -np.linalg.solve(eye + A / scene.lam, A @ (near - m)),
            }
        )
    return {method: np.mean([one[method] for one in each_task], axis=0) for method in METHODS}


@pytest.mark.parametrize("seed", range(20))
def test_every_direction_is_the_one_worked_out_by_hand(seed):
    scene = random_scene(seed)
    expected = by_hand(scene)
    for method, direction in scene.directions().items():
        np.testing.assert_allclose(direction, expected[method], rtol=1e-9, atol=1e-10, err_msg=method)


def test_implicit_maml_is_the_gradient_through_many_proximal_steps():
    """An oracle without a Hessian: descend L(phi) + lam / 2 |phi - theta|^2 to its end, differentiate through."""
    scene = preset_scene("crossed", lam=5.0)

    def descend(params, support):
        def proximal_loss(phi, x, y):
            away = phi["w"] - params["w"]
            return quadratics.loss(phi, x, y) + 2.5 * autograd.sum(away * away)

        phi = params
        for _ in range(100):
            slope = autograd.grad(proximal_loss)(phi, *support)
            phi = {"w": phi["w"] - slope["w"] / (18 + 5.0)}
        return phi

    def outer(params):
        losses = [quadratics.loss(descend(params, task.support), *task.query) for task in each(scene.tasks)]
        return sum(losses) / len(losses)

    gradient = autograd.grad(outer)({"w": scene.theta[:, None]})["w"][:, 0]
    np.testing.assert_allclose(scene.direction("implicit"), -gradient, rtol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_implicit_maml_goes_down_its_own_objective(seed):
    """Central differences of the mean query loss at the proximal minimum, found by least squares."""
    scene = random_scene(seed, lam=1.5)

    def outer(theta):
        losses = []
        for x, y in zip(*scene.tasks.support, strict=True):
            rows = np.vstack([x * np.sqrt(1 / len(x)), np.sqrt(scene.lam / 2) * np.eye(2)])
            wanted = np.concatenate([y[:, 0] * np.sqrt(1 / len(x)), np.sqrt(scene.lam / 2) * theta])
            phi = np.linalg.lstsq(rows, wanted, rcond=None)[0]
            losses.append(np.mean((x @ phi - y[:, 0]) ** 2))
        return np.mean(losses)

    slopes = [(outer(scene.theta + step) - outer(scene.theta - step)) / 2e-5 for step in 1e-5 * np.eye(2)]
    np.testing.assert_allclose(scene.direction("implicit"), -np.array(slopes), rtol=1e-6, atol=1e-8)


def test_one_inner_step_of_reptile_is_joint_training():
    scene = random_scene(4, inner_steps=1)
    np.testing.assert_allclose(scene.direction("reptile"), scene.inner_lr * scene.direction("joint"), rtol=1e-9)


def test_the_paths_end_where_the_package_adapts_to():
    scene = random_scene(5)
    for path, task in zip(scene.paths("maml"), each(scene.tasks), strict=True):
        how = {"inner_lr": scene.inner_lr, "inner_steps": scene.inner_steps}
        phi = maml.adapt(quadratics.loss, {"w": scene.theta[:, None]}, task.support, **how)
        np.testing.assert_allclose(path[-1], phi["w"][:, 0])
        np.testing.assert_array_equal(path[0], scene.theta)
    assert scene.paths("implicit").shape == (len(scene.minima), 2, 2)


# --- where they come to rest -------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("preset", PRESETS)
def test_a_place_of_rest_is_where_the_outer_loop_ends(preset, method):
    scene = preset_scene(preset)
    strongest = np.linalg.eigvalsh(scene.pull(method)[1]).max()
    theta = scene.theta
    for _ in range(200):
        theta = theta + scene.direction(method, theta) / strongest
    np.testing.assert_allclose(theta, scene.rest(method), atol=1e-8)


def test_alike_all_methods_rest_at_the_mean_of_the_minima():
    scene = preset_scene("alike")
    for method in METHODS:
        np.testing.assert_allclose(scene.rest(method), scene.minima.mean(axis=0), atol=1e-9)


def test_one_steep_parts_the_methods_as_notebook_06_says():
    """A tenth, half and nine tenths of the way from the flat to the steep task; 2.8 and 8.1 times MAML's loss."""
    scene = preset_scene("one steep")
    flat, steep = scene.minima
    for method, share in {"maml": 0.1, "first-order": 0.5, "joint": 0.9, "reptile": 0.9}.items():
        np.testing.assert_allclose(scene.rest(method), flat + share * (steep - flat), atol=1e-9)
    losses = {method: scene.loss_after(scene.rest(method)) for method in METHODS}
    assert round(losses["first-order"] / losses["maml"], 1) == 2.8
    assert round(losses["joint"] / losses["maml"], 1) == 8.1
    assert losses["maml"] < losses["implicit"] < losses["first-order"]


def test_crossed_valleys_send_joint_training_to_the_crossing_and_maml_away_from_it():
    scene = preset_scene("crossed")
    assert scene.rest("joint")[1] == pytest.approx(1.6) and scene.rest("maml")[1] == pytest.approx(-1.6)
    np.testing.assert_allclose(scene.rest("first-order"), 0, atol=1e-9)


@pytest.mark.parametrize("preset", PRESETS)
def test_maml_alone_rests_at_the_lowest_loss_after_adapting(preset):
    scene = preset_scene(preset, inner_steps=3)
    lowest = scene.loss_after(scene.rest("maml"))
    around = [scene.rest("maml") + 0.01 * np.array([np.cos(turn), np.sin(turn)]) for turn in range(7)]
    assert min(map(scene.loss_after, around)) > lowest


def test_first_order_walks_away_when_one_inner_step_overshoots():
    scene = preset_scene("one steep", inner_lr=0.1)
    assert scene.overshoot == pytest.approx(1.8)
    assert scene.rest("first-order") is None and scene.hold("first-order") < 0
    assert scene.rest("maml") is not None
    two_steps = preset_scene("one steep", inner_lr=0.1, inner_steps=2)  # across and back
    assert two_steps.rest("first-order") is not None


def test_many_steps_leave_maml_a_line_to_rest_on():
    scene = preset_scene("alike", inner_steps=8)
    assert scene.rest("maml") is None and abs(scene.hold("maml")) < quadratics.SINGULAR


def test_the_presets_have_the_curvatures_that_they_name():
    steepest = {key: np.linalg.eigvalsh(preset_scene(key).curvatures) for key in PRESETS}
    np.testing.assert_allclose(steepest["alike"], [[1.8, 16.2]] * 3, rtol=1e-6)
    np.testing.assert_allclose(steepest["one steep"], [[2, 2], [18, 18]])
    np.testing.assert_allclose(steepest["crossed"], [[2, 18]] * 2)


# --- the words ---------------------------------------------------------------------------------------------


def test_the_caption_says_what_is_the_case_with_its_own_numbers():
    said = {
        "apart": caption(preset_scene("one steep"), "maml"),
        "same": caption(preset_scene("alike"), "maml"),
        "jumps away": caption(preset_scene("one steep", inner_lr=0.1), "maml"),
        "line": caption(preset_scene("alike", inner_steps=8), "maml"),
        "diverges": caption(preset_scene("one steep", inner_lr=0.15, inner_steps=3), "maml"),
    }
    assert said["apart"].startswith("θ at (−0.90, 1.70): mean loss 31.95, after one inner step 3.38. ")
    assert "0.53 for MAML, 1.46 for first-order MAML and 4.27 for joint training." in said["apart"]
    assert said["same"].endswith("All five methods come to rest at one place.")
    assert "1.80, above 1" in said["jumps away"] and said["jumps away"].endswith("walks away: First-order MAML.")
    assert said["line"].endswith("not one: MAML.") and "after 8 inner steps" in said["line"]
    assert "2.70, above 2" in said["diverges"]
    words = " ".join(said.values())
    for key, sentence in SENTENCES.items():
        assert key == "rests" or sentence.split("{")[0] in words


def test_the_caption_notes_that_the_method_followed_rests():
    shown = Landscape()
    shown.method, shown.theta = "first-order", [0.0, 0.0]
    assert "First-order MAML rests here." in shown.describe()


# --- the widget --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"preset": "steep"}, "preset is 'steep'; give one of 'alike', 'one steep', 'crossed'"),
        ({"inner_steps": 0}, "inner_steps is 0; give a whole number from 1 to 8"),
        ({"inner_steps": 1.5}, "inner_steps is 1.5; give a whole number from 1 to 8"),
        ({"inner_lr": 0.5}, "inner_lr is 0.5; give a number from 0.005 to 0.15"),
    ],
)
def test_wrong_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        Landscape(**arguments)


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("theta", [9.0, 0.0], "theta is [9.0, 0.0]; give numbers from -3 to 3, of shape (2,)"),
        ("theta", [float("nan"), 0.0], "theta is [nan, 0.0]; give numbers from -3 to 3"),
        ("minima", [[0.0, 0.0]], "minima is [[0.0, 0.0]]; give numbers from -3 to 3, of shape (2, 2)"),
        ("minima", [[0.0, 0.0], [1.0]], "of shape (2, 2)"),
        ("minima", [], "of shape (2, 2)"),
        ("lam", 0.0, "lam is 0.0; give a number from 0.1 to 100"),
        ("method", "sgd", "method is 'sgd'"),
    ],
)
def test_the_kernel_cannot_leave_what_can_be_shown(name, value, words):
    shown = Landscape()
    before = getattr(shown, name)
    with pytest.raises(ValueError, match=re.escape(words)):
        setattr(shown, name, value)
    assert getattr(shown, name) == before


def test_another_preset_brings_its_own_tasks_and_keeps_the_rates():
    shown = Landscape(inner_lr=0.1, inner_steps=3)
    shown.theta = [0.0, 0.0]
    shown.preset = "alike"
    assert (shown.minima, shown.theta) == (PRESETS["alike"].minima, PRESETS["alike"].theta)
    assert (shown.inner_lr, shown.inner_steps) == (0.1, 3)
    assert shown.data["begin"] == {"inner_lr": 0.1, "inner_steps": 3, "lam": 2.0}


def test_directions_are_those_from_where_theta_stands_now():
    shown = Landscape()
    shown.theta = [1.0, -2.0]
    expected = by_hand(shown.scene)
    for method, direction in shown.directions().items():
        np.testing.assert_allclose(direction, expected[method], rtol=1e-9)


def test_the_output_begins_with_a_picture_of_the_present_state():
    shown = Landscape("crossed")
    first = shown.still()
    shown.theta = [-1.0, 2.0]
    page = shown.to_html()
    begin = r'<div id="mlc-[0-9a-f]{8}-\d+"><img alt="([^"]+)"[^>]*src="data:image/png;base64,([^"]+)"'
    image = re.match(begin, page)
    assert image[1] == shown.describe()
    assert image[1].startswith("Landscape playground, crossed valleys. θ at (−1.00, 2.00)")
    picture = base64.b64decode(image[2])
    assert Image.open(io.BytesIO(picture)).size[0] > 300 and picture != first
    wanted = "Landscape(preset='crossed', inner_lr=0.05, inner_steps=1, lam=2, theta=(-1.00, 2.00), method='maml')"
    assert repr(shown) == wanted


def test_the_stored_html_is_small_and_asks_nobody_for_anything():
    shown = Landscape("alike")
    page = shown.to_html()
    assert not re.search(r"https?:|import\s|\bfetch\(|require\(|^export ", page, re.MULTILINE)
    assert page.count("</script") == 1 and "<!--" not in page
    state = json.loads(re.search(r"^const state=(.*);$", page, re.MULTILINE)[1])
    assert state == json.loads(json.dumps(shown.state()))
    assert len(page.encode()) - len(base.style().encode()) < 48_000  # the style is that of all widgets


def test_a_script_stands_alone_with_each_of_its_modules_once():
    names = re.findall(
        r"^(?:export )?(?:function|const|let|class) (\w+)", base.script("landscape/landscape.js"), re.MULTILINE
    )
    assert len(names) == len(set(names)) and {"plane", "pull", "mount"} <= set(names)
