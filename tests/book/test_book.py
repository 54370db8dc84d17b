"""The published course as files: whole, linked within itself, light, and with words for every picture."""

from __future__ import annotations

import dataclasses
import html.parser
import io
import itertools
import pathlib
import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from PIL import Image

from mlcourse.experiments import omniglot_table, results
from tests.book.conftest import beside_the_book, build_book, pages_in_toc
from tests.notebooks.exercises import exercises, is_appendix, sources

pytestmark = pytest.mark.book

MOST_BYTES = 2_000_000  # of a page, besides what it shares with others
MOST_BYTES_OF_SOCIAL_IMAGE = 100_000
REPOSITORY, HOME = "https://github.com/somebody/course", "https://somebody.github.io/course/"


@dataclasses.dataclass
class Element:
    """An element as it stands in a page's source."""

    tag: str
    attributes: dict[str, str]


class Elements(html.parser.HTMLParser):
    """All elements of a page. What stands in scripts is no element."""

    def __init__(self, text: str):
        super().__init__()
        self.found: list[Element] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append(Element(tag, {name: value or "" for name, value in attributes}))


@pytest.fixture(scope="module")
def elements(book: pathlib.Path) -> dict[pathlib.Path, list[Element]]:
    """The elements of every HTML file but those that the theme leaves among its assets."""
    paths = [path for path in book.rglob("*.html") if "_static" not in path.parts]
    return {path: Elements(path.read_text(encoding="utf-8")).found for path in paths}


# ---- the sources ----


def test_toc_lists_every_notebook_in_order(root: pathlib.Path) -> None:
    listed = [page for page in pages_in_toc(root) if page.startswith("notebooks/")]
    # appendices stand together, after the lessons
    there = sorted((root / "notebooks").glob("[0-9]*.ipynb"), key=lambda path: (is_appendix(path), path.name))
    assert listed == [f"notebooks/{path.stem}" for path in there]


def test_the_sidebar_calls_notebooks_by_number_and_title(root: pathlib.Path) -> None:
    toc = (root / "book" / "_toc.yml").read_text()
    for notebook in beside_the_book(root, "covers").notebooks().values():
        titled = f"- file: notebooks/{notebook.name}\n        title: {notebook.number} {notebook.title}\n"
        assert titled in toc


def test_a_cover_that_lacks_a_row_is_refused(root: pathlib.Path, tmp_path: pathlib.Path) -> None:
    covers, name = beside_the_book(root, "covers"), "05_maml_from_zero.py"
    whole = (root / "notebooks" / "source" / name).read_text()
    for row in ("# # MAML from zero", "# | **It gives you**", "# | **Time**"):
        lines = [line for line in whole.splitlines(keepends=True) if not line.startswith(row)]
        (tmp_path / name).write_text("".join(lines))
        with pytest.raises(ValueError, match=name):
            covers.read(tmp_path / name)


def test_a_day_of_the_week_takes_as_long_as_the_page_says(root: pathlib.Path) -> None:
    """Between one and two hours a day, and three on the last."""
    known, paths = beside_the_book(root, "covers").notebooks(), beside_the_book(root, "build").PATHS
    *days, last = [sum(known[n].reading + known[n].exercising for n in day[1]) for day in paths["week"]]
    assert all(60 <= minutes <= 120 for minutes in days) and 165 <= last <= 195


# ---- what was built ----


def test_every_page_was_built(root: pathlib.Path, book: pathlib.Path) -> None:
    assert [page for page in pages_in_toc(root) if not (book / f"{page}.html").exists()] == []


def test_tables_are_tables_and_not_raw_bars(root: pathlib.Path, book: pathlib.Path) -> None:
    """A cell may put out a table in Markdown; shown as text, it is a paragraph that begins with a bar."""
    texts = {name: (book / f"{name}.html").read_text(encoding="utf-8") for name in pages_in_toc(root)}
    assert [name for name, text in texts.items() if re.search(r"<p>\s*\|", text)] == []


def test_no_directive_is_left_as_text(root: pathlib.Path, book: pathlib.Path) -> None:
    texts = {name: (book / f"{name}.html").read_text(encoding="utf-8") for name in pages_in_toc(root)}
    assert [name for name, text in texts.items() if re.search(r"<p>\s*(:::|```|\{\w+\})", text)] == []


def test_hidden_claims_are_not_published(root: pathlib.Path, book: pathlib.Path) -> None:
    with_claims = [page for page in pages_in_toc(root) if "tag_claims" in (book / f"{page}.html").read_text()]
    assert with_claims == []


def test_the_cover_lists_every_notebook_with_what_it_gives(root: pathlib.Path, book: pathlib.Path) -> None:
    page = visible_text((book / "book/index.html").read_text(encoding="utf-8"))
    for notebook in beside_the_book(root, "covers").notebooks().values():
        gives = notebook.gives.replace("`", "")[1:]  # whose first letter is a capital there
        assert re.search(
            rf"{notebook.number} {re.escape(notebook.title)} ?.{re.escape(gives)} {notebook.reading}\b", page
        )


def test_every_picture_has_words(elements: dict[pathlib.Path, list[Element]]) -> None:
    """Also the stills of widgets, which a script replaces. Only the course's mark, beside its name, needs none."""
    silent = [
        (path.name, element.attributes.get("src", "")[:60])
        for path, found in elements.items()
        for element in found
        if element.tag == "img" and not element.attributes.get("alt", "").strip()
        and "logo__image" not in element.attributes.get("class", "")
    ]  # fmt: skip
    assert silent == []


def test_every_stored_table_is_on_the_results_page(book: pathlib.Path) -> None:
    page = visible_text((book / "book/results.html").read_text(encoding="utf-8"))
    for stored in [*map(results.load, results.names()), *omniglot_table.runs()]:
        assert stored["command"] in page
        figures = [
            visible_text(results.as_text(figure))
            for row in stored["rows"]
            for column, figure in row["values"].items()
            if stored["name"] in results.names() or column == "accuracy, %"
        ]
        assert [figure for figure in figures if figure not in page] == [], stored["name"]
    for name in results.names():
        stored = results.load(name)
        protocol = visible_text(stored["protocol"].replace("`", ""))
        assert protocol in page and stored["title"] in page and stored["date"] in page
        assert stored["hardware"]["cpu"] in page and f"{stored['wall_seconds']:.0f} s in all" in page


def visible_text(source: str) -> str:
    """What a reader sees of HTML: no tags, no entities, one space between words, straight quotes."""
    text = html.unescape(re.sub(r"<[^>]+>", "", re.sub(r"<(script|style).*?</\1>", "", source, flags=re.S)))
    return " ".join(text.translate(str.maketrans("“”‘’", "\"\"''")).split())


def test_every_exercise_is_in_the_index(book: pathlib.Path, elements: dict[pathlib.Path, list[Element]]) -> None:
    page = book / "book/exercises.html"
    links = [e.attributes["href"] for e in elements[page] if "exercise-" in e.attributes.get("href", "")]
    wanted = {
        f"../notebooks/{source.stem}.html#exercise-{exercise.number.replace('.', '-')}"
        for source in sources()
        for exercise in exercises(source)
    }
    assert {re.match(r".*#exercise-\d+-\d+", link)[0] for link in links} == wanted
    assert len(links) == len(wanted)


# ---- links ----


def test_every_link_inside_the_book_leads_somewhere(
    book: pathlib.Path, elements: dict[pathlib.Path, list[Element]]
) -> None:
    names = {path: {e.attributes["id"] for e in found if "id" in e.attributes} for path, found in elements.items()}
    broken = []
    for path, link in links_of(elements):
        parts = urlsplit(link)
        if parts.scheme or link.startswith("//"):
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        target = target / "index.html" if target.is_dir() else target
        found = target.is_file() and (not parts.fragment or unquote(parts.fragment) in names.get(target, ()))
        if not found:
            broken.append(f"{path.relative_to(book)}: {link}")
    assert broken == []


def test_links_to_the_outside_are_https_and_load_nothing(elements: dict[pathlib.Path, list[Element]]) -> None:
    outside = {e.attributes[key] for _, e, key in references(elements) if urlsplit(e.attributes[key]).netloc}
    assert [link for link in outside if not link.startswith("https://")] == []
    loaded = [
        (path.name, e.tag, e.attributes[key])
        for path, e, key in references(elements)
        if e.tag != "a" and urlsplit(e.attributes[key]).netloc
    ]
    assert loaded == []


def references(elements: dict[pathlib.Path, list[Element]]) -> Iterator[tuple[pathlib.Path, Element, str]]:
    """(page, element, "href" or "src") for everything that points elsewhere."""
    for (path, found), key in itertools.product(elements.items(), ("href", "src")):
        for element in found:
            if key in element.attributes and not element.attributes[key].startswith(("data:", "javascript:")):
                yield path, element, key


def links_of(elements: dict[pathlib.Path, list[Element]]) -> Iterator[tuple[pathlib.Path, str]]:
    for path, element, key in references(elements):
        yield path, element.attributes[key]
    for path, found in elements.items():
        yield from ((path, e.attributes["content"]) for e in found if e.attributes.get("property") == "og:image")


def test_every_notebook_can_be_taken_home(root: pathlib.Path, book: pathlib.Path) -> None:
    for page in pages_in_toc(root):
        offered = f'href="../_sources/{page}.ipynb"' in (book / f"{page}.html").read_text(encoding="utf-8")
        assert offered == page.startswith("notebooks/"), page
        if offered:
            taken = (book / "_sources" / f"{page}.ipynb").read_text(encoding="utf-8")
            nbformat.validate(nbformat.reads(taken, as_version=4))
            assert taken == (root / f"{page}.ipynb").read_text(encoding="utf-8")


# ---- weight, and how links to the book look elsewhere ----


def test_pages_are_light(book: pathlib.Path, elements: dict[pathlib.Path, list[Element]]) -> None:
    assets = {path: local_assets(path, found) for path, found in elements.items()}
    weights = {}
    for path, own in assets.items():
        others = set().union(*(used for other, used in assets.items() if other != path))
        weights[str(path.relative_to(book))] = path.stat().st_size + sum(a.stat().st_size for a in own - others)
    shared = sum(asset.stat().st_size for asset in set().union(*assets.values()))
    whole = sum(path.stat().st_size for path in book.rglob("*") if path.is_file())
    heaviest = max(weights, key=weights.get)
    print(f"site {whole:,} bytes; assets of the pages {shared:,}; heaviest page {heaviest} {weights[heaviest]:,}")
    assert {page: weight for page, weight in weights.items() if weight > MOST_BYTES} == {}


def local_assets(path: pathlib.Path, found: list[Element]) -> set[pathlib.Path]:
    """The files that a page loads beside itself."""
    sources = [
        e.attributes.get("src") or e.attributes.get("href") for e in found if e.tag in ("script", "img", "link")
    ]
    paths = {(path.parent / urlsplit(source).path).resolve() for source in sources if source and ":" not in source}
    return {asset for asset in paths if asset.is_file() and asset.suffix != ".html"}


def test_the_social_image_is_right_in_size(book: pathlib.Path) -> None:
    image = (book / "_static" / "social.png").read_bytes()
    assert Image.open(io.BytesIO(image)).size == (1200, 630)
    assert len(image) <= MOST_BYTES_OF_SOCIAL_IMAGE


def test_every_page_describes_itself(root: pathlib.Path, elements: dict, book: pathlib.Path) -> None:
    for page in pages_in_toc(root):
        said = {
            e.attributes.get("property") or e.attributes.get("name"): e.attributes["content"]
            for e in elements[book / f"{page}.html"]
            if e.tag == "meta" and "content" in e.attributes
        }
        assert said["og:title"] and len(said["og:description"]) > 30 and said["twitter:card"], page
        assert said["og:description"] == said["description"] and said["og:image"].endswith("_static/social.png")
        language = [e.attributes.get("lang") for e in elements[book / f"{page}.html"] if e.tag == "html"]
        assert language == ["en"]


# ---- one repository address ----


def test_without_an_address_nothing_points_to_a_repository(root: pathlib.Path, book: pathlib.Path) -> None:
    for page in pages_in_toc(root):
        text = (book / f"{page}.html").read_text(encoding="utf-8")
        assert not re.search(r'mybinder|colab\.research|rel="canonical"|source-repository-button', text), page


def test_one_address_gives_all_buttons(root: pathlib.Path, tmp_path: pathlib.Path) -> None:
    changes = {'url: &repository ""': f"url: &repository {REPOSITORY}", 'baseurl: ""': f"baseurl: {HOME}"}
    built = build_book(root, tmp_path, changes)
    for page in pages_in_toc(root):
        found = Elements((built / f"{page}.html").read_text(encoding="utf-8")).found
        links = {e.attributes.get("href") for e in found}
        launch = {
            f"https://mybinder.org/v2/gh/somebody/course/main?urlpath=lab/tree/{page}.ipynb",
            f"https://colab.research.google.com/github/somebody/course/blob/main/{page}.ipynb",
        }
        assert (launch <= links) == page.startswith("notebooks/"), page
        assert REPOSITORY in links and f"{HOME}{page}.html" in links, page
        assert any(link and link.startswith(f"{REPOSITORY}/issues/new") for link in links), page
        assert f"{HOME}_static/social.png" in {e.attributes.get("content") for e in found}, page
