"""How far a learned space carries, and what it depends on: `python -m mlcourse reproduce transfer`.

The Prototypical Network of notebook 08, trained in half a minute on one thread of a CPU: with three measures, with
fewer classes or more shots, and on Omniglot in place of the glyphs. All are judged on scripts that they have never
seen, of both data sets, beside nearest class mean on raw pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from mlcourse import baselines, methods, training
from mlcourse.evaluation import Learner, evaluate, mean_over_seeds
from mlcourse.experiments import experiment
from mlcourse.experiments.experiment import VAL_SEED, option
from mlcourse.fast import matching, networks, protonet
from mlcourse.fast.learners import MetricLearner
from mlcourse.tasks import glyphs, omniglot
from mlcourse.tasks.images import Episodes, ImageSet, Splits
from mlcourse.tasks.overlap import without_tested

SHOTS = (1, 5)
RATES = (0.008, 0.016, 0.032, 0.064, 0.128)  # tried for every measure, on meta-validation scripts of the glyphs
SQUARED, PLAIN, COSINE = "squared distance", "distance", "cosine"
FEWER, MORE = "squared distance, 5-way training", "squared distance, 5-shot training"
OMNIGLOT, PIXELS = "trained on Omniglot", "nearest class mean on pixels"


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
    n_way: int = option(5)
    n_query: int = option(5)
    n_tasks: int = option(600, "Meta-test tasks.")
    rates: tuple[float, ...] = option(RATES, "Rates that are tried for every measure; repeat for several.")
    capture: str = option("eager")


def by_distance(queries: torch.Tensor, support: torch.Tensor, labels: torch.Tensor, n_way: int) -> torch.Tensor:
    """Log-probabilities as in `protonet.classify`, but from distances that are not squared."""
    squares = protonet.squared_distances(queries, protonet.prototypes(support, labels, n_way))
    return torch.log_softmax(-torch.sqrt(squares + 1e-12), dim=-1)  # the root has no slope at zero


def by_cosine(queries: torch.Tensor, support: torch.Tensor, labels: torch.Tensor, n_way: int) -> torch.Tensor:
    """Log-probabilities from the cosine of the angle between a query and each prototype."""
    return torch.log_softmax(matching.cosines(queries, protonet.prototypes(support, labels, n_way)), dim=-1)


MEASURES: dict[str, Callable] = {SQUARED: protonet.classify, PLAIN: by_distance, COSINE: by_cosine}


def trained_learner(
    image_set: ImageSet, seed: int, settings: Settings, *, classify: Callable = protonet.classify, meta_lr: float
) -> tuple[MetricLearner, dict[str, Any]]:
    """Train on the classes of `image_set`; a learner that is not transductive, and how the training went."""
    network = networks.conv4(None, settings.channels)
    how = {"n_way": settings.n_way_training, "meta_lr": meta_lr, "halvings": settings.halvings}
    trained = training.train(
        methods.ProtoNet(network, classify=classify, **how),
        network.init(np.random.default_rng(seed)),
        Episodes(image_set, settings.n_way_training, settings.k_shot_training, settings.n_query_training),
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
    """The rate of each measure that does best, 1-shot, on meta-validation scripts; everything tried is kept.

    Each is judged by the mean over trainings from all seeds: one seed alone differs more than neighbouring rates.
    """
    family, chosen, tried = Episodes(split.val, settings.n_way, 1, settings.n_query), {}, []
    settings = replace(settings, meta_steps=settings.sweep_steps)
    for name, classify in MEASURES.items():
        scores = []
        for rate in settings.rates:
            found = []
            for seed in seeds:
                learner, _ = trained_learner(split.train, seed, settings, classify=classify, meta_lr=rate)
                rng = np.random.default_rng(VAL_SEED)
                found.append(evaluate(learner, family, n_tasks=settings.n_tasks, rng=rng))
            scores.append(mean_over_seeds(found).mean)
            tried.append({"measure": name, "meta_lr": rate, "accuracy": round(100 * scores[-1], 2)})
        chosen[name] = settings.rates[int(np.argmax(scores))]
    return {"chosen": chosen, "tried": tried}


class Transfer(experiment.Experiment):
    """Three measures, three other ways to train, and pixels, on the unseen scripts of two data sets."""

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
        return measures | {
            FEWER: on_glyphs | squared | {"settings": replace(settings, **fewer)},
            MORE: on_glyphs | squared | {"settings": replace(settings, **more)},
            OMNIGLOT: on_glyphs | squared | {"image_set": self.sets["Omniglot"].train},
        }

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
            "in the meta-test of the other set; the rate of each measure was "
            f"chosen on the glyphs' meta-val scripts. Mean over {len(self.place.seeds)} seeds, ± half of the 95 % "
            "interval over tasks; batch statistics frozen on meta-train images, so not transductive."
        )


EXPERIMENT = Transfer
