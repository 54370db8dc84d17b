"""Recognising what you drew once: `python -m mlcourse reproduce drawing`.

A Prototypical Network's embedding, meta-trained on drawings in the form of `tasks.drawings`: Omniglot's background
alphabets and the glyphs' meta-train scripts. It is small enough to travel inside a page, so it is judged twice on
scripts that it has never seen, by torch and by the browser's own arithmetic, beside nearest class mean on pixels.
"""

from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch

from mlcourse import baselines, methods, training
from mlcourse.evaluation import Evaluation, Learner, evaluate
from mlcourse.experiments import drawing_browser, experiment
from mlcourse.experiments.experiment import TEST_SEED, VAL_SEED, option
from mlcourse.fast import networks
from mlcourse.fast.folded import embed, fold
from mlcourse.fast.learners import by_prototype
from mlcourse.tasks import drawings, glyphs, omniglot, overlap
from mlcourse.tasks.drawings import Strokes
from mlcourse.tasks.family import Mixture
from mlcourse.tasks.images import Episodes, ImageSet, Numbered
from mlcourse.tasks.overlap import without_tested
from mlcourse.tasks.task import Array, Examples

NAME = "drawing"
TORCH, BROWSER, PIXELS = "torch, float32", "the browser's own arithmetic", "nearest class mean on the pixels"
Weights = dict[str, np.ndarray]
Scores = dict[int, Evaluation]  # by k_shot


@dataclass(frozen=True, kw_only=True)
class Settings(experiment.Settings):
    """Everything that decides the numbers."""

    # channels, meta_lr, and whether quarter turns count as classes of their own: tried on meta-val
    candidates: tuple[tuple[int, float, bool], ...] = option(
        (
            (32, 0.008, False),
            (32, 0.016, False),
            (32, 0.032, False),
            (40, 0.016, False),
            (32, 0.016, True),
        )
    )
    sweep_steps: int = option(500, "Meta-steps of each run that chooses among settings.")
    meta_steps: int = option(5000, "Meta-steps of each training.")
    halvings: int = option(6)
    n_way_training: int = option(60, "Classes of a training task.")
    n_query_training: int = option(1)
    copies: int = option(3)  # of Omniglot's drawings in training: as they are, and bent anew
    omniglot_share: float = option(0.7)  # of the training tasks; the others are of glyphs
    n_way: int = option(5)
    shots: tuple[int, ...] = option((1, 5))
    n_query: int = option(5)
    n_tasks: int = option(600, "Meta-test tasks.")
    timed: int = option(500)  # recognitions that the browser is timed with
    capture: str = option("eager")


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
    how = {"n_way": settings.n_way_training, "meta_lr": meta_lr, "halvings": settings.halvings}
    trained = training.train(
        methods.ProtoNet(net, **how),
        net.init(np.random.default_rng(seed)),
        Mixture(families, shares),
        meta_steps=meta_steps,
        meta_batch_size=1,
        seed=seed,
        device="cpu",
        capture=settings.capture,
        threads=settings.threads,
        block=min(100, meta_steps),
        progress=False,
    )
    one_of_each = np.concatenate([sets[0].one_of_each(), sets[-1].one_of_each()])
    frozen = networks.freeze_statistics(trained.params, torch.as_tensor(one_of_each))
    log = {"seed": seed, "seconds": round(trained.seconds, 1), "loss": round(float(trained.curve["loss"][-1]), 4)}
    return fold(frozen), log


def sweep(data: Data, seed: int, settings: Settings) -> dict[str, Any]:
    """The candidate that does best, 1-shot, on Omniglot's meta-val alphabets, and all that were tried."""
    val = Episodes(data.omniglot[0].take(data.held_out), settings.n_way, 1, settings.n_query)
    tried = []
    for candidate in settings.candidates:
        how = dict(zip(("channels", "meta_lr", "rotations"), candidate, strict=True))
        folded, log = train(data, ~data.held_out, seed, settings, meta_steps=settings.sweep_steps, **how)
        learner = by_prototype(lambda x, folded=folded: embed(folded, x[:, 0], torch.float32))
        found = evaluate(learner, val, n_tasks=settings.n_tasks, rng=np.random.default_rng(VAL_SEED))
        tried.append(how | {"accuracy": round(100 * found.mean, 2), "seconds": log["seconds"]})
    best = max(tried, key=lambda one: one["accuracy"])
    return {"chosen": {name: best[name] for name in ("channels", "meta_lr", "rotations")}, "tried": tried}


# --- judging -----------------------------------------------------------------------------------------------


def points_of(folded: Weights, images: np.ndarray) -> torch.Tensor:
    """Points (n, channels) of many images by torch in float32, a few hundred at a time."""
    starts = range(0, len(images), 500)
    return torch.cat([embed(folded, images[start : start + 500], torch.float32) for start in starts])


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


class Drawing(experiment.Experiment):
    """The first seed's weights, which travel in pages, judged by torch and by a browser."""

    name = NAME
    about = "The recogniser of drawings, judged by torch and in a browser: half an hour on a CPU."
    settings_type = Settings
    digits = 2

    def __init__(self, settings: Settings, place: experiment.Place) -> None:
        super().__init__(settings, place)
        self.apart: dict[str, Any] = {}
        self.logs: list[dict[str, Any]] = []

    def check(self) -> None:
        self.no_browser = drawing_browser.missing()
        if self.no_browser:
            self.place.say(f"no row for the browser: {self.no_browser}")

    @cached_property
    def data(self) -> Data:
        """The drawings."""
        return load_data(self.settings, self.place.seeds[0])

    def measure(self) -> list[dict[str, Any]]:
        self.sweep = sweep(self.data, self.place.seeds[0], self.settings)
        chosen = self.sweep["chosen"]
        self.place.say(f"chosen on meta-val: {chosen}")
        everything, steps = np.full(len(self.data.held_out), True), self.settings.meta_steps
        self.by_seed: list[Weights] = []
        for seed in self.place.seeds:
            folded, log = train(self.data, everything, seed, self.settings, meta_steps=steps, **chosen)
            self.by_seed.append(folded)
            self.logs.append(log)
            self.place.say(f"trained: {log}")
        return self.judged()

    def judged(self) -> list[dict[str, Any]]:
        """The rows, of the first seed's weights, and torch's spread over all seeds."""
        columns: dict[str, dict[str, list[Evaluation]]] = {}
        for where, classes in self.data.test.items():
            how = {"in_browser": not self.no_browser}
            found, over_seeds, self.apart[where] = judge(classes, self.by_seed, self.settings, **how)
            for k_shot in self.settings.shots:
                column = f"{where}, {k_shot}-shot"
                for method, scores in found.items():
                    columns.setdefault(method, {})[column] = [scores[k_shot]]
                self.note_spread(TORCH, column, [scores[k_shot] for scores in over_seeds])
        return [self.row(method, by_its_column) for method, by_its_column in columns.items()]

    def details(self) -> dict[str, Any]:
        return {"sweep": self.sweep, "training": self.logs, "browser and torch": self.apart}

    def weights(self) -> dict[str, tuple[Weights, dict[str, Any]]]:
        left_out = overlap.TESTED_ELSEWHERE["glyphs"] + overlap.TESTED_ELSEWHERE["omniglot"]
        more = {
            "method": "Prototypical Network: the embedding, batch normalisation folded into the convolutions",
            "settings": asdict(self.settings) | self.sweep["chosen"],
            "precision": "numbers that float16 can hold, stored as float32",
            "trained on": (
                "28 of Omniglot's 30 background alphabets (Lake, Salakhutdinov, Tenenbaum 2015, MIT licence) and "
                "80 of the glyphs' 90 meta-train scripts (the course's own, MIT licence), as strokes of one "
                "thickness"
            ),
            "never trained on": (
                "Omniglot's 20 evaluation alphabets and the glyphs' meta-test scripts, in either set: left out "
                f"were {', '.join(left_out)}. Omniglot's own division has other styles of Cyrillic and Syriac in "
                "both of its parts"
            ),
            "measured": {row["method"]: row["values"] for row in self.rows},
            "licence": "MIT, as the course's code",
        }
        return {NAME: (self.by_seed[0], more)}

    def title(self) -> str:
        return "Recognising what was drawn once, of scripts never seen in training: accuracy in %"

    def protocol(self) -> str:
        settings, seed = self.settings, self.place.seeds[0]
        return (
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
        )


EXPERIMENT = Drawing
