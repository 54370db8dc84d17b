"""The sinusoid table of the MAML paper, made again: `python -m mlcourse reproduce sinusoid`.

Finn, Abbeel, Levine (2017), section 5.1 and table 2: 5-shot regression after 1, 5 and 10 gradient steps. MAML,
first-order MAML, Reptile and pooled pre-training are meta-trained once a seed; baselines are tuned on
meta-validation tasks; everything is judged on the same 600 meta-test tasks.
"""

import concurrent.futures
import multiprocessing
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from mlcourse import baselines, training, weights
from mlcourse.arguments import require_choice, require_count
from mlcourse.evaluation import (
    AdaptationCurve,
    Evaluation,
    across_seeds,
    adaptation_curve,
    evaluate,
    mean_over_seeds,
)
from mlcourse.experiments import results
from mlcourse.fast import losses, networks
from mlcourse.fast.arrays import arrays, tensors
from mlcourse.fast.capture import CAPTURES
from mlcourse.fast.learners import GradientLearner
from mlcourse.tasks import Sinusoids

NETWORK = networks.mlp((1, 40, 40, 1))  # two hidden layers of 40 ReLU, section 5.1
LOSS = losses.squared_error(NETWORK)
STEPS = (1, 5, 10)
PUBLISHED = {  # table 2
    "MAML": {"1 step": 0.67, "5 steps": 0.38, "10 steps": 0.35},
    "pooled, fine-tuned": {"1 step": 2.41, "5 steps": 2.23, "10 steps": 2.19},
}
SOURCE = "Finn et al. 2017, table 2"
SCRATCH = "from scratch"
TRAINED = ("Reptile", "MAML", "first-order MAML", "pooled, fine-tuned")
STORED = {"MAML": "sinusoid_maml", "Reptile": "sinusoid_reptile", "pooled, fine-tuned": "sinusoid_pooled"}
RATES = (0.0003, 0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2)  # tried for every baseline
MAX_STEPS = 100  # inner steps that a baseline may take when its number of steps is tuned, too
TEST_SEED, VAL_SEED = 2_000_001, 1_000_001  # far from the training seeds 0, 1, 2, ...


@dataclass(frozen=True)
class Settings:
    """Everything that decides the figures; the defaults are the paper's (its code's 70,000 meta-steps)."""

    meta_steps: int = 70_000
    meta_batch_size: int = 25
    k_shot_training: int = 10
    k_shot: int = 5
    inner_lr: float = 0.01
    meta_lr: float = 1e-3
    reptile_inner_lr: float = 0.005  # at 0.01 the long run diverges: no query loss warns Reptile
    reptile_inner_steps: int = 5
    n_tasks: int = 600
    n_val_tasks: int = 200
    capture: str = "auto"


def method(name: str, settings: Settings) -> training.Method:
    """The meta-training method behind a row of the table."""
    if name == "Reptile":
        return training.reptile_method(
            LOSS, inner_lr=settings.reptile_inner_lr, inner_steps=settings.reptile_inner_steps
        )
    if name == "pooled, fine-tuned":
        return training.pooled_method(LOSS, meta_lr=settings.meta_lr)
    first_order = name == "first-order MAML"
    return training.maml_method(
        LOSS, inner_lr=settings.inner_lr, first_order=first_order, meta_lr=settings.meta_lr
    )


def start(name: str, seed: int) -> dict[str, torch.Tensor]:
    """Where a run begins: `NETWORK.init`; for both MAMLs N(0, 2 / inputs) and biases of zero, He et al. (2015).

    `NETWORK.init` learns faster at first; from there (seed 1) MAML's long run ended where ten steps diverge on 81
    of 20,000 tasks, from He's start on 13 at most (seeds 0 to 2). `diverged` counts them for the stored run.
    """
    rng = np.random.default_rng(seed)
    params = NETWORK.init(rng)
    if "MAML" not in name:
        return params
    return {
        key: torch.as_tensor(rng.normal(0.0, np.sqrt(2.0 / p.shape[0]), p.shape))
        if p.ndim == 2
        else torch.zeros_like(p)
        for key, p in params.items()
    }


def train_one(job: tuple[str, int, Settings]) -> dict[str, Any]:
    """Meta-train one method from one seed, in one thread."""
    torch.set_num_threads(1)
    name, seed, settings = job
    trained = training.train(
        method(name, settings),
        start(name, seed),
        Sinusoids(k_shot=settings.k_shot_training, n_query=settings.k_shot_training),
        meta_steps=settings.meta_steps,
        meta_batch_size=settings.meta_batch_size,
        seed=seed,
        device="cpu",
        capture=settings.capture,
        block=min(1000, settings.meta_steps),
        progress=False,
    )
    return {
        "method": name,
        "seed": seed,
        "params": arrays(trained.params),
        "seconds": round(trained.seconds, 1),
        "compile_seconds": round(trained.compile_seconds, 1),
        "capture": trained.capture,
        "curve": {key: [round(float(v), 4) for v in values] for key, values in trained.curve.items()},
    }


def train_all(seeds: tuple[int, ...], settings: Settings, progress: bool) -> list[dict[str, Any]]:
    """Every method from every seed, as many at a time as there are cores."""
    jobs = [(name, seed, settings) for seed in seeds for name in TRAINED]  # two of a kind would both compile it
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    with concurrent.futures.ProcessPoolExecutor(min(results.cpu_cores(), len(jobs)), mp_context=context) as pool:
        waiting = pool.map(train_one, jobs)
        return list(tqdm(waiting, total=len(jobs), desc="meta-training", disable=not progress))


def learner(params: dict[str, np.ndarray], *, inner_lr: float, inner_steps: int) -> GradientLearner:
    """A learner that starts from stored parameters, in float32 on the CPU."""
    return GradientLearner(
        NETWORK, LOSS, tensors(params, device="cpu", dtype=torch.float32), inner_lr, inner_steps
    )


def curve_of(params: dict[str, np.ndarray], family: Sinusoids, settings: Settings, **how: Any) -> AdaptationCurve:
    """Scores on the 600 meta-test tasks after 0 ... inner_steps steps."""
    rng = np.random.default_rng(TEST_SEED)
    return adaptation_curve(learner(params, **how), family, n_tasks=settings.n_tasks, rng=rng)


def diverged(starts: list[dict[str, np.ndarray]], settings: Settings, n_tasks: int) -> dict[str, Any]:
    """On how many of `n_tasks` other tasks MAML's error after ten steps is above 50 or no number, by seed.

    The rate was chosen for one step on ten points; on five points that lie close together it can be too long.
    """
    family = Sinusoids(k_shot=settings.k_shot, n_query=20)
    counts = []
    for params in starts:
        ten = learner(params, inner_lr=settings.inner_lr, inner_steps=STEPS[-1])
        scores = adaptation_curve(ten, family, n_tasks=n_tasks, rng=np.random.default_rng(TEST_SEED + 1)).scores[
            :, -1
        ]
        counts.append(int((~(scores < 50)).sum()))
    return {"n_tasks": n_tasks, "above 50 after 10 steps": counts}


def tuned(
    starts: list[dict[str, np.ndarray]], family: Sinusoids, settings: Settings
) -> tuple[dict[str, list[Evaluation]], dict[str, Any]]:
    """Tune a baseline's rate for each column, and rate and steps together; then judge every seed's parameters.

    The sweep runs on meta-validation tasks with the first seed's parameters. Returns evaluations by column,
    one for each seed, and the sweep.
    """
    sweep = baselines.sweep_steps(
        learner(starts[0], inner_lr=RATES[0], inner_steps=MAX_STEPS),
        RATES,
        family,
        n_tasks=settings.n_val_tasks,
        rng_seed=VAL_SEED,
    )
    columns, chosen, winners = {}, {}, []
    for step in (*STEPS, None):
        rows = [row for row in sweep.rows if step in (None, row["inner_steps"])]
        best = min(rows, key=lambda row: row["score"])
        winners.append(best)
        how = {"inner_lr": best["inner_lr"], "inner_steps": int(best["inner_steps"])}
        name = column(step) if step else "tuned steps"
        chosen[name] = how
        columns[name] = [curve_of(start, family, settings, **how).at(how["inner_steps"]) for start in starts]
    kept = [row for row in sweep.rows if row["inner_steps"] in (1, 2, 5, 10, 20, 50, MAX_STEPS) or row in winners]
    return columns, {"chosen": chosen, "tried": [row for row in kept if np.isfinite(row["score"])]}


def column(step: int) -> str:
    """The heading under which the score after `step` steps stands."""
    return f"{step} step" if step == 1 else f"{step} steps"


def row(name: str, columns: dict[str, list[Evaluation]]) -> dict[str, Any]:
    """A row of the table: mean over seeds, and the 95 % interval over tasks of each task's mean over seeds."""
    values: dict[str, Any] = {}
    for heading, evaluations in columns.items():
        over_tasks = mean_over_seeds(evaluations)
        values[heading] = results.scored(over_tasks, digits=4)
    last = columns[column(STEPS[-1])]
    if len(last) > 1 and not any(evaluation.not_finite for evaluation in last):
        values["spread over seeds"] = round(across_seeds(last).spread, 4)  # of the last column
    published = {"published": PUBLISHED[name], "source": SOURCE} if name in PUBLISHED else {}
    return {"method": name, "values": values} | published


def run(
    *,
    seeds: tuple[int, ...] = (0, 1, 2),
    meta_steps: int = Settings.meta_steps,
    n_tasks: int = Settings.n_tasks,
    capture: str = Settings.capture,
    out: Path | None = None,
    weights_folder: Path | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Make the table; store it as `out` and the first seed's parameters in `weights_folder` where given."""
    results.require_run(seeds=seeds, n_tasks=n_tasks, out=out, folder=weights_folder)
    require_count("meta_steps", meta_steps)
    require_choice("capture", capture, CAPTURES)
    started, settings = time.perf_counter(), Settings(meta_steps=meta_steps, n_tasks=n_tasks, capture=capture)
    family = Sinusoids(k_shot=settings.k_shot, n_query=100)
    runs = train_all(tuple(seeds), settings, progress)
    by_method = {name: [r["params"] for r in runs if r["method"] == name] for name in TRAINED}
    random = [arrays(NETWORK.init(np.random.default_rng(seed))) for seed in seeds]
    rows, curves = meta_learned(by_method, family, settings)
    sweeps: dict[str, Any] = {}
    for name, starts in (("pooled, fine-tuned", by_method["pooled, fine-tuned"]), (SCRATCH, random)):
        columns, sweeps[name] = tuned(starts, family, settings)
        rows.append(row(name, columns))
    rows += without_steps(by_method["pooled, fine-tuned"], family, settings, sweeps)
    table = results_table(rows, started, seeds, settings)
    table["details"] = {
        "settings": asdict(settings),
        "adaptation_curves": curves,
        "sweeps": sweeps,
        "diverged": diverged(by_method["MAML"], settings, 20 * n_tasks),
        "training": [{key: value for key, value in r.items() if key != "params"} for r in runs],
    }
    if out is not None:
        results.save(table, out)
    if weights_folder is not None:
        made_by = {key: table[key] for key in ("command", "hardware", "versions", "date")}
        for name, file in STORED.items():
            provenance = made_by | {"method": name, "seeds": [seeds[0]]}
            weights.save(file, by_method[name][0], provenance, weights_folder)
    return table


def meta_learned(
    by_method: dict[str, list[dict[str, np.ndarray]]], family: Sinusoids, settings: Settings
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows of the three meta-learners, each with the rate it was trained with, and their adaptation curves."""
    rows, curves = [], {}
    for name in ("MAML", "first-order MAML", "Reptile"):
        rate = settings.reptile_inner_lr if name == "Reptile" else settings.inner_lr
        along = [curve_of(p, family, settings, inner_lr=rate, inner_steps=STEPS[-1]) for p in by_method[name]]
        rows.append(row(name, {column(step): [curve.at(step) for curve in along] for step in STEPS}))
        mean = AdaptationCurve("squared error", np.mean([curve.scores for curve in along], axis=0))
        curves[name] = {"mean": mean.mean.round(4).tolist(), "half_width": mean.half_width.round(4).tolist()}
    return rows, curves


def without_steps(
    pooled: list[dict[str, np.ndarray]], family: Sinusoids, settings: Settings, sweeps: dict[str, Any]
) -> list[dict[str, Any]]:
    """Rows of the baselines that take no gradient step at test time; the same figure whatever the column."""

    def hidden(params: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
        h = np.maximum(x @ params["w0"] + params["b0"], 0)
        return np.maximum(h @ params["w1"] + params["b1"], 0)

    def probe(params: dict[str, np.ndarray], ridge: float) -> Any:
        return baselines.linear_probe(ridge, lambda x: hidden(params, np.asarray(x)))

    sweep = baselines.sweep(
        lambda ridge: probe(pooled[0], ridge),
        "ridge",
        (0.001, 0.01, 0.1, 1.0, 10.0, 100.0),
        family,
        n_tasks=settings.n_val_tasks,
        rng_seed=VAL_SEED,
    )
    sweeps["linear probe on pooled features"] = {"chosen": sweep.settings, "tried": sweep.rows}
    ridge = sweep.settings["ridge"]

    def judge(any_learner: Any) -> Evaluation:
        return evaluate(any_learner, family, n_tasks=settings.n_tasks, rng=np.random.default_rng(TEST_SEED))

    probes = [judge(probe(params, ridge)) for params in pooled]
    plain = [judge(learner(params, inner_lr=0.0, inner_steps=0)) for params in pooled]
    judged = {
        "linear probe on pooled features": probes,
        "nearest neighbour": [judge(baselines.nearest_neighbour())],
        "pooled, as it is": plain,
    }
    return [row(name, {column(step): found for step in STEPS}) for name, found in judged.items()]


def results_table(
    rows: list[dict[str, Any]], started: float, seeds: tuple[int, ...], settings: Settings
) -> dict[str, Any]:
    """The stored table, without details."""
    listed = " ".join(f"--seeds {seed}" for seed in seeds)
    command = f"python -m mlcourse reproduce sinusoid {listed} --meta-steps {settings.meta_steps}"
    return {
        "name": "sinusoid",
        "title": "Sinusoid regression, 5 shots: mean squared error after gradient steps on a new task",
        "protocol": (
            f"{settings.n_tasks} meta-test tasks, 5 support points each, squared error on 100 further points of "
            f"[-5, 5]; mean over {len(seeds)} seeds, ± half of the 95 % interval over tasks; not transductive. "
            f"Meta-training: {settings.meta_steps:,} steps of {settings.meta_batch_size} tasks, 10 + 10 points, "
            "MAML starting as He et al. (2015). "
            f"MAML adapts with rate {settings.inner_lr}, Reptile with {settings.reptile_inner_lr}; "
            f"baselines: rate tuned for each column on {settings.n_val_tasks} meta-validation tasks; "
            f"“tuned steps” tunes the number of steps, too (up to {MAX_STEPS})."
        ),
        "rows": rows,
    } | results.provenance(command, seeds, started)
