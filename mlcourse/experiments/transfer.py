"""How far a learned space carries, and what it depends on: `python -m mlcourse reproduce transfer`.

The Prototypical Network of notebook 08, trained in half a minute on one thread of a CPU: with three measures, with
fewer classes or more shots, and on Omniglot in place of the glyphs. All are judged on scripts that they have never
seen, of both data sets, beside nearest class mean on raw pixels.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mlcourse import baselines, training
from mlcourse.evaluation import across_seeds, evaluate, mean_over_seeds
from mlcourse.experiments import results
from mlcourse.fast import matching, networks, protonet
from mlcourse.fast.learners import MetricLearner
from mlcourse.tasks import glyphs, omniglot
from mlcourse.tasks.images import Episodes, ImageSet, Splits
from mlcourse.tasks.overlap import without_tested

TEST_SEED, VAL_SEED = 0, 1_000_001
SHOTS = (1, 5)
RATES = (0.008, 0.016, 0.032, 0.064, 0.128)  # tried for every measure, on meta-validation scripts of the glyphs
SQUARED, PLAIN, COSINE = "squared distance", "distance", "cosine"
FEWER, MORE = "squared distance, 5-way training", "squared distance, 5-shot training"
OMNIGLOT, PIXELS = "trained on Omniglot", "nearest class mean on pixels"


@dataclass(frozen=True)
class Settings:
    """Everything that decides the figures; the defaults are those of notebook 08."""

    channels: int = 16
    n_way_training: int = 20
    k_shot_training: int = 1
    n_query_training: int = 2
    meta_steps: int = 1500
    sweep_steps: int = 500  # meta-steps of each run that chooses a rate
    meta_batch_size: int = 1
    halvings: int = 6
    n_way: int = 5
    n_query: int = 5
    n_tasks: int = 600
    rates: tuple[float, ...] = RATES


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
    method = training.metric_method(
        classify, network, n_way=settings.n_way_training, meta_lr=meta_lr, halvings=settings.halvings
    )
    family = Episodes(image_set, settings.n_way_training, settings.k_shot_training, settings.n_query_training)
    trained = training.train(
        method,
        network.init(np.random.default_rng(seed)),
        family,
        meta_steps=settings.meta_steps,
        meta_batch_size=settings.meta_batch_size,
        seed=seed,
        device="cpu",
        block=min(100, settings.meta_steps),
        progress=False,
    )
    one_of_each = torch.as_tensor(image_set.images[:, :1] / np.float32(255))  # (classes, 1, H, W)
    learner = MetricLearner(classify, network, networks.freeze_statistics(trained.params, one_of_each))
    log = {"seed": seed, "seconds": round(trained.seconds, 1), "loss": round(float(trained.curve["loss"][-1]), 4)}
    return learner, log


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


def row(name: str, learners: list[Any], tests: dict[str, ImageSet], settings: Settings) -> dict[str, Any]:
    """A row of the table: accuracy in %, mean over seeds, ± the 95 % interval over tasks of that mean."""
    values: dict[str, Any] = {}
    spreads: dict[str, float] = {}
    for where, image_set in tests.items():
        for k_shot in SHOTS:
            family = Episodes(image_set, settings.n_way, k_shot, settings.n_query)
            found = [
                evaluate(learner, family, n_tasks=settings.n_tasks, rng=np.random.default_rng(TEST_SEED))
                for learner in learners
            ]
            over_tasks = mean_over_seeds(found)
            column = f"{where}, {k_shot}-shot"
            values[column] = results.scored(over_tasks, scale=100, digits=2)
            if len(found) > 1:
                spreads[column] = round(100 * across_seeds(found).spread, 2)
    return {"method": name, "values": values, "spreads": spreads}


def run(
    *,
    seeds: tuple[int, ...] = (0, 1, 2),
    settings: Settings | None = None,
    sets: dict[str, Splits] | None = None,
    out: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Make the table; store it as `out` where given.

    sets: other splits of the glyphs and of Omniglot, under the names "glyphs" and "Omniglot". say: takes a line
    with the chosen rates and one after each row.
    """
    results.require_run(seeds=seeds, out=out)
    started, settings = time.perf_counter(), settings or Settings()
    torch.set_num_threads(1)
    sets = sets or {"glyphs": glyphs.splits(), "Omniglot": omniglot.splits("alphabets", val=False)}
    sets = {name: split._replace(train=without_tested(split.train)) for name, split in sets.items()}
    tests = {name: split.test for name, split in sets.items()}
    sweeps = sweep(sets["glyphs"], seeds, settings)
    say(f"rates: {sweeps['chosen']}")
    rows, logs = [], {}
    for name, how in _runs(sets, settings, sweeps["chosen"]).items():
        made = [trained_learner(seed=seed, **how) for seed in seeds]
        rows.append(row(name, [learner for learner, _ in made], tests, settings))
        logs[name] = [log for _, log in made]
        say(f"{name}: {rows[-1]['values']}")
    rows.append(row(PIXELS, [baselines.nearest_class_mean()], tests, settings))
    spreads = {one["method"]: one.pop("spreads") for one in rows}
    table = _table(rows, settings, seeds) | results.provenance(_command(seeds), seeds, started)
    table["details"] = {
        "settings": asdict(settings) | {"rates": list(settings.rates)},
        "sweeps": sweeps,
        "spread over seeds": spreads,
        "training": logs,
    }
    if out is not None:
        results.save(table, out)
    return table


def _runs(sets: dict[str, Splits], settings: Settings, rates: dict[str, float]) -> dict[str, dict[str, Any]]:
    """What is trained for each row: the arguments of `trained_learner` but for the seed."""
    on_glyphs = {"image_set": sets["glyphs"].train, "settings": settings}
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
        OMNIGLOT: on_glyphs | squared | {"image_set": sets["Omniglot"].train},
    }


def _command(seeds: tuple[int, ...]) -> str:
    return "python -m mlcourse reproduce transfer " + " ".join(f"--seeds {seed}" for seed in seeds)


def _table(rows: list[dict[str, Any]], settings: Settings, seeds: tuple[int, ...]) -> dict[str, Any]:
    """The stored table, without its provenance and details."""
    return {
        "name": "transfer_glyphs_to_omniglot",
        "title": "Prototypical Networks on unseen scripts of two data sets: accuracy in %",
        "protocol": (
            f"{settings.n_tasks} tasks, {settings.n_way}-way, {settings.n_query} queries a class, of scripts that "
            "were not trained on: the glyphs' meta-test scripts and Omniglot's 20 evaluation alphabets; no "
            f"rotations. Conv4 with {settings.channels} channels, {settings.meta_steps:,} meta-steps of one "
            f"{settings.n_way_training}-way {settings.k_shot_training}-shot task (5-way training: of four; 5-shot "
            "training: as many steps as show the same number of images), on "
            "the glyphs' meta-train scripts or Omniglot's background alphabets, without the 12 scripts that are "
            "in the meta-test of the other set; the rate of each measure was "
            f"chosen on the glyphs' meta-val scripts. Mean over {len(seeds)} seeds, ± half of the 95 % interval "
            "over tasks; batch statistics frozen on meta-train images, so not transductive."
        ),
        "rows": rows,
    }
