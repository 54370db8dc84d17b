"""What an experiment is: a record of settings, a trainer, judges and columns. `runner.run` makes its table.

A new one is a file of its own here, named as its command (`python -m mlcourse reproduce NAME`), that ends with
`EXPERIMENT = ...`, and its name in `NAMES` of `mlcourse/experiments/__init__.py`.
"""

import concurrent.futures
import multiprocessing
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from tqdm.auto import tqdm

from mlcourse.evaluation import Evaluation, Learner, across_seeds, evaluate, mean_over_seeds
from mlcourse.experiments import results
from mlcourse.tasks.task import TaskFamily

# Training seeds are 0, 1, 2, ...; a test task must never be one that was trained on.
FIRST_SEED_OF_TESTS, VAL_SEED, TEST_SEED = 1_000_000, 1_000_001, 2_000_001


def option(default: Any, help: str = "") -> Any:
    """A field of a settings dataclass with what the command line says of it; without words it is no option."""
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that decides the numbers. What each experiment adds are options of its command, too."""

    threads: int = option(1, "Threads of torch.")


@dataclass(frozen=True)
class Place:
    """Where and how a run takes place: nothing here decides a number, except the seeds."""

    seeds: tuple[int, ...]
    device: torch.device
    checkpoints: Path | None = None  # a folder; what was interrupted goes on there
    progress: bool = False
    say: Callable[[str], None] = lambda line: None
    ranks: int = 1  # processes that train together


class Experiment:
    """Derive from it, and write `title`, `protocol`, `learners`, and `judge` (or `families` alone).

    `measure` trains and judges from every seed and makes the rows; where an experiment needs another order of
    things, it writes that instead.
    """

    name: ClassVar[str]  # of its command
    about: ClassVar[str]  # what it makes and how long that takes, in a line
    settings_type: ClassVar[type] = Settings
    on_gpu: ClassVar[bool] = False  # whether the command has --device, --checkpoints
    digits: ClassVar[int] = 4

    def __init__(self, settings: Settings, place: Place) -> None:
        self.settings, self.place = settings, place
        self.spreads: dict[str, dict[str, float]] = {}  # of each row and column, over seeds
        self.rows: list[dict[str, Any]] = []  # once they are measured

    # --- what the table says ---

    def table_name(self) -> str:
        """What its file is called."""
        return self.name

    def title(self) -> str:
        """What the table shows, in a line."""
        raise NotImplementedError

    def protocol(self) -> str:
        """How it was measured, in sentences."""
        raise NotImplementedError

    def published(self, row: str) -> tuple[dict[str, Any], str] | None:
        """What a citation prints for a row: figures by column, and the citation."""
        return None

    def details(self) -> dict[str, Any]:
        """What a reader who doubts the table would ask for, beside settings and spreads."""
        return {}

    def weights(self) -> dict[str, tuple[dict[str, np.ndarray], dict[str, Any]]]:
        """Weights of the first seed to store: by name of the file the parameters, and what more to say of them."""
        return {}

    # --- the work ---

    def check(self) -> None:
        """Refuse what cannot be measured, before anything is trained."""

    def learners(self, seed: int) -> dict[str, Learner]:
        """Meta-train from one seed: by row the learner to be judged."""
        raise NotImplementedError

    def baselines(self) -> dict[str, Learner]:
        """By row what does not depend on a seed."""
        return {}

    def families(self) -> dict[str, TaskFamily]:
        """By column the meta-test tasks."""
        raise NotImplementedError

    def judge(self, learner: Learner) -> dict[str, Evaluation]:
        """By column its scores, on the same meta-test tasks for all."""
        return {
            column: evaluate(learner, family, n_tasks=self.settings.n_tasks, rng=np.random.default_rng(TEST_SEED))
            for column, family in self.families().items()
        }

    def measure(self) -> list[dict[str, Any]]:
        """The rows of the table."""
        found: dict[str, list[dict[str, Evaluation]]] = {}
        for seed in self.place.seeds:
            for row, learner in self.learners(seed).items():
                found.setdefault(row, []).append(self.judge(learner))
            self.place.say(f"seed {seed} is done")
        found |= {row: [self.judge(learner)] for row, learner in self.baselines().items()}
        return [self.row(name, by_column(judged)) for name, judged in found.items()]

    def row(self, name: str, columns: dict[str, list[Evaluation]]) -> dict[str, Any]:
        """A row: by column the mean over seeds, ± the 95 % interval over tasks of each task's mean over seeds."""
        values = {}
        for column, over_seeds in columns.items():
            mean = mean_over_seeds(over_seeds)
            values[column] = results.scored(mean, scale=mean.metric.scale, digits=self.digits)
            self.note_spread(name, column, over_seeds)
        published = self.published(name)
        return {"method": name, "values": values} | (
            {"published": published[0], "source": published[1]} if published else {}
        )

    def note_spread(self, row: str, column: str, over_seeds: list[Evaluation]) -> None:
        """Keep the spread over seeds, where there are several and all predictions are finite."""
        if len(over_seeds) > 1 and not any(one.not_finite for one in over_seeds):
            spread = round(over_seeds[0].metric.scale * across_seeds(over_seeds).spread, self.digits)
            self.spreads.setdefault(row, {})[column] = spread

    # --- the command that makes it again ---

    def command(self) -> str:
        """The command line: every setting that differs from its default is named."""
        words = ["python", "-m", "mlcourse", "reproduce", self.name]
        for one in fields(self.settings):
            value = getattr(self.settings, one.name)
            if one.default is MISSING or value != one.default:
                for part in value if isinstance(value, tuple) else (value,):
                    words += [flag(one.name), str(part)]
        words += [word for seed in self.place.seeds for word in ("--seeds", str(seed))]
        words += ["--device", str(self.place.device)] if self.on_gpu else []
        return shlex.join(words)


def flag(name: str) -> str:
    """The option of a field: --n-way for n_way."""
    return "--" + name.replace("_", "-")


def by_column(judged: Sequence[dict[str, Evaluation]]) -> dict[str, list[Evaluation]]:
    """Scores of several seeds, laid together by column."""
    return {column: [one[column] for one in judged] for column in judged[0]}


def in_processes(function: Callable, jobs: Sequence[Any], *, what: str, progress: bool) -> list[Any]:
    """`function` of every job, as many at a time as there are cores, in the order of the jobs."""
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    with concurrent.futures.ProcessPoolExecutor(min(results.cpu_cores(), len(jobs)), mp_context=context) as pool:
        waiting: Iterable[Any] = pool.map(function, jobs)
        return list(tqdm(waiting, total=len(jobs), desc=what, disable=not progress))
