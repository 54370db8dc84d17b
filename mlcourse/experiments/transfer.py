"""How far a learned space carries, and what it depends on: `python -m mlcourse reproduce transfer`.

The Prototypical Network of notebook 08, trained in half a minute on one thread of a CPU: with four measures, with
fewer classes or more shots, for longer, and on Omniglot in place of the glyphs. Its rival is the same Conv4 as an
ordinary classifier of all training letters, whose head is dropped. All are judged on scripts that they have never
seen, of both data sets, beside nearest class mean on raw pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from mlcourse import baselines, methods, training
from mlcourse.evaluation import Learner, evaluate, mean_over_seeds
from mlcourse.experiments import experiment
from mlcourse.experiments.experiment import VAL_SEED, option
from mlcourse.fast import heads, matching, networks, protonet
from mlcourse.fast.learners import MetricLearner
from mlcourse.tasks import glyphs, omniglot
from mlcourse.tasks.images import Episodes, ImageSet, Labelled, Splits
from mlcourse.tasks.overlap import without_tested

SHOTS = (1, 5)
RATES = (
    0.004,
    0.008,
    0.016,
    0.032,
    0.064,
    0.128,
)  # tried for every measure, on meta-validation scripts of the glyphs
SQUARED, PLAIN, COSINE, SCALED = "squared distance", "distance", "cosine", "cosine, learned scale"
FEWER, MORE = "squared distance, 5-way training", "squared distance, 5-shot training"
OMNIGLOT, PIXELS = "trained on Omniglot", "nearest class mean on pixels"
HEADS = {"ordinary classifier, head dropped": "linear", "ordinary classifier with cosines, head dropped": "cosine"}
LONGER = "longer"


@dataclass(frozen=True, kw_only=True)
class Settings(experiment.Settings):
    """The defaults are those of notebook 08."""

    channels: int = option(16, "Channels of Conv4.")
    n_way_training: int = option(20, "Classes of a training task.")
    k_shot_training: int = option(1)
    n_query_training: int = option(2)
    meta_steps: int = option(1500, "Meta-steps of each training.")
    sweep_steps: int = option(500, "Meta-steps of each run that chooses a rate.")
    meta_batch_size: int = option(1)
    halvings: int = option(6)
    times_longer: int = option(4, "How many times as long the long trainings are.")
    n_way: int = option(5)
    n_query: int = option(5)
    n_tasks: int = option(600, "Meta-test tasks.")
    rates: tuple[float, ...] = option(RATES, "Rates that are tried for every measure and head; repeat.")
    capture: str = option("eager")

    @property
    def longer(self) -> "Settings":
        """The same for a long training."""
        return replace(self, meta_steps=self.meta_steps * self.times_longer)


def by_distance(queries: torch.Tensor, support: torch.Tensor, labels: torch.Tensor, n_way: int) -> torch.Tensor:
    """Log-probabilities as in `protonet.classify`, but from distances that are not squared."""
    squares = protonet.squared_distances(queries, protonet.prototypes(support, labels, n_way))
    return torch.log_softmax(-torch.sqrt(squares + 1e-12), dim=-1)  # the root has no slope at zero


def by_scaled_cosine(
    queries: torch.Tensor, support: torch.Tensor, labels: torch.Tensor, n_way: int
) -> torch.Tensor:
    """The cosine with each prototype times the length of the queries, which `heads.of_learned_length` learns."""
    centres = protonet.prototypes(support, labels, n_way)
    return torch.log_softmax(queries @ matching.unit(centres).T, dim=-1)


MEASURES: dict[str, Callable] = {
    SQUARED: protonet.classify,
    PLAIN: by_distance,
    COSINE: heads.by_cosine,
    SCALED: by_scaled_cosine,
}


GOES_ON = {SQUARED: {"classify": protonet.classify}} | {name: {"head": head} for name, head in HEADS.items()}


def by_comparing(image_set: ImageSet, settings: Settings, classify: Callable, meta_lr: float) -> tuple:
    """Method, network and family of a Prototypical Network with one of the measures."""
    network = networks.conv4(None, settings.channels)
    network = heads.of_learned_length(network) if classify is by_scaled_cosine else network
    how = {"n_way": settings.n_way_training, "meta_lr": meta_lr, "halvings": settings.halvings}
    family = Episodes(image_set, settings.n_way_training, settings.k_shot_training, settings.n_query_training)
    return methods.ProtoNet(network, classify=classify, **how), network, family


def by_naming(image_set: ImageSet, settings: Settings, head: str, meta_lr: float) -> tuple:
    """Method, network and family of ordinary training: one classifier for all classes, as many images a step."""
    each_class = settings.k_shot_training + settings.n_query_training
    family = Labelled(image_set, settings.n_way_training * each_class)
    how = {"n_classes": family.n_classes, "head": head, "meta_lr": meta_lr, "halvings": settings.halvings}
    method = methods.Classifier(networks.conv4(None, settings.channels), **how)
    return method, method.network, family


def trained_learner(
    image_set: ImageSet,
    seed: int,
    settings: Settings,
    *,
    classify: Callable = protonet.classify,
    head: str | None = None,
    meta_lr: float,
) -> tuple[MetricLearner, dict[str, Any]]:
    """Train on the classes of `image_set`; a learner that is not transductive, and how the training went.

    With a `head` it is ordinary training (`methods.Classifier`).
    """
    if head:
        method, network, family = by_naming(image_set, settings, head, meta_lr)
    else:
        method, network, family = by_comparing(image_set, settings, classify, meta_lr)
    trained = training.train(
        method,
        network.init(np.random.default_rng(seed)),
        family,
        meta_steps=settings.meta_steps,
        meta_batch_size=settings.meta_batch_size,
        seed=seed,
        device="cpu",
        capture=settings.capture,
        threads=settings.threads,
        block=min(100, settings.meta_steps),
        progress=False,
    )
    log = {"seed": seed, "seconds": round(trained.seconds, 1), "loss": round(float(trained.curve["loss"][-1]), 4)}
    return trained.learner(frozen_on=image_set.one_of_each()), log


def sweep(split: Splits, seeds: tuple[int, ...], settings: Settings) -> dict[str, Any]:
    """The rate of each measure and head that does best, 1-shot, on meta-validation scripts; all tried are kept.

    Each is judged by the mean over trainings from all seeds: one seed alone differs more than neighbouring rates.
    Heads are trained in full for it: in a short run the longest rate wins, which is too long for the whole. The
    rate of a longer training is looked for around that of the shorter one, from the first seed.
    """
    family, chosen, tried = Episodes(split.val, settings.n_way, 1, settings.n_query), {}, []
    short, long = replace(settings, meta_steps=settings.sweep_steps), settings.longer

    def choose(
        name: str, how: dict[str, Any], length: Settings, rates: Sequence[float], seeds: Sequence[int]
    ) -> None:
        scores = []
        for rate in rates:
            trained = (trained_learner(split.train, seed, length, **how, meta_lr=rate)[0] for seed in seeds)
            found = [
                evaluate(one, family, n_tasks=settings.n_tasks, rng=np.random.default_rng(VAL_SEED))
                for one in trained
            ]
            scores.append(mean_over_seeds(found).mean)
            tried.append({"measure": name, "meta_lr": rate, "accuracy": round(100 * scores[-1], 2)})
        chosen[name] = rates[int(np.argmax(scores))]

    for name, classify in MEASURES.items():
        choose(name, {"classify": classify}, short, settings.rates, seeds)
    for name, head in HEADS.items():
        choose(name, {"head": head}, settings, settings.rates, seeds)
    for name, how in GOES_ON.items():
        around = [chosen[name] * factor for factor in (0.5, 1, 2)]
        choose(f"{name}, {LONGER}", how, long, around, seeds[:1])
    return {"chosen": chosen, "tried": tried}


class Transfer(experiment.Experiment):
    """Four measures, other ways to train, ordinary classifiers and pixels, on unseen scripts of two data sets."""

    name = "transfer"
    about = "Prototypical Networks of notebook 08 on unseen scripts, rendered and handwritten: minutes on a CPU."
    settings_type = Settings
    digits = 2

    def __init__(self, settings: Settings, place: experiment.Place) -> None:
        super().__init__(settings, place)
        self.logs: dict[str, list[dict[str, Any]]] = {}

    def splits(self) -> dict[str, Splits]:
        """The data sets, by name."""
        return {"glyphs": glyphs.splits(), "Omniglot": omniglot.splits("alphabets", val=False)}

    @cached_property
    def sets(self) -> dict[str, Splits]:
        """The same, trained without the scripts that the other set is tested on."""
        return {name: split._replace(train=without_tested(split.train)) for name, split in self.splits().items()}

    @cached_property
    def sweeps(self) -> dict[str, Any]:
        """The chosen rates, and everything that was tried."""
        found = sweep(self.sets["glyphs"], self.place.seeds, self.settings)
        self.place.say(f"rates: {found['chosen']}")
        return found

    def learners(self, seed: int) -> dict[str, Learner]:
        found = {}
        for row, how in self.trainings().items():
            found[row], log = trained_learner(seed=seed, **how)
            self.logs.setdefault(row, []).append(log)
        return found

    def trainings(self) -> dict[str, dict[str, Any]]:
        """What is trained for each row: the arguments of `trained_learner` but for the seed."""
        settings, rates = self.settings, self.sweeps["chosen"]
        on_glyphs = {"image_set": self.sets["glyphs"].train, "settings": settings}
        squared = {"classify": protonet.classify, "meta_lr": rates[SQUARED]}
        # both see as many images as the others: more tasks a step, or fewer steps
        fewer = {"n_way_training": 5, "meta_batch_size": settings.meta_batch_size * settings.n_way_training // 5}
        images = settings.k_shot_training + settings.n_query_training
        more = {
            "k_shot_training": 5,
            "meta_steps": settings.meta_steps * images // (5 + settings.n_query_training),
        }
        measures = {name: on_glyphs | {"classify": MEASURES[name], "meta_lr": rates[name]} for name in MEASURES}
        ordinary = {name: on_glyphs | {"head": HEADS[name], "meta_lr": rates[name]} for name in HEADS}
        longer = {f"{name}, {LONGER}": how for name, how in GOES_ON.items()}
        return (
            measures
            | {
                FEWER: on_glyphs | squared | {"settings": replace(settings, **fewer)},
                MORE: on_glyphs | squared | {"settings": replace(settings, **more)},
                OMNIGLOT: on_glyphs | squared | {"image_set": self.sets["Omniglot"].train},
            }
            | ordinary
            | {
                name: on_glyphs | how | {"settings": settings.longer, "meta_lr": rates[name]}
                for name, how in longer.items()
            }
        )

    def baselines(self) -> dict[str, Learner]:
        return {PIXELS: baselines.nearest_class_mean()}

    def families(self) -> dict[str, Episodes]:
        s = self.settings
        return {
            f"{where}, {k_shot}-shot": Episodes(split.test, s.n_way, k_shot, s.n_query)
            for where, split in self.sets.items()
            for k_shot in SHOTS
        }

    def details(self) -> dict[str, Any]:
        return {"sweeps": self.sweeps, "training": self.logs}

    def table_name(self) -> str:
        return "transfer_glyphs_to_omniglot"

    def title(self) -> str:
        return "Prototypical Networks on unseen scripts of two data sets: accuracy in %"

    def protocol(self) -> str:
        s = self.settings
        return (
            f"{s.n_tasks} tasks, {s.n_way}-way, {s.n_query} queries a class, of scripts that "
            "were not trained on: the glyphs' meta-test scripts and Omniglot's 20 evaluation alphabets; no "
            f"rotations. Conv4 with {s.channels} channels, {s.meta_steps:,} meta-steps of one "
            f"{s.n_way_training}-way {s.k_shot_training}-shot task (5-way training: of four; 5-shot "
            "training: as many steps as show the same number of images), on "
            "the glyphs' meta-train scripts or Omniglot's background alphabets, without the 12 scripts that are "
            "in the meta-test of the other set. Ordinary classifiers: as many images a step of the same scripts, "
            "all classes at once; then the head is dropped, and the nearest class mean counts. Longer: "
            f"{s.times_longer} times the meta-steps. The rate of each measure and head was "
            f"chosen on the glyphs' meta-val scripts. Mean over {len(self.place.seeds)} seeds, ± half of the 95 % "
            "interval over tasks; batch statistics frozen on meta-train images, so not transductive."
        )


EXPERIMENT = Transfer
