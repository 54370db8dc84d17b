"""Recognising what you drew once: `python -m mlcourse reproduce drawing`.

A Prototypical Network's embedding, meta-trained on drawings in the form of `tasks.drawings`: Omniglot's background
alphabets and the glyphs' meta-train scripts. It is small enough to travel inside a page, so it is judged twice on
scripts that it has never seen, by torch and by the browser's own arithmetic, beside nearest class mean on pixels.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from mlcourse import baselines, training, weights
from mlcourse.evaluation import Evaluation, Learner, across_seeds, evaluate
from mlcourse.experiments import drawing_browser, results
from mlcourse.fast import networks, protonet
from mlcourse.lessons.widgets.drawing import network
from mlcourse.tasks import drawings, glyphs, omniglot, overlap
from mlcourse.tasks.drawings import Strokes
from mlcourse.tasks.images import Episodes, ImageSet, choose
from mlcourse.tasks.overlap import without_tested
from mlcourse.tasks.task import Array, Examples, Task, TaskFamily

NAME = "drawing"
TEST_SEED, VAL_SEED = 0, 1_000_001
TORCH, BROWSER, PIXELS = "torch, float32", "the browser's own arithmetic", "nearest class mean on the pixels"
Weights = dict[str, np.ndarray]
Scores = dict[int, Evaluation]  # by k_shot


@dataclass(frozen=True)
class Settings:
    """Everything that decides the figures."""

    # channels, meta_lr, and whether quarter turns count as classes of their own: tried on meta-val
    candidates: tuple[tuple[int, float, bool], ...] = (
        (32, 0.008, False),
        (32, 0.016, False),
        (32, 0.032, False),
        (40, 0.016, False),
        (32, 0.016, True),
    )
    sweep_steps: int = 500  # meta-steps of each run that chooses among them
    meta_steps: int = 5000
    halvings: int = 6
    n_way_training: int = 60
    n_query_training: int = 1
    copies: int = 3  # of Omniglot's drawings in training: as they are, and bent anew
    omniglot_share: float = 0.7  # of the training tasks; the others are of glyphs
    n_way: int = 5
    shots: tuple[int, ...] = (1, 5)
    n_query: int = 5
    n_tasks: int = 600
    timed: int = 500  # recognitions that the browser is timed with


class Data(NamedTuple):
    """Drawings in the network's form. Alphabets and scripts of `test` are in neither of the others."""

    omniglot: list[ImageSet]  # background characters: as they are, then bent copies
    held_out: np.ndarray  # (characters,) bool: those of them that the sweep is judged on
    glyphs: ImageSet  # the meta-train letters
    test: dict[str, list[list[Strokes]]]  # by data set: of each class its drawings


def load_data(settings: Settings, seed: int) -> Data:
    """All drawings: two to four minutes, most of them for the skeletons of Omniglot's bitmaps."""
    rng = np.random.default_rng(seed)
    background, letters = training_classes()
    strokes = drawings.of_omniglot(background)
    copies = [strokes]
    for _ in range(settings.copies - 1):
        copies.append([[drawings.bend(drawing, rng) for drawing in drawers] for drawers in strokes])
    return Data(
        omniglot=[drawings.in_form(background, copy) for copy in copies],
        held_out=np.isin(background.class_names, omniglot.splits("alphabets").val.class_names),
        glyphs=drawings.in_form(letters, drawings.of_glyphs(letters)),
        test={
            "Omniglot": drawings.of_omniglot(omniglot.splits("alphabets").test),
            "glyphs": drawings.of_glyphs(glyphs.splits().test),
        },
    )


def training_classes() -> tuple[ImageSet, ImageSet]:
    """Omniglot's background characters and the glyphs' meta-train letters, without scripts that are tested."""
    background = omniglot.splits("alphabets", val=False).train
    return without_tested(background), without_tested(glyphs.splits().train)


# --- training ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mixture:
    """A family of tasks each of which comes from one of several families, drawn with these shares."""

    families: Sequence[TaskFamily]
    shares: Sequence[float]

    def sample(self, n_tasks: int, rng: np.random.Generator) -> Task:
        """`n_tasks` tasks, all from the family that was drawn."""
        return self.families[rng.choice(len(self.families), p=self.shares)].sample(n_tasks, rng)


def train(
    data: Data,
    classes: np.ndarray,
    seed: int,
    settings: Settings,
    *,
    meta_steps: int,
    channels: int,
    meta_lr: float,
    rotations: bool,
) -> tuple[Weights, dict[str, Any]]:
    """Meta-train on the glyphs and these classes of Omniglot; the folded weights, and how the training went."""
    sets = [*(copy.take(classes) for copy in data.omniglot), data.glyphs]
    shares = [settings.omniglot_share / len(data.omniglot)] * len(data.omniglot) + [1 - settings.omniglot_share]
    tasks = settings.n_way_training, 1, settings.n_query_training
    families = [Episodes(image_set, *tasks, rotations=rotations) for image_set in sets]
    net = networks.conv4(None, channels)
    method = training.metric_method(
        protonet.classify, net, n_way=settings.n_way_training, meta_lr=meta_lr, halvings=settings.halvings
    )
    trained = training.train(
        method,
        net.init(np.random.default_rng(seed)),
        Mixture(families, shares),
        meta_steps=meta_steps,
        meta_batch_size=1,
        seed=seed,
        device="cpu",
        block=min(100, meta_steps),
        progress=False,
    )
    one_of_each = np.concatenate([sets[0].images[:, :1], sets[-1].images[:, :1]]) / np.float32(255)
    frozen = networks.freeze_statistics(trained.params, torch.as_tensor(one_of_each))
    log = {"seed": seed, "seconds": round(trained.seconds, 1), "loss": round(float(trained.curve["loss"][-1]), 4)}
    return network.fold(frozen), log


def sweep(data: Data, seed: int, settings: Settings) -> dict[str, Any]:
    """The candidate that does best, 1-shot, on Omniglot's meta-val alphabets, and all that were tried."""
    val = Episodes(data.omniglot[0].take(data.held_out), settings.n_way, 1, settings.n_query)
    tried = []
    for candidate in settings.candidates:
        how = dict(zip(("channels", "meta_lr", "rotations"), candidate, strict=True))
        folded, log = train(data, ~data.held_out, seed, settings, meta_steps=settings.sweep_steps, **how)
        learner = by_prototype(lambda x, folded=folded: network.embed(folded, x[:, 0], torch.float32))
        found = evaluate(learner, val, n_tasks=settings.n_tasks, rng=np.random.default_rng(VAL_SEED))
        tried.append(how | {"accuracy": round(100 * found.mean, 2), "seconds": log["seconds"]})
    best = max(tried, key=lambda one: one["accuracy"])
    return {"chosen": {name: best[name] for name in ("channels", "meta_lr", "rotations")}, "tried": tried}


# --- judging -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Numbered:
    """The tasks that `Episodes` draws of as many classes and drawings, with the drawings' numbers for inputs.

    Drawing d of class c has the number c * `each` + d, so that every learner can look its own picture of it up.
    """

    classes: int
    each: int
    n_way: int
    k_shot: int
    n_query: int

    def sample(self, n_tasks: int, rng: np.random.Generator) -> Task:
        """x and y of support (T, n_way * k_shot) and query (T, n_way * n_query), all int64."""
        chosen = choose(rng, n_tasks, self.n_way, self.classes)
        shown = choose(rng, n_tasks * self.n_way, self.k_shot + self.n_query, self.each)
        numbers = chosen[..., None] * self.each + shown.reshape(n_tasks, self.n_way, -1)
        parts = numbers[..., : self.k_shot], numbers[..., self.k_shot :]
        labels = (np.tile(np.repeat(np.arange(self.n_way), part.shape[2]), (n_tasks, 1)) for part in parts)
        return Task(*(Examples(part.reshape(n_tasks, -1), y) for part, y in zip(parts, labels, strict=True)))


def by_prototype(embed: Callable[[Array], torch.Tensor]) -> Learner:
    """Log-probabilities (Q, n_way) from the nearest prototype among the points that `embed` gives."""

    def learner(support: Examples, query_x: Array) -> np.ndarray:
        labels = torch.as_tensor(support.y)
        return protonet.classify(embed(query_x), embed(support.x), labels, int(labels.max()) + 1).numpy()

    return learner


def points_of(folded: Weights, images: np.ndarray) -> torch.Tensor:
    """Points (n, channels) of many images by torch in float32, a few hundred at a time."""
    starts = range(0, len(images), 500)
    return torch.cat([network.embed(folded, images[start : start + 500], torch.float32) for start in starts])


def judge(
    classes: list[list[Strokes]], by_seed: list[Weights], settings: Settings, *, in_browser: bool
) -> tuple[dict[str, Scores], list[Scores], dict[str, float]]:
    """Every method on the tasks of one test set; torch with the weights of each seed; the browser beside torch.

    The methods have the weights of the first seed.
    """
    flat = [drawing for drawers in classes for drawing in drawers]
    images = np.array([drawings.render(drawing) for drawing in flat])
    points = [points_of(folded, images) for folded in by_seed]
    with_torch = [by_prototype(some.__getitem__) for some in points]
    apart: dict[str, float] = {}

    def scores(learner: Learner) -> Scores:
        return _scores(learner, len(classes), len(classes[0]), settings)

    with ExitStack() as stack:
        found = {}
        if in_browser:
            page = stack.enter_context(drawing_browser.open_recogniser(by_seed[0]))
            apart |= _let_see(page, flat, images, points[0])
            found[BROWSER] = scores(_compared(page, with_torch[0], apart))
            labels = np.arange(settings.n_way)
            apart["milliseconds"] = page.milliseconds(labels, labels, settings.n_way, settings.timed)
    over_seeds = [scores(learner) for learner in with_torch]
    pixels = baselines.nearest_class_mean(lambda numbers: images[numbers].reshape(len(numbers), -1))
    return found | {TORCH: over_seeds[0], PIXELS: scores(pixels)}, over_seeds, apart


def _scores(learner: Learner, classes: int, each: int, settings: Settings) -> Scores:
    families = {k: Numbered(classes, each, settings.n_way, k, settings.n_query) for k in settings.shots}
    return {
        k_shot: evaluate(learner, family, n_tasks=settings.n_tasks, rng=np.random.default_rng(TEST_SEED))
        for k_shot, family in families.items()
    }


def _let_see(
    page: drawing_browser.Recogniser, flat: list[Strokes], images: np.ndarray, points: torch.Tensor
) -> dict[str, float]:
    """Show the page all drawings, and note the largest differences of its images and points from ours."""
    apart = {"image": 0.0, "embedding": 0.0}
    for start in range(0, len(flat), 500):
        seen = slice(start, start + 500)
        theirs = page.see(flat[seen])
        for name, ours, other in zip(apart, (images[seen], points[seen].numpy()), theirs, strict=True):
            apart[name] = max(apart[name], float(np.abs(ours - other).max()))
    return apart


def _compared(page: drawing_browser.Recogniser, ours: Learner, apart: dict[str, float]) -> Learner:
    """The page as a learner of numbered drawings; `apart` notes how far its log-probabilities are from ours."""

    def learner(support: Examples, query_x: Array) -> np.ndarray:
        theirs = page.classify(support.x, support.y, query_x, int(support.y.max()) + 1)
        difference = float(np.abs(theirs - ours(support, query_x)).max())
        apart["log-probability"] = max(apart.get("log-probability", 0.0), difference)
        return theirs

    return learner


# --- the table ---------------------------------------------------------------------------------------------


def run(
    *,
    seeds: tuple[int, ...] = (0, 1, 2),
    settings: Settings | None = None,
    data: Data | None = None,
    out: Path | None = None,
    weights_folder: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Make the table and the weights of the first seed; store them where told.

    data: other drawings than `load_data` gives. say: takes a line now and then. Without a browser its row is left
    out, and one line says what is missing.
    """
    results.require_run(seeds=seeds, out=out, folder=weights_folder)
    started, settings = time.perf_counter(), settings or Settings()
    torch.set_num_threads(1)
    if missing := drawing_browser.missing():
        say(f"no row for the browser: {missing}")
    data = data or load_data(settings, seeds[0])
    sweeps = sweep(data, seeds[0], settings)
    say(f"chosen on meta-val: {sweeps['chosen']}")
    everything, runs = np.full(len(data.held_out), True), []
    for seed in seeds:
        runs.append(train(data, everything, seed, settings, meta_steps=settings.meta_steps, **sweeps["chosen"]))
        say(f"trained: {runs[-1][1]}")
    rows, spreads, apart = _judge_all(data, [folded for folded, _ in runs], settings, in_browser=not missing)
    table = _table(rows, settings, seeds[0]) | results.provenance(_command(seeds), seeds, started)
    table["details"] = {
        "settings": asdict(settings),
        "sweep": sweeps,
        "training": [log for _, log in runs],
        "spread over seeds": spreads,
        "browser and torch": apart,
    }
    if out is not None:
        results.save(table, out)
    if weights_folder is not None:
        weights.save(NAME, runs[0][0], _made_by(table), weights_folder)
    return table


def _judge_all(
    data: Data, by_seed: list[Weights], settings: Settings, *, in_browser: bool
) -> tuple[list[dict[str, Any]], dict[str, float], dict[str, Any]]:
    """The rows, of the first seed's weights; torch's spread over all seeds; how far the browser is from torch."""
    values: dict[str, dict[str, Any]] = {}
    spreads, apart = {}, {}
    for where, classes in data.test.items():
        found, over_seeds, apart[where] = judge(classes, by_seed, settings, in_browser=in_browser)
        for k_shot in settings.shots:
            column = f"{where}, {k_shot}-shot"
            for method, scores in found.items():
                values.setdefault(method, {})[column] = results.scored(scores[k_shot], scale=100, digits=2)
            if len(by_seed) > 1:
                spread = across_seeds([scores[k_shot] for scores in over_seeds]).spread
                spreads[column] = round(100 * spread, 2)
    return [{"method": method, "values": figures} for method, figures in values.items()], spreads, apart


def _command(seeds: tuple[int, ...]) -> str:
    return "python -m mlcourse reproduce drawing " + " ".join(f"--seeds {seed}" for seed in seeds)


def _made_by(table: dict[str, Any]) -> dict[str, Any]:
    """The provenance of the weights, with the data behind them."""
    made_by = {key: table[key] for key in ("command", "hardware", "versions", "date")}
    return made_by | {
        "method": "Prototypical Network: the embedding, batch normalisation folded into the convolutions",
        "seeds": table["seeds"][:1],
        "settings": table["details"]["settings"] | table["details"]["sweep"]["chosen"],
        "precision": "numbers that float16 can hold, stored as float32",
        "trained on": (
            "28 of Omniglot's 30 background alphabets (Lake, Salakhutdinov, Tenenbaum 2015, MIT licence) and 80 "
            "of the glyphs' 90 meta-train scripts (the course's own, MIT licence), as strokes of one thickness"
        ),
        "never trained on": (
            "Omniglot's 20 evaluation alphabets and the glyphs' meta-test scripts, in either set: left out were "
            f"{', '.join(overlap.TESTED_ELSEWHERE['glyphs'] + overlap.TESTED_ELSEWHERE['omniglot'])}. Omniglot's "
            "own division has other styles of Cyrillic and Syriac in both of its parts"
        ),
        "measured": {row["method"]: row["values"] for row in table["rows"]},
        "licence": "MIT, as the course's code",
    }


def _table(rows: list[dict[str, Any]], settings: Settings, seed: int) -> dict[str, Any]:
    """The stored table, without its provenance and details."""
    return {
        "name": NAME,
        "title": "Recognising what was drawn once, of scripts never seen in training: accuracy in %",
        "protocol": (
            f"{settings.n_tasks} tasks, {settings.n_way}-way, {settings.n_query} queries a class, of scripts that "
            "were not trained on: Omniglot's 20 evaluation alphabets and the glyphs' meta-test scripts. Every "
            "drawing goes as strokes through the canvas's own centring, scaling and thickness (of Omniglot's "
            f"bitmaps, lines along the skeleton). Conv4, {settings.meta_steps:,} meta-steps of one "
            f"{settings.n_way_training}-way 1-shot task on Omniglot's background alphabets and the glyphs' "
            "meta-train scripts, without the 12 that are in the meta-test of the other set; channels, rate and "
            "the use of quarter turns were chosen on four of the alphabets, which the last training includes. The "
            f"rows are the shipped weights, of seed {seed}, rounded to float16; ± is half of the 95 % interval "
            "over tasks. Batch statistics are frozen, so not transductive. The browser's row is the page's "
            "JavaScript in Chromium, from the strokes on."
        ),
        "rows": rows,
    }
