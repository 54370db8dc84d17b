"""What `python -m mlcourse train` trains: for each kind of data a network, a method, families to judge on.

The defaults train in a minute or two on a laptop. What is registered is judged on tasks that training has not met,
as everywhere in the course. For tasks and networks of your own call `training.train` and `registry.register`, as
notebook 19 shows.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlcourse import baselines, methods
from mlcourse.arguments import require_choice
from mlcourse.evaluation import Learner, labels_saved
from mlcourse.experiments.results import provenance
from mlcourse.fast import losses, networks
from mlcourse.fast.networks import Network, Params
from mlcourse.serving.registry import Families, Recipe, register, require_name
from mlcourse.tasks import Episodes, ImageSet, Sinusoids, TaskFamily, glyphs, omniglot, own, split_at_random
from mlcourse.tasks.images import Splits
from mlcourse.training import Trained, train

METHODS = ("maml", "anil", "meta-sgd", "protonet")
MLP, CONV4 = "mlcourse.fast.networks:mlp", "mlcourse.fast.networks:conv4"
SIZES = (1, 40, 40, 1)
FEWER = (2, 3, 5, 7)  # points of a sine with which confidence is found, too, beside those of training
SERVED_STEPS = 5  # of sines: one step in training, five when it is used, as in the MAML paper's figures
CANDIDATES = (1, 2, 3, 4, 5, 7, 10, 12, 15)  # labels of a class with which the rival is tried


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What the command line may change."""

    method: str | None = None  # maml for sines, protonet for images
    n_way: int = 5
    k_shot: int | None = None  # 10 points of a sine, 1 image of a class
    meta_steps: int | None = None
    channels: int = 16
    colour: bool = False
    dark_ink: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Plan:
    """All that training and registering need. rival: who needs more labels, tasks with k labels, and the most."""

    method: methods.Method
    network: Network
    recipe: Recipe
    training: TaskFamily
    families: Families
    meta_steps: int
    meta_batch_size: int
    learner: Callable[[Trained], Learner]
    rival: tuple[Learner, Callable[[int], TaskFamily], int] | None = None

    def start(self, seed: int) -> Params:
        """Parameters to begin with."""
        return self.network.init(np.random.default_rng(seed))


def plan(data: str, choices: Choices) -> Plan:
    """The plan for "sines", "glyphs", "omniglot", or a folder of pictures with one sub-folder for each class."""
    if data == "sines":
        return _sines(choices)
    if data in ("glyphs", "omniglot"):
        return _images({"glyphs": glyphs, "omniglot": omniglot}[data].splits(), choices)
    if not Path(data).is_dir():
        raise ValueError(f"data is {data!r}; give sines, glyphs, omniglot, or a folder of pictures")
    pictures = own.read_folder(data, colour=choices.colour, dark_ink=choices.dark_ink)
    return _images(_three_parts(pictures, choices), choices)


def carry_out(
    data: str,
    choices: Choices,
    *,
    name: str,
    folder: Path,
    checkpoint: Path | None,
    command: str,
    progress: bool,
    promote_it: bool = True,
) -> Path:
    """Train, judge, register; the folder of the new version."""
    require_name(name)
    chosen = plan(data, choices)
    started = time.perf_counter()
    how = {"meta_steps": chosen.meta_steps, "meta_batch_size": chosen.meta_batch_size, "seed": choices.seed}
    trained = train(
        chosen.method,
        chosen.start(choices.seed),
        chosen.training,
        **how,
        capture="eager",  # the same bits on every machine
        device="cpu",
        checkpoint=checkpoint,
        progress=progress,
    )
    learner = chosen.learner(trained)
    saved = _saved(learner, chosen) if chosen.rival else None
    settings = {"method": chosen.method.name, **how, "colour": choices.colour, "dark_ink": choices.dark_ink}
    made = {**provenance(command, [choices.seed], started), **settings}
    more = {"folder": folder, "labels_saved": saved, "made": made, "promote_it": promote_it}
    return register(learner, name, chosen.recipe, chosen.families, **more)


def _sines(choices: Choices) -> Plan:
    network = networks.mlp(SIZES)
    loss = losses.squared_error(network)
    shots = choices.k_shot or 10
    family = Sinusoids(k_shot=shots, n_query=10)
    fewer = [Sinusoids(k_shot=k, n_query=10) for k in FEWER if k < shots]
    by_name = {
        "maml": lambda: methods.MAML(loss, inner_lr=0.01),
        "anil": lambda: methods.ANIL(loss, inner_lr=0.01, head=("w2", "b2")),
        "meta-sgd": lambda: methods.MetaSGD(loss, inner_lr=0.01),
    }
    chosen = choices.method or "maml"
    require_choice("method", chosen, by_name)
    return Plan(
        by_name[chosen](),
        network,
        Recipe(MLP, {"sizes": list(SIZES)}),
        family,
        Families(
            [*fewer, family], family
        ),  # every sine is drawn anew: there are no training tasks to know by heart
        choices.meta_steps or 10_000,
        25,
        lambda trained: trained.learner(inner_steps=SERVED_STEPS),
    )


def _images(split: Splits, choices: Choices) -> Plan:
    n_way, k_shot, channels = choices.n_way, choices.k_shot or 1, choices.channels
    colours, (side, width) = split.train.channels, split.train.size
    if side != width:
        raise ValueError(f"the images are {side} x {width} pixels; the network takes square ones")
    arguments = {"channels": channels, "in_channels": colours, "size": side}
    families = Families(*(Episodes(part, n_way, k_shot, 5) for part in (split.val, split.test, split.train)))

    def rival_at(shots: int) -> TaskFamily:
        return Episodes(split.test, n_way, shots, 5)

    most = int(split.test.per_class.min()) - 5
    rival = (baselines.nearest_class_mean(), rival_at, min(most, CANDIDATES[-1])) if most > k_shot else None
    chosen = choices.method or "protonet"
    require_choice("method", chosen, ("maml", "protonet"))
    if chosen == "maml":
        network = networks.conv4(n_way, **arguments)
        return Plan(
            methods.MAML(losses.cross_entropy(network), inner_lr=0.4),
            network,
            Recipe(CONV4, {"n_way": n_way, **arguments}),
            families.train,
            families,
            choices.meta_steps or 3000,
            4,
            lambda trained: trained.learner(inner_steps=3, queries="alone"),
            rival,
        )
    network = networks.conv4(None, **arguments)
    wide = min(20, len(split.train))
    return Plan(
        methods.ProtoNet(network, n_way=wide, meta_lr=0.016, halvings=6),
        network,
        Recipe(CONV4, {"n_way": None, **arguments}),
        Episodes(split.train, wide, 1, 2),
        families,
        choices.meta_steps or 1500,
        1,
        lambda trained: trained.learner(frozen_on=split.train.one_of_each()),
        rival,
    )


def _three_parts(pictures: ImageSet, choices: Choices) -> Splits:
    """Of a folder's classes a fifth to validate on, a quarter to test on, the rest to train on."""
    classes, n_way = len(pictures), choices.n_way
    val, test = max(n_way, classes // 5), max(n_way, classes // 4)
    if classes - val - test < n_way:
        raise ValueError(
            f"the folder has {classes} classes; tasks of {n_way} need {3 * n_way} or more, as classes to train, "
            f"validate and test on are different ones; give more, or --n-way {max(2, classes // 3)}"
        )
    return split_at_random(pictures, (classes - val - test, val, test), np.random.default_rng(choices.seed))


def _saved(learner: Learner, chosen: Plan) -> dict[str, Any]:
    """Labels of a class that nearest class mean on pixels needs more; or as many more as were not enough."""
    assert chosen.rival is not None
    rival, family_at, most = chosen.rival
    shots: Any = chosen.families.test
    candidates = [k for k in CANDIDATES if shots.k_shot <= k <= most]
    rng = np.random.default_rng(2_000_001)
    how = {"k_shot": shots.k_shot, "candidates": candidates, "n_tasks": 300, "rng": rng}
    found = labels_saved(learner, rival, family_at, **how)
    labels = candidates[-1] - shots.k_shot if found is None else found
    return {"labels": labels, "or_more": found is None, "rival": "nearest class mean on pixels"}
