"""Small trained models that lessons start from: `data/weights/NAME.npz`, made by the run in NAME.json.

NAME.json holds the digest of the arrays, too: `load` refuses numbers that are not those which it describes. What
was stored before digests were recorded has none; then only the kind of the numbers can be judged.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlcourse.arguments import require_params
from mlcourse.errors import DataError
from mlcourse.files import write_whole
from mlcourse.paths import data_folder
from mlcourse.tasks.store import Arrays, digest_of, read_arrays

NOT_NAMES = ("file", "allow_pickle")  # np.savez takes arguments of its own by these


def load(name: str) -> dict[str, np.ndarray]:
    """The parameters called `name`, as float64 NumPy arrays. DataError when they are missing or damaged."""
    path = _path(name)
    if not path.exists():
        there = ", ".join(sorted(p.stem for p in path.parent.glob("*.npz"))) or "none"
        raise DataError(f"no weights called {name!r} in {path.parent}; there are: {there}")
    fix = _fix(name)
    stored = read_arrays(path, fix=fix)
    if fault := _fault(stored):
        raise DataError(f"weights {path}: {fault}; {fix}")
    found, recorded = digest_of(stored), _recorded(path.with_suffix(".json"), fix)
    if recorded not in (None, found):
        raise DataError(
            f"weights {path} are not those that {name}.json describes: their digest is {found}, "
            f"not {recorded}; {fix}"
        )
    return {key: array.astype(np.float64) for key, array in stored.items()}


def save(name: str, params: dict[str, np.ndarray], provenance: dict[str, Any], folder: Path | None = None) -> Path:
    """Store parameters as float32, and how they were made, each file whole or not at all; returns the path.

    ValueError for parameters that are not finite real numbers. DataError when they cannot be written.
    """
    small = _as_stored(params)
    path = (Path(folder) if folder is not None else data_folder() / "weights") / f"{name}.npz"
    made_by = json.dumps({**provenance, "digest": digest_of(small)}, indent=1) + "\n"
    try:
        write_whole(path, lambda file: np.savez(file, **small))
        write_whole(path.with_suffix(".json"), lambda file: file.write(made_by.encode()))
    except OSError as error:
        raise DataError(
            f"weights {path} could not be written ({error}); give another folder, or free some space"
        ) from error
    return path


def require_network(name: str, params: Arrays, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """DataError unless the stored parameters `name` have exactly a network's names and shapes."""
    found = {key: array.shape for key, array in params.items()}
    for key in {**shapes, **found}:
        if found.get(key) != shapes.get(key):
            theirs, ours = (shape.get(key, "missing") for shape in (found, shapes))
            raise DataError(f"weights {name!r}: {key!r} is {theirs}, in this network {ours}; {_fix(name)}")


def _path(name: str) -> Path:
    return data_folder() / "weights" / f"{name}.npz"


def _fix(name: str) -> str:
    return f"restore both files: git checkout {_path(name)} {_path(name).with_suffix('.json')}"


def _recorded(path: Path, fix: str) -> str | None:
    """The digest in NAME.json; None where it has none, being of before digests, and where there is no file."""
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8")).get("digest")
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(f"{path} cannot be read ({error}); {fix}") from error


def _as_stored(params: Any) -> Arrays:
    """Parameters as float32 arrays; ValueError for what they could not hold, and for torch's kinds of numbers."""
    if isinstance(params, Mapping) and any(hasattr(p, "detach") for p in params.values()):
        from mlcourse.fast.arrays import arrays  # here: who gives tensors has waited for torch

        params = {key: arrays(p) for key, p in params.items()}
    require_params("params", params, "numpy")
    for key in params:
        if not isinstance(key, str) or not key or "/" in key or key in NOT_NAMES:
            raise ValueError(
                f"params has the name {key!r}; give a name such as 'w0', without /, and none of {NOT_NAMES}"
            )
    with np.errstate(over="ignore"):  # the infinities are told below
        small = {key: np.asarray(p, dtype=np.float32) for key, p in params.items()}
    if fault := _fault(small):
        raise ValueError(f"params, as float32: {fault}; give finite numbers")
    return small


def _fault(stored: Arrays) -> str:
    """In which way arrays are no parameters, in words; nothing for those that are."""
    if not stored:
        return "there is no array"
    for key, array in stored.items():
        if not isinstance(array, np.ndarray):
            return f"{key!r} is no array"
        has = f"{key!r} of shape {array.shape}"
        if not np.issubdtype(array.dtype, np.floating):
            return f"{has} is {array.dtype}, not real floating-point numbers"
        if not np.isfinite(array).all():
            where = np.argwhere(~np.isfinite(array))[0].tolist()
            return f"{has} holds {array[tuple(where)]} at {where}"
    return ""
