"""The prototype explorer under a reader's hands: its arithmetic, mouse, keyboard and touch."""

import re

import numpy as np
import pytest

from mlcourse.lessons.widgets.prototypes.prototypes import (
    DISTANCES,
    EmbeddedEpisode,
    PrototypeExplorer,
    log_probabilities,
)
from mlcourse.reference import protonet
from tests.browser.hands import PHONE, caption, drag, handle, middle, swipe
from tests.browser.test_every_widget import CROWDED

pytestmark = pytest.mark.browser


def episode(seed: int, spread: float = 2.0) -> EmbeddedEpisode:
    """Five classes in 16 dimensions with a little ink to look at; spread out enough for wrong judgements."""
    rng = np.random.default_rng(seed)
    points = rng.normal(2, 2, (5, 1, 16)) + rng.normal(0, spread, (5, 9, 16))
    drawings = np.zeros((5, 9, 28, 28), np.uint8)
    for number, of_class in enumerate(drawings):
        of_class[:, 4:24, 4 + 4 * number : 8 + 4 * number] = 255
    return EmbeddedEpisode(drawings, points)


def episode_on_a_line() -> EmbeddedEpisode:
    """All points on a line: nothing is left for the second main direction."""
    drawings, points = np.zeros((5, 9, 28, 28), np.uint8), np.zeros((5, 9, 16))
    points[:, :, 0] = np.arange(45).reshape(5, 9)
    return EmbeddedEpisode(drawings, points)


def explorer(**traits) -> PrototypeExplorer:
    shown = PrototypeExplorer([episode(0), episode(1)])
    for name, value in traits.items():
        setattr(shown, name, value)
    return shown


STATES = {
    "plane": explorer(),
    "cosine": explorer(distance="cosine"),
    "crowded": explorer(examples=CROWDED, query=[4, 3]),
    "space": explorer(view="space"),
    "many": explorer(view="space", k_shot=5, distance="cosine", episode=1, selected=7),
    "alone": PrototypeExplorer(),
    "line": PrototypeExplorer([episode_on_a_line()]),
}


@pytest.fixture(scope="module")
def site(serve_pages):
    """Plain pages: one for each state, and one long enough to scroll."""
    pages = {name: shown.to_html() for name, shown in STATES.items()}
    return serve_pages(pages | {"long": pages["plane"] + '<p style="height:2000px">more</p>'})


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


def place(page, name: str) -> str:
    return handle(page, name).get_attribute("aria-valuetext")


def move(page, name: str, right: float, down: float) -> None:
    x, y = middle(handle(page, name))
    drag(page, [(x, y), (x + right, y + down)])


# --- the arithmetic ----------------------------------------------------------------------------------------

CLOSED_FORMS = """async ([points, labels, queries, nWay, distance, places]) => {
    const p = { ...await import("/points.js"), ...await import("/prototypes/prototypes.js") };
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
def test_browser_and_package_agree_on_full_precision_numbers(beside_modules, distance, d):
    page, rng = beside_modules, np.random.default_rng(3)
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


def test_far_queries_do_not_overflow(beside_modules):
    values = [[[0, 0], [100, 0]], [0, 1], [[1000, 0], [0, 0]], 2, "squared", []]
    assert beside_modules.evaluate(CLOSED_FORMS, values)["probabilities"] == [[0, 1], [1, 0]]


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
    region, star = (page.locator(kind).nth(1).get_attribute("points") for kind in (".region", ".star"))
    before = figures(page)
    move(page, "Example 1 of class 1", -40, 60)
    assert page.locator(".region").nth(1).get_attribute("points") != region
    assert page.locator(".star").nth(1).get_attribute("points") != star
    assert not np.allclose(figures(page), before)
    assert caption(page).endswith("Class 1 has one example: its prototype c₁ is that example.")
    move(page, "Query", -120, -40)
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
    page.get_by_role("radio", name="1", exact=True).check()
    button("Add class").click(force=True)  # six are the most
    assert page.get_by_role("radio", name="1", exact=True).is_checked()
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
    move(page, "Query", 200, 0)
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
    page.mouse.move(*middle(handle(page, "Query")))
    page.mouse.down()
    page.mouse.move(500, 300)
    assert page.evaluate(live) == "off"
    page.mouse.up()
    assert page.evaluate(live) == "polite"


def test_by_touch_a_finger_drags_and_beside_it_the_page_scrolls(site, open_page):
    watched = open_page(**PHONE)
    page = watched.page
    page.goto(f"{site}long.html")
    page.locator(".mlc-canvas").scroll_into_view_if_needed()
    scrolled, before = page.evaluate("scrollY"), place(page, "Query")
    x, y = middle(handle(page, "Query"))
    swipe(page, (x, y), (x - 36, y + 60))
    assert page.evaluate("scrollY") == scrolled and place(page, "Query") != before
    moved, canvas = place(page, "Query"), page.locator(".mlc-canvas").bounding_box()
    x, y = canvas["x"] + canvas["width"] * 0.25, canvas["y"] + canvas["height"] * 0.75  # a free place of the plane
    swipe(page, (x, y), (x, y - 120))
    page.wait_for_function(f"scrollY > {scrolled + 50}")
    assert place(page, "Query") == moved
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


def test_points_on_a_line_have_places_too(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}line.html")
    page.get_by_role("radio", name="the learned space").check()
    assert page.locator(".picture, .mlc-pick").count() > 20
    assert "NaN" not in page.locator(".mlc-canvas").inner_html()
    assert browser_page.complaints() == []


def test_by_touch_the_nearest_query_is_picked(site, open_page):
    watched = open_page(**PHONE)
    page = watched.page
    page.goto(f"{site}space.html")
    box = page.locator(".mlc-pick").nth(9).locator(".ring").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert "The selected one, of class 2, is judged" in caption(page)
    assert watched.complaints() == []


def test_without_episodes_there_is_only_the_plane(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}alone.html")
    assert page.get_by_role("radio", name="the learned space").count() == 0
    assert page.locator(".region").count() == 3
    assert browser_page.complaints() == []
