"""The README shows stored tables and notebooks' covers, links to what is there, and claims no more than that."""

import re
import runpy

from mlcourse.experiments import omniglot_table, results
from mlcourse.paths import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


SHOWN = re.findall(r"<!-- results:(\w+) -->", README)  # the tables in full; the others it links


def shown(name: str) -> str:
    found = re.search(rf"<!-- results:{name} -->\n(.*?)<!-- /results:{name} -->", README, re.S)
    assert found, f"README.md has no place for the table {name}"
    return found[1].strip()


def test_the_tables_are_the_stored_ones():
    for name in set(SHOWN) - {"omniglot"}:
        assert shown(name) == results.table(results.load(name)), (
            f"put `python -m mlcourse results table {name}` into README.md"
        )


def test_the_omniglot_table_is_made_of_the_stored_runs():
    told = "put `python -m mlcourse results table omniglot` into README.md, its first table"
    assert shown("omniglot") == omniglot_table.summary(omniglot_table.runs()), told


def test_every_other_table_is_linked():
    linked = re.findall(r"\(data/results/(\w+)\.json\)", README)
    assert sorted(linked) == sorted(set(results.names()) - set(SHOWN))


def test_what_cuda_has_run_on_is_what_the_tables_say():
    every = [*map(results.load, results.names()), *omniglot_table.runs()]
    assert {stored["hardware"]["gpu"] for stored in every} - {"none"} == {"NVIDIA H100 80GB HBM3"}, (
        "README.md says under `What has never been tried` that CUDA has run on an NVIDIA H100 alone"
    )
    assert {stored["versions"]["python"].rsplit(".", 1)[0] for stored in every} == {"3.11", "3.12"}
    oldest = min(tuple(map(int, stored["versions"]["torch"].split("+")[0].split("."))) for stored in every)
    assert oldest[:2] == (2, 11)


def test_python_s_versions_are_those_of_the_package():
    classified = re.findall(r"Python :: (3\.\d+)", (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    told = re.search(r"You need Python (3[\d., ]+ or 3\.\d+)", README)[1]
    assert re.findall(r"3\.\d+", told) == classified


def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (REPOSITORY / target).exists(), target


def test_the_notebooks_are_what_their_covers_say():
    covers = runpy.run_path(str(REPOSITORY / "book" / "covers.py"))
    assert covers["with_table"](README) == README, "run `python book/covers.py`"
    for notebook in (REPOSITORY / "notebooks").glob("*.ipynb"):
        assert f"(notebooks/{notebook.name})" in README
