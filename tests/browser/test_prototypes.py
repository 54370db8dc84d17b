"""The prototype explorer under a reader's hands: its arithmetic, mouse, keyboard, touch, and JupyterLab."""

import json
import re
import shutil

import numpy as np
import pytest

from mlcourse.reference import protonet
from mlcourse.widgets import base
from mlcourse.widgets.prototypes import DISTANCES, EmbeddedEpisode, PrototypeExplorer, log_probabilities
from tests.browser.test_landscape import touch
from tests.browser.test_stepper import PAGE, notebook, open_in_lab

pytestmark = pytest.mark.browser

MODULES = ("plot", "controls", "images", "prototypes")


def episode(seed: int, spread: float = 2.0) -> EmbeddedEpisode:
    """Five classes in 16 dimensions with a little ink to look at; spread out enough for wrong judgements."""
    rng = np.random.default_rng(seed)
    points = rng.normal(2, 2, (5, 1, 16)) + rng.normal(0, spread, (5, 9, 16))
    drawings = np.zeros((5, 9, 28, 28), np.uint8)
    for number, of_class in enumerate(drawings):
        of_class[:, 4:24, 4 + 4 * number : 8 + 4 * number] = 255
    return EmbeddedEpisode(drawings, points)


def explorer(**traits) -> PrototypeExplorer:
    shown = PrototypeExplorer([episode(0), episode(1)])
    for name, value in traits.items():
        setattr(shown, name, value)
    return shown


CROWDED = [
    [[-3.9, 2.9], [-3.8, 2.8]],
    [[3.9, 2.9]],
    [[3.9, -2.9]],
    [[-3.9, -2.9]],
    [[0, 0]],
    [[0.3, 0.2], [0.1, -0.3]],
]
STATES = {
    "plane": explorer(),
    "cosine": explorer(distance="cosine"),
    "crowded": explorer(examples=CROWDED, query=[4, 3]),
    "space": explorer(view="space"),
    "many": explorer(view="space", k_shot=5, distance="cosine", episode=1, selected=7),
    "alone": PrototypeExplorer(),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory, static_server):
    """A folder of plain pages: one for each state, a broken one, one long enough to scroll; the modules."""
    folder = tmp_path_factory.mktemp("site")
    pages = {name: shown.to_html() for name, shown in STATES.items()}
    pages["broken"] = pages["plane"].replace("function page(", "function gone(")
    pages["long"] = pages["plane"] + '<p style="height:2000px">more</p>'
    for name, content in pages.items():
        (folder / f"{name}.html").write_text(PAGE.format(content), encoding="utf-8")
    for name in MODULES:
        shutil.copy(base.FOLDER / f"{name}.js", folder)
    return static_server(folder)


def caption(page) -> str:
    return page.locator(".mlc-caption").text_content()


def figures(page) -> np.ndarray:
    """The table's figures: probability and measure for each class."""
    rows = page.locator(".mlc-table tbody tr").all()
    cells = [[cell.inner_text() for cell in row.locator("td").all()] for row in rows]
    return np.array([[float(text.replace("−", "-")) for text in row] for row in cells])


def expected_figures(shown: PrototypeExplorer) -> np.ndarray:
    query = shown.queries[[shown.selected if shown.view == "space" else 0]]
    squared = protonet.squared_distances(query, shown.prototypes)[0]
    measures = {"squared": squared, "euclidean": np.sqrt(squared)}
    if shown.distance == "cosine":
        lengths = np.linalg.norm(query) * np.linalg.norm(shown.prototypes, axis=1)
        measures["cosine"] = shown.prototypes @ query[0] / lengths
    return np.stack([shown.probabilities, measures[shown.distance]], axis=1)


def middle(page, name: str) -> tuple[float, float]:
    """Where a handle's middle is, in pixels of the window."""
    box = page.get_by_role("slider", name=name, exact=True).locator(".hit").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def place(page, name: str) -> str:
    return page.get_by_role("slider", name=name, exact=True).get_attribute("aria-valuetext")


def drag(page, name: str, right: float, down: float) -> None:
    x, y = middle(page, name)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right / 2, y + down / 2)
    page.mouse.move(x + right, y + down)
    page.mouse.up()


# --- the arithmetic ----------------------------------------------------------------------------------------

CLOSED_FORMS = """async ([points, labels, queries, nWay, distance, places]) => {
    const p = await import("/prototypes.js");
    const means = Array.from({ length: nWay }, (_, k) => p.meanOf(points.filter((_, i) => labels[i] === k)));
    const corners = [[-4, -3], [4, -3], [4, 3], [-4, 3]];
    const holds = (polygon, [x, y]) => polygon.length > 2 && polygon.every(([u, v], i) => {
        const [s, t] = polygon[(i + 1) % polygon.length];
        return (s - u) * (y - v) - (t - v) * (x - u) >= -1e-9;
    });
    const regions = points[0].length === 2 ? means.map((_, k) => p.regionOf(k, means, distance, corners)) : [];
    return {
        prototypes: means,
        probabilities: queries.map((query) => p.probabilitiesOf(query, means, distance)),
        owners: places.map((place) => regions.flatMap((region, k) => (holds(region, place) ? [k] : []))),
    };
}"""


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("d", [2, 16])
def test_browser_and_package_agree_on_full_precision_numbers(site, browser_page, distance, d):
    page, rng = browser_page.page, np.random.default_rng(3)
    page.goto(f"{site}alone.html")
    for n_way in (2, 3, 6):
        labels = np.concatenate([np.arange(n_way), rng.integers(0, n_way, 8)])
        points, queries = rng.normal(0, 1.5, (len(labels), d)), rng.normal(0, 1.5, (20, d))
        places = rng.uniform((-4, -3), (4, 3), (60, 2))
        values = [points.tolist(), labels.tolist(), queries.tolist(), n_way, distance, places.tolist()]
        found = page.evaluate(CLOSED_FORMS, values)
        prototypes = protonet.prototypes(points, labels, n_way)
        np.testing.assert_allclose(found["prototypes"], prototypes, rtol=1e-9, atol=1e-12)
        expected = log_probabilities(queries, prototypes, distance)
        np.testing.assert_allclose(np.log(found["probabilities"]), expected, rtol=1e-9, atol=1e-9)
        if d == 2:  # every place lies in the region of its likeliest class, and in no other
            owners = log_probabilities(places, prototypes, distance).argmax(axis=1)
            assert found["owners"] == [[int(owner)] for owner in owners]


def test_far_queries_do_not_overflow(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}alone.html")
    values = [[[0, 0], [100, 0]], [0, 1], [[1000, 0], [0, 0]], 2, "squared", []]
    assert page.evaluate(CLOSED_FORMS, values)["probabilities"] == [[0, 1], [1, 0]]


@pytest.mark.parametrize("name", STATES)
def test_the_page_says_what_the_kernel_computes(site, browser_page, name):
    shown, page = STATES[name], browser_page.page
    page.goto(f"{site}{name}.html")
    np.testing.assert_allclose(figures(page), expected_figures(shown), atol=0.0051)
    best = int(shown.probabilities.argmax())
    assert shown.view == "space" or f"belongs to class {best}" in caption(page)
    assert f"probability {shown.probabilities[best]:.2f}" in caption(page)
    if shown.view == "space":
        right = shown.judged_right
        verdict = "judged right" if right[shown.selected] else f"judged wrong: class {best}"
        assert verdict in caption(page)
        assert f"{right.sum()} of {len(right)} queries are judged right" in caption(page)
        assert page.locator(".mlc-pick .cross").count() == (~right).sum()
        marks = page.get_by_role("radio", name=re.compile("Query of class")).all()
        said = [mark.get_attribute("aria-label").endswith("judged right") for mark in marks]
        assert said == right.tolist()
        share = round(100 * shown.shares[shown.episode])
        assert f"hold {share} % of the variance" in page.locator(".mlc-note").inner_text()
        assert "in all 16 dimensions" in page.locator(".mlc-note").inner_text()
    assert browser_page.complaints() == []


# --- a plane of your own -----------------------------------------------------------------------------------


def test_by_mouse_points_are_dragged_and_everything_follows(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}plane.html")
    assert page.locator("img").count() == 0  # the script has replaced the picture
    region, star = (page.locator(kind).nth(1).get_attribute("points") for kind in (".region", ".star"))
    before = figures(page)
    drag(page, "Example 1 of class 1", -40, 60)
    assert page.locator(".region").nth(1).get_attribute("points") != region
    assert page.locator(".star").nth(1).get_attribute("points") != star
    assert not np.allclose(figures(page), before)
    assert caption(page).endswith("Class 1 has one example: its prototype c₁ is that example.")
    drag(page, "Query", -120, -40)
    assert caption(page).startswith("The query belongs to class 0 with probability ")
    assert browser_page.complaints() == []


def test_with_one_example_the_prototype_is_that_example(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}plane.html")
    corners = [
        [float(v) for v in pair.split(",")]
        for pair in page.locator(".star").nth(1).get_attribute("points").split()
    ]
    star = np.mean(corners, axis=0)
    shift = page.get_by_role("slider", name="Example 1 of class 1").get_attribute("transform")
    np.testing.assert_allclose(star, [float(v) for v in re.findall(r"[\d.]+", shift)], atol=0.2)


def test_examples_and_classes_come_and_go(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}plane.html")
    button = lambda name: page.get_by_role("button", name=name)  # noqa: E731
    points = page.get_by_role("slider", name=re.compile("^Example"))
    page.get_by_role("radio", name="1", exact=True).check()
    assert button("Remove example").get_attribute("aria-disabled") == "true"
    button("Remove example").click(force=True)
    assert points.count() == 6
    button("Add example").click()
    assert points.count() == 7 and caption(page).endswith(
        "The prototype c₁ is the mean of the 2 examples of class 1."
    )
    for _ in range(8):
        button("Add example").click(force=True)
    assert page.get_by_role("slider", name=re.compile("of class 1$")).count() == 8
    button("Remove example").click()
    assert points.count() == 12
    for _ in range(5):
        button("Add class").click(force=True)
    assert page.locator(".mlc-table tbody tr").count() == page.locator(".region").count() == 6
    assert page.get_by_role("radio", name="5", exact=True).is_checked()
    for _ in range(6):
        button("Remove class").click(force=True)
    assert page.locator(".mlc-table tbody tr").count() == 2
    assert button("Remove class").get_attribute("aria-disabled") == "true"
    button("Reset").click()
    assert points.count() == 6 and page.locator(".mlc-table tbody tr").count() == 3
    np.testing.assert_allclose(figures(page), expected_figures(PrototypeExplorer()), atol=0.0051)
    assert browser_page.complaints() == []


def test_the_measure_changes_borders_and_certainty(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}plane.html")
    drag(page, "Query", 200, 0)
    seen = {}
    for name in ("squared distance", "distance", "cosine"):
        page.get_by_role("radio", name=name, exact=True).check()
        regions = [one.get_attribute("points") for one in page.locator(".region").all()]
        seen[name] = (regions, figures(page)[:, 0].max(), page.locator(".origin").count())
    assert seen["squared distance"][0] == seen["distance"][0] != seen["cosine"][0]
    assert seen["squared distance"][1] > seen["distance"][1] > seen["cosine"][1]
    assert [count for _, _, count in seen.values()] == [0, 0, 1]
    assert "wedges" in page.locator(".mlc-note").inner_text()
    assert browser_page.complaints() == []


def test_by_keyboard(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}plane.html")
    handle = page.get_by_role("slider", name="Example 2 of class 0")
    handle.focus()
    before = place(page, "Example 2 of class 0")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowUp")
    assert place(page, "Example 2 of class 0") != before
    assert "0 across" not in place(page, "Example 2 of class 0")
    page.keyboard.press("Delete")
    assert page.get_by_role("slider", name=re.compile("of class 0$")).count() == 2
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Example 1 of class 0"
    page.get_by_role("slider", name="Example 1 of class 1").focus()
    page.keyboard.press("Delete")  # the last one of its class stays
    assert page.get_by_role("slider", name="Example 1 of class 1").count() == 1
    page.get_by_role("slider", name="Query", exact=True).focus()
    for _ in range(30):
        page.keyboard.press("Shift+ArrowRight")
    assert place(page, "Query").startswith("4.0 across")  # and no farther
    page.get_by_role("radio", name="squared distance").focus()
    page.keyboard.press("ArrowDown")
    assert page.get_by_role("radio", name="distance", exact=True).is_checked()
    assert browser_page.complaints() == []


def test_while_it_is_dragged_the_caption_is_not_read_out(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}plane.html")
    live = "document.querySelector('.mlc-caption').getAttribute('aria-live')"
    page.mouse.move(*middle(page, "Query"))
    page.mouse.down()
    page.mouse.move(500, 300)
    assert page.evaluate(live) == "off"
    page.mouse.up()
    assert page.evaluate(live) == "polite"


def test_by_touch_a_finger_drags_and_beside_it_the_page_scrolls(site, open_page):
    watched = open_page(width=390, height=700, has_touch=True, is_mobile=True)
    page = watched.page
    page.goto(f"{site}long.html")
    page.locator(".mlc-canvas").scroll_into_view_if_needed()
    scrolled, before = page.evaluate("scrollY"), place(page, "Query")
    x, y = middle(page, "Query")
    touch(page, [(x - 6 * i, y + 10 * i) for i in range(7)])
    assert page.evaluate("scrollY") == scrolled and place(page, "Query") != before
    moved, canvas = place(page, "Query"), page.locator(".mlc-canvas").bounding_box()
    x, y = canvas["x"] + canvas["width"] * 0.25, canvas["y"] + canvas["height"] * 0.75  # a free place of the plane
    touch(page, [(x, y - 15 * i) for i in range(9)])
    assert page.evaluate("scrollY") > scrolled + 50 and place(page, "Query") == moved
    page.get_by_role("button", name="Add class").tap()
    page.get_by_text("cosine").first.tap()
    assert page.locator(".region").count() == 4
    assert watched.complaints() == []


# --- the learned space -------------------------------------------------------------------------------------


def data_of(page) -> dict:
    return page.locator(".mlc-prototypes").evaluate("root => ({...root.dataset})")


def test_queries_are_picked_by_mouse_by_keyboard_and_by_button(site, browser_page):
    page, kernel = browser_page.page, explorer(view="space")
    page.goto(f"{site}space.html")
    picks = page.locator(".mlc-pick")

    def agrees() -> None:
        np.testing.assert_allclose(figures(page), expected_figures(kernel), atol=0.0051)
        assert f"The selected one, of class {kernel.selected // 4}, is judged" in caption(page)
        assert picks.nth(kernel.selected).get_attribute("aria-checked") == "true"

    kernel.selected = 13
    box = picks.nth(13).bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    agrees()
    picks.nth(13).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    kernel.selected = 15
    agrees()
    assert page.evaluate("document.activeElement.getAttribute('aria-checked')") == "true"
    page.get_by_role("button", name="Next query").click()
    kernel.selected = 16
    agrees()
    page.mouse.click(box["x"] + 3000, box["y"])  # beside the picture
    agrees()
    assert browser_page.complaints() == []


def test_shots_episodes_and_measures_change_what_is_judged(site, browser_page):
    page, kernel = browser_page.page, explorer(view="space")
    page.goto(f"{site}space.html")
    slider = page.get_by_role("slider", name="Support drawings of each class")
    slider.focus()
    for kernel.k_shot in (2, 3, 4, 5):
        page.keyboard.press("ArrowRight")
        assert (
            f"With {kernel.k_shot} support drawings of each class, {kernel.judged_right.sum()} of 20"
            in caption(page)
        )
        assert page.locator(".picture.support").count() == 5 * kernel.k_shot
    page.get_by_role("button", name="Another episode").click()
    page.get_by_role("radio", name="cosine").check()
    kernel.episode, kernel.distance = 1, "cosine"
    np.testing.assert_allclose(figures(page), expected_figures(kernel), atol=0.0051)
    page.get_by_role("button", name="Back").click()
    kernel.episode = 0
    assert f"{kernel.judged_right.sum()} of 20" in caption(page)
    page.get_by_role("radio", name="a plane of your own").check()
    assert page.get_by_role("button", name="Add class").is_visible() and not slider.is_visible()
    page.get_by_role("radio", name="the learned space").check()
    assert f"{kernel.judged_right.sum()} of 20" in caption(page)
    assert browser_page.complaints() == []


def test_prototypes_lie_at_the_mean_of_their_pictures(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}many.html")

    def at(locator) -> np.ndarray:
        boxes = [one.bounding_box() for one in locator.all()]
        return np.mean([[box["x"] + box["width"] / 2, box["y"] + box["height"] / 2] for box in boxes], axis=0)

    for number in range(1, 6):
        mean = at(page.locator(f".picture.support.task{number} > rect"))
        np.testing.assert_allclose(at(page.locator(f".star.task{number}")), mean, atol=2)


def test_by_touch_the_nearest_query_is_picked(site, open_page):
    watched = open_page(width=390, height=844, has_touch=True, is_mobile=True)
    page = watched.page
    page.goto(f"{site}space.html")
    box = page.locator(".mlc-pick").nth(9).locator(".ring").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert "The selected one, of class 2, is judged" in caption(page)
    assert watched.complaints() == []


# --- every page --------------------------------------------------------------------------------------------


def test_without_episodes_there_is_only_the_plane(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}alone.html")
    assert page.get_by_role("radio", name="the learned space").count() == 0
    assert page.locator(".region").count() == 3
    assert browser_page.complaints() == []


def test_a_script_that_fails_leaves_the_picture(site, browser_page):
    browser_page.page.goto(f"{site}broken.html")
    picture = browser_page.page.locator("img")
    assert picture.count() == 1 and picture.get_attribute("alt").startswith(
        "Prototype explorer, a plane of your own"
    )
    assert any("page is not defined" in error for error in browser_page.errors)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1000])
def test_it_fits_every_page(site, open_page, width, scheme):
    """No overflow, nothing cut off, nothing too small to touch, and nothing that axe-core objects to."""
    from axe_playwright_python.sync_playwright import Axe

    watched = open_page(width=width, color_scheme=scheme)
    page = watched.page
    cut = """() => [...document.querySelectorAll('.mlc-panel svg text')].filter(text => {
        const [t, s] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
        return t.left < s.left - 1 || t.right > s.right + 1 || t.top < s.top - 1 || t.bottom > s.bottom + 1;
    }).map(text => text.textContent)"""
    classes = "[...document.querySelectorAll('.mlc :not(svg, svg *)')].flatMap(element => [...element.classList])"
    for name in STATES:
        page.goto(f"{site}{name}.html")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        touched = page.locator(
            ".mlc button:visible, .mlc .mlc-of label:visible, .mlc .mlc-slide input:visible"
        ).all()
        assert min(one.bounding_box()["height"] for one in touched) >= 40
        assert all(hit.bounding_box()["width"] > 43.9 for hit in page.locator(".mlc-handle .hit").all())
        assert page.evaluate(cut) == [], name
        assert [one for one in page.evaluate(classes) if not one.startswith("mlc-")] == []
        found = Axe().run(page).response["violations"]
        assert [rule["id"] for rule in found if rule["impact"] in ("serious", "critical")] == [], name
    assert watched.complaints() == []


def test_in_jupyterlab_the_kernel_sees_and_moves_the_state(lab_server, browser_page):
    page = browser_page.page
    sources = (
        "from mlcourse.widgets.prototypes import PrototypeExplorer\nw = PrototypeExplorer()\nw",
        "import json\nprint('kernel sees', json.dumps([w.counts, w.distance, w.probabilities.round(2).tolist()]))",
        "w.examples = [[[-1, 0]], [[1, 0]]]\nw.query = [0, 2]\nw.distance = 'squared'",
    )
    open_in_lab(page, lab_server, "prototypes.ipynb", notebook(*sources))
    cells = page.locator(".jp-Notebook .jp-CodeCell .cm-content")
    cells.first.click()
    page.keyboard.press("Shift+Enter")
    shown = page.locator(".mlc-prototypes")
    shown.wait_for(timeout=60_000)
    shown.get_by_role("button", name="Add class").click()
    shown.get_by_role("button", name="Add example").click()
    shown.get_by_role("radio", name="distance", exact=True).check()
    drag(page, "Query", -60, 30)
    on_screen = figures(page)[:, 0]
    cells.nth(1).click()
    page.keyboard.press("Shift+Enter")
    printed = page.get_by_text(re.compile("^kernel sees ")).last
    printed.wait_for(timeout=20_000)
    counts, distance, probabilities = json.loads(printed.inner_text().removeprefix("kernel sees "))
    assert counts == [3, 1, 2, 2] and distance == "euclidean"
    np.testing.assert_allclose(on_screen, probabilities, atol=0.0101)
    cells.nth(2).click()
    page.keyboard.press("Shift+Enter")
    page.get_by_text("The query belongs to class 0 with probability 0.50.").wait_for(timeout=20_000)
    assert page.locator(".mlc-table tbody tr").count() == 2
    assert browser_page.outside == []
