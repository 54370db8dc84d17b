"""The decks of slides: what each must have, what it says, and how it behaves on a screen, in use and on paper."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import runpy
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import nbformat
import pytest
from playwright.sync_api import Page, expect

from tests.book.conftest import beside_the_book, wait_for_maths
from tests.conftest import OF_COLOURS, ROOT, Watched, violations, watch

SIZE = {"width": 1280, "height": 720}
LESSONS = sorted(path.stem for path in (ROOT / "notebooks" / "source").glob("[0-9][0-9]_*.py"))
SLIDES = beside_the_book(ROOT, "slides")
DECKS = {lesson.name: (lesson, SLIDES.deck(lesson)) for lesson in SLIDES.lessons()}
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
every_deck = pytest.mark.parametrize("name", LESSONS)

# For each slide: what of it lies outside, and the smallest letters of its words, in pixels of a screen of 1280
FAULTS = """() => [...document.querySelectorAll('.slides > section')].flatMap((slide, number) => {
    const faults = [];
    const [width, height] = [slide.scrollWidth, slide.scrollHeight];
    if (width > 1280 || height > 720) faults.push(`is ${width} x ${height}`);
    const ground = slide.getBoundingClientRect();
    for (const part of slide.querySelectorAll('h1, h2, p:not(aside p), li:not(aside li), pre, table, img, .mlc')) {
        const box = part.getBoundingClientRect(), over = 1;
        if (!box.width || !box.height) continue;
        if (box.bottom > ground.bottom + over || box.right > ground.right + over || box.left < ground.left - over)
            faults.push(`${part.tagName} lies outside`);
        if (part.closest('.stage.code') || part.matches('.mlc, .mlc *, img')) continue;
        const grown = part.closest('.stage.text') ? box.width / part.offsetWidth : 1;
        const least = part.closest('.stage.text') ? 26 : 28;
        const letters = parseFloat(getComputedStyle(part).fontSize) * grown;
        if (letters < least && !part.closest('table + p')) faults.push(`${part.tagName} of ${letters} px`);
    }
    return faults.map(fault => `slide ${number + 1}: ${fault}`);
})"""

# On paper slide number i stands at the top of page number i
OFF_THEIR_PAGE = """() => [...document.querySelectorAll('.slides > section')].map((slide, number) => {
    const box = slide.getBoundingClientRect();
    const seen = slide.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    return seen && box.left === 0 && Math.abs(box.top + scrollY - 720 * number) < 1 ? '' : `slide ${number + 1}`;
}).filter(Boolean)"""
UNSET_MATHS = """() => [...document.querySelectorAll('section > :is(h2, p), section > ul > li')]
    .map(part => part.textContent).filter(text => text.includes('$'))"""


# ---- what is on the slides ----


def of_kind(name: str, *kinds: str) -> list:
    return [slide for slide in DECKS[name][1] if slide.kind in kinds]


def test_every_lesson_has_a_deck():
    assert list(DECKS) == LESSONS


@every_deck
def test_a_deck_has_what_a_session_needs(name):
    lesson, slides = DECKS[name]
    assert (slides[0].kind, slides[0].heading) == ("title", lesson.title)
    assert slides[0].lines[0].lower().startswith(lesson.gives.lower())
    assert slides[-1].kind == "last" and len(slides[-1].lines) >= 3
    assert len(of_kind(name, "exercise")) == 1
    assert sum(slide.stage in ("picture", "widget") for slide in slides) >= 5
    assert len(of_kind(name, "question")) >= (2 if lesson.number == "00" else 4)
    assert 12 <= len(slides) <= 25


@every_deck
def test_each_question_comes_before_its_answer(name):
    slides = DECKS[name][1]
    assert [after.kind for one, after in zip(slides, slides[1:], strict=False) if one.kind == "question"] == [
        "answer" for _ in of_kind(name, "question")
    ]


@every_deck
def test_an_exercise_shows_its_stub(name):
    (exercise,) = of_kind(name, "exercise")
    assert "..." in exercise.code and re.search(r"Exercise \d+\.\d ●+○* \d+ minutes", exercise.kicker)


@every_deck
def test_a_slide_has_few_words(name):
    for slide in DECKS[name][1]:
        said = " ".join([slide.heading, *slide.lines]).split()
        assert len(said) <= (65 if slide.kind == "last" else 36), slide.heading
        assert len(slide.lines) <= (6 if slide.kind == "last" else 2), slide.heading


@every_deck
def test_every_number_on_a_slide_stands_in_the_notebook(name):
    """The notebook's tests hold its numbers to its results; this holds the slides to the notebook."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    texts = [cell.source for cell in notebook.cells]
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        texts += [output.get("text", ""), output.get("data", {}).get("text/markdown", "")]
    known = set(NUMBER.findall("\n".join(texts)))
    for slide in DECKS[name][1]:
        unknown = set(NUMBER.findall(" ".join([slide.heading, *slide.lines]))) - known
        assert not unknown, f"{slide.heading}: {unknown}"


# ---- minutes ----


@every_deck
def test_the_minutes_are_those_of_a_session(name):
    lesson, slides = DECKS[name]
    talk, predictions, exercise, pause = SLIDES.MINUTES[lesson.number]
    assert talk + predictions + exercise + pause == (20 if lesson.number == "00" else 90)
    assert exercise >= int(re.search(r"(\d+) minutes", of_kind(name, "exercise")[0].kicker)[1])
    assert predictions >= 3 * len(of_kind(name, "question"))
    assert pause == 10 or lesson.number == "00"


@every_deck
def test_the_notes_have_the_plan_and_the_minutes(name):
    lesson, slides = DECKS[name]
    told = [int(minutes) for minutes in re.findall(r"- (\d+) minutes: ", slides[0].notes)]
    assert sum(told) == sum(SLIDES.MINUTES[lesson.number])
    begins = [int(re.match(r"\*From minute (\d+)\.\*", slide.notes)[1]) for slide in slides[1:]]
    assert begins == sorted(begins) and begins[-1] < sum(told)
    breaks = [slide.kind for slide in slides if "**First a break" in slide.notes]
    assert len(breaks) == (0 if lesson.number == "00" else 1) and "answer" not in breaks


def test_the_table_has_a_row_for_each_deck():
    rows = SLIDES.plan_table().splitlines()[2:]
    assert len(rows) == len(LESSONS)
    assert all(row.endswith(f"| {20 if '/00_' in row else 90} |") for row in rows)


# ---- how a cell becomes a slide ----


LESSON = SimpleNamespace(name="05_x", number="05")


def cell(source: str, words: object, tags: tuple[str, ...] = (), outputs: tuple = ()) -> nbformat.NotebookNode:
    new = nbformat.v4.new_code_cell if outputs or "code" in tags else nbformat.v4.new_markdown_cell
    made = new(source, metadata={"tags": list(tags), "slide": words})
    if outputs:
        made.outputs = list(outputs)
    return made


def html(text: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_output("display_data", {"text/html": text})


@pytest.mark.parametrize("words", ["One line", [], [""], [1], {"headline": "A"}])
def test_words_that_are_no_list_are_refused(words):
    with pytest.raises(ValueError, match=r'05_x: slide=.*write slide=\["The headline"'):
        SLIDES.slide([cell("Text", words)], 0, LESSON)


def test_a_cell_without_an_output_is_refused():
    with pytest.raises(ValueError, match="05_x: .* without an output"):
        SLIDES.slide([cell("x = 1", ["A"], ("code",))], 0, LESSON)


def test_a_question_without_its_answer_is_refused():
    question, words = (SLIDES.Slide(kind, kind, [], "") for kind in ("question", "words"))
    for slides in ([question], [question, words]):
        with pytest.raises(ValueError, match="05_x: after the question 'question' comes"):
            SLIDES.require_answers(slides, LESSON)


@pytest.mark.parametrize(
    ("outputs", "stage", "shown"),
    [
        ([html(" "), html('<img alt="a">'), html('<img alt="b">')], "picture", ['<img alt="a">', '<img alt="b">']),
        ([html('<div><img alt="a"><script>1</script></div>')], "widget", None),
        ([nbformat.v4.new_output("stream", text="1.0"), html("<table></table>")], "text", ["<table></table>"]),
    ],
)
def test_the_most_telling_output_is_shown(outputs, stage, shown):
    slide = SLIDES.slide([cell("x", ["A"], ("answer",), tuple(outputs))], 0, LESSON)
    assert (slide.kind, slide.stage) == ("answer", stage)
    assert [output.data["text/html"] for output in slide.outputs] == (shown or [outputs[0].data["text/html"]])


def test_words_for_a_slide_run_nothing_again(tmp_path):
    """The header's words are metadata: the cell keeps its id, by which the build finds its outputs."""
    build = SimpleNamespace(**runpy.run_path(str(ROOT / "notebooks" / "source" / "build.py")))
    ids = []
    for words in ("", ' slide=["A", "With $x_1$ and \\"quotes\\""]'):
        (tmp_path / "05_x.py").write_text(f'# %% tags=["setup"]{words}\nx = 1\n\n# %% [markdown]{words}\n# Text\n')
        ids.append([made.id for made in build.from_source(tmp_path / "05_x.py").cells])
    assert ids[0] == ids[1]


# ---- in a browser ----


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("slides") / "made"
    SLIDES.main(folder)
    return folder


@pytest.fixture(scope="module")
def address(built: pathlib.Path, static_server: Callable[[pathlib.Path], str]) -> str:
    return static_server(built)


def show(page: Page, address: str) -> None:
    """Open a deck and wait until all of it is there."""
    page.goto(address)
    page.wait_for_function("window.Reveal?.isReady()")
    wait_for_maths(page)


@pytest.fixture(scope="module")
def visits(address: str, browser: object) -> Iterator[dict[str, dict[str, object]]]:
    """For each deck, opened once: what it asked for, what does not fit, and how many pages it has on paper."""
    context = browser.new_context(viewport=SIZE)
    watched, seen = watch(context), {}
    for name in LESSONS:
        watched.forget()
        show(watched.page, f"{address}{name}.html")
        seen[name] = {
            "complaints": watched.complaints(),
            "slides": watched.page.evaluate("Reveal.getTotalSlides()"),
            "faults": watched.page.evaluate(FAULTS),
            "unset maths": watched.page.evaluate(UNSET_MATHS),
            "pages": pages_of(watched.page),
        }
        watched.page.emulate_media(media="print")
        seen[name]["paper"] = watched.page.evaluate(OFF_THEIR_PAGE) + watched.page.evaluate(FAULTS)
        watched.page.emulate_media(media="null")
    yield seen
    context.close()


def pages_of(page: Page) -> int:
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", page.pdf(prefer_css_page_size=True)))


@pytest.mark.browser
@every_deck
def test_a_deck_needs_nothing_and_fits(name, visits):
    seen = visits[name]
    assert seen["complaints"] == []
    assert seen["faults"] == []
    assert seen["unset maths"] == []
    assert seen["slides"] == len(DECKS[name][1])


@pytest.mark.browser
@every_deck
def test_on_paper_each_slide_is_a_page(name, visits):
    assert visits[name]["pages"] == visits[name]["slides"]
    assert visits[name]["paper"] == []


@pytest.fixture
def deck(open_page: Callable[..., Watched], address: str) -> Callable[..., Watched]:
    """deck("05", 3, "?print-pdf") opens a deck at its third slide."""

    def open_deck(number: str, at: int = 1, query: str = "") -> Watched:
        watched = open_page(**SIZE)
        name = next(name for name in LESSONS if name.startswith(number))
        show(watched.page, f"{address}{name}.html{query}#/{at - 1}")
        return watched

    return open_deck


def place(number: str, **wanted: str) -> int:
    """The number of the first slide of a deck with these values, from 1."""
    slides = next(slides for lesson, slides in DECKS.values() if lesson.number == number)
    return next(
        i for i, slide in enumerate(slides, start=1) if wanted.items() <= dataclasses.asdict(slide).items()
    )


@pytest.mark.browser
def test_reveal_s_own_way_to_paper_works_too(deck):
    watched = deck("05", query="?print-pdf")
    watched.page.wait_for_selector(".pdf-page")
    assert pages_of(watched.page) == len(DECKS["05_maml_from_zero"][1])
    assert watched.complaints() == []


@pytest.mark.browser
def test_paper_is_light(deck):
    page = deck("05").page
    page.keyboard.press("d")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.get_attribute("html", "data-theme") == "light"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.get_attribute("html", "data-theme") == "dark"


@pytest.mark.browser
def test_a_widget_reacts_on_its_slide_and_keeps_the_arrow_keys(deck):
    at = place("00", stage="widget")
    page = deck("00", at).page
    widget = page.locator(".present .mlc-stepper")
    widget.get_by_role("button", name="Inner step", exact=True).click()
    expect(widget).to_have_attribute("data-index", "1")
    widget.get_by_role("slider").first.press("ArrowRight")
    expect(widget).to_have_attribute("data-index", "2")
    assert page.evaluate("Reveal.getIndices().h") == at - 1
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("Reveal.getIndices().h") == at


@pytest.mark.browser
def test_points_are_dragged_on_a_scaled_slide(deck):
    page = deck("02", place("02", stage="widget")).page
    point = page.locator(".present .mlc-own").get_by_role("slider", name="Point 3 of 5")
    box, before = point.bounding_box(), point.get_attribute("aria-valuetext")
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y - 30, steps=3)
    page.mouse.up()
    moved = point.bounding_box()
    assert point.get_attribute("aria-valuetext") != before
    assert abs(moved["x"] - box["x"] - 40) < 4 and abs(moved["y"] - box["y"] + 30) < 4


@pytest.mark.browser
def test_a_remote_control_turns_the_slides_even_in_a_widget(deck):
    at = place("00", stage="widget")
    page = deck("00", at).page
    page.locator(".present .mlc").get_by_role("button", name="Inner step", exact=True).click()
    page.keyboard.press("PageDown")
    assert page.evaluate("Reveal.getIndices().h") == at


@pytest.mark.browser
def test_nobody_is_shut_out_in_light_or_dark(deck):
    kinds = [{"kind": kind} for kind in ("title", "question", "exercise")]
    wanted = [*kinds, {"stage": "picture"}, {"stage": "widget"}]
    page = deck("05").page
    grave = []
    for theme, rules in (("light", None), ("dark", OF_COLOURS)):
        for slide in wanted:
            page.evaluate(f"Reveal.slide({place('05', **slide) - 1})")
            grave += [(theme, slide, found) for found in violations(page, rules)]
        page.keyboard.press("d")
    assert grave == []


@pytest.mark.browser
def test_the_list_of_decks_leads_to_each(deck, address, open_page):
    watched = open_page()
    watched.page.goto(f"{address}index.html")
    links = watched.page.locator("main li a")
    assert [link.get_attribute("href") for link in links.all()] == [f"{name}.html" for name in LESSONS]
    assert watched.complaints() == [] and violations(watched.page) == []
