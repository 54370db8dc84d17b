"""The episode browser under a reader's hands: the kernel's drawings, the game, keyboard and touch."""

import re

import numpy as np
import pytest

from mlcourse.lessons.widgets.episodes.episodes import EPISODES, EpisodeBrowser
from mlcourse.tasks import glyphs
from tests.browser.hands import PHONE, tab

pytestmark = pytest.mark.browser


def shown(**options) -> EpisodeBrowser:
    return EpisodeBrowser(glyphs.splits().test, **options)


@pytest.fixture(scope="module")
def site(serve_pages):
    """A plain page."""
    return serve_pages({"one": shown().to_html()})


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
    said = page.locator(".mlc-verdict").inner_text()
    assert said.startswith(f"And this one? The one before is class {truth[0]}, not {kernel.guesses[0]}.")
    if number == 0:
        page.get_by_role("button", name="Back").click(force=True)  # there is no episode before the first
        assert page.locator(".mlc-episodes").get_attribute("data-guesses") == "1"
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


def test_a_double_click_is_one_answer(site, open_page):
    page = open_page(**PHONE).page
    page.goto(f"{site}one.html")
    page.get_by_role("radio", name="hide them: I guess").check()
    told = page.locator(".mlc-episodes")
    page.locator(".mlc-answer").nth(1).dblclick()
    assert told.get_attribute("data-guesses") == "1"
    page.wait_for_timeout(600)  # what is pressed later is another answer
    page.locator(".mlc-answer").nth(1).click()
    assert told.get_attribute("data-guesses") == "2"


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
    assert tab(page, 6) == ["n_way", "k_shot", "n_query", "radio", "Back", "Another episode"]
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
    watched = open_page(**PHONE)
    page = watched.page
    page.goto(f"{site}one.html")
    page.get_by_role("button", name="Another episode").tap()
    page.get_by_text("hide them: I guess").tap()
    page.locator(".mlc-answer").nth(2).tap()
    page.locator(".mlc-answer").nth(4).tap()
    assert re.match("And this one[?] .* Right so far: [012] of 2.", page.locator(".mlc-verdict").inner_text())
    assert page.locator(".mlc-episodes").get_attribute("data-number") == "1"
    assert watched.complaints() == []
