"""The reference of the package in the book: every public function and class is there, in its own words."""

from __future__ import annotations

import ast
import inspect
import pathlib
import pydoc

import pytest
from sphinx.util.inventory import InventoryFile

from tests.book.conftest import beside_the_book

PACKAGE = pathlib.Path(__file__).resolve().parents[2] / "mlcourse"


@pytest.fixture(scope="module")
def public(root: pathlib.Path) -> list[str]:
    """The full names of all functions and classes that the package defines for others, read off its files."""
    wings, found = beside_the_book(root, "api").WINGS, []
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE).with_suffix("").parts
        if place[0] not in wings:
            defined = ast.parse(path.read_text(encoding="utf-8")).body
            names = [one.name for one in defined if isinstance(one, ast.FunctionDef | ast.ClassDef)]
            found += [".".join(["mlcourse", *place, name]) for name in names if not name.startswith("_")]
    return found


def test_the_wings_are_those_of_the_house(root: pathlib.Path) -> None:
    wings = beside_the_book(root, "api").WINGS
    assert [wing for wing in wings if not list(PACKAGE.glob(f"{wing}*"))] == []


def test_everything_public_says_what_it_is(public: list[str]) -> None:
    assert len(public) > 200
    assert [name for name in public if not inspect.getdoc(pydoc.locate(name))] == []


@pytest.mark.book
def test_everything_public_stands_in_the_reference(public: list[str], book: pathlib.Path) -> None:
    with (book / "objects.inv").open("rb") as file:
        known = InventoryFile.load(file, "", lambda base, place: place)
    there = {name for kind in ("function", "class", "exception") for name in known.get(f"py:{kind}", {})}
    assert [name for name in public if name not in there] == [], "give the module a page in PAGES of book/api.py"


def test_twins_stand_side_by_side(root: pathlib.Path) -> None:
    page = beside_the_book(root, "api").pages()["twins"]
    rows = page.split("::::{grid}")
    for name in ("maml.adapt", "reptile.meta_step", "protonet.prototypes", "learners.GradientLearner"):
        assert [row for row in rows if f"mlcourse.reference.{name}\n" in row and f"mlcourse.fast.{name}\n" in row]


# ---- docstrings are plain text, which reST must not read as its own signs ----


@pytest.fixture(scope="module")
def as_rest(root: pathlib.Path) -> object:
    return beside_the_book(root, "_ext/docstrings").as_rest


@pytest.mark.parametrize(
    ("plain", "rest"),
    [
        ("x (S, *features), mask", r"x (S, \*features), mask"),
        ("||q - c||^2 of `a_` and a_", r"\|\|q - c\|\|^2 of ``a_`` and a\_"),
        ("n_way stays, and so does `**how`", "n_way stays, and so does ``**how``"),
        ("ordinary `ValueError`s, non-`x`", r"ordinary ``ValueError``\ s, non-``x``"),
        ("code `that\n  breaks` off", "code ``that breaks`` off"),
        ("`a` `b`", "``a`` ``b``"),
        (r"a \ b", r"a \\ b"),
        ("As follows:\n\n    a *b*\n      `c`\n\nAfter.", "As follows:\n\n::\n\n    a *b*\n      `c`\n\nAfter."),
        ("Raises:\n    ValueError: `x` is no array.", "Raises:\n    ValueError: ``x`` is no array."),
    ],
)
def test_a_plain_docstring_as_rest(plain: str, rest: str, as_rest: object) -> None:
    assert as_rest(plain) == rest


def test_no_sign_of_either_kind_is_left_on_the_pages(book: pathlib.Path) -> None:
    pages = [path.read_text(encoding="utf-8") for path in (book / "book" / "package").glob("*.html")]
    assert len(pages) > 8
    articles = [page.partition("<article")[2].partition("</article>")[0] for page in pages]
    assert not [article for article in articles if "problematic" in article or "Alias for field number" in article]
    assert not [article for article in articles if "&lt;function" in article or " at 0x" in article]
