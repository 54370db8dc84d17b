"""The reference of the package as Markdown, from its docstrings: which module stands on which page, and how.

Nothing is told here that a docstring tells: these are directives, which Sphinx's autodoc follows. The pages in
`book/package/` include them; `book/_ext/docstrings.py` reads the docstrings' own plain form.
"""

from __future__ import annotations

import importlib
import inspect
import itertools
import pkgutil
from collections.abc import Callable
from types import ModuleType

# On top of the package: no reference
WINGS = ("lessons", "experiments", "assignments", "serving", "cli", "__main__")
# Page: the rooms on it. The two twins' common modules have a page of their own, side by side.
PAGES = {
    "tasks": ("tasks",),
    "methods": ("methods",),
    "training": ("training", "checkpoints"),
    "evaluation": ("evaluation", "metrics", "baselines"),
    "rates_and_weights": ("rates", "weights"),
    "engine": ("fast",),
    "adapters": ("adapters",),
    "ground": ("arguments", "errors", "files", "paths", "doctor"),
}
SIDES = {"reference": "NumPy, to be read", "fast": "PyTorch, to be run"}


def modules(room: str) -> list[str]:
    """The modules of a room by their full names: a file is one, a folder has those in it."""
    found = importlib.import_module(f"mlcourse.{room}")
    inside = [f"{found.__name__}.{module.name}" for module in pkgutil.iter_modules(getattr(found, "__path__", []))]
    return inside or [found.__name__]


def twins() -> list[str]:
    """The names of the modules that both twins have."""
    here, there = ({name.rsplit(".")[-1] for name in modules(side)} for side in SIDES)
    return sorted(here & there)


def public(module: ModuleType) -> dict[str, object]:
    """The functions and classes that a module defines for others, in the order of its lines."""
    own = {
        name: thing
        for name, thing in vars(module).items()
        if not name.startswith("_") and getattr(thing, "__module__", "") == module.__name__
        if inspect.isfunction(thing) or inspect.isclass(thing)
    }
    return dict(sorted(own.items(), key=lambda item: inspect.getsourcelines(item[1])[1]))


def pages() -> dict[str, str]:
    """The Markdown of each page, by its name."""
    pairs = twins()
    alone = {
        page: "\n\n".join(whole(name) for room in rooms for name in modules(room) if not is_twin(name, pairs))
        for page, rooms in PAGES.items()
    }
    only_read = [whole(name) for name in modules("reference") if not is_twin(name, pairs)]
    contents = " · ".join(f"[{name}](#{name})" for name in pairs)
    return {**alone, "twins": "\n\n".join([contents, *map(side_by_side, pairs), *only_read])}


def is_twin(name: str, pairs: list[str]) -> bool:
    return name.split(".")[1] in SIDES and name.rsplit(".")[-1] in pairs


def whole(name: str) -> str:
    """All of a module, below its name as a heading."""
    return f"## {name.removeprefix('mlcourse.')}\n\n{directives(f'.. automodule:: {name}', '   :members:')}"


def side_by_side(name: str) -> str:
    """Both modules of a name: what they say of themselves, then each function with its partner beside it."""
    both = [importlib.import_module(f"mlcourse.{side}.{name}") for side in SIDES]
    own = [public(module) for module in both]
    rows = [[f".. automodule:: {module.__name__}" for module in both]]
    for word in dict.fromkeys(itertools.chain(*own)):
        rows.append([directive(things[word]) if word in things else "" for things in own])
    return "\n\n".join([f"## {name}", *map(grid, rows)])


def directive(thing: type | Callable) -> str:
    name = f"{thing.__module__}.{thing.__name__}"
    return f".. autoclass:: {name}\n   :members:" if inspect.isclass(thing) else f".. autofunction:: {name}"


def grid(columns: list[str]) -> str:
    """A column for each side where the page is wide, one below the other where it is narrow; "" stays empty."""
    titles = SIDES.values()
    items = [titled(title, text) if text else "" for title, text in zip(titles, columns, strict=True)]
    items = [f":::{{grid-item}}\n{item}\n:::" for item in items]
    return "\n".join(["::::{grid} 1 1 2 2", ":gutter: 3", ":class-container: twins", "", *items, "::::"])


def titled(title: str, text: str) -> str:
    return f'<span class="side">{title}</span>\n\n{directives(text)}'


def directives(*lines: str) -> str:
    return "\n".join(["```{eval-rst}", *lines, "```"])
