"""Meta-training in the browser: MAML and pooled training, from one random start, on the same sine waves.

`run.js` trains in the page, from the start that travels with it; what was trained stays there. This file is the
widget as it is before any training, with the settings and the words.
"""

from typing import Any

import traitlets

from mlcourse.arguments import require_count
from mlcourse.lessons.widgets import base
from mlcourse.lessons.widgets.waves.plane import (
    NAMES,
    SIZES,
    STEPS,
    FivePoints,
    amount,
    packed,
    plane_payload,
    presets,
    untrained,
)
from mlcourse.reference.networks import Params

METHODS = {  # each with what its training goes down
    "maml": "goes down the loss after a step",
    "pooled": "goes down the loss before it",
}
SEEDS = 3  # 0, 1 and 2, each with its own start and its own tasks
INNER_LR = 0.01
META_STEPS = 20_000
SETTINGS = {
    "meta_batch_size": 5,
    "k_shot": 10,
    "n_query": 10,
    "inner_lr": INNER_LR,
    "meta_lr": 0.006,  # at first; it falls in a straight line to zero
}
REPORTS = 100  # so often is a training judged
JUDGED = {"n_tasks": 200, "k_shot": 5, "n_query": 10, "seed": 1_000_003}  # on waves that no training meets
SENTENCES = {
    "untrained": "Nothing is trained yet: both methods start from the same random numbers. Press Meta-train.",
    "trained": "After {0} of {1} meta-steps one gradient step on five points of a new wave takes the loss {2}.",
    "change": "from {0} to {1} for {2}",
}


class MetaTrain(FivePoints):
    """Meta-train a small network in the page, by MAML and by pooled training, and adapt it to five points.

    seed: 0, 1 or 2, of the random start and of the tasks. meta_steps: how many a whole training has.
    The kernel sees the seed and what every `FivePoints` shows it, all of the untrained start: what the page has
    trained stays in the page.
    """

    _esm = base.script("training/training.js")
    _css = base.style()
    seed = traitlets.Int(0).tag(sync=True, stored=True)

    def __init__(self, seed: int = 0, *, meta_steps: int = META_STEPS):
        self.meta_steps = require_count("meta_steps", meta_steps)
        first = presets()[0]
        super().__init__(
            data=self._payload(), points=first["points"], wave=first["wave"], revealed=True, step=1, seed=seed
        )

    def __repr__(self) -> str:
        return f"MetaTrain(seed={self.seed}, meta_steps={self.meta_steps}, step={self.step} of {STEPS})"

    @traitlets.validate("seed")
    def _known_seed(self, proposal: Any) -> int:
        return base.require_whole("seed", proposal["value"], 0, SEEDS - 1)

    def starts(self) -> dict[str, tuple[Params, float]]:
        return {method: (untrained(self.seed), INNER_LR) for method in METHODS}

    def describe(self) -> str:
        before, now = (amount(self.losses(step)["maml"]) for step in (0, self.step))
        return (
            f"Meta-training of MAML and of pooled training, seed {self.seed}. {SENTENCES['untrained']} "
            f"On the five points the loss is {before} before any gradient step, {now} after {self.step}, for both."
        )

    def still(self) -> bytes:
        steps = f"{self.step} gradient step{'s' * (self.step != 1)}"
        return self.picture(self.step, f"before any training; thin: θ, thick: after {steps}")

    def _payload(self) -> dict[str, Any]:
        """What the page needs beside its state: a start for each seed, the settings, and what is said."""
        report_every = max(1, self.meta_steps // REPORTS)
        return plane_payload() | {
            "starts": {seed: packed(untrained(seed)) for seed in range(SEEDS)},
            "names": {method: NAMES[method] for method in METHODS},
            "about": METHODS,
            "settings": SETTINGS | {"meta_steps": self.meta_steps, "report_every": report_every},
            "judged": JUDGED,
            "units": SIZES[1],
            "sentences": SENTENCES,
        }
