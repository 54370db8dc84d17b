"""Where things lie on this machine: the course's own data, the cache, and a mirror for rooms without internet."""

import os
from pathlib import Path

from mlcourse.errors import DataError

REPOSITORY = Path(__file__).resolve().parents[1]


def data_folder() -> Path:
    """The folder `data/` of the course, which holds the embedded data sets, weights and results.

    The course is used from its folder (an editable install, as `make lab` sets it up).

    Raises:
        DataError: the folder is not there.
    """
    folder = REPOSITORY / "data"
    if not folder.is_dir():
        raise DataError(
            f"the course's data folder {folder} is missing; clone the whole project and install it with "
            "`make lab` or `pip install -e .`"
        )
    return folder


def cache_folder() -> Path:
    """Where downloads and derived arrays are kept: `MLCOURSE_CACHE`, by default `~/.cache/mlcourse`.

    The folder need not exist: what writes into it creates it.

    Raises:
        DataError: its name begins with the home folder of a user who is not known here.
    """
    return _expanded("MLCOURSE_CACHE", os.environ.get("MLCOURSE_CACHE") or "~/.cache/mlcourse")


def mirror() -> Path | None:
    """The folder named by `MLCOURSE_MIRROR` (for example a lab share), or None when it is not set.

    Raises:
        DataError: it is set, but there is no such folder.
    """
    name = os.environ.get("MLCOURSE_MIRROR")
    if not name:
        return None
    folder = _expanded("MLCOURSE_MIRROR", name)
    if not folder.is_dir():
        raise DataError(f"MLCOURSE_MIRROR is {name!r}, which is not a folder; correct it or unset it")
    return folder


def _expanded(variable: str, name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        home = name.split("/")[0]
        raise DataError(
            f"{variable} is {name!r}, but there is no home folder {home} here; let it name a whole path"
        ) from error
