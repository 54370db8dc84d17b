"""How far a learned space carries: `python -m mlcourse reproduce transfer`.

Prototypical Networks of notebook 08, trained in half a minute on one thread: on the embedded glyphs, and for
comparison on Omniglot's background alphabets. Both are judged on scripts that they have never seen, of both
sets, beside nearest class mean on raw pixels.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mlcourse import baselines, results, training
from mlcourse.evaluation import Evaluation, across_seeds, evaluate
from mlcourse.fast import networks, protonet
from mlcourse.fast.learners import MetricLearner
from mlcourse.tasks import glyphs, omniglot
from mlcourse.tasks.images import Episodes, ImageSet, Splits

TEST_SEED = 0
SHOTS = (1, 5)
ON_PIXELS = "nearest class mean on pixels"


@dataclass(frozen=True)
class Settings:
    """Everything that decides the figures; the defaults are those of notebook 08."""

    channels: int = 16
    n_way_training: int = 20
    k_shot_training: int = 1
    n_query_training: int = 5
    meta_steps: int = 700
    meta_batch_size: int = 1
    meta_lr: float = 2e-3
    halvings: int = 4
    n_way: int = 5
    n_query: int = 5
    n_tasks: int = 600


def trained_learner(image_set: ImageSet, seed: int, settings: Settings) -> tuple[MetricLearner, dict[str, Any]]:
    """Train on the classes of `image_set`; a learner that is not transductive, and how the training went."""
    network = networks.conv4(None, settings.channels)
    method = training.metric_method(
        protonet.classify,
        network,
        n_way=settings.n_way_training,
        meta_lr=settings.meta_lr,
        halvings=settings.halvings,
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
    learner = MetricLearner(protonet.classify, network, networks.freeze_statistics(trained.params, one_of_each))
    log = {"seed": seed, "seconds": round(trained.seconds, 1), "loss": round(float(trained.curve["loss"][-1]), 4)}
    return learner, log


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
            over_tasks = Evaluation("accuracy", np.mean([e.scores for e in found], axis=0), False)
            column = f"{where}, {k_shot}-shot"
            values[column] = [round(100 * over_tasks.mean, 2), round(100 * over_tasks.half_width, 2)]
            if len(found) > 1:
                spreads[column] = round(100 * across_seeds(found).spread, 2)
    return {"method": name, "values": values, "spreads": spreads}


def run(
    *,
    seeds: tuple[int, ...] = (0, 1, 2),
    settings: Settings = Settings(),
    sets: dict[str, Splits] | None = None,
    out: Path | None = None,
) -> dict[str, Any]:
    """Make the table; store it as `out` where given. `sets`: other splits under the same two names (for tests)."""
    started = time.perf_counter()
    torch.set_num_threads(1)
    sets = sets or {"glyphs": glyphs.splits(), "Omniglot": omniglot.splits("alphabets", val=False)}
    tests = {name: split.test for name, split in sets.items()}
    rows, logs = [], {}
    for name, split in sets.items():
        made = [trained_learner(split.train, seed, settings) for seed in seeds]
        rows.append(row(f"trained on {name}", [learner for learner, _ in made], tests, settings))
        logs[name] = [log for _, log in made]
    rows.append(row(ON_PIXELS, [baselines.nearest_class_mean()], tests, settings))
    spreads = {one["method"]: one.pop("spreads") for one in rows}
    table = _table(rows, settings, seeds) | results.provenance(_command(seeds), seeds, started)
    table["details"] = {"settings": asdict(settings), "spread over seeds": spreads, "training": logs}
    if out is not None:
        results.save(table, out)
    return table


def _command(seeds: tuple[int, ...]) -> str:
    return "python -m mlcourse reproduce transfer " + " ".join(f"--seeds {seed}" for seed in seeds)


def _table(rows: list[dict[str, Any]], settings: Settings, seeds: tuple[int, ...]) -> dict[str, Any]:
    """The stored table, without its provenance and details."""
    return {
        "name": "transfer_glyphs_to_omniglot",
        "title": "Unseen scripts of two data sets: accuracy in %, 5-way",
        "protocol": (
            f"{settings.n_tasks} tasks, {settings.n_way}-way, {settings.n_query} queries a class, of meta-test "
            "scripts: the glyphs' and Omniglot's 20 evaluation alphabets; no rotations. "
            f"Conv4 with {settings.channels} channels, {settings.meta_steps:,} steps of one "
            f"{settings.n_way_training}-way {settings.k_shot_training}-shot task, one thread of a CPU, on the "
            "glyphs' meta-train scripts or Omniglot's 30 background alphabets. Mean over "
            f"{len(seeds)} seeds, ± half of the 95 % interval over tasks; batch statistics frozen on meta-train "
            "images, so not transductive."
        ),
        "rows": rows,
    }
