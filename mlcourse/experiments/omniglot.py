"""Few-shot Omniglot, made again: `python -m mlcourse reproduce omniglot --method protonet`.

One run is one method on one kind of task (say 5-way 1-shot) from several seeds, with the papers' settings, judged
on 2,000 fixed tasks of unseen characters. `mlcourse/experiments/omniglot_table.py` lays the runs side by side.
"""

import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mlcourse import training, weights
from mlcourse.arguments import require_choice, require_positive
from mlcourse.evaluation import Evaluation, Learner, across_seeds, evaluate, mean_over_seeds
from mlcourse.experiments import results
from mlcourse.experiments.omniglot_recipe import Recipe, recipe
from mlcourse.experiments.omniglot_table import NAMES, PUBLISHED, cell
from mlcourse.fast import distributed, losses, matching, networks, protonet
from mlcourse.fast.arrays import arrays, resolved
from mlcourse.fast.capture import CAPTURES
from mlcourse.fast.episodes import Episodes
from mlcourse.fast.learners import AdamLearner, GradientLearner, MetricLearner
from mlcourse.files import require_place
from mlcourse.paths import REPOSITORY
from mlcourse.tasks import glyphs, images, omniglot
from mlcourse.tasks.images import Splits

TEST_SEED = 2_000_001  # far from the training seeds 0, 1, 2, ...
N_FROZEN = 1000  # training images whose statistics are frozen into an embedding
BLOCK = 100  # meta-steps between two looks at the loss, and between two checkpoints
PRECISIONS = ("float32", "tf32")
DATA = ("omniglot", "glyphs")
SPLITS = ("random", "alphabets")
CLASSIFY = {"protonet": protonet.classify, "matching": matching.classify}  # the methods that compare


# --- training ----------------------------------------------------------------------------------------------


def network(r: Recipe, device: torch.device) -> networks.Network:
    """Conv4: an embedding for the methods that compare, a classifier for those that adapt."""
    compares = r.method in CLASSIFY
    convolution = networks.convolution_for(device, per_task_weights=not compares)
    return networks.conv4(None if compares else r.n_way, channels=r.channels, convolution=convolution)


def method(r: Recipe, net: networks.Network) -> training.Method:
    """What one meta-step is."""
    if r.method in CLASSIFY:
        return training.metric_method(
            CLASSIFY[r.method], net, n_way=r.n_way_training, meta_lr=r.meta_lr, halvings=r.halvings
        )
    loss = losses.cross_entropy(net)
    how = {"inner_lr": r.inner_lr, "inner_steps": r.inner_steps, "meta_lr": r.meta_lr}
    if r.method == "reptile":
        return training.reptile_adam_method(loss, batch_size=r.batch_size, **how)
    return training.maml_method(loss, first_order=r.method == "fomaml", **how)


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


def train_one(
    r: Recipe,
    splits: Splits,
    seed: int,
    device: torch.device,
    *,
    budget_seconds: float | None,
    capture: str,
    checkpoint: Path | None,
    about: dict[str, Any],
    progress: bool,
) -> training.Trained:
    """Meta-train from one seed; rotations by quarter turns count as classes, in training only.

    about: what a checkpoint must have in common with this run, beside the recipe's settings of training.
    """
    net = network(r, device)
    family = Episodes(
        splits.train,
        r.n_way_training,
        r.k_shot_training,
        r.n_query_training,
        rotations=True,
        device=device,
        shuffled=r.method == "reptile",
    )
    return training.train(
        method(r, net),
        start(net, seed),
        family,
        meta_steps=r.meta_steps,
        meta_batch_size=r.meta_batch_size,
        seed=seed,
        device=device,
        capture=capture,
        block=min(BLOCK, r.meta_steps),
        checkpoint=checkpoint,
        budget_seconds=budget_seconds,
        about={name: value for name, value in asdict(r).items() if not name.endswith("_test")} | about,
        progress=progress,
    )


# --- judging -----------------------------------------------------------------------------------------------


def learners(r: Recipe, trained: training.Trained, splits: Splits, device: torch.device) -> dict[bool, Learner]:
    """What is judged, by whether it is transductive: MAML and Reptile both ways, the others not."""
    net, params = network(r, device), trained.params
    if r.method in CLASSIFY:
        return {False: MetricLearner(CLASSIFY[r.method], net, frozen(params, splits.train, device))}
    loss, ways = losses.cross_entropy(net), {True: "together", False: "alone"}
    if r.method == "reptile":
        how = (r.inner_lr, r.inner_steps_test, r.batch_size_test)
        return {t: AdamLearner(net, loss, params, trained.state, *how, queries=q) for t, q in ways.items()}
    how = (r.inner_lr, r.inner_steps_test)
    return {t: GradientLearner(net, loss, params, *how, queries=q) for t, q in ways.items()}


def frozen(params: networks.Params, train: images.ImageSet, device: torch.device) -> networks.Params:
    """Parameters that hold the statistics of some training images, one a class, each turned at random."""
    tasks = Episodes(train, n_way=min(N_FROZEN, len(train)), k_shot=1, n_query=1, rotations=True, device=device)
    x = tasks.sample(1, tasks.generator(0)).support.x[0]
    return networks.freeze_statistics(params, x.to(next(iter(params.values())).dtype))


def judge(r: Recipe, learner: Learner, splits: Splits, n_tasks: int, transductive: bool) -> Evaluation:
    """Score on tasks of unseen characters, not turned; every method and seed gets the same tasks.

    In full float32: rounded to TF32, the same query scores some thousandths differently in a batch of another
    size, which `evaluate` would take for a learner that looks at the other queries.
    """
    rng = np.random.default_rng(TEST_SEED)
    with products("float32"):
        return evaluate(learner, meta_test(r, splits), n_tasks=n_tasks, rng=rng, transductive=transductive)


def meta_test(r: Recipe, splits: Splits) -> images.Episodes:
    """The tasks that a run is judged on; ValueError where the characters do not suffice for them."""
    return images.Episodes(splits.test, r.n_way, r.k_shot, r.n_query_test)


@contextmanager
def products(precision: str) -> Iterator[None]:
    """How an NVIDIA GPU multiplies float32 numbers in here: exactly ("float32"), or rounded to TF32 ("tf32")."""
    places = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [place.allow_tf32 for place in places]
    try:
        for place in places:
            place.allow_tf32 = precision == "tf32"
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.allow_tf32 = value


# --- a run -------------------------------------------------------------------------------------------------


def data_splits(data: str, split: str) -> Splits:
    """Training and test classes. "glyphs" is the embedded set, for a rehearsal without a download."""
    if data == "glyphs":
        return glyphs.splits()
    return omniglot.splits(split, val=False)


def run(
    r: Recipe,
    *,
    data: str = "omniglot",
    split: str = "random",
    seeds: tuple[int, ...] = (0, 1, 2),
    n_tasks: int = 2000,
    device: str | None = None,
    precision: str = "tf32",
    capture: str = "auto",
    budget_seconds: float | None = None,
    checkpoints: Path | None = None,
    out: Path | None = None,
    weights_folder: Path | None = None,
    progress: bool = True,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Train and judge from every seed; returns a table as `results` keeps them, and stores it as `out`.

    budget_seconds: of training, for each seed. checkpoints: a folder; a run that was interrupted goes on from what
    lies there. weights_folder: store the first seed's parameters there. precision: "tf32" lets an NVIDIA GPU round
    the factors of matrix products to 10 bits of mantissa while it trains; nothing changes on a CPU. Under torchrun
    rank 0 writes.
    """
    results.require_run(seeds=seeds, n_tasks=n_tasks, out=out, folder=weights_folder)
    require_choice("precision", precision, PRECISIONS)
    require_choice("capture", capture, CAPTURES)
    require_choice("data", data, DATA)
    require_choice("split", split, SPLITS)
    if budget_seconds is not None:
        require_positive("budget_seconds", budget_seconds)
    if checkpoints is not None:
        require_place(checkpoints / "run.pt")
    resolved(device)
    started = time.perf_counter()
    splits = data_splits(data, split)
    meta_test(r, splits)  # what cannot be judged need not be trained
    judged: dict[bool, list[Evaluation]] = {}
    runs = []
    with distributed.running(device) as process:  # under torchrun all ranks train, and judge, so that none waits
        where, say = process.device, say if process.first else lambda line: None
        for seed in seeds:
            with products(precision):
                trained = train_one(
                    r,
                    splits,
                    seed,
                    where,
                    budget_seconds=budget_seconds,
                    capture=capture,
                    checkpoint=checkpoints / f"{run_name(r, data, split)}_seed{seed}.pt" if checkpoints else None,
                    about={"data": data, "split": split, "precision": precision},
                    progress=progress,
                )
            runs.append(account(seed, trained) | {"ranks": process.world_size})
            say(f"seed {seed}: {runs[-1]['meta_steps']} meta-steps in {runs[-1]['seconds']} s")
            for transductive, learner in learners(r, trained, splits, where).items():
                judged.setdefault(transductive, []).append(judge(r, learner, splits, n_tasks, transductive))
                say(f"  {judged[transductive][-1]}")
                if seed == seeds[0]:
                    kept = learner.params  # of an embedding with its frozen statistics, as lessons need it
    options = {"split": split, "n-tasks": n_tasks, "precision": precision, "budget-seconds": budget_seconds}
    table = results_table(r, data, split, judged, runs)
    table |= results.provenance(command(r, data, seeds, where, options), seeds, started, device=str(where))
    if process.first and out is not None:
        results.save(table, out)
    if process.first and weights_folder is not None:
        made_by = {key: table[key] for key in ("command", "hardware", "versions", "date")}
        made_by |= {"method": NAMES[r.method], "seeds": [seeds[0]]}
        weights.save(f"{data}_{r.method}", arrays(kept), made_by, weights_folder)
    return table


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


def results_table(
    r: Recipe, data: str, split: str, judged: dict[bool, list[Evaluation]], runs: list[dict[str, Any]]
) -> dict[str, Any]:
    """The stored table, without provenance: a row for each protocol that was judged."""
    rows = []
    for transductive, evaluations in judged.items():
        over_tasks = mean_over_seeds(evaluations)
        values: dict[str, Any] = {
            "accuracy, %": results.scored(over_tasks, scale=100),
            "transductive": "yes" if transductive else "no",
            "training, s": float(np.mean([run["seconds"] for run in runs])),
            "compilation, s": float(np.mean([run["compile_seconds"] for run in runs])),
            "meta-steps": int(np.mean([run["meta_steps"] for run in runs])),
        }
        if len(evaluations) > 1:
            values["spread over seeds, %"] = round(100 * across_seeds(evaluations).spread, 3)
        row = {"method": NAMES[r.method], "values": values}
        printed = PUBLISHED.get((r.method, transductive)) if data == "omniglot" else None
        if printed:
            row["published"] = {"accuracy, %": printed.accuracy[cell(r.n_way, r.k_shot)]}
            row["source"] = printed.source
        rows.append(row)
    return {
        "name": run_name(r, data, split),
        "title": f"{NAMES[r.method]}, {r.n_way}-way {r.k_shot}-shot, {data}, {SPLIT_WORDS[data, split]}",
        "protocol": protocol(r, data, split, len(next(iter(judged.values()))[0].scores), len(runs)),
        "rows": rows,
        "details": {"data": data, "split": split, "recipe": asdict(r), "commit": commit(), "training": runs},
    }


SPLIT_WORDS = {
    ("omniglot", "random"): "1,200 random characters to train and the other 423 to test",
    ("omniglot", "alphabets"): "30 background alphabets to train and 20 evaluation alphabets to test",
    ("glyphs", "random"): "whole scripts apart",
    ("glyphs", "alphabets"): "whole scripts apart",
}


def protocol(r: Recipe, data: str, split: str, n_tasks: int, n_seeds: int) -> str:
    """How the run was trained and judged, in sentences."""
    queries = f"{r.n_query_test} quer{'y' if r.n_query_test == 1 else 'ies'} per class"
    return (
        f"{n_tasks:,} meta-test tasks of unseen characters, {queries}; mean over {n_seeds} "
        f"seed{'s' * (n_seeds > 1)}, ± half of the 95 % interval over tasks. Split: {SPLIT_WORDS[data, split]}; "
        f"quarter turns count as classes in training only. Conv4 with {r.channels} channels, trained on "
        f"{r.n_way_training}-way {r.k_shot_training}-shot tasks, {r.meta_batch_size} per meta-step. Transductive: "
        "all queries of a task in one batch; not transductive: statistics of the support set and one query, or "
        "frozen after training. Training time leaves out compilation."
    )


def command(r: Recipe, data: str, seeds: tuple[int, ...], device: torch.device, options: dict[str, Any]) -> str:
    """The command line that makes the run again: every setting that differs from the recipe's own is named."""
    words = ["python", "-m", "mlcourse", "reproduce", "omniglot", "--method", r.method]
    words += ["--n-way", str(r.n_way), "--k-shot", str(r.k_shot), "--data", data]
    for seed in seeds:
        words += ["--seeds", str(seed)]
    for name, value in ({"device": str(device)} | options).items():
        words += [f"--{name}", str(value)] if value is not None else []
    published = asdict(recipe(r.method, r.n_way, r.k_shot))
    for name, value in asdict(r).items():
        words += ["--set", f"{name}={value}"] if value != published[name] else []
    return shlex.join(words)


def commit() -> str:
    """The commit that the course is at, with a plus sign when files differ from it; "unknown" outside a clone."""
    try:
        asked = {"cwd": REPOSITORY, "capture_output": True, "text": True, "check": True}
        head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], **asked).stdout.strip()
        changed = subprocess.run(["git", "status", "--porcelain", "mlcourse"], **asked).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + "+" * bool(changed)
