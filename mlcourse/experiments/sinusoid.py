"""The sinusoid table of the MAML paper, made again: `python -m mlcourse reproduce sinusoid`.

Finn, Abbeel, Levine (2017), section 5.1 and table 2: 5-shot regression after 1, 5 and 10 gradient steps. MAML,
first-order MAML, Reptile and pooled pre-training are meta-trained once a seed; baselines are tuned on
meta-validation tasks; everything is judged on the same 600 meta-test tasks.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from mlcourse import baselines, methods, training
from mlcourse.arguments import require_count
from mlcourse.evaluation import AdaptationCurve, Evaluation, Learner, adaptation_curve, evaluate
from mlcourse.experiments import experiment
from mlcourse.experiments.experiment import TEST_SEED, VAL_SEED, in_processes, option
from mlcourse.fast import losses, networks
from mlcourse.fast.arrays import arrays, tensors
from mlcourse.fast.capture import require_capture
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
SCRATCH, POOLED, PROBE = "from scratch", "pooled, fine-tuned", "linear probe on pooled features"
EXACT = "the exact answer"
META_LEARNED = ("MAML", "first-order MAML", "Reptile")
TRAINED = ("Reptile", "MAML", "first-order MAML", POOLED)  # two of a kind would both compile it
STORED = {"MAML": "sinusoid_maml", "Reptile": "sinusoid_reptile", POOLED: "sinusoid_pooled"}
RATES = (0.0003, 0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2)  # tried for every baseline
RIDGES = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
FULL = 7_000  # meta-steps from which on the baselines are tuned in full

Params = dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Settings(experiment.Settings):
    """The defaults are the paper's (its code's 70,000 meta-steps)."""

    meta_steps: int = option(70_000, "Meta-steps of each run.")
    n_tasks: int = option(600, "Meta-test tasks.")
    capture: str = option("compile", "compile; eager and trace need no compiler, and are slower.")
    meta_batch_size: int = option(25)
    k_shot_training: int = option(10)
    k_shot: int = option(5)
    inner_lr: float = option(0.01)
    meta_lr: float = option(1e-3)
    reptile_inner_lr: float = option(0.005)  # at 0.01 the long run diverges: no query loss warns Reptile
    reptile_inner_steps: int = option(5)

    @property
    def n_val_tasks(self) -> int:
        """Meta-validation tasks for tuning: 200, fewer in a short run, which must not wait for its baselines."""
        return max(20, round(200 * self._share))

    @property
    def max_steps(self) -> int:
        """Inner steps that a baseline may take when these are tuned, too: 100, fewer in a short run."""
        return max(STEPS[-1], round(100 * self._share))

    @property
    def n_diverging(self) -> int:
        """Other tasks on which diverging adaptations are counted."""
        return round(20 * self.n_tasks * self._share) or 1

    @property
    def _share(self) -> float:
        return min(1.0, self.meta_steps / FULL)


# --- training ----------------------------------------------------------------------------------------------


def method(name: str, settings: Settings) -> methods.Method:
    """The meta-training method behind a row of the table."""
    if name == "Reptile":
        how = {"inner_lr": settings.reptile_inner_lr, "inner_steps": settings.reptile_inner_steps}
        return methods.Reptile(LOSS, **how)
    if name == POOLED:
        return methods.Pooled(LOSS, meta_lr=settings.meta_lr)
    how = {"inner_lr": settings.inner_lr, "meta_lr": settings.meta_lr}
    return methods.MAML(LOSS, first_order=name == "first-order MAML", **how)


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
    """Meta-train one method from one seed."""
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
        threads=settings.threads,
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


# --- the table ---------------------------------------------------------------------------------------------


class Sinusoid(experiment.Experiment):
    """Its rows are judged after several numbers of steps; baselines are tuned with the first seed's parameters."""

    name = "sinusoid"
    about = "The sinusoid table of the MAML paper, with tuned baselines: minutes."
    settings_type = Settings

    def __init__(self, settings: Settings, place: experiment.Place) -> None:
        super().__init__(settings, place)
        self.family = Sinusoids(k_shot=settings.k_shot, n_query=100)
        self.runs: list[dict[str, Any]] = []
        self.curves: dict[str, Any] = {}
        self.sweeps: dict[str, Any] = {}

    def check(self) -> None:
        require_count("meta_steps", self.settings.meta_steps)
        require_capture(self.settings.capture)

    def measure(self) -> list[dict[str, Any]]:
        """Every method from every seed, then the baselines that need what these have learned."""
        jobs = [(name, seed, self.settings) for seed in self.place.seeds for name in TRAINED]
        self.runs = in_processes(train_one, jobs, what="meta-training", progress=self.place.progress)
        random = [arrays(NETWORK.init(np.random.default_rng(seed))) for seed in self.place.seeds]
        rows = [self.exact(), *(self.meta_learned(name) for name in META_LEARNED)]
        with tqdm(total=3, desc="tuning baselines", disable=not self.place.progress, leave=False) as bar:
            for name, starts in ((POOLED, self.starts(POOLED)), (SCRATCH, random)):
                rows.append(self.row(name, self.tuned(name, starts)))
                bar.update()
            rows += self.without_steps(self.starts(POOLED))
            bar.update()
        return rows

    def starts(self, name: str) -> list[Params]:
        """What a method has learned, by seed."""
        return [run["params"] for run in self.runs if run["method"] == name]

    def row(self, name: str, columns: dict[str, list[Evaluation]]) -> dict[str, Any]:
        """With the spread over seeds of the last number of steps as a column."""
        made = super().row(name, columns)
        spread = self.spreads.get(name, {}).get(column(STEPS[-1]))
        return made if spread is None else made | {"values": made["values"] | {"spread over seeds": spread}}

    def published(self, row: str) -> tuple[dict[str, Any], str] | None:
        return (PUBLISHED[row], SOURCE) if row in PUBLISHED else None

    def curve(self, start: Params, **how: Any) -> AdaptationCurve:
        """Scores on the meta-test tasks after 0 ... inner_steps steps."""
        rng = np.random.default_rng(TEST_SEED)
        return adaptation_curve(learner(start, **how), self.family, n_tasks=self.settings.n_tasks, rng=rng)

    def meta_learned(self, name: str) -> dict[str, Any]:
        """The row of a meta-learner, with the rate that it was trained with; its adaptation curve is kept."""
        rate = self.settings.reptile_inner_lr if name == "Reptile" else self.settings.inner_lr
        along = [self.curve(start, inner_lr=rate, inner_steps=STEPS[-1]) for start in self.starts(name)]
        mean = AdaptationCurve("squared error", np.mean([curve.scores for curve in along], axis=0))
        self.curves[name] = {"mean": finite(mean.mean), "half_width": finite(mean.half_width)}
        return self.row(name, {column(step): [curve.at(step) for curve in along] for step in STEPS})

    def exact(self) -> dict[str, Any]:
        """What no method can beat: the posterior mean, which knows the family and takes no steps."""
        found = [self.scored(baselines.exact_sines())]
        return self.row(EXACT, {column(step): found for step in STEPS})

    def tuned(self, name: str, starts: list[Params]) -> dict[str, list[Evaluation]]:
        """Tune a baseline's rate for each column, and rate and steps together; then judge every seed's parameters.

        The sweep runs on meta-validation tasks with the first seed's parameters, and is kept.
        """
        sweep = baselines.sweep_steps(
            learner(starts[0], inner_lr=RATES[0], inner_steps=self.settings.max_steps),
            RATES,
            self.family,
            n_tasks=self.settings.n_val_tasks,
            rng_seed=VAL_SEED,
        )
        columns, chosen, winners = {}, {}, []
        for step in (*STEPS, None):
            rows = [row for row in sweep.rows if step in (None, row["inner_steps"])]
            best = min(rows, key=lambda row: row["score"])
            winners.append(best)
            how = {"inner_lr": best["inner_lr"], "inner_steps": int(best["inner_steps"])}
            heading = column(step) if step else "tuned steps"
            chosen[heading] = how
            columns[heading] = [self.curve(start, **how).at(how["inner_steps"]) for start in starts]
        shown = (1, 2, 5, 10, 20, 50, self.settings.max_steps)
        kept = [row for row in sweep.rows if row["inner_steps"] in shown or row in winners]
        self.sweeps[name] = {"chosen": chosen, "tried": [row for row in kept if np.isfinite(row["score"])]}
        return columns

    def without_steps(self, pooled: list[Params]) -> list[dict[str, Any]]:
        """Rows of the baselines that take no gradient step at test time; the same figure whatever the column."""
        sweep = baselines.sweep(
            lambda ridge: probe(pooled[0], ridge),
            "ridge",
            RIDGES,
            self.family,
            n_tasks=self.settings.n_val_tasks,
            rng_seed=VAL_SEED,
        )
        self.sweeps[PROBE] = {"chosen": sweep.settings, "tried": sweep.rows}
        learners = {
            PROBE: [probe(params, sweep.settings["ridge"]) for params in pooled],
            "nearest neighbour": [baselines.nearest_neighbour()],
            "pooled, as it is": [learner(params, inner_lr=0.0, inner_steps=0) for params in pooled],
        }
        rows = []
        for name, some in learners.items():
            found = [self.scored(one) for one in some]
            rows.append(self.row(name, {column(step): found for step in STEPS}))
        return rows

    def scored(self, one: Learner) -> Evaluation:
        """A learner's scores on the meta-test tasks."""
        return evaluate(one, self.family, n_tasks=self.settings.n_tasks, rng=np.random.default_rng(TEST_SEED))

    def diverged(self) -> dict[str, Any]:
        """On how many of other tasks MAML's error after ten steps is above 50 or no number, by seed.

        The rate was chosen for one step on ten points; on five points that lie close together it can be too long.
        """
        family, counts = Sinusoids(k_shot=self.settings.k_shot, n_query=20), []
        n_tasks = max(2, self.settings.n_diverging)
        for start in self.starts("MAML"):
            ten = learner(start, inner_lr=self.settings.inner_lr, inner_steps=STEPS[-1])
            rng = np.random.default_rng(TEST_SEED + 1)
            scores = adaptation_curve(ten, family, n_tasks=n_tasks, rng=rng).scores[:, -1]
            counts.append(int((~(scores < 50)).sum()))
        return {"n_tasks": n_tasks, "above 50 after 10 steps": counts}

    def details(self) -> dict[str, Any]:
        return {
            "adaptation_curves": self.curves,
            "sweeps": self.sweeps,
            "diverged": self.diverged(),
            "training": [{key: value for key, value in run.items() if key != "params"} for run in self.runs],
        }

    def weights(self) -> dict[str, tuple[Params, dict[str, Any]]]:
        return {file: (self.starts(name)[0], {"method": name}) for name, file in STORED.items()}

    def title(self) -> str:
        return "Sinusoid regression, 5 shots: mean squared error after gradient steps on a new task"

    def protocol(self) -> str:
        s = self.settings
        return (
            f"{s.n_tasks} meta-test tasks, 5 support points each, squared error on 100 further points of "
            f"[-5, 5]; mean over {len(self.place.seeds)} seeds, ± half of the 95 % interval over tasks; not "
            f"transductive. Meta-training: {s.meta_steps:,} steps of {s.meta_batch_size} tasks, 10 + 10 points, "
            f"MAML starting as He et al. (2015). MAML adapts with rate {s.inner_lr}, Reptile with "
            f"{s.reptile_inner_lr}; baselines: rate tuned for each column on {s.n_val_tasks} meta-validation "
            "tasks; "
            f"“tuned steps” tunes the number of steps, too (up to {s.max_steps})."
        )


EXPERIMENT = Sinusoid


def column(step: int) -> str:
    """The heading under which the score after `step` steps stands."""
    return f"{step} step" if step == 1 else f"{step} steps"


def learner(params: Params, *, inner_lr: float, inner_steps: int) -> GradientLearner:
    """A learner that starts from stored parameters, in float32 on the CPU."""
    start = tensors(params, device="cpu", dtype=torch.float32)
    return GradientLearner(NETWORK, LOSS, start, inner_lr, inner_steps)


def probe(params: Params, ridge: float) -> Learner:
    """A linear regression on what the last hidden layer computes."""

    def hidden(x: Any) -> np.ndarray:
        h = np.maximum(np.asarray(x) @ params["w0"] + params["b0"], 0)
        return np.maximum(h @ params["w1"] + params["b1"], 0)

    return baselines.linear_probe(ridge, hidden)


def finite(numbers: np.ndarray) -> list[float | str]:
    """Numbers to four decimals; in words where adapting diverged, since JSON knows no infinity."""
    return [round(float(number), 4) if np.isfinite(number) else "diverged" for number in numbers]
