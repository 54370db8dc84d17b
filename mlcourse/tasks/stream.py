"""Tasks in files, for data larger than memory: written piece by piece, read one task at a time where it lies.

    write_tasks("tasks", family, 1_000_000, rng)      once, for example on another machine
    train(method, params, Streamed("tasks"), ...)     opens the files, and reads only what it draws

A file, `00000.npy`, is an array of NumPy's structured kind with a record for each task, so the whole task lies in
one place and is fetched in one go. Memory-mapped, a file is not copied into the process: the system reads the
pages that are asked for, keeps what it has room for, and lets go of it when others need the room.
"""

from pathlib import Path

import numpy as np

from mlcourse.arguments import require_count, require_rng
from mlcourse.errors import DataError
from mlcourse.files import write_whole
from mlcourse.tasks.family import Family, as_family
from mlcourse.tasks.task import Examples, Task, TaskFamily

FIELDS = tuple(f"{part}.{letter}" for part in Task._fields for letter in Examples._fields)
NAMES = "[0-9]*.npy"


def write_tasks(
    folder: Path | str, family: TaskFamily, n_tasks: int, rng: np.random.Generator, *, per_file: int = 10_000
) -> None:
    """Draw `n_tasks` tasks and store them in `folder`, `per_file` in a file; no more than these are held at once.

    Fractions are stored as float32, labels as they are. Raises ValueError for tasks with a mask, or of unequal
    shapes, DataError where `folder` holds tasks already or cannot be written.
    """
    folder, family = Path(folder), as_family("family", family)
    n_tasks, per_file = require_count("n_tasks", n_tasks), require_count("per_file", per_file)
    require_rng("rng", rng)
    if any(folder.glob(NAMES)):
        raise DataError(f"{folder} holds tasks already; give an empty folder")
    kind = None
    for number, first in enumerate(range(0, n_tasks, per_file)):
        records = _records(family.sample(min(per_file, n_tasks - first), rng))
        kind = kind or records.dtype
        if records.dtype != kind:
            raise ValueError(
                f"family gave tasks of {records.dtype} after tasks of {kind}; give tasks of one shape"
            )
        path = folder / f"{number:05}.npy"
        try:
            write_whole(path, lambda file, records=records: np.save(file, records))
        except OSError as error:
            raise DataError(f"{path} could not be written ({error}); give another folder") from error


class Streamed(Family):
    """The tasks that `write_tasks` stored in `folder`, drawn with replacement; n_tasks: how many there are.

    Every file stays open: some hundreds of them, each of many tasks. DataError for a folder without tasks, and for
    files that are damaged or hold tasks of different shapes.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.files = [_opened(path) for path in sorted(self.folder.glob(NAMES))]
        if not self.files:
            raise DataError(
                f"{folder} holds no tasks; write some by stream.write_tasks(folder, family, n_tasks, rng)"
            )
        if kinds := {file.dtype for file in self.files} - {self.files[0].dtype}:
            raise DataError(
                f"{folder} holds tasks of {self.files[0].dtype} and of {kinds.pop()}; give each a folder"
            )
        self.ends = np.cumsum([len(file) for file in self.files])
        self.n_tasks = int(self.ends[-1])

    def __repr__(self) -> str:
        return f"Streamed({str(self.folder)!r}): {self.n_tasks:,} tasks in {len(self.files)} files"

    def sample(self, n_tasks: int, rng: np.random.Generator) -> Task:
        """Draw `n_tasks` tasks, each with the same chance; nothing else is read."""
        n_tasks = require_count("n_tasks", n_tasks)
        require_rng("rng", rng)
        chosen = rng.integers(self.n_tasks, size=n_tasks)
        holder = np.searchsorted(self.ends, chosen, side="right")
        records = np.empty(n_tasks, self.files[0].dtype)
        for number in np.unique(holder):
            here, file = holder == number, self.files[number]
            records[here] = file[chosen[here] - (self.ends[number] - len(file))]
        arrays = (np.ascontiguousarray(records[name]) for name in FIELDS)  # torch takes no views of records
        return Task(*(Examples(x, y) for x, y in zip(arrays, arrays, strict=True)))

    def identity(self) -> str:
        """How many tasks of what shape: a checkpoint of other files is refused."""
        return f"{self.n_tasks} tasks of {self.files[0].dtype}"


def _records(tasks: Task) -> np.ndarray:
    """A batch of tasks as an array of records, (T,)."""
    if any(len(part) != len(Examples._fields) for part in tasks):
        raise ValueError(
            "family gives tasks with a mask, of unequal size; give tasks of one size, such as n_query=5"
        )
    arrays = dict(zip(FIELDS, (np.asarray(array) for part in tasks for array in part), strict=True))
    arrays = {n: a.astype(np.float32) if a.dtype.kind == "f" else a for n, a in arrays.items()}
    records = np.empty(len(tasks.support.x), [(name, a.dtype, a.shape[1:]) for name, a in arrays.items()])
    for name, array in arrays.items():
        records[name] = array
    return records


def _opened(path: Path) -> np.ndarray:
    """The records of a file, where they lie."""
    try:
        file = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read ({error}); write the tasks again") from error
    if file.dtype.names != FIELDS or file.ndim != 1 or not len(file):
        raise DataError(f"{path} holds {file.dtype} {file.shape}, no tasks; write them by stream.write_tasks")
    return file
