"""How far from the best possible: learners of sines beside the exact answer. `python -m mlcourse reproduce exact`.

The exact answer knows the family (`mlcourse/reference/posterior.py`). With few points, or with noise on their
labels, it is not zero either: what is left is what the points do not say.
"""

from dataclasses import dataclass

import numpy as np

from mlcourse import baselines, weights
from mlcourse.evaluation import Evaluation, Learner, evaluate
from mlcourse.experiments import experiment, sinusoid
from mlcourse.experiments.experiment import TEST_SEED, VAL_SEED, option
from mlcourse.tasks import Examples, Sinusoids, Task
from mlcourse.tasks.family import Sampled

RATES = (0.001, 0.002, 0.005, 0.01, 0.02)
MAML, POOLED = "MAML, tuned", "pooled, tuned"
STARTS = {MAML: "sinusoid_maml", POOLED: "sinusoid_pooled"}
SETTINGS = {"1 point": (1, 0.0), "2 points": (2, 0.0), "5 points": (5, 0.0), "5, noise 0.5": (5, 0.5)}
SETTINGS |= {"5, noise 1": (5, 1.0), "20, noise 1": (20, 1.0)}


@dataclass(frozen=True, kw_only=True)
class Settings(experiment.Settings):
    """Rates and steps are tuned for every column."""

    n_tasks: int = option(600, "Meta-test tasks.")
    n_val_tasks: int = option(200, "Meta-validation tasks for tuning.")
    max_steps: int = option(20, "Inner steps at most.")


def noisy(k_shot: int, noise: float) -> Sampled:
    """Sines with `k_shot` points whose labels have normal noise; the queries, which judge, have none."""
    family = Sinusoids(k_shot=k_shot, n_query=100)

    def sample(n_tasks: int, rng: np.random.Generator) -> Task:
        task = family.sample(n_tasks, rng)
        y = task.support.y + noise * rng.normal(size=task.support.y.shape)
        return Task(Examples(task.support.x, y), task.query)

    return Sampled(sample)


class Exact(experiment.Experiment):
    """The exact answer and what stored starts reach, by the number of points and by the noise."""

    name = "exact"
    about = "How far MAML is from the best possible answer on sinusoids: half a minute on a CPU."
    settings_type = Settings

    def measure(self) -> list[dict]:
        rows = {name: {} for name in (sinusoid.EXACT, *STARTS)}
        self.chosen: dict[str, dict] = {}
        for column, (k_shot, noise) in SETTINGS.items():
            family = noisy(k_shot, noise)
            rows[sinusoid.EXACT][column] = [self.scored(baselines.exact_sines(noise), family)]
            for name in STARTS:
                rows[name][column] = [self.scored(self.tuned(name, column, family), family)]
        return [self.row(name, columns) for name, columns in rows.items()]

    def tuned(self, name: str, column: str, family: Sampled) -> Learner:
        """The learner from a stored start with the rate and the steps that do best on meta-validation tasks."""
        s = self.settings
        start = weights.load(STARTS[name])
        learner = sinusoid.learner(start, inner_lr=RATES[0], inner_steps=s.max_steps)
        found = baselines.sweep_steps(learner, RATES, family, n_tasks=s.n_val_tasks, rng_seed=VAL_SEED)
        self.chosen.setdefault(name, {})[column] = found.settings
        return found.learner

    def scored(self, learner: Learner, family: Sampled) -> Evaluation:
        return evaluate(learner, family, n_tasks=self.settings.n_tasks, rng=np.random.default_rng(TEST_SEED))

    def details(self) -> dict:
        return {"chosen": self.chosen}

    def title(self) -> str:
        return "How far from the best possible: mean squared error on sines, by points and noise"

    def protocol(self) -> str:
        s = self.settings
        return (
            f"{s.n_tasks} meta-test tasks, squared error on 100 further points without noise; the support labels "
            "have normal noise of the standard deviation that the column says, else none. ± half of the 95 % "
            "interval over tasks; not transductive. MAML and pooled: the stored starts of the sinusoid table; "
            f"rate ({', '.join(map(str, RATES))}) and steps (up to {s.max_steps}) tuned for each column on "
            f"{s.n_val_tasks} meta-validation tasks."
        )


EXPERIMENT = Exact
