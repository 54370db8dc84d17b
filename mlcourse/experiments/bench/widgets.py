"""How long a reader waits for a widget: to make it, and to write the page that stores it."""

import time
from collections.abc import Callable
from typing import Any

from mlcourse.arguments import require_count
from mlcourse.experiments.bench.timing import interleaved_medians
from mlcourse.experiments.results import provenance
from mlcourse.lessons import widgets
from mlcourse.tasks import glyphs


def makers() -> dict[str, Callable[[], Any]]:
    """Each widget as a notebook makes it."""
    letters = glyphs.splits().test
    return {
        "Stepper": widgets.Stepper,
        "OwnWave": widgets.OwnWave,
        "MetaTrain": widgets.MetaTrain,
        "Landscape": widgets.Landscape,
        "EpisodeBrowser": lambda: widgets.EpisodeBrowser(letters),
        "PrototypeExplorer": widgets.PrototypeExplorer,
        "DrawOnce": widgets.DrawOnce,
    }


def making(*, repeats: int = 3) -> dict[str, Any]:
    """Time the making of every widget; returns a table of `results`. repeats: rounds; the figures are medians."""
    require_count("repeats", repeats)
    started, made = time.perf_counter(), makers()
    medians = interleaved_medians(made, repeats)
    rows = [
        {"method": name, "values": {"to make, s": round(medians[name], 3), "stored, kB": _size(make())}}
        for name, make in made.items()
    ]
    command = f"python -m mlcourse bench widgets{f' --repeats {repeats}' if repeats != 3 else ''}"
    return {
        "name": "bench_widgets",
        "title": "Time to make a widget, and the size that it is stored in",
        **provenance(command, [], started),
        "protocol": f"Medians of {repeats} rounds, in which all take turns, after one making of each.",
        "rows": rows,
    }


def _size(widget: Any) -> int:
    return round(len(widget.to_html().encode()) / 1000)
