"""The episode browser under a reader's hands: the kernel's drawings, the game, keyboard, touch, JupyterLab."""

import re

import numpy as np
import pytest

from mlcourse.tasks import glyphs
from mlcourse.widgets.episodes import EPISODES, EpisodeBrowser
from tests.browser.test_stepper import PAGE, notebook, open_in_lab

pytestmark = pytest.mark.browser


def shown(**options) -> EpisodeBrowser:
    return EpisodeBrowser(glyphs.splits().test, **options)


@pytest.fixture(scope="module")
def site(tmp_path_factory, static_server):
    """A folder of plain pages: a browser, two equal ones on a page, a broken one."""
    folder = tmp_path_factory.mktemp("site")
    pages = {"one": shown().to_html(), "twice": shown().to_html() + shown().to_html()}
    pages["broken"] = pages["one"].replace("function page(", "function gone(")
    for name, content in pages.items():
        (folder / f"{name}.html").write_text(PAGE.format(content), encoding="utf-8")
    return static_server(folder)


def pixels(tile) -> np.ndarray:
    """The greys 0 to 15 of a drawing, read off its svg: bars "Mx yhn…" of one opacity each."""
    image = np.zeros((28, 28), int)
    for path in tile.locator("path").all():
        level = round(15 * float(path.get_attribute("fill-opacity")))
        for x, y, length in re.findall(r"M(\d+) (\d+)h(\d+)v1", path.get_attribute("d")):
            image[int(y), int(x) : int(x) + int(length)] = level
    return image


def set_sizes(page, **sizes) -> None:
    for name, value in sizes.items():
        slider = page.get_by_role("slider", name=name)
        slider.evaluate(
            "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", value
        )


def press_answers(page, labels: list[int]) -> None:
    page.evaluate("labels => labels.forEach(k => document.querySelectorAll('.mlc-answer')[k].click())", labels)


def test_the_page_shows_the_kernel_s_drawings(site, browser_page):
    page, kernel = browser_page.page, shown()
    page.goto(f"{site}one.html")
    assert page.locator("img").count() == 0  # the script has replaced the picture
    set_sizes(page, n_way=7, k_shot=2, n_query=4)
    page.get_by_role("button", name="Another episode").click()
    kernel.n_way, kernel.k_shot, kernel.n_query, kernel.number = 7, 2, 4, 1
    task = kernel.episode()
    for kind, part in (("support", task.support), ("query", task.query)):
        tiles = page.locator(f".mlc-rows .mlc-{kind}").all()
        drawn = np.array([pixels(tile) for tile in tiles])
        np.testing.assert_array_equal(drawn, np.rint(15 * part.x[:, 0]))
    assert browser_page.complaints() == []


def test_by_mouse_the_shapes_are_those_of_the_task(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}one.html")
    words = page.locator(".mlc-shapes")
    assert "Support 5 × 1 = 5 drawings: support.x has the shape (5, 1, 28, 28)." in words.inner_text().replace(
        "\n", " "
    )
    set_sizes(page, n_way=10, k_shot=5, n_query=2)
    assert "Support 10 × 5 = 50 drawings" in words.inner_text() and "(20, 1, 28, 28)" in words.inner_text()
    assert page.locator(".mlc-rows li").count() == 10
    assert browser_page.complaints() == []


def test_labels_are_dealt_anew_and_the_page_says_so(site, browser_page):
    page, kernel = browser_page.page, shown()
    page.goto(f"{site}one.html")
    assert (
        page.locator(".mlc-dealt").inner_text().startswith("Which character is called class 0 is dealt by chance")
    )
    back = page.get_by_role("button", name="Back")
    assert back.get_attribute("aria-disabled") == "true"
    for number in range(1, EPISODES):
        page.get_by_role("button", name="Another episode").click()
        before, after = (kernel.deck.classes[i, :5].tolist() for i in (number - 1, number))
        moves = [(before.index(which), label) for label, which in enumerate(after) if which in before]
        words = page.locator(".mlc-dealt").inner_text()
        for old, new in moves:
            again = (
                f"what was class {old} is class {old} again"
                if old == new
                else f"what was class {old} is now class {new}"
            )
            assert again in words
            assert page.locator(".mlc-rows li").nth(new).locator("small").inner_text() == f"was class {old}"
        assert moves or words == "None of these characters was in the episode before."
        assert page.locator(".mlc-rows small").count() == len(moves)
    page.get_by_role("button", name="Another episode").click()
    assert page.locator(".mlc-episodes").get_attribute("data-number") == "0"
    assert browser_page.complaints() == []


@pytest.mark.parametrize(
    "n_way, k_shot, n_query, number", [(5, 1, 3, 0), (10, 5, 5, 3), (2, 1, 1, 7), (6, 3, 2, 23)]
)
def test_the_game_counts_as_the_kernel_does(site, browser_page, n_way, k_shot, n_query, number):
    page, kernel = browser_page.page, shown(n_way=n_way, k_shot=k_shot, n_query=n_query)
    kernel.number = number
    page.goto(f"{site}one.html")
    set_sizes(page, n_way=n_way, k_shot=k_shot, n_query=n_query)
    page.evaluate("n => { for (let i = 0; i < n; i++) document.querySelector('.mlc-next').click() }", number)
    page.get_by_role("radio", name="hide them: I guess").check()
    assert page.locator(".mlc-rows").is_hidden()
    truth = kernel.episode().query.y[kernel.order]
    np.testing.assert_array_equal(
        pixels(page.locator(".mlc-large")), np.rint(15 * kernel.episode().query.x[kernel.order[0], 0])
    )
    kernel.guesses = [int(label) if i % 3 else int(label + 1) % n_way for i, label in enumerate(truth)]
    press_answers(page, kernel.guesses[:1])
    assert (
        page.locator(".mlc-verdict")
        .inner_text()
        .startswith(f"No: that was class {truth[0]}, not {kernel.guesses[0]}.")
    )
    press_answers(page, kernel.guesses[1:])
    words = re.sub(r"\s+", " ", page.locator(".mlc-verdict").inner_text())
    right, all_of_them = int(kernel.right.sum()), len(truth)
    assert f"You have {right} of {all_of_them} right" in words
    assert f"the mean of each class gets {kernel.pixels_right} of {all_of_them} here" in words
    press_answers(page, [0])  # none is left to guess
    assert page.locator(".mlc-episodes").get_attribute("data-guesses") == str(all_of_them)
    assert page.locator(".mlc-answered li").count() == all_of_them
    page.get_by_role("button", name="Start again").click()
    assert (
        page.locator(".mlc-verdict")
        .inner_text()
        .startswith(f"Which class is the first of the {all_of_them} queries?")
    )
    assert browser_page.complaints() == []


def test_pixels_are_judged_alike_in_every_episode(site, browser_page):
    page, kernel = browser_page.page, shown(k_shot=2)
    page.goto(f"{site}one.html")
    set_sizes(page, k_shot=2)
    page.get_by_role("radio", name="hide them: I guess").check()
    for kernel.number in range(EPISODES):
        press_answers(page, [0] * 15)
        assert f"gets {kernel.pixels_right} of 15 here" in page.locator(".mlc-verdict").text_content()
        page.get_by_role("button", name="Another episode").click()


def test_by_keyboard(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}one.html")
    named = "(at => at.getAttribute('aria-label') || at.innerText || at.type)(document.activeElement)"
    reached = []
    for _ in range(6):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(named))
    assert reached == ["n_way", "k_shot", "n_query", "radio", "Back", "Another episode"]
    page.keyboard.press("Enter")
    assert page.locator(".mlc-episodes").get_attribute("data-number") == "1"
    slider = page.get_by_role("slider", name="k_shot")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "2 to learn from"
    page.get_by_role("radio", name="show the labels").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # class 0, and the focus stays there
    page.keyboard.press("Space")
    assert page.locator(".mlc-episodes").get_attribute("data-guesses") == "2"
    assert page.evaluate("document.activeElement.value") == "0"
    assert browser_page.complaints() == []


def test_by_touch(site, open_page):
    watched = open_page(width=390, height=844, has_touch=True, is_mobile=True)
    page = watched.page
    page.goto(f"{site}one.html")
    page.get_by_role("button", name="Another episode").tap()
    page.get_by_text("hide them: I guess").tap()
    page.locator(".mlc-answer").nth(2).tap()
    page.locator(".mlc-answer").nth(4).tap()
    assert re.match("(Right|No): .* Right so far: [012] of 2.", page.locator(".mlc-verdict").inner_text())
    assert page.locator(".mlc-episodes").get_attribute("data-number") == "1"
    assert watched.complaints() == []


def test_two_equal_browsers_on_a_page_are_apart(site, browser_page):
    page = browser_page.page
    page.goto(f"{site}twice.html")
    page.get_by_role("button", name="Another episode").nth(1).click()
    page.get_by_role("radio", name="hide them: I guess").nth(1).check()
    both = page.locator(".mlc-episodes")
    assert [both.nth(i).get_attribute("data-number") for i in range(2)] == ["0", "1"]
    assert [both.nth(i).get_attribute("data-hidden") for i in range(2)] == ["false", "true"]


def test_a_script_that_fails_leaves_the_picture(site, browser_page):
    browser_page.page.goto(f"{site}broken.html")
    picture = browser_page.page.locator("img")
    assert picture.count() == 1 and picture.get_attribute("alt").startswith("Episode browser, episode 1 of 24")
    assert any("page is not defined" in error for error in browser_page.errors)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1000])
def test_it_fits_every_page(site, open_page, width, scheme):
    """No overflow at the largest sizes, nothing too small to touch, and nothing that axe-core objects to."""
    from axe_playwright_python.sync_playwright import Axe

    watched = open_page(width=width, color_scheme=scheme)
    page = watched.page
    page.goto(f"{site}one.html")
    page.get_by_role("button", name="Another episode").click()
    for guess in (False, True):
        if guess:
            page.get_by_role("radio", name="hide them: I guess").check()
            press_answers(page, [1, 0, 3])
        for sizes in ({"n_way": 5, "k_shot": 1}, {"n_way": 10, "k_shot": 5, "n_query": 5}):
            set_sizes(page, **sizes)
            press_answers(page, [1, 0, 3])
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            touched = page.locator(".mlc button:visible, .mlc .mlc-of label, .mlc .mlc-slide input").all()
            assert min(one.bounding_box()["height"] for one in touched) >= 40
        found = Axe().run(page).response["violations"]
        assert [rule["id"] for rule in found if rule["impact"] in ("serious", "critical")] == []
    classes = "[...document.querySelectorAll('.mlc :not(svg, svg *)')].flatMap(element => [...element.classList])"
    assert [name for name in page.evaluate(classes) if not name.startswith("mlc-")] == []
    assert watched.complaints() == []


def test_in_jupyterlab_the_kernel_holds_the_task_on_the_screen(lab_server, browser_page):
    page = browser_page.page
    sources = (
        "from mlcourse.tasks import glyphs\nfrom mlcourse.widgets.episodes import EpisodeBrowser\n"
        "b = EpisodeBrowser(glyphs.splits().test)\nb",
        "print('kernel sees', b.number, b.episode().support.x.shape, b.guesses, b.right.tolist())",
    )
    open_in_lab(page, lab_server, "episodes.ipynb", notebook(*sources))
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Shift+Enter")
    browser = page.locator(".mlc-episodes")
    browser.wait_for(timeout=60_000)
    browser.get_by_role("button", name="Another episode").click()
    set_sizes(page, n_way=4, k_shot=2)
    browser.get_by_role("radio", name="hide them: I guess").check()
    press_answers(page, [1, 2])
    kernel = shown(n_way=4, k_shot=2)
    kernel.number, kernel.guesses = 1, [1, 2]
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").nth(1).click()
    page.keyboard.press("Shift+Enter")
    expected = f"kernel sees 1 (8, 1, 28, 28) [1, 2] {kernel.right.tolist()}"
    page.get_by_text(expected).wait_for(timeout=20_000)
    assert browser_page.outside == []
