"""Checks of the exercises of notebook 19, Serve it."""

import numpy as np

from mlcourse.lessons.checks.compare import compare
from mlcourse.lessons.checks.verdict import exercise


@exercise(
    "19.1",
    "Keep only what moved",
    passed="What did not move is in the model already, once for all tasks.",
    keeps_arguments=True,
)
def keep_and_back(keep, back):
    rng = np.random.default_rng(1)
    theta = {"w0": rng.normal(size=(1, 3)), "b0": np.zeros(3), "w1": rng.normal(size=(3, 2)), "b1": np.zeros(2)}
    phi = {**theta, "w1": theta["w1"] + 0.5, "b1": np.array([0.0, -0.25])}  # of b1 one number moved
    moved = {name: phi[name] for name in ("w1", "b1")}
    kept = keep(theta, phi)
    yield compare(
        kept,
        moved,
        name="what is kept",
        diagnoses=[
            (phi, "all of phi is kept: leave out the arrays that are the same as theta's"),
            (
                {name: theta[name] for name in ("w0", "b0")},
                "these are the arrays that did not move: keep the others",
            ),
            ({name: phi[name] - theta[name] for name in moved}, "these are differences: keep phi's own numbers"),
            (
                {name: theta[name] for name in moved},
                "the names are right, but the numbers are theta's: take phi's",
            ),
            (
                {"w1": phi["w1"]},
                "an array counts as moved when *any* of its numbers moved: of b1 one did",
            ),
        ],
    )
    yield compare(keep(theta, dict(theta)), {}, name="what is kept of a task in which nothing moved")
    if set(keep(theta, {**theta, "b1": np.array([0.0, 1e-12])})) != {"b1"}:
        yield "an array that moved by 1e-12 is not kept: a small step is a step, so compare exactly"
    yield compare(
        back(theta, moved),
        phi,
        name="phi made again",
        diagnoses=[
            (moved, "phi made again has only the names that moved: the others come from theta"),
            (theta, "what was kept is overwritten by theta: the kept arrays must win"),
        ],
    )


WAITING = [
    ("a", "sines", 1, 5), ("b", "sines", 1, 10), ("c", "sines", 1, 5), ("d", "sines", 2, 5),
    ("e", "mine", 1, 5), ("f", "sines", 1, 5), ("g", "sines", 2, 5), ("h", "sines", 1, 10),
]  # fmt: skip


@exercise(
    "19.2",
    "Who may run together",
    passed="The server's own batcher does the same while requests keep coming.",
    keeps_arguments=True,
)
def batches(answer):
    got = [list(batch) for batch in answer(list(WAITING), 32)]
    yield _grouped(got, [["a", "c", "f"], ["b", "h"], ["d", "g"], ["e"]])
    got = [list(batch) for batch in answer(list(WAITING), 2)]
    want = [["a", "c"], ["f"], ["b", "h"], ["d", "g"], ["e"]]
    if got == want:
        return
    everyone = sorted(id for batch in got for id in batch)
    if not all(got):
        yield "a batch is empty: the slice that begins at i ends at i + most"
    if any(len(batch) > 2 for batch in got):
        yield "a batch holds more than `most` requests: cut the group"
    if everyone != sorted(id for id, *_ in WAITING):
        yield "with `most` of 2 some requests are in no batch, or in two: the rest of a group is a batch, too"
    yield _grouped(got, want)


def _grouped(got: list[list[str]], want: list[list[str]]) -> str | None:
    """What is wrong with batches, or None."""
    if got == want:
        return None
    kinds = {id: kind for id, *kind in WAITING}
    for batch in got:
        for part, what, why in (
            (0, "model", "another model has other parameters"),
            (1, "version", "each would be answered by the other's weights"),
            (2, "size", "support sets of unequal size cannot be stacked"),
        ):
            if len({kinds[id][part] for id in batch}) > 1:
                return f"{batch} mixes requests of different {what}: {why}"
    if sorted(map(sorted, got)) == sorted(map(sorted, want)):
        return f"the groups are right, the order is not: {want} is, the group whose first request came first leads"
    if len(got) > len(want):
        return (
            f"{got} has more batches than needed: requests of one kind run together also when others came between"
        )
    return f"your batches are {got}; right are {want}"


@exercise(
    "19.3",
    "Below which score to abstain",
    passed="On new tasks the share right is close to the target, as long as they are tasks like these.",
    keeps_arguments=True,
)
def threshold(answer):
    # from the highest score: right, right, WRONG, right, right, right | two equal, one wrong | wrong
    scores = np.array([0.5, 0.97, 0.6, 0.99, 0.9, 0.8, 0.7, 0.6, 0.95])
    right = np.array([False, True, False, True, True, True, True, True, False])
    yield compare(
        answer(scores, right, 0.8),
        0.7,
        name="the threshold for a target of 80 %",
        diagnoses=[
            (
                0.97,
                "the share falls below the target and comes back: you stopped at the first fall, and far more "
                "could be answered",
            ),
            (0.99, "this is the strictest threshold that reaches the target: the lowest one answers most"),
            (
                0.6,
                "predictions of equal score are answered together, and one of the two at 0.6 is wrong: only the "
                "last of equal scores is a place to stop",
            ),
            (0.5, "here everything is answered, and 6 of 9 are right: sort the highest score first, then add up"),
            (
                lambda got: got == np.inf,
                "nothing would be answered, but of the six highest scores five are right: sort the highest first",
            ),
            (0.8, "0.7 still reaches the target: 5 of 6 are right there. Does `share` belong to the same place?"),
        ],
    )
    yield compare(
        answer(scores, right, 5 / 6),
        0.7,
        name="the threshold for a target of 5 / 6",
        diagnoses=[(0.97, "a share that is equal to the target reaches it: compare by `>=`")],
    )
    for tied in ([True, True, False], [True, False, True]):  # in either order
        yield compare(
            answer(np.array([0.9, 0.6, 0.6]), np.array(tied), 0.99),
            0.9,
            name="the threshold where two scores are equal",
            diagnoses=[
                (0.6, "one of the two at 0.6 is wrong, and both would be answered: stop at the last of equals")
            ],
        )
    got = answer(np.array([0.9, 0.4]), np.array([False, True]), 0.9)
    if np.ndim(got) == 0 and got == -np.inf:
        yield "minus infinity lets *everything* be answered: where the target is out of reach, nothing is"
    if np.ndim(got) or got != np.inf:
        yield f"the target is out of reach even for the surest prediction, and you return {got}: return np.inf"
    yield compare(
        answer(np.array([0.3, 0.2]), np.array([True, True]), 0.9), 0.2, name="the threshold of all right"
    )


@exercise(
    "19.4",
    "The lowest that is still chance",
    passed="`mlcourse/serving/watching.py` asks the same before it raises the alarm.",
)
def alarm_below(answer):
    p, s, q, n = 0.9, 0.2, 5, 25
    chance = p * (1 - p) / q
    right = p - 3 * np.sqrt((s**2 + chance) / n)
    yield compare(
        answer(p, s, q, n),
        right,
        name="the bound",
        diagnoses=[
            (p - 3 * np.sqrt(s**2 + chance), "this is the range of *one* adapter: a mean varies less"),
            (p - 3 * np.sqrt(s**2 + chance) / n, "a standard deviation falls with the root of `window`"),
            (p - 3 * s / np.sqrt(n), "the few questions of an adapter are missing: they add p (1 − p) / asked"),
            (p - 3 * np.sqrt((s + chance) / n), "`spread` is a standard deviation: square it before you add"),
            (p - 3 * np.sqrt((s**2 + p * (1 - p)) / n), "an adapter's share is a mean of `asked` answers: divide"),
            (p - 3 * (s**2 + chance) / n, "this subtracts three variances: take the root first"),
            (p - 3 * (s + np.sqrt(chance)) / np.sqrt(n), "standard deviations do not add up, variances do"),
            (p - 1.96 * np.sqrt((s**2 + chance) / n), "1.96 is too little: one window in 40 would raise an alarm"),
            (p - np.sqrt((s**2 + chance) / n), "this is one standard deviation below the mean: subtract three"),
            (p - 3 * np.sqrt(s**2 / n + chance), "both variances are of one adapter: divide their sum"),
            (p - 3 * np.sqrt(s**2 + chance / n), "both variances are of one adapter: divide their sum"),
            (p + 3 * np.sqrt((s**2 + chance) / n), "this is the upper end: the alarm rises when the mean falls"),
        ],
    )  # fmt: skip
    yield compare(
        answer(0.1, 0.3, 2, 4),
        0.0,
        name="the bound of a model that is right 1 time in 10",
        diagnoses=[(lambda got: got < 0, "a share is never below zero: take the larger of the bound and 0")],
    )
