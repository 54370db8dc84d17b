"""MAML's kin on sinusoids: what adapts and how fast, learned or given. `python -m mlcourse reproduce kin`.

MAML, ANIL (Raghu et al. 2020) and Meta-SGD (Li et al. 2017) from the same starts, for the same number of
meta-steps, on the tasks and the network of Finn et al. (2017), section 5.1.
"""

from dataclasses import dataclass

import numpy as np

from mlcourse import methods, training
from mlcourse.evaluation import Evaluation, Learner, adaptation_curve
from mlcourse.experiments import experiment
from mlcourse.experiments.experiment import TEST_SEED, option
from mlcourse.fast import losses, networks
from mlcourse.tasks import Sinusoids

NETWORK = networks.mlp((1, 40, 40, 1))
LOSS = losses.squared_error(NETWORK)
HEAD = ("w2", "b2")
STEPS = (1, 5)


@dataclass(frozen=True, kw_only=True)
class Settings(experiment.Settings):
    """The same for all three; ANIL's rate is larger, since it moves the last layer alone."""

    meta_steps: int = option(5_000, "Meta-steps of each run.")
    meta_batch_size: int = option(16, "Tasks of a meta-step.")
    inner_lr: float = option(0.01, "Inner rate of MAML; Meta-SGD's rates start there.")
    head_lr: float = option(0.1, "Inner rate of ANIL.")
    meta_lr: float = option(1e-3, "Rate of Adam.")
    n_tasks: int = option(600, "Meta-test tasks.")
    capture: str = option("trace", "eager, trace (the same bits) or compile.")


class Kin(experiment.Experiment):
    """Judged after several numbers of steps; all were trained with one."""

    name = "kin"
    about = "MAML, ANIL and Meta-SGD on sinusoids: two minutes on a CPU."
    settings_type = Settings

    def learners(self, seed: int) -> dict[str, Learner]:
        s = self.settings
        chosen = (
            methods.MAML(LOSS, inner_lr=s.inner_lr, meta_lr=s.meta_lr),
            methods.ANIL(LOSS, inner_lr=s.head_lr, meta_lr=s.meta_lr, head=HEAD),
            methods.MetaSGD(LOSS, inner_lr=s.inner_lr, meta_lr=s.meta_lr),
        )
        how = {"meta_steps": s.meta_steps, "meta_batch_size": s.meta_batch_size, "seed": seed, "device": "cpu"}
        how |= {"capture": s.capture, "threads": s.threads, "progress": self.place.progress}
        start = NETWORK.init(np.random.default_rng(seed))
        trained = [training.train(method, start, Sinusoids(10, 10), **how) for method in chosen]
        return {one.method.name: one.learner(inner_steps=STEPS[-1]) for one in trained}

    def judge(self, learner: Learner) -> dict[str, Evaluation]:
        rng = np.random.default_rng(TEST_SEED)
        curve = adaptation_curve(learner, Sinusoids(5, 100), n_tasks=self.settings.n_tasks, rng=rng)
        return {f"{step} step{'s' * (step > 1)}": curve.at(step) for step in STEPS}

    def title(self) -> str:
        return "MAML, ANIL and Meta-SGD on sinusoids, 5 shots: mean squared error after gradient steps"

    def protocol(self) -> str:
        s = self.settings
        return (
            f"{s.n_tasks} meta-test tasks, 5 support points each, squared error on 100 further points; mean "
            "over the seeds, ± half of the 95 % interval over tasks; not transductive. Meta-training: "
            f"{s.meta_steps:,} steps of {s.meta_batch_size} tasks, 10 + 10 points, one inner step at rate "
            f"{s.inner_lr} (ANIL {s.head_lr}); rates were not tuned."
        )


EXPERIMENT = Kin
