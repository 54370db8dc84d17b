"""Checks of the exercises of notebook 07, Few-shot images."""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F

from mlcourse.fast import networks
from mlcourse.lessons.checks.compare import compare, same
from mlcourse.lessons.checks.verdict import exercise
from mlcourse.tasks.images import ImageSet
from mlcourse.tasks.task import Task

CLASSES, DRAWINGS, SIDE = 9, 7, 4
K_SHOT = 2
SIZES = 4, K_SHOT, 3  # n_way, k_shot, n_query
EACH = (0, 2, 3)  # the axes of a batch over which each channel is averaged
WRONG_AXES = {
    (2, 3): "each picture has its own mean or variance: average over the pictures, too, axis 0",
    (0, 1, 2, 3): "all channels share one mean or variance: leave axis 1, the channels, out",
    (1, 2, 3): "this averages over the channels: axis 1 stays, axes 0, 2 and 3 go",
    (0,): "every pixel has its own mean or variance: average over height and width, too",
}


def _pictures() -> np.ndarray:
    """Pictures that all differ, with full ink somewhere in each."""
    pictures = np.random.default_rng(17).integers(0, 255, (CLASSES, DRAWINGS, SIDE, SIDE), dtype=np.uint8)
    pictures[..., 0, 2] = 255
    return pictures


@exercise(
    "7.1",
    "Draw an episode",
    passed="Different letters, different drawings, new labels: a task.",
    keeps_arguments=True,
)
def draw_episode(answer):
    pictures, found = _pictures(), []
    for seed in range(40):
        episode = answer(pictures, *SIZES, np.random.default_rng(seed))
        yield from _forms(episode, pictures, SIZES)
        found.append(_decode(episode, pictures))
    for support, query in found:
        yield from _one_episode(support, query, SIZES)
    yield from _across_episodes(found)
    again = _decode(answer(pictures, *SIZES, np.random.default_rng(3)), pictures)
    if any(not np.array_equal(a, b) for a, b in zip(again, found[3], strict=True)):
        yield "the same generator gives another task each time: draw with `rng` and nothing else"
    small = 3, 1, 2
    episode = answer(pictures, *small, np.random.default_rng(3))
    yield from _forms(episode, pictures, small)
    yield from _one_episode(*_decode(episode, pictures), small)


def _forms(episode: Task, pictures: np.ndarray, sizes: tuple[int, int, int]) -> Iterator[str | None]:
    """Type, shapes and pixels of one episode."""
    if not (isinstance(episode, tuple) and len(episode) == 2 and all(len(part) == 2 for part in episode)):
        yield "return Task(Examples(x, y), Examples(x, y)): first the support set, then the query set"
    n_way, *each_set = sizes
    for name, (x, y), each in zip(("support", "query"), episode, each_set, strict=True):
        want = (n_way * each, 1, SIDE, SIDE)
        if np.shape(x) == (want[0], SIDE, SIDE):
            yield f"{name}.x has no axis of colours: its shape is {np.shape(x)}, and {want} is right"
        if np.shape(x) != want or np.shape(y) != want[:1]:
            yield (
                f"{name}.x has the shape {np.shape(x)} and {name}.y {np.shape(y)}; for n_way {n_way} with {each} "
                f"of each, {want} and {want[:1]} are right"
            )
        x = np.asarray(x)
        if not np.isfinite(x).all():
            yield f"{np.sum(~np.isfinite(x))} pixels of {name}.x are not finite (NaN or infinity)"
        if np.max(x) > 1:
            yield f"the pixels of {name}.x go up to {np.max(x):g}: divide by 255"
        if np.max(x) < 1:
            yield f"full ink has become {np.max(x):.2g} in {name}.x, and it should be 1: divide by 255, once"
        if _differences(x, pictures).min(axis=1).max() > 1e-3:  # half precision is near enough
            yield f"a picture in {name}.x is none of `images`: take whole drawings, and only divide them by 255"


def _differences(x: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """How far each picture of a set is from each of all drawings, at the pixel where they differ most."""
    return np.abs(x - pictures.reshape(1, -1, SIDE, SIDE) / 255).max(axis=(2, 3))


def _decode(episode: Task, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of class, drawing and label: one array for the support set, one for the query set."""

    def rows(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.column_stack([*divmod(_differences(np.asarray(x), pictures).argmin(axis=1), DRAWINGS), y])

    support, query = (rows(*part) for part in episode)
    return support, query


def _one_episode(support: np.ndarray, query: np.ndarray, sizes: tuple[int, int, int]) -> Iterator[str | None]:
    """What must hold in every single episode."""
    n_way, *each_set = sizes
    if set(support[:, 2]) != set(range(n_way)):
        yield (
            f"the labels of one task are {sorted(set(support[:, 2].tolist()))}, and 0 to {n_way - 1} are right: "
            "a label is the place of a letter in this task, not its number in the array"
        )
    for name, rows, each in zip(("support", "query"), (support, query), each_set, strict=True):
        counts = [int(np.sum(rows[:, 2] == label)) for label in range(n_way)]
        if counts != n_way * [each]:
            yield f"the labels 0 to {n_way - 1} occur {counts} times in {name}.y; {each} of each are right"
    meant = {label: set(support[support[:, 2] == label, 0].tolist()) for label in range(n_way)}
    if any(len(classes) > 1 for classes in meant.values()):
        yield "in the support set one label stands for several letters: pictures and labels are not in one order"
    if len(set(support[:, 0].tolist())) < n_way:
        yield "one letter was drawn twice and has two labels: choose the letters without putting them back"
    if any(row[0] not in meant.get(row[2], ()) for row in query.tolist()):
        yield "a query picture has another label than its letter has in the support set"
    shown = [tuple(row[:2]) for row in support.tolist()], [tuple(row[:2]) for row in query.tolist()]
    if set(shown[0]) & set(shown[1]):
        yield "a drawing of the support set is in the query set, too: a right answer to it would prove nothing"
    if any(len(set(part)) < len(part) for part in shown):
        yield "a drawing stands twice in the same set: take different ones"


def _across_episodes(found: list[tuple[np.ndarray, np.ndarray]]) -> Iterator[str | None]:
    """What can only be seen in many episodes."""
    in_order = [np.all(np.diff(support[::K_SHOT, 0]) > 0) for support, _ in found]
    if all(in_order):
        yield (
            "label 0 always has the lowest letter number: keep the letters in random order, "
            "so that a label says nothing"
        )
    drawings = np.concatenate([support[:, 1] for support, _ in found])
    if len(set(drawings.tolist())) <= K_SHOT:
        yield "the support set always shows the same drawings: put the drawings of each letter in random order"
    letters = np.concatenate([support[:, 0] for support, _ in found])
    if len(set(letters.tolist())) < CLASSES:
        yield f"in 40 tasks only {len(set(letters.tolist()))} of {CLASSES} letters occur: choose among all of them"


@exercise("7.2", "One block", passed="Four of these and one linear layer: that is Conv4.")
def block(answer):
    rng = np.random.default_rng(7)
    shapes = {"w1": (3, 2, 3, 3), "b1": (3,), "scale1": (3,), "shift1": (3,)}
    params = {name: torch.as_tensor(rng.normal(size=shape)) for name, shape in shapes.items()}
    h = torch.as_tensor(rng.normal(size=(4, 2, 6, 6)))
    try:
        got = answer(params, 1, h)
    except KeyError as error:
        if not str(error.args[0]).endswith("0"):
            raise
        yield 'the arrays of block 1 are called w1, b1 and so on: use `i`, not 0, as in `params[f"w{i}"]`'
        return
    except RuntimeError as error:
        if not all(size in str(error) for size in ("(3)", "(6)", "must match")):
            raise
        yield (
            "one number for each channel meets the axis of columns: give scale and shift `[:, None, None]`, "
            "and mean and variance `keepdim=True`"
        )
        return
    g = F.conv2d(h, params["w1"], params["b1"], padding=1)
    scale, shift = params["scale1"][:, None, None], params["shift1"][:, None, None]

    def rest(mean_over=EACH, variance_over=EACH, correction=0, scale=scale, shift=shift, root=torch.sqrt):
        mean = g.mean(dim=mean_over, keepdim=True)
        variance = g.var(dim=variance_over, correction=correction, keepdim=True)
        return scale * (g - mean) / root(variance + 1e-5) + shift

    def pooled(normal):
        return F.max_pool2d(torch.relu(normal), 2)

    axes = [
        (pooled(rest(*pair)), message)
        for wrong, message in WRONG_AXES.items()
        for pair in ((wrong, wrong), (wrong, EACH), (EACH, wrong))
    ]
    ends = [
        (F.max_pool2d(rest(), 2), "there is no ReLU: what is negative becomes 0"),
        (torch.relu(rest()), "nothing is pooled: height and width should be halved"),
        (
            F.avg_pool2d(torch.relu(rest()), 2),
            "this keeps the mean of 2 x 2 pixels: keep the largest, `F.max_pool2d`",
        ),
    ]
    yield compare(
        got,
        pooled(rest()),
        name="the block's output",
        rtol=1e-4,
        diagnoses=[
            *axes,
            (pooled(rest(correction=1)), "this variance divides by n − 1: give `correction=0`"),
            (pooled(rest(root=lambda variance: variance)), "you divide by the variance: take its root"),
            (pooled(rest(scale=1.0)), "no scale: multiply by it after normalising"),
            (pooled(rest(shift=0.0)), "no shift: add it after normalising"),
            (pooled(rest(scale=1.0, shift=0.0)), "neither scale nor shift: normalise, then apply both"),
            (pooled(scale * g + shift), "nothing is normalised yet"),
            *ends,
        ],
    )


def _two_sets() -> tuple[ImageSet, ImageSet]:
    """Two sets with 2 classes, 1 alphabet and 3 pictures in common, one picture under another class name."""
    rng = np.random.default_rng(11)
    train = rng.integers(0, 256, (6, 5, 4, 4), dtype=np.uint8)
    test = rng.integers(0, 256, (4, 5, 4, 4), dtype=np.uint8)
    test[0, 1], test[2, 3], test[3, 0] = train[0, 1], train[5, 0], train[1, 4]
    names = np.array(["north", "south", "east", "west", "up"])
    first = ImageSet("train", train, np.array([0, 0, 1, 1, 3, 3]), names, np.array(list("abcdef")))
    second = ImageSet("test", test, np.array([2, 2, 3, 4]), names, np.array(list("bxfy")))
    return first, second


@exercise("7.3", "Test a split", passed="Run it on every split that you are given, or make.")
def shared(answer):
    train, test = _two_sets()
    got = answer(train, test)
    things = (set, frozenset, list, tuple, dict)
    if isinstance(got, tuple | list) and len(got) == 3 and any(isinstance(part, things) for part in got):
        yield "a place holds the things themselves: return how many there are, by `len`"
    yield compare(
        got,
        (2, 1, 3),
        name="(classes, alphabets, pictures)",
        diagnoses=[
            (
                lambda n: n[0] == 8,
                "this counts all classes of the two: `&` is what two sets share, `|` their union",
            ),
            (lambda n: n[0] == 1, "you compare the names place by place: a class may stand anywhere, use sets"),
            (
                lambda n: n[1] == 5,
                "every part keeps the names of all alphabets: compare `alphabet`, the numbers that occur",
            ),
            (
                lambda n: n[2] == 1,
                "you look for a picture in its own place alone: a copy may stand anywhere in `train`",
            ),
            (lambda n: n[2] == 2, "one copy hangs under another class name: look for it in all of `train`"),
            (
                lambda n: n[2] == 0,
                "no copy was found, and there are three: take single pictures, not all drawings of a class",
            ),
            (lambda n: n[2] in (20, 30), "these are all pictures of one part: count those that are in both"),
            (lambda n: n[2] == 47, "these are the pictures of both parts: count those that are in both"),
        ],
    )
    yield compare(tuple(answer(train, train)), (6, 3, 30), name="the answer for a set and itself")


@exercise(
    "7.4", "One query at a time", passed="No query changes another one's answer: this is what a single user meets."
)
def one_at_a_time(answer):
    network = networks.conv4(n_way=3, channels=4, size=16)
    rng = np.random.default_rng(13)
    phi = {name: p + 0.1 * torch.as_tensor(rng.normal(size=p.shape)) for name, p in network.init(rng).items()}
    support_x, query_x = (torch.as_tensor(rng.uniform(size=(n, 1, 16, 16))) for n in (3, 5))

    def scores(before: torch.Tensor | None, row: int) -> torch.Tensor:
        batches = [x[None] if before is None else torch.cat([before, x[None]]) for x in query_x]
        return torch.stack([network.apply(phi, batch)[row] for batch in batches])

    first = torch.stack([network.apply(phi, torch.cat([x[None], support_x]))[-1] for x in query_x])
    everything = network.apply(phi, torch.cat([support_x, query_x]))
    try:
        got = answer(network.apply, phi, support_x, query_x)
    except RuntimeError as error:
        if "number of dimensions" in str(error):
            yield "x is one picture, (1, H, W), and a batch has four axes: `x[None]` is a batch of one"
        if "non-empty TensorList" in str(error):
            yield "`scores` is still empty after the loop: append the query's row to it, once for each query"
        raise
    yield compare(
        got,
        scores(support_x, -1),
        name="the scores",
        rtol=1e-4,
        diagnoses=[
            (scores(None, 0), "each query is in a batch by itself: put the support pictures into that batch"),
            (scores(support_x, 0), "these are the scores of the first support picture: the query stands last"),
            (first, "these are the scores of the last support picture: take the row in which the query stands"),
            (
                scores(query_x, -1),
                "each query meets the other queries: put the support pictures into its batch, not those",
            ),
            (
                everything[-5:],
                "support pictures and all queries are in one batch: give each query a batch of its own",
            ),
            (network.apply(phi, query_x), "all queries are in one batch: give each a batch of its own"),
            (
                lambda got: got.shape == (5, 4, 3),
                "you keep the rows of the support pictures: take only that of the query",
            ),
        ],
    )
    want = torch.stack([network.apply(phi, torch.cat([support_x[:1], x[None]]))[-1] for x in query_x[:2]])
    got = answer(network.apply, phi, support_x[:1], query_x[:2])
    yield compare(got, want, name="the scores of two queries with one support picture", rtol=1e-4)


@exercise(
    "7.5",
    "One query joins a batch",
    passed="Of the difference to the batch, 1 − w stays, where w = n_q / (n + n_q).",
)
def join(answer):
    rng = np.random.default_rng(19)
    values, joining = rng.normal(1.0, 2.0, size=(40, 3)), rng.normal([3.0, -1.0, 0.5], 1.5, size=(10, 3))
    batch, query = _moments(values), _moments(joining)
    (n, m, v), (n_q, m_q, v_q) = batch, query
    w, d = n_q / (n + n_q), m_q - m

    def joined(w=w, between=1.0, root=np.sqrt, start=None):
        mean = (1 - w) * m + w * m_q
        variance = (1 - w) * v + w * v_q + between * w * (1 - w) * d**2
        return mean, variance, (m_q - (mean if start is None else start)) / root(variance)

    def variance_is(wrong):
        return lambda got: same(got[1], wrong)

    mean, variance, left = joined()
    apart = (1 - w) * v + w * v_q
    got = answer(batch, query)
    yield compare(
        got,
        (mean, variance, left),
        name="(μ, σ², what is left)",
        diagnoses=[
            (
                lambda got: same(got[0], w * m + (1 - w) * m_q),
                "μ gives the batch the share of the query: w is n_q / (n + n_q)",
            ),
            (
                lambda got: same(got[0], (m + m_q) / 2),
                "μ counts both alike: weigh each mean with its number of values",
            ),
            (
                lambda got: same(got[0], m + n_q / n * d),
                "w is the query's share of all n + n_q values, not n_q / n",
            ),
            (
                variance_is(apart),
                "σ² lacks the distance between the two means: both lie away from μ, not only their values",
            ),
            (
                variance_is(apart + w * d**2),
                "σ² measures the query from m, not from μ: the mean moves towards the query",
            ),
            (variance_is(apart + w * (1 - w) ** 2 * d**2), "σ² leaves out that m, too, lies away from μ"),
            (variance_is(apart + d**2), "σ² adds the whole squared distance of the means: weigh it"),
            (
                lambda got: same(got[1], np.sqrt(variance)),
                "this is the standard deviation in second place: return σ², its square",
            ),
            (joined(root=lambda variance: variance), "what is left is divided by σ²: divide by its root"),
            (joined(start=m), "what is left is measured from m, the mean before the query joins: measure from μ"),
            ((mean, variance, -left), "what is left has the wrong sign: it is m_q − μ"),
            ((mean, variance, m_q - mean), "what is left is not in standard deviations: divide by σ"),
        ],
    )
    yield compare(
        answer((0, np.zeros(3), np.zeros(3)), query),
        (m_q, v_q, np.zeros(3)),
        name="the answer for a query that joins an empty batch",
    )


def _moments(values: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    """Number of values, mean and variance of each channel; values (n, channels)."""
    return len(values), values.mean(axis=0), values.var(axis=0)
