"""Make what the book takes from elsewhere in the course: `book/_made/`, new each time, never stored in git.

    python book/build.py

cover.html           the widget on the cover page, as it also stands in a notebook
training.html        the second one there, further down
exercises.md         every exercise, from the notebooks
notebooks.md         the table of notebooks
evening.md, …        the learning paths, and the courses of the instructor guide
classroom.md         what one student takes of a machine
serving.md           the server under load, and when things break
stream.md            tasks that are read from files
results.md           the tables of data/results
slides.md            the table of decks, with a plan for each session
package/NAME.md      the reference of the package, a page each
static/colours.css   the course's palette, as the theme's variables
static/social.png    the picture that a link to the book shows elsewhere

What notebooks promise, and in how many minutes, comes from their covers (`covers.py`). The pages in `book/`
include all this. `make book` calls this before jupyter-book.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import api
import looks
import slides
import yaml
from covers import Notebook, capital, notebooks
from docutils.nodes import make_id

from mlcourse.experiments import omniglot_table, results
from mlcourse.lessons.widgets import DrawOnce, MetaTrain

HERE = Path(__file__).resolve().parent
MADE = HERE / "_made"


def cover_widgets() -> dict[str, str]:
    """The widgets that the cover page shows: the one place to change them."""
    return {"cover.html": DrawOnce().to_html(), "training.html": MetaTrain().to_html()}


# What to read when: (when, notebooks, what to do there)
PATHS = {
    "evening": [
        ("First", ["00", "01"], "Run every cell, and answer each **Predict**."),
        ("Then", ["02", "05"], "Take on trust that `grad(grad(f))` works: 04 shows why."),
    ],
    "week": [
        ("Day 1", ["00", "01"], ""),
        ("Day 2", ["02"], ""),
        ("Day 3", ["03"], ""),
        ("Day 4", ["04"], ""),
        ("Day 5", ["05"], ""),
        ("Day 6", ["06"], "Two sittings."),
        ("Day 7", ["07", "08"], "Two sittings."),
    ],
    "semester": [
        ("Week 1", ["00", "01"], "The environment works on every machine; what a task is."),
        ("Week 2", ["02"], ""),
        ("Week 3", ["03"], "What a ± means, before the first number is believed."),
        ("Weeks 4 and 5", ["04"], "The engine by hand first, the second order a week later. Then problem set 1."),
        ("Week 6", ["05"], "With Finn et al. (2017), sections 2 and 5.1."),
        ("Week 7", ["06"], "With Nichol et al. (2018). Then problem set 2."),
        ("Week 8", ["07"], ""),
        ("Week 9", ["08"], "With Snell et al. (2017). Then problem set 3."),
        ("Week 10", ["09"], "A GPU helps, and is not needed."),
        ("Week 11", ["18", "19"], "In class the halves that the group needs: old code, or a server."),
        ("Week 12", [], "Projects: problem set 4, a task family of one's own, or a capstone of 19."),
    ],
    "two_weeks": [
        (
            "Sessions 1 and 2",
            ["00", "01", "02"],
            "The environment works on every machine; why pooled training fails.",
        ),
        ("Session 3", ["03"], "With the clinic after it."),
        ("Session 4", ["04"], "The engine is given; students write exercises 4.2 and 4.4."),
        ("Session 5", ["05"], "Problem set 1 in the evening."),
        ("Session 6", ["06"], "The first sitting; the second is for fast students."),
        ("Session 7", ["08"], "07 is read at home, up to *The same adapt*."),
        ("Session 8", [], "Problem set 2 in groups: five programs, five flaws."),
    ],
    "six_weeks": [
        ("Week 1", ["00", "01"], ""),
        ("Week 2", ["02", "03"], ""),
        ("Week 3", ["04"], "Problem set 1 goes out."),
        ("Week 4", ["05"], ""),
        ("Week 5", ["06"], "Problem set 2 goes out."),
        ("Week 6", ["07", "08"], "Set 3 or set 4 for those who want a grade on a project."),
    ],
}


# ---- pages ----


def table(head: list[str], rows: list[list[object]]) -> str:
    """A table in Markdown; columns of minutes are set to the right."""
    rule = ["---:" if "minutes" in name else "---" for name in head]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in [head, rule, *rows])


def notebook_table(known: dict[str, Notebook]) -> str:
    """Every notebook with its part of the course, what it gives, and its minutes."""
    toc = yaml.safe_load((HERE / "_toc.yml").read_text(encoding="utf-8"))
    rows = []
    for part in toc["parts"]:
        names = [Path(chapter["file"]).name for chapter in part["chapters"]]
        for place, notebook in enumerate(n for n in known.values() if n.name in names):
            caption = f"**{part['caption']}**<br>" if place == 0 else ""
            rows.append([f"{caption}{notebook.link()}<br>{aside(capital(notebook.gives))}", notebook.reading])
    return table(["notebook", "minutes to read"], rows)


def path_table(path: str, known: dict[str, Notebook]) -> str:
    """One learning path: what to do when, and how many minutes it takes to read and to exercise."""
    rows = []
    for when, numbers, what in PATHS[path]:
        chosen = [known[number] for number in numbers]
        lines = [*(n.link() for n in chosen), *([aside(what)] if what else [])]
        rows.append([when, "<br>".join(lines), minutes(chosen) if chosen else ""])
    everything = [known[number] for _, numbers, _ in PATHS[path] for number in numbers]
    rows.append(["**In all**", "", f"**{minutes(everything)}**"])
    return table(["when", "notebooks", "minutes"], rows)


def minutes(chosen: list[Notebook]) -> str:
    """35 + 30: to read, and for the exercises."""
    return f"{sum(n.reading for n in chosen)} + {sum(n.exercising for n in chosen)}"


def exercise_tables(known: dict[str, Notebook]) -> str:
    """The exercises of all notebooks, a table for each notebook."""
    parts = []
    for notebook in known.values():
        rows = [
            [f"{e.number} {notebook.link(e.anchor, e.name)}<br>{aside(e.why)}", circles(e.difficulty), e.minutes]
            for e in notebook.exercises
        ]
        if rows:
            head = ["exercise, and why it matters", "difficulty", "minutes"]
            parts.append(f"## {notebook.number} {notebook.title}\n\n{table(head, rows)}")
    count = sum(len(notebook.exercises) for notebook in known.values())
    hours = sum(e.minutes for notebook in known.values() for e in notebook.exercises) / 60
    return "\n\n".join([f"{count} exercises, {hours:.0f} hours for all of them.", *parts])


def aside(words: str) -> str:
    """Words in a table that stand back behind the others."""
    return f'<span class="aside">{words}</span>'


def circles(difficulty: int) -> str:
    """●●○○○, with words for who cannot see it."""
    drawn = "●" * difficulty + "○" * (5 - difficulty)
    return f'<span role="img" aria-label="{difficulty} of 5">{drawn}</span>'


def results_page() -> str:
    """Every stored table, and a list of them at the top."""
    sections = list(result_sections())
    contents = [[f"[{title}](#{make_id(title)})", where] for title, where, _ in sections]
    parts = [f"## {title}\n\n{body}" for title, _, body in sections]
    return "\n\n".join([table(["table", "measured on"], contents), *parts])


def result_sections() -> Iterator[tuple[str, str, str]]:
    """(title, hardware, Markdown) of each table: scores first, then times."""
    for name in sorted(results.names(), key=lambda name: name.startswith("bench")):
        stored = results.load(name)
        yield stored["title"], hardware(stored), one_result(name, stored)
        if name == "sinusoid":
            yield from omniglot_sections()


def one_result(name: str, stored: dict) -> str:
    """A stored table with the protocol, the command, and where and when it was measured."""
    rows = results.table(stored).removesuffix(results.caption(stored)).strip()
    versions = ", ".join(f"{package} {version}" for package, version in stored["versions"].items())
    seeds = "seeds " + ", ".join(map(str, stored["seeds"])) if stored["seeds"] else "no seeds"
    facts = [stored["date"], hardware(stored), seeds, f"{stored['wall_seconds']:.0f} s in all", versions]
    return (
        f"{rows}\n\n{stored['protocol']}\n\n```bash\n{stored['command']}\n```\n\n"
        f"{' · '.join(facts)}. Stored as `data/results/{name}.json`."
    )


def omniglot_sections() -> Iterator[tuple[str, str, str]]:
    """The papers' Omniglot table with ours beside it, one for each way to split that has a run."""
    runs = omniglot_table.runs()
    for split, title in omniglot_table.TITLES.items():
        mine = [run for run in runs if run["details"]["split"] == split]
        if mine:
            where = ", ".join(dict.fromkeys(map(hardware, mine)))
            stored = "Stored in `data/results/omniglot/`, one file for each run."
            yield title, where, f"{omniglot_table.summary(runs, split)}\n\n{stored}"


def hardware(stored: dict) -> str:
    """AMD EPYC, 2 cores, no GPU."""
    machine = stored["hardware"]
    gpu = "no GPU" if machine["gpu"] == "none" else machine["gpu"]
    return f"{machine['cpu']}, {machine['cores']} core{'s' if machine['cores'] != 1 else ''}, {gpu}"


def main() -> None:
    known = notebooks()
    pages = {
        **cover_widgets(),
        "notebooks.md": notebook_table(known),
        "exercises.md": exercise_tables(known),
        "results.md": results_page(),
        "slides.md": slides.plan_table(),
        "classroom.md": results.table(results.load("classroom")),
        "serving.md": "\n\n".join(results.table(results.load(name)) for name in ("serving", "serving_faults")),
        "stream.md": results.table(results.load("stream")),
        "static/colours.css": looks.colours(),
        **{f"{path}.md": path_table(path, known) for path in PATHS},
        **{f"package/{name}.md": page for name, page in api.pages().items()},
    }
    image = looks.social_image(f"{len(known)} notebooks · widgets · checked exercises")
    shutil.rmtree(MADE, ignore_errors=True)  # not before everything is there: an error leaves what was
    for folder in ("static", "package"):
        (MADE / folder).mkdir(parents=True)
    for name, text in pages.items():
        (MADE / name).write_text(text + "\n", encoding="utf-8")
    (MADE / "static" / "social.png").write_bytes(image)


if __name__ == "__main__":
    main()
