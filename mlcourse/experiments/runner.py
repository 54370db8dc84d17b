"""Runs an experiment: judges what it is given, trains and judges, stores the table and the weights."""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlcourse import weights
from mlcourse.experiments import results
from mlcourse.experiments.experiment import FIRST_SEED_OF_TESTS, Experiment, Place, Settings
from mlcourse.fast import distributed
from mlcourse.fast.arrays import resolved
from mlcourse.fast.threads import threads_of_torch
from mlcourse.files import require_place


def run(
    experiment: type[Experiment],
    settings: Settings | None = None,
    *,
    seeds: tuple[int, ...] = (0, 1, 2),
    device: str | None = None,
    checkpoints: Path | None = None,
    out: Path | None = None,
    weights_folder: Path | None = None,
    progress: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Make the table, as `results` keeps them; store it as `out`, and the first seed's weights, where told.

    settings: the experiment's own by default. device, checkpoints (a folder; what was interrupted goes on): for
    experiments that take them. say: takes a line now and then. Under torchrun all ranks train, and judge, so
    that none waits; rank 0 writes.
    """
    settings = settings or experiment.settings_type()
    results.require_run(seeds=seeds, n_tasks=getattr(settings, "n_tasks", None), out=out, folder=weights_folder)
    if too_large := [seed for seed in seeds if seed >= FIRST_SEED_OF_TESTS]:
        raise ValueError(
            f"seeds is {too_large[0]}; give whole numbers below {FIRST_SEED_OF_TESTS:,}: meta-test tasks are "
            "drawn from those above"
        )
    if checkpoints is not None:
        require_place(Path(checkpoints) / "run.pt")
    device = device if experiment.on_gpu else "cpu"
    resolved(device)
    started = time.perf_counter()
    with distributed.running(device) as process, threads_of_torch(settings.threads):
        heard = say if process.first else lambda line: None
        place = Place(tuple(seeds), process.device, checkpoints, progress, heard, process.world_size)
        at_work = experiment(settings, place)
        at_work.check()
        at_work.rows = at_work.measure()
    table = _table(at_work, started)
    if process.first and out is not None:
        results.save(table, out)
    if process.first and weights_folder is not None:
        made_by = {key: table[key] for key in ("command", "hardware", "versions", "date")}
        for name, (params, more) in at_work.weights().items():
            weights.save(name, params, made_by | {"seeds": [seeds[0]]} | more, weights_folder)
    return table


def _table(experiment: Experiment, started: float) -> dict[str, Any]:
    place = experiment.place
    details = {"settings": asdict(experiment.settings), **experiment.details()}
    if experiment.spreads:
        details["spread over seeds"] = experiment.spreads
    return {
        "name": experiment.table_name(),
        "title": experiment.title(),
        "protocol": experiment.protocol(),
        "rows": experiment.rows,
        **results.provenance(experiment.command(), place.seeds, started, device=str(place.device)),
        "details": details,
    }
