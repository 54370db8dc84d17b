"""Figures and tables: every kind draws, is small and sharp, leaves no trace in matplotlib, has its words."""

import io
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

from mlcourse.lessons import figures, palette
from mlcourse.lessons.figures import language
from mlcourse.tasks.sinusoids import Sinusoids
from mlcourse.tasks.task import Examples, Task

GRID = np.linspace(-5, 5, 50)
STEPS = np.arange(200)


def sines(n_tasks: int = 3):
    rng = np.random.default_rng(0)
    family = Sinusoids(5, 10)
    waves = family.draw(n_tasks, rng)
    return family.examples(waves, rng), waves


def episode(channels: int = 1) -> Task:
    x = np.random.default_rng(0).random((15, channels, 28, 28))
    return Task(Examples(x[:5], np.arange(5)), Examples(x, np.repeat(np.arange(5), 3)))


def scores(end: float) -> np.ndarray:
    return np.random.default_rng(0).gamma(4, 0.25, (60, 6)) * np.linspace(3, end, 6)


def draw_fits():
    tasks, waves = sines(1)
    support, query = (Examples(part.x[0], torch.tensor(part.y[0], requires_grad=True)) for part in tasks)
    truth = waves(GRID[:, None])[0]
    curves = {"before": 0 * GRID, "after 1 step": torch.tensor(truth, requires_grad=True)}
    return figures.fits(curves, grid=GRID, support=support, query=query, truth=truth, title="One step")


def draw_surface():
    return figures.loss_surface(
        lambda a, b: (a - 1) ** 2 + b**2, np.linspace(-2, 2, 30), np.linspace(-1, 1, 20),
        trails={"MAML": np.array([[-1, 0.5], [0, 0.2], [0.5, 0.1]])},
        arrows={"first-order": ([1.5, 0.5], [-0.5, -0.2])}, points={"θ": [-1, 0.5]},
        xlabel="slope", ylabel="height",
    )  # fmt: skip


def draw_learning():
    return figures.learning_curves({"MAML": 3 / (STEPS + 1), "joint": (STEPS, STEPS + 1.0)}, smooth=5)


ROWS = [("MAML", 0.63, 0.05), ("Reptile", 0.9, 0.07), ("nearest neighbour", 2.1, 0.2)]
KINDS = {
    "sine_tasks": lambda: figures.sine_tasks(*sines()),
    "sine_tasks without the truth": lambda: figures.sine_tasks(sines(1)[0]),
    "fits": draw_fits,
    "learning_curves": draw_learning,
    "adaptation_curves": lambda: figures.adaptation_curves({"MAML": scores(0.4), "joint": scores(2)}, target=1),
    "adaptation_curves of intervals": lambda: figures.adaptation_curves(
        {"MAML": (scores(0.4).mean(0), np.full(6, 0.1))}, log=True
    ),
    "loss_surface": draw_surface,
    "episode_grid": lambda: figures.episode_grid(episode()),
    "class_split": lambda: figures.class_split({"meta-train": 30, "meta-test": 10}),
    "class_split with images": lambda: figures.class_split({"train": 30}, images={"train": np.eye(9)[None]}),
    "intervals": lambda: figures.intervals(ROWS, xlabel="query loss", reference={"paper": 0.67}),
    "timings": lambda: figures.timings([("compiled", 0.5), ("higher", 38.0)], against="higher"),
    "distribution": lambda: figures.distribution(scores(1)[:, 0], xlabel="query loss (mean squared error)"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_small_sharp_and_always_the_same(kind):
    before = dict(matplotlib.rcParams)
    first, second = (figures.png(KINDS[kind]()) for _ in range(2))
    assert first == second
    assert len(first) <= 60_000
    image = Image.open(io.BytesIO(first))
    assert 900 <= image.width <= 1200  # three dots for each of 360 pixels
    assert "Software" not in image.info
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"episode_grid", "class_split", "class_split with images"}))
def test_every_plot_labels_its_axes(kind):
    figure = KINDS[kind]()
    x = figure.get_supxlabel() or figure.axes[0].get_xlabel()
    y = figure.get_supylabel() or figure.axes[0].get_ylabel() or figure.axes[0].get_yticklabels()
    assert x and y


def test_an_episode_in_colour_shows_all_its_channels():
    drawn = figures.episode_grid(episode(channels=3)).axes[0].images[0].get_array()
    np.testing.assert_array_equal(drawn, np.moveaxis(episode(channels=3).support.x[0], 0, -1))


def test_a_shown_figure_carries_its_words(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    figures.show(KINDS["timings"](), alt='Compiled is "76 times" faster < all')
    assert repr(shown[0]) == 'Figure: Compiled is "76 times" faster < all'
    page = shown[0]._repr_html_()
    assert 'alt="Compiled is &quot;76 times&quot; faster &lt; all"' in page
    assert "data:image/png;base64," in page and "max-width: 100%" in page and "<script" not in page
    with pytest.raises(ValueError, match="alt is empty"):
        figures.show(KINDS["timings"](), alt=" ")


def test_the_readers_own_style_is_left_alone():
    with matplotlib.rc_context({"font.size": 31}):
        with figures.style():
            assert matplotlib.rcParams["font.size"] < 12
        assert matplotlib.rcParams["font.size"] == 31


def test_methods_look_the_same_in_every_figure():
    assert figures.look("MAML") == figures.look("maml, 5 steps") == palette.METHODS["maml"]
    assert figures.look("first-order MAML") == figures.look("First-order") == palette.METHODS["first-order"]
    assert figures.look("something else", iter(["#123456"])) == ("#123456", "-")


@pytest.mark.parametrize("colour", [*palette.OKABE_ITO.values(), figures.TRUTH])
def test_names_beside_curves_are_legible(colour):
    from matplotlib.colors import to_rgb

    luminance = language._luminance(np.array(to_rgb(figures.readable(colour))))
    assert 1.05 / (luminance + 0.05) >= 4.49


def test_names_at_the_ends_do_not_overlap():
    heights = language._apart([0.1, 0.11, 0.12, 0.5, 0.9, 0.91], 0.05)
    assert np.all(np.diff(heights) >= 0.05 - 1e-12)
    assert heights[3] == 0.5 and np.isclose(np.mean(heights[:3]), 0.11)


def test_a_table_puts_figures_to_the_right_and_keeps_the_colours_of_the_page():
    rows = [{"method": "MAML", "1 step": "0.63 ± 0.05", "note": "ours"}, {"method": "<none>", "1 step": 2.0}]
    table = figures.table(rows, "Mean squared error; ± is the 95 % interval over tasks")
    page = table._repr_html_()
    assert '<th scope="row" style="text-align: left; font-weight: 400' in page and "&lt;none&gt;" in page
    assert '<td style="text-align: right' in page and "<caption" in page
    assert "color: inherit" in page and "background" not in page
    assert "| :-- | --: | :-- |" in table._repr_markdown_()
    assert repr(table).splitlines()[1].split() == ["method", "1", "step", "note"]
    assert repr(figures.table([["a", 1.23456]], columns=["x", "y"])) == "x      y\na  1.235"
    with pytest.raises(ValueError, match="has 1 cells, and there are 2 columns"):
        figures.table([["a"]], columns=["x", "y"])


def test_importing_the_figures_loads_neither_matplotlib_nor_torch():
    code = (
        "import sys, mlcourse.lessons.figures; print({'matplotlib', 'torch', 'IPython', 'PIL'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


ONE = sines(1)[0]
SINGLE = Task(*(Examples(part.x[0], part.y[0]) for part in ONE))
NAN_TASK = np.where(np.arange(60)[:, None] == 3, np.nan, scores(1))
FIRST, SECOND = np.linspace(0, 1, 4), np.linspace(0, 1, 3)
EIGHT_BIT = Task(*(Examples((255 * part.x).astype(np.uint8), part.y) for part in episode()))
REFUSED = {
    "two rows of one name": (lambda: figures.timings([("a", 1.0), ("b", 2.0), ("a", 3.0)]), "has 'a' 2 times"),
    "against no row": (lambda: figures.timings([("a", 1.0)], against="x"), "against is 'x'; choose one of a"),
    "list of mean and half": (lambda: figures.adaptation_curves({"a": [np.ones(3), np.ones(3)]}), "a list of two"),
    "a task of NaN": (lambda: figures.adaptation_curves({"a": NAN_TASK}), "holds 6 of 360 numbers that are not"),
    "scores of no task": (lambda: figures.adaptation_curves({"a": np.ones(3)}), r"has shape \(3,\); give scores"),
    "pair of two lengths": (lambda: figures.adaptation_curves({"a": (np.ones(3), 1.0)}), "both \\(n,\\)"),
    "NaN among scores": (lambda: figures.distribution([1.0, np.nan, 2.0], xlabel="x"), "holds 1 of 3 numbers"),
    "one score": (lambda: figures.distribution([1.0], xlabel="x"), "of at least two tasks"),
    "8-bit images": (lambda: figures.episode_grid(EIGHT_BIT), "support.x goes from 0 to 25.; divide by 255"),
    "few class names": (lambda: figures.episode_grid(episode(), class_names=["a"]), "has 1 names; .* 5 classes"),
    "one sine task": (lambda: figures.sine_tasks(Task(SINGLE.support, SINGLE.support)), "give a batch of tasks"),
    "another truth": (lambda: figures.sine_tasks(ONE, sines(2)[1]), "truth gives 2 curves, and tasks has 1"),
    "images of no group": (lambda: figures.class_split({"a": 3}, images={"A": []}), "is 'A'; choose one of a"),
    "negative smooth": (lambda: figures.learning_curves({"a": [1.0, 2.0]}, smooth=-3), "smooth is -3; give"),
    "long smooth": (lambda: figures.learning_curves({"a": [1.0, 2.0]}, smooth=3), "n at least 3"),
    "flat surface": (lambda: figures.loss_surface(np.ones((3, 4)), FIRST, SECOND), "loss is 1 everywhere"),
    "NaN surface": (lambda: figures.loss_surface(np.where(np.eye(3, 4), np.nan, 1.0), FIRST, SECOND), "3 of 12"),
    "turned surface": (lambda: figures.loss_surface(np.ones((4, 3)), FIRST, SECOND), r"give \(3, 4\)"),
    "no words": (lambda: figures.show(KINDS["timings"](), None), "alt is None; say in a sentence"),
}  # fmt: skip


@pytest.mark.parametrize(("draw", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_what_would_mislead_is_refused(draw, says):
    with pytest.raises(ValueError, match=says):
        draw()


def test_a_surface_with_a_plateau_is_drawn():
    hole = np.ones((3, 4))
    hole[1, 1] = 0.0
    assert figures.loss_surface(hole, FIRST, SECOND).axes
