"""Where data comes from: the look-up order, and every kind of bad input, none of which may touch the cache."""

import errno
import hashlib
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcourse import paths
from mlcourse.errors import DataError
from mlcourse.tasks import lessons, omniglot, store

CONTENTS = {"numbers/one.txt": b"1 2 3", "numbers/two.txt": b"4 5 6"}


def zip_bytes(contents: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in contents.items():
            archive.writestr(name, body)
    return file.getvalue()


def pack_numbers(archives: list[Path]) -> store.Arrays:
    rows = [body.split() for path in archives for _, body in store.zip_entries(path)]
    return {"numbers": np.array(rows, dtype=np.int64)}


ARCHIVE = zip_bytes(CONTENTS)
ARRAYS = {"numbers": np.array([[1, 2, 3], [4, 5, 6]], np.int64)}


def tiny(archive: bytes = ARCHIVE, **changes: object) -> store.DataSet:
    settings = dict(
        name="tiny",
        about="six numbers",
        licence="none",
        home="here",
        packed="tiny.npz",
        digest=store.digest_of(ARRAYS),
        base_url="http://127.0.0.1:9/",  # the discard port: nobody listens
        archives=(store.Archive("tiny.zip", len(archive), hashlib.sha256(archive).hexdigest()),),
        pack=pack_numbers,
    )
    return store.DataSet(**{**settings, **changes})


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too, with its contents."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(autouse=True)
def always_an_empty_cache(cache: Path) -> None:
    """No test here may see or change the user's own cache."""


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "mirror"
    folder.mkdir()
    monkeypatch.setenv("MLCOURSE_MIRROR", str(folder))
    return folder


def load_tiny(data: store.DataSet) -> np.ndarray:
    return store.load(data, progress=False)["numbers"]


# ---------------------------------------------------------------- the look-up order


def test_a_download_is_kept_and_the_next_load_needs_no_network(serve, cache):
    server = serve({"tiny.zip": ARCHIVE})
    data = tiny(base_url=server.url)
    np.testing.assert_array_equal(load_tiny(data), ARRAYS["numbers"])
    server.files.clear()
    np.testing.assert_array_equal(load_tiny(data), ARRAYS["numbers"])
    assert server.requests == 1
    assert list(snapshot(cache)) == ["tiny/tiny.npz"], "the archive and temporary files are gone"


@pytest.mark.parametrize("place", ["tiny", "tiny/official", "."])
@pytest.mark.parametrize("packed", [True, False])
def test_a_mirror_holds_the_packed_file_or_the_archives(mirror, cache, place, packed):
    folder = mirror / place
    folder.mkdir(parents=True, exist_ok=True)
    if packed:
        np.savez(folder / "tiny.npz", **ARRAYS)
    else:
        (folder / "tiny.zip").write_bytes(ARCHIVE)
    assert store.locate(tiny()).where == "mirror"
    np.testing.assert_array_equal(load_tiny(tiny()), ARRAYS["numbers"])
    assert list(snapshot(cache)) == ["tiny/tiny.npz"]
    assert store.locate(tiny()).where == "cache", "the cache comes first from now on"


def test_a_mirror_that_is_no_folder_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setenv("MLCOURSE_MIRROR", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="MLCOURSE_MIRROR is .*nowhere"):
        store.locate(tiny())


def test_lessons_fall_back_on_the_glyphs_and_say_so(capsys):
    chosen = lessons.characters()
    assert chosen.test.name == "glyphs"
    line = capsys.readouterr().out
    assert line.count("\n") == 1 and "rendered glyphs" in line and "mlcourse data fetch omniglot" in line


# ---------------------------------------------------------------- bad networks


def test_a_cut_connection_is_tried_again(serve):
    server = serve({"tiny.zip": ARCHIVE})
    server.plan = ["cut", "cut"]
    np.testing.assert_array_equal(load_tiny(tiny(base_url=server.url)), ARRAYS["numbers"])
    assert server.requests == 3


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("cut", "cannot download .*tiny.zip after 4 attempts"),
        ("missing", "cannot download .*404"),
        ("changed", "does not have the published SHA-256"),
    ],
)
def test_a_bad_server_is_given_up_and_nothing_is_kept(serve, cache, fault, says):
    server = serve({"tiny.zip": ARCHIVE})
    server.plan = [fault] * 10
    with pytest.raises(DataError, match=says):
        load_tiny(tiny(base_url=server.url))
    assert server.requests == store.RETRIES + 1
    assert snapshot(cache) == {}


def test_no_network_says_what_to_do(cache):
    with pytest.raises(DataError, match="check the network, or .* MLCOURSE_MIRROR"):
        load_tiny(tiny())
    assert snapshot(cache) == {}


# ---------------------------------------------------------------- bad files


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda body: body[:-30], "of .* bytes: it is truncated"),
        (lambda body: body[:50] + b"?" + body[51:], "has SHA-256 .* not the published file"),
        (lambda body: body + b"more", "has SHA-256"),
    ],
)
def test_damaged_archives_in_a_mirror_are_refused(mirror, cache, damage, says):
    (mirror / "tiny.zip").write_bytes(damage(ARCHIVE))
    with pytest.raises(DataError, match=says):
        load_tiny(tiny())
    assert snapshot(cache) == {}


def test_a_packed_file_with_other_contents_is_refused(mirror, cache):
    np.savez(mirror / "tiny.npz", numbers=ARRAYS["numbers"] + 1)
    with pytest.raises(DataError, match="contents with checksum .* nothing was kept"):
        load_tiny(tiny())
    assert snapshot(cache) == {}


@given(keep=st.floats(0, 0.999))
def test_archives_cut_anywhere_are_refused(tmp_path_factory, keep):
    path = tmp_path_factory.mktemp("cut") / "cut.zip"
    path.write_bytes(ARCHIVE[: int(keep * len(ARCHIVE))])
    with pytest.raises(DataError, match="cut.zip is truncated or corrupt"):
        list(store.zip_entries(path))


@given(position=st.integers(0, len(ARCHIVE) - 1), bit=st.integers(0, 7))
def test_one_flipped_bit_is_an_error_or_changes_no_contents(tmp_path_factory, position, bit):
    """Bits that nobody reads (a date, a flag) may flip unseen by the zip code; the archive's SHA-256 sees them."""
    broken = bytearray(ARCHIVE)
    broken[position] ^= 1 << bit
    path = tmp_path_factory.mktemp("flip") / "flip.zip"
    path.write_bytes(broken)
    try:
        bodies = [body for _, body in store.zip_entries(path)]
    except DataError:
        bodies = list(CONTENTS.values())
    assert set(bodies) <= set(CONTENTS.values())
    archive = tiny().archives[0]
    with pytest.raises(DataError, match="SHA-256"):
        store.check_archive(path, archive, fix="")


@pytest.mark.parametrize(
    "name",
    ["../outside.txt", "numbers/../../outside.txt", "/etc/outside.txt", "..\\outside.txt", "C:/outside.txt"],
)
def test_an_entry_that_climbs_out_of_its_folder_is_refused(mirror, cache, tmp_path, name):
    hostile = zip_bytes({**CONTENTS, name: b"7 8 9"})
    (mirror / "tiny.zip").write_bytes(hostile)
    before = snapshot(tmp_path)
    with pytest.raises(DataError, match="climbs out of its folder"):
        load_tiny(tiny(hostile))
    assert snapshot(tmp_path) == before, "nothing was written anywhere"


def test_an_enormous_entry_is_refused_before_it_is_read(tmp_path):
    (tmp_path / "bomb.zip").write_bytes(zip_bytes({"zeros": bytes(store.LARGEST_ENTRY + 1)}))
    with pytest.raises(DataError, match="more than 1,048,576"):
        list(store.zip_entries(tmp_path / "bomb.zip"))


# ---------------------------------------------------------------- bad disks


def full(*args: object, **kwargs: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_that_fills_while_writing_the_cache(mirror, cache, monkeypatch):
    np.savez(mirror / "tiny.npz", **ARRAYS)
    monkeypatch.setattr("mlcourse.files.os.fsync", full)
    with pytest.raises(DataError, match=r"cannot write .*tiny.npz \(No space left on device\).*MLCOURSE_CACHE"):
        load_tiny(tiny())
    assert snapshot(cache) == {}


def test_a_disk_that_fills_during_the_download(serve, cache, monkeypatch):
    monkeypatch.setattr("pooch.HTTPDownloader.__call__", full)
    with pytest.raises(DataError, match="No space left on device.*free some space"):
        load_tiny(tiny(base_url=serve({"tiny.zip": ARCHIVE}).url))
    assert snapshot(cache) == {}


def test_a_failed_write_leaves_the_older_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def half(file: io.BufferedWriter) -> None:
        file.write(b"new")
        full()

    with pytest.raises(DataError, match="No space left"):
        store.write_atomically(path, half)
    assert snapshot(tmp_path) == {"file": b"old"}


def test_an_interrupted_write_leaves_nothing_behind(tmp_path):
    def interrupted(file: io.BufferedWriter) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.write_atomically(tmp_path / "file", interrupted)
    assert snapshot(tmp_path) == {}


def test_derived_arrays_survive_a_full_disk_and_a_damaged_copy(tmp_path, monkeypatch):
    made = np.arange(6, dtype=np.uint8).reshape(2, 3)
    path = tmp_path / "copy.npy"
    np.testing.assert_array_equal(store.derived(path, (2, 3), made.copy), made)
    path.write_bytes(path.read_bytes()[:-1])
    np.testing.assert_array_equal(store.derived(path, (2, 3), made.copy), made)
    assert len(path.read_bytes()) > 6
    path.unlink()
    with monkeypatch.context() as patch:
        patch.setattr("mlcourse.files.os.fsync", full)
        np.testing.assert_array_equal(store.derived(path, (2, 3), made.copy), made)
    assert snapshot(tmp_path) == {}


# ---------------------------------------------------------------- what the command line calls


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch, serve: Callable) -> object:
    """Let "omniglot" be the tiny set, so that the command line's functions can be tried without 16 MB."""
    server = serve({"tiny.zip": ARCHIVE})
    monkeypatch.setattr(omniglot, "SOURCE", tiny(base_url=server.url))
    return server


def test_listing_says_where_everything_is(registered):
    rows = {row["name"]: row for row in store.listing()}
    assert set(rows["glyphs"]) == {"name", "about", "where", "path", "bytes", "licence", "home"}
    assert rows["glyphs"]["where"] == "embedded" and rows["glyphs"]["bytes"] > 0
    assert rows["tiny"]["where"] == "absent" and rows["tiny"]["bytes"] == len(ARCHIVE)
    store.fetch("omniglot", progress=False)
    assert {row["name"]: row["where"] for row in store.listing()}["tiny"] == "cache"


def test_fetch_downloads_once_and_replaces_a_damaged_copy(registered, cache):
    store.fetch("omniglot", progress=False)
    store.fetch("omniglot", progress=False)
    assert registered.requests == 1
    path = cache / "tiny" / "tiny.npz"
    path.write_bytes(path.read_bytes()[:40])
    assert not store.verify("omniglot")["ok"]
    with pytest.raises(DataError, match="truncated or corrupt.*data fetch tiny"):
        load_tiny(omniglot.SOURCE)
    report = store.fetch("omniglot", progress=False)
    assert report["where"] == "cache" and store.verify("omniglot")["ok"] and registered.requests == 2


def test_a_failed_fetch_leaves_even_a_damaged_copy_alone(registered, cache):
    store.fetch("omniglot", progress=False)
    path = cache / "tiny" / "tiny.npz"
    path.write_bytes(path.read_bytes()[:40])
    before = snapshot(cache)
    registered.files.clear()
    with pytest.raises(DataError, match="cannot download"):
        store.fetch("omniglot", progress=False)
    assert snapshot(cache) == before


def test_verify_reports_every_state_as_data(registered, mirror, cache):
    assert store.verify("glyphs")["ok"]
    absent = store.verify("omniglot")
    assert not absent["ok"] and absent["where"] == "absent" and "data fetch omniglot" in absent["detail"]
    (mirror / "tiny.zip").write_bytes(ARCHIVE[:-1])
    cut = store.verify("omniglot")
    assert not cut["ok"] and cut["where"] == "mirror" and "truncated" in cut["detail"]
    (mirror / "tiny.zip").write_bytes(ARCHIVE)
    assert store.verify("omniglot")["ok"]
    assert snapshot(cache) == {}, "to verify is to read only"


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="name is 'mnist'; the data sets are glyphs, omniglot"):
        store.fetch("mnist")


def test_a_missing_data_folder_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    with pytest.raises(DataError, match="clone the whole project"):
        paths.data_folder()
