"""Meta-training in the browser: its arithmetic against the package's, and a training under a reader's hands."""

import json

import numpy as np
import pytest

from mlcourse.lessons.widgets import MetaTrain
from mlcourse.lessons.widgets.training import training
from mlcourse.lessons.widgets.waves import plane
from mlcourse.reference import adam, losses, maml, networks
from mlcourse.reference.autograd import value_and_grad
from mlcourse.tasks import Examples, Sinusoids, Task
from tests.browser.hands import caption, drag, handle, middle, numbers, tab

pytestmark = pytest.mark.browser

ORDER = ("w0", "b0", "w1", "b1", "w2", "b2")
SHORT, LONG = 60, 40_000  # meta-steps: a training that ends, and one of which nobody waits for the end
EVERY = LONG // 100  # meta-steps from one report to the next
NO_WORKERS = {"Content-Security-Policy": "worker-src 'none'"}
WITHOUT = "<script>delete window.Worker;</script>"


@pytest.fixture(scope="module")
def site(serve_pages):
    """Plain pages: a training that ends and one that goes on; both also where no worker can be made."""
    short, long = (MetaTrain(meta_steps=steps).to_html() for steps in (SHORT, LONG))
    return serve_pages(
        {
            "short": short,
            "long": long,
            "forbidden": short,
            "none": WITHOUT + short,
            "long, none": WITHOUT + long,
        }
    )


# --- the arithmetic ----------------------------------------------------------------------------------------


@pytest.fixture
def js(beside_modules):
    """A function that runs JavaScript with the functions of maml.js, run.js and random.js at hand."""
    return lambda body, given: beside_modules.evaluate(
        f"""async (given) => {{
            const maml = await import('/training/maml.js'), run = await import('/training/run.js');
            const {{ uniforms }} = await import('/random.js');
            const net = maml.network(given.units ?? 40), sets = maml.gradients(net, 30, 0.01);
            {body} }}""",
        given,
    )


def flat(params: dict) -> np.ndarray:
    return np.concatenate([params[name].ravel() for name in ORDER])


def parts(row: np.ndarray, like: dict) -> dict:
    """The parameters of a flat row."""
    ends = np.cumsum([like[name].size for name in ORDER])[:-1]
    return {name: part.reshape(like[name].shape) for name, part in zip(ORDER, np.split(row, ends), strict=True)}


def pool(tasks: Task) -> Examples:
    return Examples(*(np.concatenate(pair, axis=1) for pair in zip(*tasks, strict=True)))


def as_lists(tasks: Task) -> list[dict]:
    """The tasks as the script has them."""
    sets = {"support": tasks.support, "query": tasks.query, "both": pool(tasks)}
    return [
        {name: {"x": some.x[t, :, 0].tolist(), "y": some.y[t, :, 0].tolist()} for name, some in sets.items()}
        for t in range(len(tasks.support.x))
    ]


def apart(found: list, expected: np.ndarray) -> float:
    """The largest difference, beside the largest number."""
    assert len(found) == len(expected)
    return np.abs(np.array(found) - expected).max() / np.abs(expected).max()


CASES = [(40, 10, 10, 1.0), (40, 5, 20, 1.0), (40, 1, 3, 1.0), (7, 10, 10, 1.0), (40, 10, 10, 2.0)]


@pytest.mark.parametrize("units, k_shot, n_query, scale", CASES)
def test_gradients_are_those_of_the_package(js, units, k_shot, n_query, scale):
    """Loss and gradient of MAML and of pooled training to 1e-10, relative; at a random start and far from one."""
    network = networks.mlp((1, units, units, 1))
    loss = losses.squared_error(network)
    theta = {name: scale * value for name, value in network.init(np.random.default_rng(4)).items()}
    tasks = Sinusoids(k_shot, n_query).sample(6, np.random.default_rng(5))
    found = js(
        """const theta = Float64Array.from(given.theta), into = new Float64Array(net.size).fill(9);
        return ["maml", "pooled"].map((m) => [sets[m](theta, given.tasks, into), [...into], [...theta]]);""",
        {"units": units, "theta": flat(theta).tolist(), "tasks": as_lists(tasks)},
    )
    both = pool(tasks)
    pooled = value_and_grad(lambda params: loss(params, both.x.reshape(-1, 1), both.y.reshape(-1, 1)))(theta)
    expected = [maml.meta_loss_and_gradient(loss, theta, tasks, inner_lr=0.01), pooled]
    for (there_loss, there, untouched), (value, gradient) in zip(found, expected, strict=True):
        assert there_loss == pytest.approx(float(value), rel=1e-10)
        assert apart(there, flat(gradient)) < 1e-10
        assert untouched == flat(theta).tolist()
    first_order = maml.meta_gradient(loss, theta, tasks, inner_lr=0.01, first_order=True)
    assert apart(found[0][1], flat(first_order)) > 1e-4  # the second derivatives are in it


def test_losses_around_one_step_are_those_of_the_package(js):
    theta = plane.untrained(1)
    tasks = Sinusoids(5, 20).sample(4, np.random.default_rng(6))
    found = js(
        "return given.tasks.map((task) => sets.aroundOneStep(Float64Array.from(given.theta), task));",
        {"theta": flat(theta).tolist(), "tasks": as_lists(tasks)},
    )
    for inner_steps in (0, 1):
        value = maml.meta_loss(plane.LOSS, theta, tasks, inner_lr=0.01, inner_steps=inner_steps)
        assert np.mean(found, axis=0)[inner_steps] == pytest.approx(float(value), rel=1e-10)


def test_adam_is_that_of_the_package(js):
    """Three steps with gradients of very different sizes, the rate another each time."""
    rng, theta = np.random.default_rng(7), plane.untrained(0)
    gradients = [flat(theta) * 10.0 ** rng.integers(-9, 4, 1761) * rng.normal(size=1761) for _ in range(3)]
    rates, moments = (0.006, 0.003, 0.001), adam.init(theta)
    found = js(
        """const theta = Float64Array.from(given.theta), move = maml.adam(net.size);
        return given.gradients.map((g, k) => { move(theta, g, given.rates[k]); return [...theta]; });""",
        {"theta": flat(theta).tolist(), "gradients": [g.tolist() for g in gradients], "rates": rates},
    )
    for there, gradient, lr in zip(found, gradients, rates, strict=True):
        theta, moments = adam.update(theta, parts(gradient, theta), moments, lr=lr)
        assert apart(there, flat(theta)) < 1e-12


def test_tasks_are_sines_of_the_family(js):
    drawn = js(
        """const uniform = uniforms(3), family = { amplitude: [0.1, 5], phase: [0, Math.PI], input: [-5, 5] };
        const tasks = Array.from({ length: 2000 }, () => run.drawTask(uniform, family, 3, 4));
        const rows = ({ support, query, both }) => [support.x, query.x, both.x, both.y];
        return tasks.map((task) => rows(task).map((row) => [...row]));""",
        {},
    )
    for support, query, x, y in drawn:
        assert support + query == x and len(support) == 3 and len(x) == 7
        basis = np.stack([np.sin(x), np.cos(x)], axis=1)  # a sine is a mixture of these two
        (a, b), *_ = np.linalg.lstsq(basis, np.array(y), rcond=None)
        np.testing.assert_allclose(basis @ [a, b], y, atol=1e-9)
        assert 0.1 <= np.hypot(a, b) <= 5 and b <= 1e-9  # the phase, from 0 to pi, is atan2(-b, a)
    xs = np.array([x for _, _, x, _ in drawn])
    assert np.abs(xs).max() <= 5 and abs(xs.mean()) < 0.1 and xs.std() == pytest.approx(10 / 12**0.5, rel=0.02)


def trained(js, steps: int, seed: int = 0) -> tuple[list[dict], dict[str, list[float]]]:
    """What a training without a view reports, and the parameters that it ends with."""
    shown = MetaTrain(seed=seed, meta_steps=steps)
    given = {
        "theta": flat(plane.untrained(seed)).tolist(),
        "units": 40,
        "seed": seed,
        "settings": shown.data["settings"],
        "judged": shown.data["judged"],
        "family": shown.data["family"] | {"input": shown.data["window"]["x"]},
    }
    return js(
        """const reports = [...run.metaTraining(given)].filter(Boolean);
        const { maml: m, pooled: p } = reports.at(-1).thetas;
        return [reports.map(({ step, losses }) => ({ step, losses })), { maml: [...m], pooled: [...p] }];""",
        given,
    )


def test_a_short_training_shows_what_the_widget_is_there_to_show(js):
    """1000 meta-steps: MAML's loss after a step falls clearly, pooled training's stays near that before one."""
    reports, _ = trained(js, 1000)
    assert [report["step"] for report in reports] == list(range(0, 1001, 10))
    first, last = reports[0]["losses"], reports[-1]["losses"]
    assert first["maml"] == first["pooled"] and min(first["maml"]) > 3.5
    assert last["maml"][1] < 2.0 < 2.4 < last["pooled"][1] < last["pooled"][0]
    assert all(2.4 < before < 3.6 for before, _ in last.values())


def test_what_was_trained_is_judged_alike_by_the_package(js):
    """The browser's networks on tasks that NumPy draws: MAML's first step takes off far more than pooled's."""
    _, thetas = trained(js, 1000)
    tasks, left = Sinusoids(5, 50).sample(200, np.random.default_rng(8)), {}
    for method, row in thetas.items():
        theta = parts(np.array(row), plane.untrained(0))
        before, after = (
            float(maml.meta_loss(plane.LOSS, theta, tasks, inner_lr=0.01, inner_steps=steps)) for steps in (0, 1)
        )
        left[method] = after / before
    assert left["maml"] < 0.65 < 0.8 < left["pooled"] < 1


def test_equal_seeds_give_equal_trainings_and_others_another(js):
    once, again, other = trained(js, 8), trained(js, 8), trained(js, 8, seed=1)
    assert once == again
    assert once[0][-1]["losses"] != other[0][-1]["losses"]


# --- in a page without a kernel ----------------------------------------------------------------------------


def press(page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def on(page):
    return page.locator(".mlc-training")


def until_trained(page, steps: int = 1) -> None:
    page.wait_for_function(
        "steps => Number(document.querySelector('.mlc-training').dataset.trained) >= steps", arg=steps
    )


def trained_steps(page) -> int:
    return int(on(page).get_attribute("data-trained"))


def cells(page) -> list[str]:
    return page.locator(".mlc-table tbody td").all_text_contents()


def lines(page) -> list[str]:
    return [one.get_attribute("points") for one in page.locator(".mlc-training-of polyline").all()]


@pytest.mark.parametrize("name, place", [("short", "worker"), ("forbidden", "page"), ("none", "page")])
def test_it_trains_to_the_end_with_a_worker_and_without(site, browser_page, js, name, place):
    """Everywhere the same numbers, those of the generator alone; no request leaves the page."""
    expected = trained(js, SHORT)[0][-1]["losses"]
    page = browser_page.page
    page.route("**/forbidden.html", lambda route: route.fulfill(response=route.fetch(), headers=NO_WORKERS))
    browser_page.forget()
    page.goto(f"{site}{name}.html")
    assert caption(page) == training.SENTENCES["untrained"]
    untrained = cells(page)
    press(page, "Meta-train")
    until_trained(page, SHORT)
    assert on(page).get_attribute("data-place") == place and on(page).get_attribute("data-going") == "false"
    changes = [
        f"from {b:.2f} to {a:.2f} for {m}" for m, (b, a) in zip(("MAML", "pooled"), expected.values(), strict=True)
    ]
    assert caption(page).startswith("After 60 of 60 meta-steps") and all(one in caption(page) for one in changes)
    assert cells(page) != untrained and page.workers == []  # it has gone home
    assert page.locator(".mlc-count").inner_text() == "meta-step 60 of 60"
    assert page.get_by_role("button", name="Meta-train").get_attribute("aria-disabled") == "true"
    others = [
        one for one in browser_page.complaints() if "worker-src" not in one
    ]  # which the browser says of itself
    assert others == []


def test_pause_go_on_and_start_again(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}long.html")
    untrained, empty = cells(page), lines(page)
    assert page.get_by_role("button", name="Start again").get_attribute("aria-disabled") == "true"
    press(page, "Meta-train")
    until_trained(page)
    press(page, "Pause")
    steps, before = -1, None
    while steps != trained_steps(page):  # the report that was under way may still arrive
        steps, before = trained_steps(page), cells(page)
        page.wait_for_timeout(400)
    assert on(page).get_attribute("data-going") == "false" and 0 < steps < LONG
    assert f"After {steps:,} of {LONG:,} meta-steps" in caption(page)
    assert page.locator(".mlc-caption").get_attribute("aria-live") == "polite"
    assert cells(page) == before != untrained and lines(page) != empty
    press(page, "Go on")
    until_trained(page, steps + 1)
    assert page.locator(".mlc-caption").get_attribute("aria-live") == "off"  # nothing is read out meanwhile
    press(page, "Start again")
    page.wait_for_timeout(400)  # an old worker would have spoken by now
    assert trained_steps(page) == 0 and on(page).get_attribute("data-going") == "false"
    assert cells(page) == untrained and lines(page) == empty and page.workers == []
    assert browser_page.complaints() == []


def test_another_seed_begins_another_training(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}short.html")
    seen = []
    for seed in (0, 1, 0):
        page.get_by_role("radio", name=f"seed {seed}").check()
        assert trained_steps(page) == 0 and on(page).get_attribute("data-seed") == str(seed)
        shown = MetaTrain(seed=seed)
        was, now = (shown.losses(step)["maml"] for step in (0, 1))
        assert cells(page)[0] == f"{was:.2f} → {now:.2f}"  # of the start that the package draws
        press(page, "Meta-train")
        until_trained(page, SHORT)
        seen.append((caption(page), cells(page), lines(page)))
    assert seen[0] == seen[2] and all(a != b for a, b in zip(seen[0], seen[1], strict=True))
    assert browser_page.complaints() == []


def test_what_was_trained_adapts_to_the_reader_s_points(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}short.html")
    press(page, "Meta-train")
    until_trained(page, SHORT)
    curves = "() => [...document.querySelectorAll('.mlc-plane polyline')].map((one) => one.getAttribute('points'))"
    slider = page.get_by_role("slider", name="Gradient steps")
    seen = {"1": page.evaluate(curves)}
    slider.focus()
    for key, step in (("Home", "0"), ("End", "10")):
        page.keyboard.press(key)
        assert on(page).get_attribute("data-step") == step
        seen[step] = page.evaluate(curves)
    maml_before, maml_now = (f"polyline.{kind}.maml" for kind in ("before", "after"))
    assert page.locator(f".mlc-plane {maml_before}").count() == page.locator(f".mlc-plane {maml_now}").count() == 1
    assert len({json.dumps(one) for one in seen.values()}) == 3
    assert page.locator(".mlc-where").inner_text() == "adapted by 10 gradient steps"
    first, last = numbers(cells(page)[0])
    assert last < first  # ten steps down the loss on the five points
    x, y = middle(handle(page, "Point 5 of 5"))
    drag(page, [(x, y), (x - 20, y - 80)])
    assert page.evaluate(curves) != seen["10"] and numbers(cells(page)[0]) != [first, last]
    assert page.get_by_role("checkbox", name="they lie on no known wave").is_disabled()
    press(page, "A zigzag")
    assert trained_steps(page) == SHORT and on(page).get_attribute("data-step") == "10"
    assert browser_page.complaints() == []


@pytest.mark.parametrize("name, place", [("long", "worker"), ("long, none", "page")])
def test_the_page_goes_on_drawing_while_it_trains(site, browser_page, name, place):
    """Frames are drawn between the reports of a training, and a press is heard."""
    page = browser_page.page
    page.goto(f"{site}{name}.html")
    page.evaluate(
        "() => { window.frames_ = 0; (function count() { frames_ += 1; requestAnimationFrame(count); })(); }"
    )
    press(page, "Meta-train")
    until_trained(page)
    before = page.evaluate("frames_")
    until_trained(page, 5 * EVERY)
    assert page.evaluate("frames_") - before >= 8  # five reports came meanwhile
    assert on(page).get_attribute("data-place") == place
    press(page, "A zigzag")
    assert on(page).get_attribute("data-going") == "true" and "–" in cells(page)
    press(page, "Pause")
    assert on(page).get_attribute("data-going") == "false"
    assert browser_page.complaints() == []


def test_by_keyboard(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}short.html")
    presets = ["The course's wave", "A new wave", "A straight line", "A zigzag", "checkbox"]
    points = [f"Point {number} of 5" for number in range(1, 6)]
    assert tab(page, 14) == ["Meta-train", "Start again", "radio", *presets, *points, "Gradient steps"]
    page.get_by_role("button", name="Meta-train").focus()
    page.keyboard.press("Enter")
    until_trained(page, SHORT)
    name = "document.activeElement.textContent"
    assert page.evaluate(name) == "Meta-train"  # the focus is where it was
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert trained_steps(page) == 0 and page.evaluate(name) == "Start again"
    assert browser_page.complaints() == []


def test_who_prefers_still_pages_sees_the_pictures_change_once(site, open_page):
    watched = open_page(reduced_motion="reduce")
    page = watched.page
    page.goto(f"{site}short.html")
    # Not before the page has drawn itself for its width, which it hears of in a frame of its own
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))")
    page.evaluate("""() => { window.drawn = 0; new MutationObserver(() => { drawn += 1; })
        .observe(document.querySelector('.mlc-plane .mlc-scene'), { childList: true }); }""")
    press(page, "Meta-train")
    until_trained(page, SHORT)
    assert page.evaluate("new Promise((done) => setTimeout(() => done(drawn)))") == 1
    assert "After 60 of 60" in caption(page)
    assert watched.complaints() == []
