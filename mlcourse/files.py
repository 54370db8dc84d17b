"""Files written whole or not at all: what must not be torn is written through here."""

import os
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from mlcourse.errors import DataError


def write_whole(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Let `write(file)` fill a temporary file beside `path`, which then takes its name; makes the folder.

    Whatever `write` or the disk raises passes through, with an older file at `path` untouched and nothing else
    left behind: callers turn it into words that say what was to be stored.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(temporary, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def require_place(path: Path) -> None:
    """DataError when a file could not be written there; nothing is left behind."""
    path = Path(path)
    try:
        there = next(folder for folder in path.absolute().parents if folder.exists())
        if path.is_dir():
            raise IsADirectoryError("it is a folder; name a file in it")
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error.strerror or error}); give another place") from error
