"""Few-shot Omniglot, made again: `python -m mlcourse reproduce omniglot --method protonet`.

One run is one method on one kind of task (say 5-way 1-shot) from several seeds, with the papers' settings, judged
on 2,000 fixed tasks of unseen characters. `mlcourse/experiments/omniglot_table.py` lays the runs side by side.
"""

import subprocess
from dataclasses import MISSING, asdict, dataclass
from typing import Any

import numpy as np
import torch

from mlcourse import methods, training
from mlcourse.arguments import require_choice, require_positive
from mlcourse.evaluation import Evaluation, Learner, evaluate
from mlcourse.experiments import experiment
from mlcourse.experiments.experiment import TEST_SEED, option
from mlcourse.experiments.omniglot_recipe import METHODS, Recipe, changed, recipe
from mlcourse.experiments.omniglot_table import NAMES, PUBLISHED, cell
from mlcourse.fast import losses, networks
from mlcourse.fast.arrays import arrays
from mlcourse.fast.capture import require_capture
from mlcourse.fast.episodes import Episodes
from mlcourse.fast.precision import PRECISIONS, products
from mlcourse.paths import REPOSITORY
from mlcourse.tasks import glyphs, images, omniglot
from mlcourse.tasks.images import Splits

N_FROZEN = 1000  # training images whose statistics are frozen into an embedding
BLOCK = 100  # meta-steps between two looks at the loss, and between two checkpoints
DATA = ("omniglot", "glyphs")
SPLITS = ("random", "alphabets")
COMPARES = {"protonet": methods.ProtoNet, "matching": methods.MatchingNet}
EMBEDS = {*COMPARES, "classifier"}  # what is judged compares points, and nothing adapts


@dataclass(frozen=True, kw_only=True)
class Settings(experiment.Settings):
    """One method on one kind of tasks; what is not said here is as published (`recipe`)."""

    method: str = option(MISSING, f"One of {', '.join(METHODS)}.")
    n_way: int = option(5, "Classes of a task.")
    k_shot: int = option(1, "Support examples of each class.")
    split: str = option("random", "random, or alphabets: whole alphabets apart, harder.")
    data: str = option("omniglot", "omniglot, or glyphs: a rehearsal without a download.")
    budget_seconds: float | None = option(None, "Time for one seed's training.")
    n_tasks: int = option(2000, "Meta-test tasks.")
    precision: str = option("tf32", "Of matrix products on a GPU: tf32 or float32.")
    capture: str | None = option(None, "By default cuda-graph on a GPU, else eager; or trace, compile.")
    set: tuple[str, ...] = option((), "Another setting than the published: inner_lr=1.0; repeat.")

    @property
    def recipe(self) -> Recipe:
        """Everything that decides the numbers."""
        return changed(recipe(self.method, self.n_way, self.k_shot), self.set)


# --- training ----------------------------------------------------------------------------------------------


def network(r: Recipe, device: torch.device) -> networks.Network:
    """Conv4: an embedding for the methods that compare, a classifier for those that adapt."""
    embeds = r.method in EMBEDS
    convolution = networks.convolution_for(device, per_task_weights=not embeds)
    return networks.conv4(None if embeds else r.n_way, channels=r.channels, convolution=convolution)


def family(r: Recipe, train: images.ImageSet, device: torch.device) -> Episodes | images.Labelled:
    """Meta-training tasks, or batches for the ordinary classifier; quarter turns count as classes."""
    if r.method == "classifier":
        return images.Labelled(train, r.n_images, rotations=True)
    shown = r.n_way_training, r.k_shot_training, r.n_query_training
    return Episodes(train, *shown, rotations=True, device=device, shuffled=r.method == "reptile")


def method(r: Recipe, net: networks.Network, tasks: Episodes | images.Labelled) -> methods.Method:
    """What one meta-step is."""
    if r.method in COMPARES:
        return COMPARES[r.method](net, n_way=r.n_way_training, meta_lr=r.meta_lr, halvings=r.halvings)
    if r.method == "classifier":
        how = {"n_classes": tasks.n_classes, "head": "cosine", "meta_lr": r.meta_lr, "halvings": r.halvings}
        return methods.Classifier(net, **how)
    loss = losses.cross_entropy(net)
    how = {"inner_lr": r.inner_lr, "inner_steps": r.inner_steps, "meta_lr": r.meta_lr}
    if r.method == "reptile":
        return methods.ReptileAdam(loss, batch_size=r.batch_size, **how)
    return methods.MAML(loss, first_order=r.method == "fomaml", **how)


def start(net: networks.Network, seed: int) -> networks.Params:
    """Where a run begins: convolutions uniform within 1 / sqrt(inputs) of zero, as `torch.nn.Conv2d` draws them.

    `net.init` draws them 2.4 times longer (He et al. 2015). Normalisation makes the network blind to their length,
    but a step of Adam turns short ones faster: 1,000 steps of Prototypical Networks (32 channels, 20-way) ended at
    93.7 % instead of 90.5 % of 5-way 1-shot tasks of Omniglot, and MAML learns faster, too.
    """
    rng = np.random.default_rng(seed)
    params = net.init(rng)
    for name, p in params.items():
        if p.ndim == 4:
            bound = 1 / np.sqrt(p[0].numel())
            params[name] = torch.as_tensor(rng.uniform(-bound, bound, p.shape))
    return params


# --- the table ---------------------------------------------------------------------------------------------


class Omniglot(experiment.Experiment):
    """One method from several seeds: a row for each way to judge it, transductive or not."""

    name = "omniglot"
    about = "One method on few-shot Omniglot with the published settings: minutes on a GPU, hours on a CPU."
    settings_type = Settings
    on_gpu = True
    digits = 3

    def __init__(self, settings: Settings, place: experiment.Place) -> None:
        super().__init__(settings, place)
        self.recipe, self.runs, self.kept = settings.recipe, [], None

    def check(self) -> None:
        s = self.settings
        require_choice("precision", s.precision, PRECISIONS)
        require_capture(self.capture, self.place.device)
        require_choice("data", s.data, DATA)
        require_choice("split", s.split, SPLITS)
        if s.budget_seconds is not None:
            require_positive("budget_seconds", s.budget_seconds)
        self.splits = glyphs.splits() if s.data == "glyphs" else omniglot.splits(s.split, val=False)
        self.test = meta_test(self.recipe, self.splits)  # what cannot be judged need not be trained

    @property
    def capture(self) -> str:
        """A table's way is fixed by its device: nothing is chosen by how fast a machine happens to be."""
        return self.settings.capture or ("cuda-graph" if self.place.device.type == "cuda" else "eager")

    def measure(self) -> list[dict[str, Any]]:
        judged: dict[bool, list[Evaluation]] = {}
        for seed in self.place.seeds:
            with products(self.settings.precision):
                trained = self.train(seed)
            self.runs.append(account(seed, trained) | {"ranks": self.place.ranks})
            self.place.say(
                f"seed {seed}: {self.runs[-1]['meta_steps']} meta-steps in {self.runs[-1]['seconds']} s"
            )
            for transductive, learner in learners(self.recipe, trained, self.splits, self.place.device).items():
                judged.setdefault(transductive, []).append(self.judged(learner, transductive))
                self.place.say(f"  {judged[transductive][-1]}")
                self.kept = self.kept or arrays(learner.params)  # with frozen statistics, as lessons need them
        return [self.row_of(transductive, evaluations) for transductive, evaluations in judged.items()]

    def train(self, seed: int) -> training.Trained:
        """Meta-train from one seed; rotations by quarter turns count as classes, in training only."""
        r, place, s = self.recipe, self.place, self.settings
        net, tasks = network(r, place.device), family(r, self.splits.train, place.device)
        chosen = method(r, net, tasks)
        about = {key: value for key, value in asdict(r).items() if not key.endswith("_test")}
        about |= {"data": s.data, "split": s.split, "precision": s.precision}
        return training.train(
            chosen,
            start(getattr(chosen, "network", net), seed),
            tasks,
            meta_steps=r.meta_steps,
            meta_batch_size=r.meta_batch_size,
            seed=seed,
            device=place.device,
            capture=self.capture,
            threads=s.threads,
            block=min(BLOCK, r.meta_steps),
            checkpoint=place.checkpoints / f"{self.table_name()}_seed{seed}.pt" if place.checkpoints else None,
            budget_seconds=s.budget_seconds,
            about=about,
            progress=place.progress,
        )

    def judged(self, learner: Learner, transductive: bool) -> Evaluation:
        """Score on tasks of unseen characters, not turned; every method and seed gets the same tasks.

        In full float32: rounded to TF32, the same query scores some thousandths differently in a batch of another
        size, which `evaluate` would take for a learner that looks at the other queries.
        """
        rng = np.random.default_rng(TEST_SEED)
        how = {"n_tasks": self.settings.n_tasks, "rng": rng, "transductive": transductive}
        with products("float32"):
            return evaluate(learner, self.test, **how)

    def row_of(self, transductive: bool, evaluations: list[Evaluation]) -> dict[str, Any]:
        """The row of one way to judge, with what the training cost."""
        r, way = self.recipe, "transductive" if transductive else "not transductive"
        made = self.row(way, {"accuracy, %": evaluations})
        made["method"] = NAMES[r.method]
        made["values"] |= {
            "transductive": "yes" if transductive else "no",
            "training, s": float(np.mean([run["seconds"] for run in self.runs])),
            "compilation, s": float(np.mean([run["compile_seconds"] for run in self.runs])),
            "meta-steps": int(np.mean([run["meta_steps"] for run in self.runs])),
        }
        if spread := self.spreads.get(way):
            made["values"]["spread over seeds, %"] = spread["accuracy, %"]
        printed = PUBLISHED.get((r.method, transductive)) if self.settings.data == "omniglot" else None
        kind = cell(r.n_way, r.k_shot)
        if printed and kind in printed.accuracy:
            made |= {"published": {"accuracy, %": printed.accuracy[kind]}, "source": printed.source}
        return made

    def details(self) -> dict[str, Any]:
        s = self.settings
        held = {"data": s.data, "split": s.split, "recipe": asdict(self.recipe), "commit": commit()}
        return held | {"training": self.runs}

    def weights(self) -> dict[str, tuple[dict[str, np.ndarray], dict[str, Any]]]:
        name = f"{self.settings.data}_{self.recipe.method}"
        return {name: (self.kept, {"method": NAMES[self.recipe.method]})}

    def table_name(self) -> str:
        return run_name(self.recipe, self.settings.data, self.settings.split)

    def shown(self) -> str:
        """What a meta-step sees."""
        r = self.recipe
        if r.method == "classifier":
            many = r.meta_batch_size * r.n_images
            return f"{many} images of all classes, as many as of {r.n_way_training}-way tasks,"
        return f"{r.n_way_training}-way {r.k_shot_training}-shot tasks, {r.meta_batch_size}"

    def title(self) -> str:
        r, s = self.recipe, self.settings
        return f"{NAMES[r.method]}, {r.n_way}-way {r.k_shot}-shot, {s.data}, {SPLIT_WORDS[s.data, s.split]}"

    def protocol(self) -> str:
        r, n_seeds = self.recipe, len(self.place.seeds)
        queries = f"{r.n_query_test} quer{'y' if r.n_query_test == 1 else 'ies'} per class"
        return (
            f"{self.settings.n_tasks:,} meta-test tasks of unseen characters, {queries}; mean over {n_seeds} "
            f"seed{'s' * (n_seeds > 1)}, ± half of the 95 % interval over tasks. Split: "
            f"{SPLIT_WORDS[self.settings.data, self.settings.split]}; "
            f"quarter turns count as classes in training only. Conv4 with {r.channels} channels, trained on "
            f"{self.shown()} per meta-step. "
            "Transductive: all queries of a task in one batch; not transductive: statistics of the support set "
            "and one query, or frozen after training. Training time leaves out compilation."
        )


EXPERIMENT = Omniglot


def learners(r: Recipe, trained: training.Trained, splits: Splits, device: torch.device) -> dict[bool, Learner]:
    """What is judged, by whether it is transductive: MAML and Reptile both ways, the others not."""
    if r.method in EMBEDS:
        return {False: trained.learner(frozen_on=some_images(splits.train, trained.params, device))}
    ways, how = {True: "together", False: "alone"}, {"inner_steps": r.inner_steps_test}
    if r.method == "reptile":
        how["batch_size"] = r.batch_size_test
    return {transductive: trained.learner(**how, queries=queries) for transductive, queries in ways.items()}


def some_images(train: images.ImageSet, params: networks.Params, device: torch.device) -> torch.Tensor:
    """Some training images, one a class, each turned at random, in the precision of the parameters."""
    tasks = Episodes(train, n_way=min(N_FROZEN, len(train)), k_shot=1, n_query=1, rotations=True, device=device)
    x = tasks.sample(1, tasks.generator(0)).support.x[0]
    return x.to(next(iter(params.values())).dtype)


def meta_test(r: Recipe, splits: Splits) -> images.Episodes:
    """The tasks that a run is judged on; ValueError where the characters do not suffice for them."""
    return images.Episodes(splits.test, r.n_way, r.k_shot, r.n_query_test)


def run_name(r: Recipe, data: str, split: str) -> str:
    """What a run is called: its table, its checkpoints."""
    return f"{data}_{split if data == 'omniglot' else 'scripts'}_{r.method}_{cell(r.n_way, r.k_shot)}"


def account(seed: int, trained: training.Trained) -> dict[str, Any]:
    """What a reader who doubts a run would ask for."""
    loss = trained.curve["loss"]
    return {
        "seed": seed,
        "meta_steps": int(trained.curve["step"][-1]),
        "seconds": round(trained.seconds, 1),
        "compile_seconds": round(trained.compile_seconds, 1),
        "capture": trained.capture,
        "loss": [round(float(value), 4) for value in loss[:: max(1, len(loss) // 50)]],
    }


SPLIT_WORDS = {
    ("omniglot", "random"): "1,200 random characters to train and the other 423 to test",
    ("omniglot", "alphabets"): "30 background alphabets to train and 20 evaluation alphabets to test",
    ("glyphs", "random"): "whole scripts apart",
    ("glyphs", "alphabets"): "whole scripts apart",
}


def commit() -> str:
    """The commit that the course is at, with a plus sign when files differ from it; "unknown" outside a clone."""
    try:
        asked = {"cwd": REPOSITORY, "capture_output": True, "text": True, "check": True}
        head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], **asked).stdout.strip()
        changed = subprocess.run(["git", "status", "--porcelain", "mlcourse"], **asked).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + "+" * bool(changed)
