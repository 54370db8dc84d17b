"""Builds, checks and measures the tables of few-shot images that lie here, in pieces of minutes.

    python data/results/build.py --device cuda --minutes 9        # again and again, until it says that all is done
    python data/results/build.py --device cpu --small --out /tmp/rehearsal

First it checks that what is about to be measured is right on this device: whatever the capture and the
convolution, the meta-gradient is that of the eager loop in float64. Then it measures, in this order and as far as
the minutes go: 5-way 1-shot of the random split by four methods, with one seed, two, three; one meta-gradient
beside other libraries; one seed of the other kinds of tasks; the alphabets split. What is there already is not
made again: training goes on from `--checkpoints`, and every table is whole as soon as it exists. Needs numpy,
torch, tqdm, typer and rich; Omniglot must lie in the cache (`python -m mlcourse data fetch omniglot`).
"""

import sys
import time
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import torch
import typer

from mlcourse.arguments import require_choice, require_rate
from mlcourse.cli import OneLineErrors
from mlcourse.experiments import bench, omniglot, results
from mlcourse.experiments.omniglot_recipe import recipe
from mlcourse.experiments.omniglot_table import CELLS
from mlcourse.experiments.runner import run
from mlcourse.fast import capture, losses, maml, networks
from mlcourse.fast.arrays import leaves, resolved, tensors, tree_map
from mlcourse.files import require_place
from mlcourse.tasks import Episodes, glyphs

BUDGET = {"protonet": 30, "matching": 30, "maml": 120, "fomaml": 90, "reptile": 230}  # seconds of training a seed
JUDGING = 45  # seconds set aside for compilation and judging, beside a training
# First order learns with a smaller rate than the paper's 0.4: 700 steps of 4 tasks on a CPU (32 channels) gave
# 92 % on 5-way 1-shot tasks of 100 meta-val characters at 0.1, and 64, 41, 30 % at 0.4, 1 and 2.
CHANGES = {
    "maml": ["n_query_training=5"],
    "fomaml": ["n_query_training=5", "inner_lr=0.1"],
    "reptile": ["meta_batch_size=10"],
}
BENCH = {"cuda": "bench_meta_gradient_conv4_cuda.json", "cpu": "bench_meta_gradient_conv4.json"}
SMALL = ["channels=8", "meta_steps=20"]


class Job(NamedTuple):
    """One table: a method, a kind of task, a split, and the seeds that it should have in the end."""

    method: str
    n_way: int
    k_shot: int
    split: str
    seeds: tuple[int, ...]


def jobs() -> list[Job]:
    """All of them, in the order of what readers want to know first."""
    methods, first, *others = ("protonet", "maml", "reptile", "fomaml"), *CELLS
    headline = [Job(m, *first, "random", seeds) for seeds in ((0,), (0, 1), (0, 1, 2)) for m in methods]
    one_seed = [Job(m, *cell, "random", (0,)) for cell in others for m in methods]
    matching = [Job("matching", *cell, "random", (0,)) for cell in CELLS]
    return headline + one_seed + matching + [Job(m, *cell, "alphabets", (0,)) for cell in CELLS for m in methods]


def check(device: torch.device) -> None:
    """Raise AssertionError unless every way to run a step gives the gradient of the eager loop, in float64."""
    family = Episodes(glyphs.splits().train, n_way=5, k_shot=1, n_query=2)
    tasks = tensors(family.sample(3, np.random.default_rng(1)), device=device, dtype=torch.float64)

    def gradient_by(convolution: str, batching: str):
        network = networks.conv4(5, channels=8, convolution=convolution)
        params = tensors(network.init(np.random.default_rng(0)), device=device)
        loss = losses.cross_entropy(network)

        def gradient(params, tasks):
            return maml.meta_gradient(loss, params, tasks, inner_lr=0.4, inner_steps=2, batching=batching)

        return gradient, params

    eager, params = gradient_by("direct", "loop")
    expected = eager(params, tasks)
    ways = [("direct", "vmap", "eager"), ("matmul", "vmap", "eager")]
    ways += [(convolution, "vmap", "cuda-graph") for convolution in ("direct", "matmul")] * (device.type == "cuda")
    for convolution, batching, mode in ways:
        ready, _ = capture.capture(gradient_by(convolution, batching)[0], mode, device=device)
        for _ in range(2):  # a recorded step is recorded, then played back
            found = ready(params, tasks)
        # against the whole gradient: that of a bias before a normalisation is zero
        worst = float(flat(tree_map(torch.sub, found, expected)).norm() / flat(expected).norm())
        say(f"  {convolution}, {batching}, {mode}: relative difference {worst:.1e}")
        assert worst < 1e-6, (convolution, batching, mode, worst)


def flat(gradient: networks.Params) -> torch.Tensor:
    """All numbers of a gradient, one after the other."""
    return torch.cat([g.flatten() for g in leaves(gradient)])


def measure(job: Job, device: torch.device, out: Path, checkpoints: Path, small: bool) -> None:
    """Train what is missing and write the table of one job."""
    changes = [*SMALL, f"n_way_training={job.n_way}"] if small else CHANGES.get(job.method, [])
    data, n_tasks = ("glyphs", 20) if small else ("omniglot", 2000)
    kind = {"method": job.method, "n_way": job.n_way, "k_shot": job.k_shot, "split": job.split, "data": data}
    how = {"n_tasks": n_tasks, "budget_seconds": BUDGET[job.method], "set": tuple(changes)}
    run(
        omniglot.Omniglot,
        omniglot.Settings(**kind, **how),
        seeds=job.seeds,
        device=str(device),
        checkpoints=checkpoints,
        out=table_path(job, out, small),
        say=say,
    )


def table_path(job: Job, out: Path, small: bool) -> Path:
    """Where the table of a job lies."""
    settings = recipe(*job[:3])
    return out / "omniglot" / f"{omniglot.run_name(settings, 'glyphs' if small else 'omniglot', job.split)}.json"


def is_there(path: Path, seeds: int, device: str) -> bool:
    """Whether the table exists, measured on this kind of device with at least so many seeds."""
    if not path.exists():
        return False
    table = results.load(str(path))
    return len(table["seeds"]) >= seeds and (table["hardware"]["gpu"] == "none") == (device == "cpu")


def gradient_is_timed(path: Path, device: str) -> bool:
    """Whether the table of times exists for this kind of device, for one inner step and for five."""
    return is_there(path, 1, device) and len(results.load(str(path))["details"]["contenders"]) == 2


def say(line: str) -> None:
    """A line for who waits, on stderr."""
    print(line, file=sys.stderr, flush=True)


def main(
    device: Annotated[str, typer.Option(help="cuda or cpu.")] = "cuda",
    minutes: Annotated[float, typer.Option(help="No training begins that would end later.")] = 9.0,
    out: Annotated[Path, typer.Option(help="Folder of the tables.")] = Path(__file__).parent,
    checkpoints: Annotated[Path | None, typer.Option(help="By default OUT/checkpoints.")] = None,
    small: Annotated[bool, typer.Option(help="A rehearsal: tiny networks on the embedded glyphs.")] = False,
    skip_bench: Annotated[bool, typer.Option(help="Leave the time of one meta-gradient out.")] = False,
) -> None:
    """Build, check and measure; see the top of this file."""
    started, checkpoints = time.perf_counter(), checkpoints or out / "checkpoints"
    require_choice("device", device, BENCH)
    require_rate("minutes", minutes)
    where = resolved(device)
    for folder in (out, checkpoints):
        require_place(folder / "table.json")
    say(f"checking the gradients on {device}")
    check(where)
    waiting: list[Job | None] = list(jobs())
    if not skip_bench:
        waiting.insert(12, None)  # after the headline: the time of one meta-gradient
    for done, job in enumerate(waiting):
        left = 60 * minutes - (time.perf_counter() - started)
        path = table_path(job, out, small) if job else out / BENCH[device]
        if is_there(path, len(job.seeds), device) if job else gradient_is_timed(path, device):
            continue
        needed = JUDGING * (1 if job is None else len(job.seeds)) + (BUDGET[job.method] if job else 420)
        if not small and left < needed:
            say(f"{done} of {len(waiting)} are done; {left:.0f} s are left, the next needs {needed}: call again")
            return
        say(f"{job or 'one meta-gradient'} ({left:.0f} s left)")
        if job:
            measure(job, where, out, checkpoints, small)
        else:
            measure_gradient(device, path, small)
    say("all is done")


def measure_gradient(device: str, path: Path, small: bool) -> None:
    """Write the table of times."""
    size = {"n_tasks": 2, "channels": 4, "n_query": 2, "repeats": 1} if small else {"repeats": 5}
    results.save(bench.meta_gradient(model="conv4", device=device, say=say, **size), path)


if __name__ == "__main__":
    app = typer.Typer(cls=OneLineErrors, add_completion=False)
    app.callback(invoke_without_command=True)(main)
    app()
