"""The stepper without a browser: its frames against formulas worked out by hand, its moves, its stored HTML."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from mlcourse.lessons import palette
from mlcourse.lessons.widgets import Stepper, base
from mlcourse.lessons.widgets.saving import WIDGET_VIEW
from mlcourse.lessons.widgets.stepper import captions, loops
from mlcourse.reference import maml
from mlcourse.tasks import Examples, Task, each


@pytest.fixture(scope="module")
def made() -> loops.Loops:
    return loops.Loops.compute(seed=2, inner_steps=3)


@pytest.fixture(scope="module")
def stepper() -> Stepper:
    return Stepper()


# --- the frames --------------------------------------------------------------------------------------------


def gradient_and_hessian(theta: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By hand, for L = mean (a sin(x - p) - y)^2, with s = sin(x - p), c = cos(x - p), r = a s - y:

    dL/da = 2 mean(r s), dL/dp = -2 mean(r a c); d2L/da2 = 2 mean(s^2),
    d2L/dadp = 2 mean(-a s c - r c), d2L/dp2 = 2 mean(a^2 c^2 - r a s).
    """
    a, p = theta
    s, c = np.sin(x - p), np.cos(x - p)
    r = a * s - y
    mixed = 2 * np.mean(-a * s * c - r * c)
    hessian = [[2 * np.mean(s * s), mixed], [mixed, 2 * np.mean(a * a * c * c - r * a * s)]]
    return np.array([2 * np.mean(r * s), -2 * np.mean(r * a * c)]), np.array(hessian)


def by_hand(method: str, theta: np.ndarray, tasks: Task, inner_steps: int) -> np.ndarray:
    """The next theta; MAML's gradient is (product of I - alpha H)^T times the query gradient at phi."""
    directions = []
    for task in each(tasks):
        phi, jacobian = theta, np.eye(2)
        for _ in range(inner_steps):
            gradient, hessian = gradient_and_hessian(phi, *task.support)
            jacobian = (np.eye(2) - loops.INNER_LR * hessian) @ jacobian
            phi = phi - loops.INNER_LR * gradient
        at_phi = gradient_and_hessian(phi, *task.query)[0]
        at_theta = gradient_and_hessian(theta, *task.query)[0]
        direction = {"maml": jacobian.T @ at_phi, "first-order": at_phi, "joint": at_theta, "reptile": theta - phi}
        directions.append(direction[method])
    rate = loops.REPTILE_META_LR if method == "reptile" else loops.META_LR
    return theta - rate * np.mean(directions, axis=0)


@pytest.mark.parametrize("inner_steps", [1, 3])
@pytest.mark.parametrize("method", loops.METHODS)
def test_every_outer_step_is_the_one_worked_out_by_hand(method, inner_steps):
    computed = loops.Loops.compute(seed=5, inner_steps=inner_steps)
    theta = computed.runs[method].theta
    expected = [by_hand(method, place, computed.tasks, inner_steps) for place in theta[:-1]]
    np.testing.assert_allclose(theta[1:], expected, rtol=1e-10, atol=1e-12)


def test_every_inner_step_goes_down_the_support_gradient(made):
    for run in made.runs.values():
        for number, task in enumerate(each(made.tasks)):
            for path in run.paths[:, number]:
                steps = [-loops.INNER_LR * gradient_and_hessian(place, *task.support)[0] for place in path[:-1]]
                np.testing.assert_allclose(np.diff(path, axis=0), steps, rtol=1e-9, atol=1e-12)


def test_losses_are_means_of_the_query_loss(made):
    run = made.runs["reptile"]
    expected = [
        np.mean((a * np.sin(task.query.x - p) - task.query.y) ** 2)
        for task, (a, p) in zip(each(made.tasks), run.paths[4, :, 2], strict=True)
    ]
    assert run.losses[4, 2] == pytest.approx(np.mean(expected), rel=1e-12)


def test_the_contours_are_the_real_loss(made):
    for row, column in [(0, 0), (20, 11), (52, 38)]:
        place = {name: grid[row, column] for name, grid in zip("ap", loops.GRID, strict=True)}
        for name, inner_steps in (("before", 0), ("after", 3)):
            real = maml.meta_loss(loops.loss, place, made.tasks, inner_lr=loops.INNER_LR, inner_steps=inner_steps)
            assert made.surfaces[name][row, column] == pytest.approx(real, rel=1e-9)


def test_what_the_pictures_show(made):
    """Joint training is best before adapting and worst after; MAML is the other way round."""
    before = {method: run.losses[-1, 0] for method, run in made.runs.items()}
    after = {method: run.losses[-1, -1] for method, run in made.runs.items()}
    assert min(before, key=before.get) == "joint"
    assert sorted(after, key=after.get) == ["maml", "first-order", "reptile", "joint"]
    assert after["maml"] < 0.4 < 0.8 < after["joint"]
    ends = {method: run.theta[-1] for method, run in made.runs.items()}
    assert min(np.linalg.norm(ends["maml"] - ends[other]) for other in ends if other != "maml") > 0.4


@pytest.mark.parametrize("inner_steps", [1, 2])
def test_maml_adapts_better_than_joint_training_whatever_the_seed(inner_steps):
    for seed in range(8):
        runs = loops.Loops.compute(seed, inner_steps).runs
        assert runs["maml"].losses[-1, -1] < 0.9 * runs["joint"].losses[-1, -1]


def test_the_windows_hold_what_is_drawn(made):
    for run in made.runs.values():
        a, p = np.moveaxis(run.paths, -1, 0)
        assert loops.AMPLITUDES[0] < a.min() and a.max() < loops.AMPLITUDES[1]
        assert loops.PHASES[0] < p.min() and p.max() < loops.PHASES[1]


# --- the moves ---------------------------------------------------------------------------------------------


def test_inner_and_outer_steps_and_the_way_back(made):
    state = loops.LoopState(made)
    assert (state.outer, state.inner) == (0, 0) and state.back() == state
    state = state.inner_step().inner_step()
    assert (state.outer, state.inner) == (0, 2)
    state = state.outer_step()
    assert (state.outer, state.inner) == (1, 0)
    assert (state.back().outer, state.back().inner) == (0, 3)
    assert state.restart().index == 0


def test_the_moves_stop_at_the_ends(made):
    end = loops.LoopState(made, index=len(made) - 1)
    assert (end.outer, end.inner) == (12, 3)
    assert end.inner_step() == end and end.outer_step() == end


# --- the words ---------------------------------------------------------------------------------------------


def said(made: loops.Loops, method: str, index: int) -> str:
    return captions.fill(captions.caption(loops.LoopState(made, method, index)))


def test_each_frame_has_one_sentence_with_its_own_numbers(made):
    for method, run in made.runs.items():
        for index in range(len(made)):
            state, words = loops.LoopState(made, method, index), said(made, method, index)
            assert words.endswith(".") and ". " not in words and "{" not in words
            assert f"{run.losses[state.outer, state.inner]:.2f}" in words


def test_joint_training_never_claims_an_inner_step(made):
    assert "takes no inner step" in said(made, "joint", 6)


def test_every_sentence_is_used_somewhere(made):
    used = set()
    for loops_made in (made, loops.Loops.compute(2, 8, "task")):
        for method in loops_made.runs:
            for index in range(len(loops_made)):
                state = loops.LoopState(loops_made, method, index)
                used.add(captions.caption(state)[0])
                used.add(captions.differentiated(state)[0])
    assert used == set(captions.SENTENCES)


@pytest.mark.parametrize("method", ["maml", "first-order"])
def test_both_paths_of_the_meta_gradient_are_those_worked_out_by_hand(made, method):
    """Through the copies: the query gradient at phi; through the inner gradients: what I - alpha H changes."""
    run = made.runs[method]
    for outer in (0, 5):
        theta, tasks = run.theta[outer], made.tasks
        first, whole = (by_hand(how, theta, tasks, made.inner_steps) for how in ("first-order", "maml"))
        np.testing.assert_allclose(run.directions[outer, 0], (theta - first) / loops.META_LR, rtol=1e-9)
        np.testing.assert_allclose(run.directions[outer].sum(axis=0), (theta - whole) / loops.META_LR, rtol=1e-9)
        state = loops.LoopState(made, method, (outer + 1) * (made.inner_steps + 1))
        shown = [f"{value:.2f}".replace("-", "−") for value in run.directions[outer].ravel()]
        assert captions.differentiated(state) == (f"back {method}", shown)


def test_each_outer_step_goes_along_what_is_said_to_make_it_up(made):
    for method, run in made.runs.items():
        parts = run.directions.sum(axis=1) if method == "maml" else run.directions[:, 0]
        rate = loops.REPTILE_META_LR if method == "reptile" else -loops.META_LR
        np.testing.assert_allclose(np.diff(run.theta, axis=0), rate * parts, rtol=1e-9, atol=1e-12)


def test_reptile_differentiates_nothing_in_its_outer_step(made):
    words = captions.fill(captions.differentiated(loops.LoopState(made, "reptile", 4)))
    assert words.startswith("Nothing is differentiated")


# --- the widget --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"method": "fomaml"}, "method is 'fomaml'; give one of 'maml', 'first-order', 'reptile', 'joint'"),
        ({"methods": ["anil"]}, "methods is 'anil'; give one of 'maml', 'first-order', 'reptile', 'joint'"),
        ({"stage": "both"}, "stage is 'both'; give one of 'loops', 'task'"),
        ({"view": "parameters"}, "view is 'parameters'; give one of 'both', 'functions'"),
        ({"inner_steps": 0}, "inner_steps is 0; give a whole number from 1 to 8"),
        ({"methods": ()}, "methods is (); give one or more of 'maml', 'first-order', 'reptile', 'joint'"),
        ({"seed": -1}, "seed is -1; give a whole number from 0 to 999"),
        ({"seed": 1.5}, "seed is 1.5; give a whole number from 0 to 999"),
        ({"inner_steps": 2.5}, "inner_steps is 2.5; give a whole number from 1 to 8"),
        ({"method": "joint", "stage": "task"}, "has no outer loop"),
    ],
)
def test_wrong_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        Stepper(**arguments)


def test_the_kernel_cannot_leave_the_frames(stepper):
    shown = Stepper(inner_steps=1)
    shown.index = 10_000
    assert shown.index == len(shown.loops) - 1
    with pytest.raises(ValueError, match="method is 'sgd'"):
        shown.method = "sgd"
    with pytest.raises(ValueError, match="seed is 9; give one of 2, 3, 4"):
        shown.seed = 9


def test_fewer_methods_can_be_offered_in_the_course_s_order():
    shown = Stepper("joint", inner_steps=1, methods=["joint", "maml"], folded=True)
    assert list(shown.loops.runs) == list(shown.data["names"]) == ["maml", "joint"] and shown.data["folded"]
    with pytest.raises(ValueError, match="method is 'reptile'; give one of 'maml', 'joint'"):
        shown.method = "reptile"
    with pytest.raises(ValueError, match="method is 'maml'; give one of 'joint'"):
        Stepper(methods=["joint"])


def test_other_points_travel_with_it_and_are_other_points():
    shown = Stepper(inner_steps=1, seed=7)
    assert list(shown.draws) == [7, 8, 9]
    before = shown.loops.tasks.support.x
    shown.seed = 8
    assert not np.allclose(shown.loops.tasks.support.x, before)
    np.testing.assert_array_equal(shown.loops.tasks.support.x, loops.draw_tasks(8).support.x)


def test_a_stepper_of_one_task_has_no_outer_loop():
    alone = Stepper(stage="task")
    assert alone.data["outer"] == 0 and len(alone.data["draws"][2]["tasks"]) == 1 and len(alone.loops) == 9
    losses = alone.loops.runs["maml"].losses[0]
    assert losses[-1] < 0.5 * losses[0]
    assert all(key.startswith("task ") for key, _ in alone.data["draws"][2]["runs"]["maml"]["captions"])


def test_the_moving_contours_of_one_task_are_its_support_loss():
    alone = loops.Loops.compute(2, 8, "task")
    place = {name: grid[30, 10] for name, grid in zip("ap", loops.GRID, strict=True)}
    support = Examples(alone.tasks.support.x[0], alone.tasks.support.y[0])
    assert alone.surfaces["before"][30, 10] == pytest.approx(loops.loss(place, *support), rel=1e-12)


def test_it_is_small(stepper):
    assert len(stepper.to_html().encode()) < 250_000


def test_the_output_holds_a_live_view_and_stored_html(stepper):
    data, _ = stepper._repr_mimebundle_()
    assert set(data) == {"text/plain", "text/html", WIDGET_VIEW}
    assert data["text/plain"] == repr(stepper)
    assert repr(stepper) == "Stepper(method='maml', inner_steps=3, seed=2, stage='loops', index=0 of 51)"


def test_the_stored_html_begins_with_a_picture_of_the_present_frame():
    shown = Stepper("joint", view="functions")
    shown.index = 9
    begin = r'<div id="mlc-[0-9a-f]{8}-\d+"><img alt="([^"]+)"[^>]*src="data:image/png;base64,([^"]+)"'
    image = re.match(begin, shown.to_html())
    assert image[1] == f"Stepper, Joint training, function space. {captions.fill(captions.caption(shown.frame))}"
    assert Image.open(io.BytesIO(base64.b64decode(image[2]))).size[0] > 300
    assert f"<p>{base.HINT}</p>" in shown.to_html()


def test_the_picture_follows_the_frame(stepper):
    first, moved = stepper.still(), Stepper()
    assert moved.still() == first
    moved.index = 11
    assert moved.still() != first


def test_the_stored_html_asks_nobody_for_anything(stepper):
    page = stepper.to_html()
    assert not re.search(r"https?:|import\s|\bfetch\(|require\(|^export ", page, re.MULTILINE)
    assert page.count("</script") == 1 and "<!--" not in page
    state = json.loads(re.search(r"^const state=(.*);$", page, re.MULTILINE)[1])
    assert state == {"data": json.loads(json.dumps(stepper.data)), "index": 0, "method": "maml", "seed": 2}


def test_ids_repeat_after_a_restart_and_differ_on_a_page(stepper, monkeypatch):
    def ids() -> list[str]:
        monkeypatch.setattr(base, "_shown", type(base._shown)())
        return [re.search(r'id="([^"]+)"', stepper.to_html())[1] for _ in range(2)]

    first, second = ids(), ids()
    assert first == second and first[0] != first[1]


def test_a_script_stands_alone_with_each_of_its_modules_once(stepper):
    page = base.script("stepper/stepper.js")
    assert not re.search(r"^import|^export (?!default)(?!function mount)", page, re.MULTILINE)
    names = re.findall(r"^(?:export )?(?:function|const|let|class) (\w+)", page, re.MULTILINE)
    assert len(names) == len(set(names)) and {"plot", "player", "mount"} <= set(names)


def test_state_cannot_end_the_script():
    assert base.to_script({"x": "</script><!--"}) == '{"x":"\\u003c/script>\\u003c!--"}'


def test_colours_are_the_course_s(stepper):
    style = base.style()
    for colour in (*palette.TASKS[:3], *palette.LIGHT.values(), *palette.DARK.values()):
        assert colour in style
    assert not re.search(r"#[0-9a-fA-F]{3,6}\b", (base.FOLDER / "style.css").read_text())
    assert 'html[data-theme="dark"] .mlc' in style and 'body[data-jp-theme-light="false"] .mlc' in style
