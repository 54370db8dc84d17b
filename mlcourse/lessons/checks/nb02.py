"""Checks of the exercises of notebook 02, Why ordinary learning fails."""

from collections.abc import Callable

import numpy as np

from mlcourse.lessons.checks.compare import compare
from mlcourse.lessons.checks.verdict import exercise
from mlcourse.tasks import Examples, Task, Waves

Params = dict[str, np.ndarray]


def _network(sizes: tuple[int, ...]) -> Params:
    """Parameters of a network whose biases matter and whose units are off for some inputs."""
    rng = np.random.default_rng(sum(sizes))
    params = {}
    for layer, (n_in, n_out) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        params[f"w{layer}"] = rng.normal(size=(n_in, n_out))
        params[f"b{layer}"] = rng.normal(size=n_out)
    return params


def _relu(h: np.ndarray) -> np.ndarray:
    return np.maximum(h, 0)


def _apply(
    params: Params,
    x: np.ndarray,
    *,
    n_layers: int | None = None,
    bias: float = 1.0,
    between: Callable = _relu,
    last: Callable = lambda h: h,
) -> np.ndarray:
    """The right network, or one with a known slip."""
    n_layers, h = n_layers or len(params) // 2, x
    for layer in range(n_layers):
        h = h @ params[f"w{layer}"] + bias * params[f"b{layer}"]
        h = between(h) if layer < n_layers - 1 else last(h)
    return h


@exercise(
    "2.1", "A network of any depth", passed="One function works with any dict that you pass.", keeps_arguments=True
)
def apply(answer):
    x = np.array([[-2.0], [-0.5], [0.3], [1.0], [2.5]])
    for sizes in ((1, 4, 3, 5, 1), (1, 6, 2), (1, 1)):
        params, depth = _network(sizes), len(sizes) - 1
        try:
            got = answer(params, x)
        except KeyError as error:
            yield f"there is no {error} among {', '.join(params)}: every layer has two arrays, so count in pairs"
        too_few = [
            (_apply(params, x, n_layers=n, last=last), f"only the first {n} layers were used: count in `params`")
            for n in range(1, depth)
            for last in (lambda h: h, _relu)
        ]
        yield compare(
            got,
            _apply(params, x),
            name=f"the output for {depth} layers",
            diagnoses=[
                (_apply(params, x, last=_relu), "the ReLU after the last layer cuts off all that is negative"),
                (_apply(params, x, bias=0.0), 'the biases are missing: add `params[f"b{layer}"]` in every layer'),
                (_apply(params, x, between=lambda h: h), "without ReLU between the layers it is a straight line"),
                *too_few,
            ],
        )


def _tasks() -> Task:
    """Three tasks with three support and three query points; every x occurs once, and y = 100 + x²."""
    x = np.arange(18.0).reshape(3, 6, 1)
    return Task(*(Examples(part, 100 + part**2) for part in (x[:, :3], x[:, 3:])))


@exercise("2.2", "Put the points into one pool", passed="Without the task axis, nothing tells the waves apart.")
def pool(answer):
    got = answer(_tasks())
    if not (isinstance(got, tuple | list) and len(got) == 2):
        yield compare(got, (0, 0), name="the pool")
    for name, part in zip("xy", map(np.asarray, got), strict=True):
        said = f"`{name}` has the shape {part.shape}"
        if part.ndim == 3:
            yield f"{said}: the task axis is still there. Make one column of it"
        if part.shape == (18,):
            yield f"{said}: give it a second axis, (18, 1), or it will broadcast against the outputs"
        if part.shape == (1, 18):
            yield f"{said}: that is a row, one example with 18 numbers. Make it a column"
        if part.shape == (9, 1):
            yield f"`{name}` holds 9 of 18 numbers: one of the two sets, support or query, is missing"
        if part.shape != (18, 1):
            yield f"{said}, and (18, 1) is right"
    x, y = map(np.asarray, got)
    yield compare(np.sort(x, axis=0), np.arange(18.0)[:, None], name="`x`, sorted,")
    if not np.array_equal(y, 100 + x**2):
        yield "`x` and `y` have different orders, so points got wrong labels: join both along the same axis"
    two = Task(*(Examples(part.x[:2], part.y[:2]) for part in _tasks()))
    yield compare(np.sort(answer(two)[0], axis=0), np.arange(12.0)[:, None], name="`x` of two tasks, sorted,")


@exercise("2.3", "The average, and its floor", passed="No network whose only input is x gets below this floor.")
def average_and_floor(answer):
    waves, x = Waves(np.array([1.0, 2.0, 4.5]), np.array([0.2, 1.0, 2.9])), np.linspace(-4, 3, 3)[:, None]
    values = waves(x)
    average = values.mean(axis=0)
    of_means = Waves(*(np.array([part.mean()]) for part in waves))(x)
    got = answer(waves, x)
    if not (isinstance(got, tuple | list) and len(got) == 2):
        yield f"return two things, `return average, floor`; there is only a {type(got).__name__}"
    yield compare(
        got[0],
        average,
        name="the average",
        counts={"waves": 3},
        diagnoses=[
            (of_means[0], "this is the wave of the mean parameters: average the waves' values instead"),
            (np.median(values, axis=0), "this is the median: the squared error is smallest at the mean"),
            (values.mean(axis=1), "you have averaged over x, one number a wave: the waves lie along axis 0"),
            (values.mean(), "you have averaged over the waves and over x: keep x, average along axis 0"),
        ],
    )
    yield compare(
        got[1],
        np.mean((values - average) ** 2),
        name="the floor",
        counts={"inputs or the waves": 3},
        diagnoses=[
            (lambda floor: abs(floor) < 1e-9, "it is 0, because deviations from a mean cancel: square them first"),
            (np.mean(values**2), "this is the error of predicting 0: subtract the average from the waves first"),
            (np.mean(average**2), "this is the size of the average: subtract it from the waves first"),
            (np.mean(np.abs(values - average)), "these are absolute errors: the loss is squared"),
            (np.sum((values - average) ** 2), "this is a sum over all waves and all x, not their mean"),
        ],
    )
    two, x = Waves(waves.amplitude[:2], waves.phase[:2]), np.linspace(-1, 2, 5)[:, None]
    values = two(x)
    floor = np.mean((values - values.mean(axis=0)) ** 2)
    yield compare(answer(two, x), (values.mean(axis=0), floor), name="the pair for two waves and five x")


@exercise("2.4", "Choose a rate", passed="A rate that breaks on some tasks cannot win.")
def best_rate(answer):
    rates = (10.0, 0.001, 0.02, 0.1, 0.5)
    losses = np.array(
        [[np.nan, 3.0, 2.0, 0.5, 0.9], [np.nan, 2.0, 1.0, 2.5, np.nan], [np.nan, 2.5, 1.5, 9.0, 0.3]]
    )
    with np.errstate(all="ignore"):
        got = answer(rates, losses)
    yield compare(
        got,
        0.02,
        name="the rate",
        diagnoses=[
            (10.0, "10.0 diverged on every task and won: `argmin` takes the first `nan` for the smallest number"),
            (0.5, "0.5 diverged on one task and won, because the mean left that task out (`nanmean`)"),
            (2, "this is the place of the rate in the list: look it up in `rates`"),
            (1.5, "this is the loss of the best rate: return the rate itself"),
            (0.1, "0.1 is the best on one of the tasks, but not on their mean"),
            (0.001, "0.001 has a mean of 2.5, and 0.02 one of 1.5: the smallest wins"),
        ],
    )
    losses = np.array([[1.0, 2.0, 3.0], [0.5, 0.0, 1.0]])
    yield compare(answer((0.3, 0.03, 0.003), losses), 0.3, name="the rate of three, on two tasks,")
