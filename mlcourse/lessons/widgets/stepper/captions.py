"""What the loop stepper says at each frame: sentences with gaps, and the figures that go into them.

The sentences travel to the browser once, the figures for every frame: Python and the script say the same.
`caption` says what happened, `differentiated` what has just been differentiated and what became of it.
"""

from mlcourse.lessons.widgets import base
from mlcourse.lessons.widgets.stepper.loops import LoopState

Said = tuple[str, list[str]]  # which sentence, and what goes into its gaps

_BY_METHOD = {
    "maml": "MAML moved θ down the gradient of the loss after adapting, taken through the inner steps",
    "first-order": "first-order MAML moved θ by the gradients at φ₁, φ₂, φ₃, as if φᵢ moved with θ one to one",
    "reptile": "Reptile moved θ to the mean of φ₁, φ₂, φ₃",
    "joint": "joint training moved θ down the gradient of the mean loss at θ itself, with no inner step",
}
_CHANGES = "the mean query loss at θ went from {2} to {3}, after adapting from {4} to {5}"
_COPIES = "each task's own copy of θ goes down the loss on its five support points"
_ONLY = "only to see how well this θ adapts, for joint training takes no inner step"
_ONE_STEP = "one step down the loss on the five support points"
_NOW = "each task's loss on its support points, with respect to its own copy of θ"

_STEP = "Inner step {0} of {1}"
_WENT = "went from {2} to {3}"
_BACK = "In (a, p), as the mean over the tasks:"

SENTENCES = {
    "start": "Start: θ is a low curve, one for all three tasks; its mean query loss, not yet adapted, is {0}.",
    **{f"outer {key}": f"Outer step {{0}} of {{1}}: {moved}; {_CHANGES}." for key, moved in _BY_METHOD.items()},
    "inner": f"{_STEP}: {_COPIES}; the mean query loss {_WENT}.",
    "last": f"{_STEP}: {_COPIES} and is now φ₁, φ₂, φ₃; the mean query loss {_WENT}.",
    "look": f"{_STEP}, {_ONLY}: the mean query loss {_WENT}.",
    "task start": "Start: θ's curve knows nothing of this task; its loss on new points is {0}.",
    "task inner": f"{_STEP}: {_ONE_STEP}; the loss on new points {_WENT}.",
    "task last": f"{_STEP}, which ends at φ: {_ONE_STEP}; the loss on new points {_WENT}.",
    "nothing yet": "Nothing has been differentiated yet. In grey: what the loops are going to compute.",
    "inner maml": (
        f"Just differentiated: {_NOW}. MAML keeps how each gradient was made: the outer step goes back through it."
    ),
    "inner first-order": (
        f"Just differentiated: {_NOW}. First-order MAML keeps the copies, not how each gradient was made."
    ),
    "inner reptile": f"Just differentiated: {_NOW}. Reptile keeps nothing but the copies.",
    "inner joint": "Joint training differentiates none of this: these steps only show how well θ adapts.",
    "back maml": (
        f"Just differentiated: the query loss at φᵢ, all the way back to θ, along both paths. {_BACK} through the "
        "copies ({0}, {1}), through the inner gradients ({2}, {3})."
    ),
    "back first-order": (
        f"Just differentiated: the query loss at φᵢ, back along the copies alone. {_BACK} ({{0}}, {{1}}). "
        "The path through the inner gradients is cut; it would have added ({2}, {3})."
    ),
    "back reptile": (
        "Nothing is differentiated in Reptile's outer step: θ moves by the mean of φᵢ − θ, which is ({0}, {1}) "
        "in (a, p)."
    ),
    "back joint": (
        f"Just differentiated: the query loss at θ itself. {_BACK} ({{0}}, {{1}}). No inner step lies between."
    ),
}


def fill(said: Said) -> str:
    """The sentence with its figures."""
    key, figures = said
    return SENTENCES[key].format(*figures)


def caption(state: LoopState) -> Said:
    """What happened on the way to this frame."""
    losses = state.run.losses[state.outer]
    before = "task start" if state.loops.stage == "task" else "start"
    if state.inner:
        steps = [str(state.inner), str(state.loops.inner_steps)]
        return _inner_sentence(state), steps + [base.fixed(losses[k]) for k in (state.inner - 1, state.inner)]
    if not state.outer:
        return before, [base.fixed(losses[0])]
    earlier = state.run.losses[state.outer - 1]
    changes = map(base.fixed, (earlier[0], losses[0], earlier[-1], losses[-1]))
    return f"outer {state.method}", [str(state.outer), str(state.loops.outer_steps), *changes]


def _inner_sentence(state: LoopState) -> str:
    last = state.inner == state.loops.inner_steps
    if state.loops.stage == "task":
        return "task last" if last else "task inner"
    if state.method == "joint":
        return "look"
    return "last" if last else "inner"


def differentiated(state: LoopState) -> Said:
    """What was differentiated on the way to this frame, and what becomes of it."""
    if state.inner:
        return f"inner {state.method}", []
    if not state.outer:
        return "nothing yet", []
    kept, rest = state.run.directions[state.outer - 1]
    figures = [*kept, *rest] if state.method in ("maml", "first-order") else kept
    return f"back {state.method}", [base.fixed(figure) for figure in figures]
