"""Small trained models that lessons start from: `data/weights/NAME.npz`, made by the run in NAME.json."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from mlcourse.errors import DataError
from mlcourse.files import write_whole
from mlcourse.paths import data_folder


def load(name: str) -> dict[str, np.ndarray]:
    """The parameters called `name`, as float64 NumPy arrays. DataError when they are missing or damaged."""
    path = data_folder() / "weights" / f"{name}.npz"
    if not path.exists():
        there = ", ".join(sorted(p.stem for p in path.parent.glob("*.npz"))) or "none"
        raise DataError(f"no weights called {name!r} in {path.parent}; there are: {there}")
    try:
        with np.load(path) as stored:
            return {key: stored[key].astype(np.float64) for key in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(
            f"weights {path} cannot be read ({error}); restore the file, e.g. git checkout {path}"
        ) from error


def save(name: str, params: dict[str, np.ndarray], provenance: dict[str, Any], folder: Path | None = None) -> Path:
    """Store parameters as float32, and how they were made, each file whole or not at all; returns the path.

    DataError when they cannot be written.
    """
    path = (folder or data_folder() / "weights") / f"{name}.npz"
    small = {key: np.asarray(value, dtype=np.float32) for key, value in params.items()}
    made_by = json.dumps(provenance, indent=1) + "\n"
    try:
        write_whole(path, lambda file: np.savez(file, **small))
        write_whole(path.with_suffix(".json"), lambda file: file.write(made_by.encode()))
    except OSError as error:
        raise DataError(
            f"weights {path} could not be written ({error}); give another folder, or free some space"
        ) from error
    return path
