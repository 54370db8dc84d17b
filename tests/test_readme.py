"""The README shows the stored tables, and links to what is there."""

import re

from mlcourse.experiments import omniglot_table, results
from mlcourse.paths import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def shown(name: str) -> str:
    found = re.search(rf"<!-- results:{name} -->\n(.*?)<!-- /results:{name} -->", README, re.S)
    assert found, f"README.md has no place for the table {name}"
    return found[1].strip()


def test_the_tables_are_the_stored_ones():
    for name in results.names():
        assert shown(name) == results.table(results.load(name)), (
            f"put `python -m mlcourse results table {name}` into README.md"
        )


def test_the_omniglot_table_is_made_of_the_stored_runs():
    told = "put `python -m mlcourse results table omniglot` into README.md, its first table"
    assert shown("omniglot") == omniglot_table.summary(omniglot_table.runs()), told


def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (REPOSITORY / target).exists(), target


def test_every_notebook_is_listed():
    for notebook in (REPOSITORY / "notebooks").glob("*.ipynb"):
        assert f"(notebooks/{notebook.name})" in README
