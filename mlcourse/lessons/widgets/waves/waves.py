"""Your own sinusoid: networks from three starting places adapt, step by step, to five points of the reader's.

`plane.py` has the points and the arithmetic; here are the starting places, the rates and the words.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import traitlets

from mlcourse import weights
from mlcourse.experiments import results
from mlcourse.lessons.widgets import base
from mlcourse.lessons.widgets.waves.plane import (
    LARGE,
    NAMES,
    STEPS,
    FivePoints,
    amount,
    packed,
    plane_payload,
    presets,
    untrained,
)
from mlcourse.reference.networks import Params

METHODS = {  # each with where it starts
    "scratch": "a random start",
    "pooled": "trained on all waves at once",
    "maml": "trained to adapt in one step",
}
RATES = (0.001, 0.003, 0.01, 0.02, 0.05)  # the reader's choice
SENTENCES = {
    "start": "Before any step the loss on the five points is {0}.",
    "step": "Gradient step {0} of {1}: the loss on the five points goes {2}.",
    "change": "from {0} to {1} for {2}",
    "level": "{0} for {1}",
    "rose": "Too long a step for {0}: that loss rose.",
    "gone": "By now {0} ran away: steps that are too long lead further and further off. Choose a smaller rate.",
    "truth": "Over the whole wave the error is now {0}.",
    "no wave": "No known wave goes through these points.",
    "prior": "MAML has met nothing but waves: look at what it draws.",
}


@cache
def start(method: str) -> Params:
    """The parameters that a method starts from, each a number that float32 holds: a page carries them exactly."""
    if method == "scratch":
        return untrained(0)
    stored = weights.load(f"sinusoid_{method}")
    weights.require_network(
        f"sinusoid_{method}", stored, {name: value.shape for name, value in untrained(0).items()}
    )
    return stored


@cache
def tuned_rates() -> dict[str, float]:
    """The rate that did best after ten steps on meta-validation waves; MAML's is the one it was trained with."""
    table, chosen = results.load("sinusoid"), {"scratch": "from scratch", "pooled": "pooled, fine-tuned"}
    try:
        sweeps, settings = table["details"]["sweeps"], table["details"]["settings"]
        best = {method: sweeps[row]["chosen"]["10 steps"]["inner_lr"] for method, row in chosen.items()}
        return best | {"maml": settings["inner_lr"]}
    except (KeyError, TypeError) as error:
        raise base.table_lacks("sinusoid", error) from error


class OwnWave(FivePoints):
    """Five points that can be dragged, and networks from three starting places that adapt to them.

    methods: those of "scratch", "pooled" and "maml" that are shown, in this order.
    The kernel sees `rates` {method: inner_lr} and what every `FivePoints` shows it.
    """

    _esm = base.script("waves/waves.js")
    _css = base.style()
    rates = traitlets.Dict().tag(sync=True, stored=True)

    def __init__(self, methods: Sequence[str] = tuple(METHODS)):
        wanted = f"one to three of {tuple(METHODS)}"
        several = base.require_several("methods", methods, wanted)
        self.methods = tuple(base.require_one_of("methods", method, METHODS) for method in several)
        if not self.methods or len(set(self.methods)) < len(self.methods):
            raise ValueError(f"methods is {self.methods}; give one to three different ones of {tuple(METHODS)}")
        first = presets()[0]
        rates = {method: tuned_rates()[method] for method in self.methods}
        super().__init__(data=self._payload(), points=first["points"], wave=first["wave"], rates=rates)

    def __repr__(self) -> str:
        return f"OwnWave(methods={self.methods!r}, step={self.step} of {STEPS}, rates={self.rates!r})"

    @traitlets.validate("rates")
    def _known_rates(self, proposal: Any) -> dict:
        if set(proposal["value"]) != set(self.methods):
            raise base.StateError(f"rates is {proposal['value']!r}; give one for each of {self.methods}")
        return {m: base.require_one_of(f"rates[{m!r}]", proposal["value"][m], RATES) for m in self.methods}

    def starts(self) -> dict[str, tuple[Params, float]]:
        return {method: (start(method), rate) for method, rate in self.rates.items()}

    def caption(self, step: int | None = None) -> str:
        """What happened at a step, as the page says it."""
        step, now = self.step if step is None else step, self.losses(step)
        said = _descent(step, self.losses(step - 1), now) if step else [SENTENCES["start"].format(_levels(now))]
        if self.truth is None:
            said += [SENTENCES["no wave"], *([SENTENCES["prior"]] if now.get("maml", LARGE) < LARGE else [])]
        elif self.revealed:
            said += [SENTENCES["truth"].format(_levels(self.errors(step)))]
        return " ".join(said)

    def describe(self) -> str:
        names = base.listed([NAMES[method] for method in self.methods])
        return f"Your own sinusoid: five points, and the curves of {names}. {self.caption(self._pictured)}"

    @property
    def _pictured(self) -> int:
        """The step of the still picture: it shows what a step does, so at least the first one."""
        return max(1, self.step)

    def still(self) -> bytes:
        title = f"after {self._pictured} gradient step{'s' * (self._pictured > 1)}; thin: before any"
        return self.picture(self._pictured, title)

    def _payload(self) -> dict[str, Any]:
        """What the page needs beside its state: the starting places, and all that is said and offered."""
        return plane_payload() | {
            "starts": {method: packed(start(method)) for method in self.methods},
            "names": {method: NAMES[method] for method in self.methods},
            "about": {method: METHODS[method] for method in self.methods},
            "tuned": {method: tuned_rates()[method] for method in self.methods},
            "rates": RATES,
            "sentences": SENTENCES,
        }


def _descent(step: int, before: dict[str, float], now: dict[str, float]) -> list[str]:
    """What one step did to each loss, and to whom it did harm."""
    change, names = SENTENCES["change"], {method: NAMES[method] for method in now}
    pairs = [change.format(amount(before[m]), amount(now[m]), name) for m, name in names.items()]
    gone = [name for m, name in names.items() if not now[m] < LARGE]  # not a number counts, too
    rose = [name for m, name in names.items() if before[m] < now[m] < LARGE]
    said = [SENTENCES["step"].format(step, STEPS, base.listed(pairs))]
    return said + [
        SENTENCES[key].format(base.listed(some)) for key, some in (("rose", rose), ("gone", gone)) if some
    ]


def _levels(values: dict[str, float]) -> str:
    return base.listed(
        [SENTENCES["level"].format(amount(value), NAMES[method]) for method, value in values.items()]
    )
