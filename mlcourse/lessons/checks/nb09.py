"""Checks of the exercises of notebook 09, where the time goes, and of its appendix 09b."""

from collections import Counter
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from mlcourse.lessons.checks.compare import compare
from mlcourse.lessons.checks.verdict import exercise


class Asked(TorchDispatchMode):
    """Counts what the library is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()

    def __torch_dispatch__(self, operation: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        self.asked[str(operation.overloadpacket).removeprefix("aten.")] += 1
        return operation(*args, **(kwargs or {}))


@exercise(
    "9.1",
    "Count a convolution",
    passed="Divided by what a machine does in a second, this is the least time it can take.",
)
def convolution_flop(answer):
    yield compare(
        answer(5, 7, 11, 13),
        2 * 9 * 5 * 7 * 11 * 13,
        name="the number of operations",
        diagnoses=[
            (9 * 5 * 7 * 11 * 13, "each term is a multiplication *and* an addition: two operations"),
            (
                (2 * 9 * 5 - 1) * 7 * 11 * 13,
                "exact, but here the first term counts an addition, too: count 2 for every term",
            ),
            (2 * 3 * 5 * 7 * 11 * 13, "a 3×3 kernel has 9 neighbours, not 3"),
            (2 * 9 * 7 * 11 * 13, "every sum runs over the neighbours in all `n_in` channels"),
            (2 * 9 * 5 * 11 * 13, "there are `n_out` numbers for each pixel, each with a sum of its own"),
            (2 * 9 * 5 * 7 * 11 * 11, "the picture need not be square: height times width, not height squared"),
            (2 * 9 * 5 * 7, "these are the operations for one pixel: there are height times width of them"),
            (
                2 * 9 * 5 * 7 * 9 * 11,
                "padding keeps the size: the pixels at the edge are made as well",
            ),
            (
                2 * 9 * 5 * 11 * 13 + 2 * 9 * 7 * 11 * 13,
                "every channel out meets every channel in: multiply `n_in` by `n_out`, do not add them",
            ),
        ],
    )
    yield compare(answer(1, 64, 28, 28), 2 * 9 * 64 * 784, name="the number of operations of Conv4's first layer")


@exercise(
    "9.2",
    "One matrix product",
    passed="Two copies and one product; under `vmap`, one batched product.",
    keeps_arguments=True,
)
def convolution(answer):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 4, 5, 3, generator=generator, dtype=torch.float64)
    w = torch.randn(6, 3, 3, 3, generator=generator, dtype=torch.float64)
    try:
        got = answer(x, w)
    except RuntimeError as error:
        if "Sizes of tensors must match" not in str(error):
            raise
        yield (
            "the shifted pictures differ in size, so the padding went to the wrong axes: `F.pad` counts them "
            "last axis first, C, W, H, so its first pair of numbers pads the channels"
        )
        return

    def right(x: torch.Tensor, w: torch.Tensor, border: float = 0.0) -> torch.Tensor:
        padded = F.pad(x.movedim(-1, 1), (1, 1, 1, 1), value=border)
        return F.conv2d(padded, w).movedim(1, -1)

    def with_kernel(matrix: torch.Tensor) -> torch.Tensor:
        """What comes out when the kernel, whatever its axes mean, is made a matrix (27, 6)."""
        return right(x, matrix.reshape(3, 3, 3, 6).permute(3, 2, 0, 1))

    flipped = w.flip(2, 3)
    yield compare(
        got,
        right(x, w),
        name="the result",
        diagnoses=[
            (
                right(x, w.transpose(2, 3)),
                "the kernel's rows and columns are exchanged: `i` moves down, `j` to the right, in both factors",
            ),
            (
                right(x, flipped),
                "the kernel is turned by half: the pixel at the upper left meets the kernel's (0, 0)",
            ),
            (
                with_kernel(w.reshape(27, 6)),
                "the kernel's numbers were only laid out anew: first `permute` them to (row, column, in, out)",
            ),
            (
                with_kernel(w.permute(1, 2, 3, 0).reshape(27, 6)),
                "the kernel's channels come before its rows and columns; in a row of neighbours they come last",
            ),
            (right(x, w, border=1.0), "the border is filled with ones: pad with zeros"),
            (right(x, w)[:, 1:-1, 1:-1], "the border is missing: take the nine slices of the padded picture"),
            (right(x, w).movedim(-1, 1), "the channels are not last: the result is (n, H, W, C')"),
            (
                lambda got: got.shape == (2 * 4 * 5, 6),
                "the product is right but still a matrix: give it the shape (n, H, W, C') again",
            ),
        ],
    )
    with Asked() as door:
        answer(x, w)
    if any("conv" in name for name in door.asked):
        yield "the numbers are right, but torch's own convolution made them: make them by one matrix product"
    products = sum(door.asked[name] for name in ("mm", "bmm", "addmm", "baddbmm", "mv", "dot"))
    if products != 1:
        made = f"{products} products" if products else "no matrix product"
        yield f"the numbers are right, but {made} made them: join the nine pictures first, then multiply once"


@exercise(
    "9.3",
    "Round like a GPU",
    passed="With 10 bits this is TF32, with 7 bfloat16, to the last bit.",
    keeps_arguments=True,
)
def rounded(answer):
    x = torch.tensor([1.0, -3.14159265, 0.1, 1000.7, -7.7e-6, 0.0, 1.99999])
    got = answer(x, 7)
    mantissa, exponent = torch.frexp(x)

    def kept(how, digits: int) -> torch.Tensor:
        return torch.ldexp(how(mantissa * 2**digits) / 2**digits, exponent)

    yield compare(
        got,
        x.bfloat16().float(),
        rtol=1e-9,
        name="x with 7 bits",
        diagnoses=[
            (
                kept(torch.round, 7),
                "you keep one bit too few: the leading 1 stands behind the point here and is not among the `bits`",
            ),
            (
                lambda got: got.dtype == torch.bfloat16,
                "the result is of type bfloat16: round by arithmetic, so that any number of bits can be kept",
            ),
            (kept(torch.round, 9), "one bit too many: keep `bits + 1` digits behind the point"),
            (kept(torch.trunc, 8), "digits were cut off, not rounded: `torch.round` takes the nearest"),
            (kept(torch.floor, 8), "every number was rounded down: `torch.round` takes the nearest"),
            (kept(torch.ceil, 8), "every number was rounded up: `torch.round` takes the nearest"),
            (
                lambda got: got.shape == x.shape and torch.allclose(got, x, rtol=1e-6, atol=0.0),
                "x comes back as it was, or nearly: `decimals` counts decimal digits, and here bits are kept",
            ),
            (
                torch.round(mantissa * 2**8) / 2**8,
                "these are the mantissas alone: put the exponents back with `torch.ldexp`",
            ),
            (
                torch.ldexp(torch.round(mantissa * 2**8), exponent),
                "after rounding, divide by the power of two again",
            ),
            (
                torch.round(x * 2**8) / 2**8,
                "this keeps digits behind the point of x, not of its mantissa: small numbers vanish",
            ),
        ],
    )
    yield compare(
        answer(x, 23),
        x,
        rtol=1e-9,
        name="x with all of its 23 bits",
        diagnoses=[
            (
                x.bfloat16().float(),
                "with `bits` = 23 nothing should change; yours keeps 7 bits whatever `bits` says",
            ),
            (
                kept(lambda steps: torch.floor(steps + 0.5), 24),
                "with 23 bits there is no room for the half: adding 0.5 rounds by itself; use `torch.round`",
            ),
            (
                lambda got: got.shape == x.shape and torch.allclose(got, x, rtol=1e-6, atol=0.0),
                "with `bits` = 23 every number should come back to the last bit; yours are slightly off",
            ),
        ],
    )
    ten = x.half().float()
    normal = x.abs() > 1e-4  # float16 has 10 bits, too, but few exponents
    yield compare(answer(x, 10)[normal], ten[normal], rtol=1e-9, name="x with 10 bits")


@exercise(
    "9.4", "The mean over unequal ranks", passed="Sums can be added, means cannot: now every task counts the same."
)
def over_ranks(answer):
    gradients = torch.tensor([[1.0, -2.0, 4.0], [3.0, 0.5, -1.0], [0.25, 7.0, 2.0]], dtype=torch.float64)
    n_tasks = torch.tensor([5, 3, 4])
    sums = n_tasks[:, None] * gradients
    try:
        got = answer(gradients, n_tasks)
    except RuntimeError as error:
        if "dtype" not in str(error) and "scalar type" not in str(error):
            raise
        yield (
            "`n_tasks` are integers and `gradients` are not, and a matrix product wants one type: "
            "`n_tasks.to(gradients)` has the other's"
        )
        return
    yield compare(
        got,
        sums.sum(dim=0) / 12,
        name="the mean",
        diagnoses=[
            (gradients.mean(dim=0), "this is the mean of the means: a task counts for more in the smaller ranks"),
            (gradients.sum(dim=0), "this adds the ranks' means: the step grows with the number of ranks"),
            (sums.sum(dim=0), "a sum over all tasks: divide by how many tasks there are"),
            (
                sums.sum(dim=0) / 3,
                "you divided by the number of ranks: the sums are over tasks, so divide by the tasks",
            ),
            (
                (gradients / n_tasks[:, None]).sum(dim=0),
                "a rank's mean times its number of tasks is its sum; you divided by it once more",
            ),
            (
                (n_tasks * gradients).sum(dim=0) / 12,
                "the counts were multiplied along the gradient: `n_tasks[:, None]` has one for each row",
            ),
            (
                sums / 12,
                "these are the ranks' shares, one row each: add them up over the ranks",
            ),
            (
                lambda got: got.ndim == 1 and torch.allclose(got, sums.sum(dim=1) / 12),
                "you added along the gradient, not over the ranks: the ranks are axis 0",
            ),
        ],
    )
    equal = torch.tensor([2, 2, 2])
    yield compare(answer(gradients, equal), gradients.mean(dim=0), name="the mean of equal ranks")


@exercise(
    "9.5",
    "How much faster can it become?",
    passed="Two clock times and a count on paper: no profiler was needed.",
)
def look_inside(answer):
    ms, ms_fast, s, peak, one_pass = 40.0, 28.0, 4.0, 50e12, 20e6
    n_tasks, supports, queries, inner_steps = 16, 10, 35, 2
    products, rest = 16.0, 24.0

    def of_peak(passes: float, seconds: float = products / 1e3, tasks: int = n_tasks) -> float:
        return tasks * passes * one_pass / seconds / peak

    inner = inner_steps * supports
    passes = 9 * inner + 3 * queries

    def at(place: int, wrong: float):
        return lambda got: abs(got[place] - wrong) < 1e-6 * wrong

    yield compare(
        answer(ms, ms_fast, s, peak, one_pass, n_tasks, supports, queries, inner_steps),
        (products, of_peak(passes), ms / rest),
        name="the result",
        diagnoses=[
            (
                at(0, ms - ms_fast),
                "`ms - ms_fast` is what faster products *save*; they still take a part of `ms_fast`",
            ),
            (
                at(0, products / s),
                "these are the milliseconds of the products in the *faster* run: multiply by `s`",
            ),
            (at(0, rest), "`products` holds the milliseconds of everything else: that is the rest"),
            (at(0, products / ms), "`products` is a share of the step here: give milliseconds"),
            (at(0, products / 1e3), "`products` is in seconds here: give milliseconds"),
            (at(0, (ms - ms_fast) / (1 + 1 / s)), "a sign: `products - products / s` is `products * (1 - 1 / s)`"),
            (at(1, of_peak(passes, products)), "`peak` is in FLOP per *second*, and you divided by milliseconds"),
            (
                at(1, of_peak(passes, ms / 1e3)),
                "you divided the FLOP by the whole step: only the products do them",
            ),
            (
                at(1, of_peak(passes, products / s / 1e3)),
                "this is the speed of the *faster* run over the slow peak",
            ),
            (
                at(1, of_peak(3 * inner + 3 * queries)),
                "this counts first order: second order adds 6 passes a step",
            ),
            (
                at(1, of_peak(6 * inner + 3 * queries)),
                "6 passes come on top of the 3 of the inner gradient: 9 a step",
            ),
            (at(1, of_peak(9 * supports + 3 * queries)), "a support picture takes 9 passes in *each* inner step"),
            (at(1, of_peak(9 * inner + queries)), "a query picture takes 3 passes: one forward and two back"),
            (
                at(1, of_peak(9 * inner + 3 * inner_steps * queries)),
                "the queries are used once, at the end, however many inner steps there are",
            ),
            (at(1, of_peak(9 * inner + 9 * queries)), "a query picture takes 3 passes: no inner step uses it"),
            (
                at(1, of_peak(9 * inner_steps * queries + 3 * supports)),
                "support and query pictures are exchanged: the support set is used in the inner steps",
            ),
            (at(1, of_peak(passes, tasks=1)), "these are the FLOP of one task: there are `n_tasks`"),
            (at(1, 100 * of_peak(passes)), "`of_peak` is in per cent here: give a part of 1"),
            (
                at(1, 1 / of_peak(passes)),
                "`of_peak` is upside down: the speed of the products, divided by the peak",
            ),
            (at(2, ms / products), "this limit lets the *rest* vanish: without the products, the rest is left"),
            (at(2, ms_fast / rest), "this limit starts from the faster run: start from `ms`"),
            (
                at(2, ms / ms_fast),
                "this is what products `s` times as fast bring; the limit lets them take no time",
            ),
            (
                at(2, rest / ms),
                "this limit is upside down: how many times as fast is the old time over the new one",
            ),
        ],
    )
    yield compare(
        answer(100.0, 55.0, 10.0, 1e12, 1e6, 2, 5, 75, 1),
        (50.0, 2 * 270 * 1e6 / 0.05 / 1e12, 2.0),
        name="the result for other numbers",
    )


@exercise(
    "9.6", "Does it follow its inputs?", passed="Run it once for every step that you record, compile or cache."
)
def largest_difference(answer):
    def draw(seed):
        generator = torch.Generator().manual_seed(seed)
        w, b, tasks = (torch.randn(n, generator=generator) for n in (3, 1, 4))
        return {"w": w, "b": b}, tasks

    def plain(theta, tasks):
        return {"w": 1e-9 * theta["w"] * tasks.sum(), "b": 1e-9 * (theta["b"] + tasks.mean())}

    old_theta, old_tasks = draw(0)

    def below(theta, tasks):  # too small in one parameter, by as much as the largest entry of all
        want = plain(theta, tasks)
        return {**want, "b": want["b"] - max(part.abs().max() for part in want.values())}

    yield compare(answer(plain, plain, draw), 0.0, name="the largest difference of a sound recording", atol=1e-6)
    stale = [
        (
            lambda theta, tasks: plain(old_theta, old_tasks),
            "of one gradient passes: you compare on its own inputs",
        ),
        (
            lambda theta, tasks: plain(theta, old_tasks),
            "with the *tasks* of seed 0 passes: take new tasks as well",
        ),
        (lambda theta, tasks: plain(old_theta, tasks), "with the *parameters* of seed 0 passes: take new ones"),
        (below, "that is too *small* in one parameter passes: take absolute differences, and the largest of all"),
    ]
    for recorded, words in stale:
        got = answer(recorded, plain, draw)
        yield f"a recording {words}" if np.ndim(got) == 0 and abs(float(got)) < 1e-12 else None
    tiny = "this is the difference itself: a gradient may be tiny, so divide by its largest entry"
    for recorded, _ in stale:
        want = _largest_difference(recorded, plain, draw)
        diagnoses = [(lambda got, want=want: float(got) < 1e-6 * want, tiny)]
        yield compare(answer(recorded, plain, draw), want, name="the largest difference", diagnoses=diagnoses)


def _largest_difference(recorded: Any, plain: Any, draw: Any) -> float:
    def off(seed: int) -> float:
        got, want = recorded(*draw(seed)), plain(*draw(seed))
        size = max(float(part.abs().max()) for part in want.values())
        return max(float((got[name] - want[name]).abs().max()) for name in want) / size

    return max(map(off, (1, 2, 3)))
