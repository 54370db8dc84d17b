"""Where data sets come from: the cache, then a mirror folder, then a download; checked, and never half written.

A data set is described by a `DataSet`. Its archives are downloaded once, packed into a few compact arrays,
compared with a checksum of the arrays' contents, and kept in the cache as one `.npz` file. A mirror
(`MLCOURSE_MIRROR`, for rooms without internet) may hold either that file or the archives.

`listing`, `fetch` and `verify` serve the command line.
"""

import hashlib
import importlib
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from mlcourse import paths
from mlcourse.arguments import nearest
from mlcourse.errors import DataError
from mlcourse.files import write_whole

Arrays = dict[str, np.ndarray]

REGISTRY = {  # name -> the module whose SOURCE describes it; imported when it is asked for
    "glyphs": "mlcourse.tasks.glyphs",
    "omniglot": "mlcourse.tasks.omniglot",
}

RETRIES = 3
TIMEOUT = 30  # seconds without an answer
LARGEST_ENTRY = 2**20  # bytes: a character or a page of text is far smaller
MOST_ENTRIES = 200_000


class Archive(NamedTuple):
    """One file as its authors publish it."""

    name: str
    size: int  # bytes
    sha256: str


@dataclass(frozen=True)
class DataSet:
    """What is known about a data set before any of it is here.

    Attributes:
        name: the name on the command line and of its folder in the cache.
        about: one line for people.
        licence: under which terms it may be used.
        home: where it comes from, to cite.
        packed: the file name of the compact arrays.
        digest: `digest_of` these arrays.
        embedded: for data that ships with the course, its path under `data/`; then there is nothing to fetch.
        base_url: the address in front of the archives' names.
        archives: what to download.
        pack: the archives' paths, in the order of `archives`, to the compact arrays.
    """

    name: str
    about: str
    licence: str
    home: str
    packed: str
    digest: str
    embedded: str = ""
    base_url: str = ""
    archives: tuple[Archive, ...] = ()
    pack: Callable[[Sequence[Path]], Arrays] | None = None


class Place(NamedTuple):
    """Where a data set was found: `where` is "embedded", "cache" or "mirror".

    `files` is the one packed file, or all the archives.
    """

    where: str
    files: tuple[Path, ...]


# ---------------------------------------------------------------- look-up


def cached_path(data: DataSet) -> Path:
    """Where the compact arrays lie in the cache, or would."""
    return paths.cache_folder() / data.name / data.packed


def locate(data: DataSet) -> Place | None:
    """Where the data set is on this machine (shipped, cache, mirror), or None. Nothing is read or downloaded."""
    if data.embedded:
        return Place("embedded", (paths.data_folder() / data.embedded,))
    if cached_path(data).is_file():
        return Place("cache", (cached_path(data),))
    return _in_mirror(data)


def _in_mirror(data: DataSet) -> Place | None:
    """The mirror's packed file, or else its archives; in a folder of the data set's name or at the top."""
    root = paths.mirror()
    if root is None:
        return None
    folders = (root / data.name, root / data.name / "official", root)
    for names in ([data.packed], [archive.name for archive in data.archives]):
        for folder in folders:
            files = tuple(folder / name for name in names)
            if files and all(file.is_file() for file in files):
                return Place("mirror", files)
    return None


def load(data: DataSet, *, progress: bool = True) -> Arrays:
    """The data set's arrays: from the cache, else the mirror, else a download, and then into the cache.

    Raises:
        DataError: it cannot be had or is not what it should be; the message says what to do. The cache is
            then as it was.
    """
    place = locate(data)
    if place is not None and place.where in ("embedded", "cache"):
        return read_arrays(place.files[0], fix=_fix(data))
    return _obtain(data, progress)


def _obtain(data: DataSet, progress: bool) -> Arrays:
    """From the mirror, else a download, into the cache; a copy that was there is replaced once all is checked."""
    place = _in_mirror(data)
    arrays = _from_mirror(data, place) if place else _from_download(data, progress)
    write_atomically(cached_path(data), lambda file: np.savez_compressed(file, **arrays))
    return arrays


def _fix(data: DataSet) -> str:
    if data.embedded:
        return f"restore it with `git checkout data/{PurePosixPath(data.embedded).parent}`"
    return f"run `python -m mlcourse data fetch {data.name}` to replace it"


def _from_mirror(data: DataSet, place: Place) -> Arrays:
    fix = "copy it to the mirror again, or unset MLCOURSE_MIRROR to download it"
    if place.files[0].name == data.packed:
        arrays = read_arrays(place.files[0], fix=fix)
    else:
        for file, archive in zip(place.files, data.archives, strict=True):
            check_archive(file, archive, fix=fix)
        arrays = data.pack(place.files)
    return _checked(data, arrays, str(place.files[0]), fix)


def _from_download(data: DataSet, progress: bool) -> Arrays:
    folder = paths.cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as temporary:
            files = [download(data, archive, Path(temporary), progress) for archive in data.archives]
            return _checked(data, data.pack(files), data.base_url, "report it: the archives have changed")
    except OSError as error:
        raise _not_written(folder, error) from error


def _checked(data: DataSet, arrays: Arrays, source: str, fix: str) -> Arrays:
    found = digest_of(arrays)
    if found != data.digest:
        raise DataError(
            f"{data.name} from {source} has contents with checksum {found}, not {data.digest}; "
            f"nothing was kept: {fix}"
        )
    return arrays


def derived(path: Path, shape: tuple[int, ...], make: Callable[[], np.ndarray]) -> np.ndarray:
    """A uint8 array that takes seconds to make: read from `path` in the cache, else made and kept; read-only.

    It is only a copy: a damaged one is made again, and a disk without room for it stops nobody.
    """
    array = None
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        pass  # absent, or not a whole array
    if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype != np.uint8:
        array = make()
        try:
            write_atomically(path, lambda file: np.save(file, array))
        except DataError:
            pass  # made again next time
    array.setflags(write=False)
    return array


# ---------------------------------------------------------------- reading and checking


def digest_of(arrays: Arrays) -> str:
    """SHA-256 of the arrays' names, types, shapes and bytes, whatever file they came from."""
    sha = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        sha.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()


# what NumPy raises for a file that is missing, damaged or something else
UNREADABLE = (OSError, ValueError, EOFError, KeyError, AttributeError, TypeError, zipfile.BadZipFile, zlib.error)


def read_arrays(path: Path, *, fix: str) -> Arrays:
    """Read all arrays of an `.npz` file, without pickles.

    Raises:
        DataError: the file is missing, truncated or corrupt; the message ends with `fix`.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except UNREADABLE as error:
        reason = "is missing" if isinstance(error, FileNotFoundError) else f"is truncated or corrupt ({error})"
        raise DataError(f"{path} {reason}; {fix}") from error


def check_archive(path: Path, archive: Archive, *, fix: str) -> None:
    """Compare a file's size and SHA-256 with what the authors published.

    Raises:
        DataError: they differ, or the file cannot be read; the message ends with `fix`.
    """
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error}); {fix}") from error
    if size < archive.size:
        raise DataError(f"{path} has {size:,} of {archive.size:,} bytes: it is truncated; {fix}")
    if found != archive.sha256:
        raise DataError(f"{path} has SHA-256 {found}, not {archive.sha256}: it is not the published file; {fix}")


def zip_entries(path: Path) -> Iterator[tuple[str, bytes]]:
    """The files in a zip archive as `(name, contents)`. Nothing is unpacked to disk.

    Raises:
        DataError: the archive is truncated, corrupt or encrypted; an entry's name climbs out of its folder;
            or an entry is unreasonably large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len(entries) > MOST_ENTRIES:
                raise DataError(f"{path} has {len(entries):,} entries, more than {MOST_ENTRIES:,}; it is not used")
            for entry in entries:
                _refuse_hostile(path, entry)
            for entry in entries:
                if not entry.is_dir():
                    yield entry.filename, archive.read(entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is truncated or corrupt ({error}); remove it and fetch it again") from error


def _refuse_hostile(path: Path, entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename
    if name.startswith(("/", "\\")) or "\\" in name or ":" in name or ".." in PurePosixPath(name).parts:
        raise DataError(f"{path} has an entry {name!r}, which climbs out of its folder; the archive is not used")
    if entry.file_size > LARGEST_ENTRY:
        raise DataError(
            f"{path} has an entry {name!r} of {entry.file_size:,} bytes, more than {LARGEST_ENTRY:,}; "
            "the archive is not used"
        )


# ---------------------------------------------------------------- writing and fetching


def write_atomically(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Write a file of the cache whole or not at all.

    Raises:
        DataError: the disk is full or the folder cannot be written; an older file at `path` is untouched.
    """
    try:
        write_whole(path, write)
    except OSError as error:
        raise _not_written(path, error) from error


def _not_written(path: Path, error: OSError) -> DataError:
    return DataError(
        f"cannot write {path} ({error.strerror or error}); the cache is as it was: free some space there, "
        "or let MLCOURSE_CACHE name a folder on another disk"
    )


def download(data: DataSet, archive: Archive, folder: Path, progress: bool = True) -> Path:
    """Download one archive with pooch into `folder`: SHA-256 checked, tried again after a cut connection.

    Raises:
        DataError: no network, the server says no, or the file is not the published one. Nothing is kept.
    """
    import pooch  # here: only a download needs it
    import requests

    pooch.get_logger().setLevel("WARNING")
    registry = {archive.name: f"sha256:{archive.sha256}"}
    keeper = pooch.create(folder, base_url=data.base_url, registry=registry, retry_if_failed=RETRIES)
    try:
        fetcher = pooch.HTTPDownloader(progressbar=progress, timeout=TIMEOUT)
        return Path(keeper.fetch(archive.name, downloader=fetcher))
    except requests.exceptions.RequestException as error:
        raise DataError(
            f"cannot download {data.base_url}{archive.name} after {RETRIES + 1} attempts ({type(error).__name__}: "
            f"{error}); check the network, or put the file into a folder and let MLCOURSE_MIRROR name it"
        ) from error
    except ValueError as error:  # how pooch reports a wrong checksum
        raise DataError(
            f"{data.base_url}{archive.name} does not have the published SHA-256 {archive.sha256}, in "
            f"{RETRIES + 1} downloads; it was not kept. A proxy may change it: try another network, or a mirror"
        ) from error


# ---------------------------------------------------------------- for the command line


def dataset(name: str) -> DataSet:
    """The description of a data set.

    Raises:
        ValueError: there is none of this name.
    """
    if name not in REGISTRY:
        known = sorted(REGISTRY)
        raise ValueError(f"name is {name!r}{nearest(name, known)}; the data sets are {', '.join(known)}")
    return importlib.import_module(REGISTRY[name]).SOURCE


def describe(name: str) -> dict[str, Any]:
    """One data set as plain data: name, about, where, path, bytes, licence, home.

    `where` is "embedded", "cache", "mirror" or "absent"; `bytes` is the size on disk, or for an absent set
    the size of the download.
    """
    data = dataset(name)
    place = locate(data)
    files = [file for file in (place.files if place else ()) if file.is_file()]
    return {
        "name": data.name,
        "about": data.about,
        "where": place.where if place else "absent",
        "path": str(place.files[0]) if place else None,
        "bytes": sum(file.stat().st_size for file in files) if place else sum(a.size for a in data.archives),
        "licence": data.licence,
        "home": data.home,
    }


def listing() -> list[dict[str, Any]]:
    """All data sets, each as `describe` gives it."""
    return [describe(name) for name in sorted(REGISTRY)]


def fetch(name: str, *, progress: bool = True) -> dict[str, Any]:
    """Bring a data set into the cache, and replace a damaged copy there; returns what `describe` gives then.

    Raises:
        ValueError: no such data set.
        DataError: it cannot be had; the cache is then as it was.
    """
    data = dataset(name)
    place = locate(data)
    if place is None or place.where == "mirror" or (place.where == "cache" and not verify(name)["ok"]):
        _obtain(data, progress)
    return describe(name)


def verify(name: str) -> dict[str, Any]:
    """Compare what is here with the published checksums: `describe`'s data, with `ok` and a `detail` for people.

    Raises:
        ValueError: no such data set.
    """
    data, report = dataset(name), describe(name)
    place = locate(data)
    if place is None:
        return {**report, "ok": False, "detail": f"not here; `python -m mlcourse data fetch {name}` gets it"}
    try:
        if place.where == "mirror":
            _from_mirror(data, place)
        else:
            _checked(data, read_arrays(place.files[0], fix=_fix(data)), str(place.files[0]), _fix(data))
    except DataError as error:
        return {**report, "ok": False, "detail": str(error)}
    return {**report, "ok": True, "detail": "contents match the published checksum"}
