"""Your own sinusoid under a reader's hands, and the browser's arithmetic against the package's."""

import numpy as np
import pytest

from mlcourse.lessons.widgets.waves import plane, waves
from mlcourse.lessons.widgets.waves.waves import OwnWave
from mlcourse.reference import losses, maml, networks
from mlcourse.reference.autograd import grad
from mlcourse.tasks import Examples
from tests.browser.hands import PHONE, caption, drag, handle, middle, numbers, swipe, tab

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(serve_pages):
    """Plain pages: all three methods, and two of them."""
    long = "<p style='height: 1200px'>More below.</p>"
    return serve_pages({"own": OwnWave().to_html() + long, "two": OwnWave(("scratch", "pooled")).to_html()})


def step(page) -> int:
    return int(page.locator(".mlc-own").get_attribute("data-step"))


def point(page, number: int):
    return handle(page, f"Point {number} of 5")


def place(page, number: int) -> list[float]:
    """Where a point is, in the plane's numbers, from the words that a screen reader reads."""
    return numbers(point(page, number).get_attribute("aria-valuetext"))


# --- the arithmetic ----------------------------------------------------------------------------------------


@pytest.fixture
def mlp(beside_modules):
    """A function that runs JavaScript with the functions of mlp.js at hand."""
    return lambda body, given: beside_modules.evaluate(
        f"async (given) => {{ const mlp = await import('/waves/mlp.js'); {body} }}", given
    )


def flat(params: dict) -> np.ndarray:
    return np.concatenate([params[name].ravel() for name in ("w0", "b0", "w1", "b1", "w2", "b2")])


def apart(found: list, expected: np.ndarray) -> float:
    """The largest difference, beside the largest number."""
    assert len(found) == len(expected)
    return np.abs(np.array(found) - expected).max() / np.abs(expected).max()


FLAT = "const flat = (layers) => layers.flatMap(({ w, b }) => [...w, ...b]);"


@pytest.mark.parametrize("method", waves.METHODS)
def test_the_browser_adapts_as_the_reference_does(mlp, method):
    """After 1, 5 and 10 steps on random points: parameters, curve and loss to 1e-9, relative."""
    rng, start = np.random.default_rng(3), OwnWave((method,)).data["starts"][method]
    for x, y in zip(rng.uniform(-5, 5, (8, 5)), rng.uniform(-4, 4, (8, 5)), strict=True):
        given = {"start": start, "x": x.tolist(), "y": y.tolist(), "grid": plane.GRID[:, 0].tolist()}
        found = mlp(
            FLAT
            + """const path = mlp.descend(mlp.readLayers(given.start), given.x, given.y, 0.01, 10);
            return [1, 5, 10].map((step) => ({ params: flat(path[step]),
              curve: [...mlp.predict(path[step], given.grid)],
              loss: mlp.squaredError(mlp.predict(path[step], given.x), given.y) }));""",
            given,
        )
        support = Examples(x[:, None], y[:, None])
        for inner_steps, there in zip((1, 5, 10), found, strict=True):
            phi = maml.adapt(plane.LOSS, waves.start(method), support, inner_lr=0.01, inner_steps=inner_steps)
            assert apart(there["params"], flat(phi)) < 1e-9
            assert apart(there["curve"], plane.NETWORK.apply(phi, plane.GRID)[:, 0]) < 1e-9
            assert there["loss"] == pytest.approx(float(plane.LOSS(phi, *support)), rel=1e-9)


def test_the_browser_s_gradient_is_that_of_finite_differences(mlp):
    """Every one of the 1,761 slopes, at the random start, moved by a hair to either side."""
    given = {"start": OwnWave(("scratch",)).data["starts"]["scratch"], "x": [-4, -1.3, 0.2, 2, 3.7]}
    given["y"] = [1, -2, 0.5, 3, -1]
    found, differences = mlp(
        FLAT
        + """const layers = mlp.readLayers(given.start), hair = 1e-6, differences = [];
        const loss = () => mlp.squaredError(mlp.predict(layers, given.x), given.y);
        for (const layer of layers) for (const part of [layer.w, layer.b]) for (let k = 0; k < part.length; k++) {
          const was = part[k];
          part[k] = was + hair;
          const up = loss();
          part[k] = was - hair;
          differences.push((up - loss()) / (2 * hair));
          part[k] = was;
        }
        return [flat(mlp.gradient(layers, given.x, given.y)), differences];""",
        given,
    )
    assert len(found) == 1761 and apart(found, np.array(differences)) < 1e-7


def test_a_network_of_other_sizes_and_several_outputs(mlp):
    """Two inputs, three layers of different widths, two outputs: the indices are right where nothing is 1."""
    rng, network = np.random.default_rng(0), networks.mlp((2, 7, 5, 2))
    params = network.init(rng)
    x, y = rng.normal(size=(6, 2)), rng.normal(size=(6, 2))
    layers = [{"w": params[f"w{k}"].ravel().tolist(), "b": params[f"b{k}"].tolist()} for k in range(3)]
    found = mlp(
        FLAT + "return flat(mlp.gradient(given.layers, given.x, given.y));",
        {"layers": layers, "x": x.ravel().tolist(), "y": y.ravel().tolist()},
    )
    assert apart(found, flat(grad(losses.squared_error(network))(params, x, y))) < 1e-12


# --- in a page without a kernel ----------------------------------------------------------------------------


def test_by_mouse(site, browser_page):
    page, own = browser_page.page, OwnWave()
    page.goto(f"{site}own.html")
    assert caption(page) == own.caption()
    page.get_by_role("button", name="Step", exact=True).click()
    assert step(page) == 1 and caption(page) == own.caption(1)
    page.get_by_role("button", name="Step", exact=True).click()
    page.get_by_role("button", name="Back").click()
    cells = page.locator("[data-row=maml] td")
    assert cells.nth(1).text_content() == "hidden"
    page.get_by_role("checkbox", name="show the wave behind them").check()
    own.revealed = True
    assert step(page) == 1 and caption(page) == own.caption(1)
    for column, values in enumerate((own.losses, own.errors)):
        assert cells.nth(column).text_content() == f"{values(0)['maml']:.2f} → {values(1)['maml']:.2f}"
    page.get_by_role("button", name="Restart").click()
    page.get_by_role("button", name="Back").click(force=True)  # there is nothing before it
    assert step(page) == 0
    assert browser_page.complaints() == []


def test_a_point_is_dragged_and_the_truth_goes_with_it(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}own.html")
    page.get_by_role("button", name="Step", exact=True).click()
    page.get_by_role("checkbox").check()
    before, said = place(page, 5), caption(page)
    x, y = middle(point(page, 5))
    drag(page, [(x, y), (x - 20, y - 80)])
    after = place(page, 5)
    assert after[0] < before[0] and after[1] > before[1] + 1
    assert step(page) == 1 and caption(page) != said  # the curves follow at the same step
    assert "No known wave goes through" in caption(page) and "Over the whole wave" not in caption(page)
    box = page.get_by_role("checkbox", name="they lie on no known wave")
    assert box.is_disabled() and not box.is_checked() and page.locator("polyline.truth").count() == 0
    assert page.locator("[data-row=maml] td").nth(1).text_content() == "–"
    assert browser_page.complaints() == []


def test_a_click_in_the_plane_moves_the_nearest_point_there(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}own.html")
    others = [place(page, number) for number in (2, 3, 4, 5)]
    x, y = middle(point(page, 1))
    page.mouse.click(x - 60, y + 20)
    at = middle(point(page, 1))
    assert abs(at[0] - (x - 60)) < 1.5 and abs(at[1] - (y + 20)) < 1.5
    assert [place(page, number) for number in (2, 3, 4, 5)] == others
    assert browser_page.complaints() == []


def test_by_keyboard(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}own.html")
    reached = tab(page, 18)
    presets = ["The course's wave", "A new wave", "A straight line", "A zigzag", "checkbox"]
    points = [f"Point {number} of 5" for number in range(1, 6)]
    controls = ["Step", "Back", "Restart", "Play", "Gradient steps"]
    rates = [f"Learning rate of {name}" for name in ("scratch", "pooled", "MAML")]
    assert reached == [*presets, *points, *controls, *rates]
    before = place(page, 3)
    point(page, 3).focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+ArrowLeft")
    assert place(page, 3) == pytest.approx([before[0] - 1.0, before[1] + 0.2], abs=0.11)
    assert "No known wave goes through" in caption(page)
    ring = point(page, 3).locator(".ring").evaluate("ring => getComputedStyle(ring).strokeWidth")
    assert ring == "3px"  # where the focus is can be seen
    page.get_by_role("slider", name="Gradient steps").focus()
    page.keyboard.press("End")
    assert step(page) == 10
    assert browser_page.complaints() == []


def test_points_that_are_no_wave_and_a_rate_that_runs_away(site, browser_page):
    page, own = browser_page.page, OwnWave()
    page.goto(f"{site}own.html")
    page.get_by_role("button", name="A straight line").click()
    own.points = plane.presets()[1]["points"]
    assert caption(page) == own.caption(0)
    page.get_by_label("Learning rate of MAML").select_option("0.05")
    own.rates = {**own.rates, "maml": 0.05}
    for number in range(1, 11):
        page.get_by_role("button", name="Step", exact=True).click()
        if number in (1, 4, 10):
            assert caption(page) == own.caption(number)
    assert "ran away" in caption(page)
    shown = page.locator(".mlc-own").inner_html()
    assert "NaN" not in shown and "Infinity" not in shown
    assert page.locator("text.end.maml").text_content() in ("MAML ↑", "MAML ↓", "MAML ?")
    page.get_by_role("button", name="A zigzag").click()
    assert step(page) == 10 and page.locator("polyline.after.maml").count() == 1  # the step stays, to compare
    assert browser_page.complaints() == []


def test_new_waves_are_of_the_family_and_the_same_for_everybody(site, browser_page):
    page = browser_page.page
    seen = []
    for _ in range(2):
        page.goto(f"{site}own.html")
        drawn = []
        for _ in range(3):
            page.get_by_role("button", name="A new wave").click()
            assert page.get_by_role("checkbox").is_enabled() and not page.get_by_role("checkbox").is_checked()
            drawn.append([place(page, number) for number in range(1, 6)])
        seen.append(drawn)
    assert seen[0] == seen[1] and seen[0][0] != seen[0][1] != seen[0][2]
    xs = np.array(seen[0])[..., 0]
    assert (np.diff(xs, axis=1) >= 0).all() and (np.abs(np.array(seen[0])) <= 5).all()
    page.get_by_role("checkbox").check()
    assert "Over the whole wave the error is now" in caption(page)
    assert browser_page.complaints() == []


def test_play_and_pause(site, browser_page):
    page = browser_page.page
    page.clock.install(time=0)
    page.goto(f"{site}own.html")
    page.clock.pause_at(60_000)  # from here on the test moves the time
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(2000)
    assert step(page) == 2
    page.get_by_role("button", name="Pause").click()
    page.clock.run_for(5000)
    assert step(page) == 2
    assert browser_page.complaints() == []


def test_who_prefers_still_pages_is_taken_to_the_end_at_once(site, open_page):
    watched = open_page(reduced_motion="reduce")
    watched.page.goto(f"{site}own.html")
    watched.page.get_by_role("button", name="Play").click()
    assert step(watched.page) == 10 and watched.page.get_by_role("button", name="Play").count() == 1
    assert watched.complaints() == []


def test_by_touch(site, open_page):
    """A finger on a point moves the point; beside it, it scrolls the page; a tap in the plane moves a point."""
    watched = open_page(**PHONE)
    page = watched.page
    page.goto(f"{site}own.html")
    page.get_by_role("button", name="Step", exact=True).tap()
    assert step(page) == 1
    page.evaluate("scrollTo(0, 150)")
    before, (x, y) = place(page, 1), middle(point(page, 1))
    swipe(page, (x - 12, y + 12), (x - 30, y - 60))  # not even on the dot: its hit area is 44 px wide
    assert middle(point(page, 1)) == pytest.approx((x - 30, y - 60), abs=1.5)  # the plane has stayed where it was
    assert place(page, 1)[1] > before[1] + 2 and page.evaluate("scrollY") == 150
    canvas = page.locator(".mlc-plane .mlc-canvas").bounding_box()
    beside = (canvas["x"] + 60, canvas["y"] + 200)
    page.touchscreen.tap(*beside)
    assert middle(point(page, 1)) == pytest.approx(beside, abs=1.5)
    everywhere = [place(page, number) for number in range(1, 6)]
    swipe(page, (beside[0] + 60, beside[1]), (beside[0] + 60, beside[1] - 120))
    page.wait_for_function("scrollY > 200")
    assert [place(page, number) for number in range(1, 6)] == everywhere
    assert watched.complaints() == []


def test_two_methods_do_without_maml(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}two.html")
    page.get_by_role("button", name="A zigzag").click()
    page.get_by_role("button", name="Step", exact=True).click()
    assert page.locator("[data-row]").count() == 2 and "MAML" not in page.locator(".mlc-own").inner_text()
    assert browser_page.complaints() == []
