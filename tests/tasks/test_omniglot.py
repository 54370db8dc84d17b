"""Omniglot through the real loader: tiny archives made here, and, where MLCOURSE_MIRROR is set, the real data.

The mirror holds `omniglot/omniglot_105_packed.npz` and `omniglot/official/images_background_small{1,2}.zip`.
"""

import dataclasses
import io
import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlcourse.errors import DataError
from mlcourse.tasks import Episodes, characters, omniglot, store

MIRROR = os.environ.get("MLCOURSE_MIRROR", "")
SMALL = (
    store.Archive(
        "images_background_small1.zip",
        1_319_022,
        "f38eb80f801274ac2b4dff5b24289016bfaba4a7d5bb50deebf27104ad6cb8a4",
    ),
    store.Archive(
        "images_background_small2.zip",
        1_580_917,
        "3ccaa407515a8778e5d0861875af38b17e418f301ad5bb3b5a6b65d901a41c7f",
    ),
)

DRAWINGS = {"images_background_small1.zip": 2720, "images_background_small2.zip": 3120}


def png(ink: np.ndarray) -> bytes:
    """Ink (105, 105) to a file as in the official archives: black on white, 1 bit a pixel."""
    file = io.BytesIO()
    Image.fromarray(~ink.astype(bool)).save(file, "PNG")
    return file.getvalue()


def archive(path: Path, drawings: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, contents in drawings.items():
            file.writestr(name, contents)
    return path


def some_drawings(split: str, alphabets: list[str], seed: int = 0) -> dict[str, bytes]:
    """Two characters by three people of each alphabet, in an order that is not the one of `pack`."""
    rng = np.random.default_rng(seed)
    names = [
        f"images_{split}/{alphabet}/character{character:02d}/{7 * character:04d}_{drawer:02d}.png"
        for drawer in (3, 1, 2)
        for alphabet in alphabets
        for character in (2, 1)
    ]
    return {name: png(rng.random((105, 105)) < 0.1) for name in names}


# ---------------------------------------------------------------- with archives made here


def test_archives_are_packed_in_the_stated_order_without_loss(tmp_path):
    evaluation = some_drawings("evaluation", ["Beta"])
    background = some_drawings("background", ["Delta", "Alpha"], seed=1)
    paths = [archive(tmp_path / "e.zip", evaluation), archive(tmp_path / "b.zip", background)]
    arrays = omniglot.pack(paths)
    assert arrays["alphabet_names"].tolist() == ["Alpha", "Delta", "Beta"]
    assert arrays["alphabet_split"].tolist() == ["background", "background", "evaluation"]
    assert arrays["character_number"].tolist() == [1, 2] * 3
    assert arrays["character"].tolist() == [c for c in range(6) for _ in range(3)]
    assert arrays["drawer"].tolist() == [1, 2, 3] * 6
    ink = omniglot.unpack(arrays["images_packed"])
    files = {**evaluation, **background}
    for row in range(18):
        alphabet = arrays["alphabet_names"][arrays["alphabet"][row]]
        number = arrays["character_number"][arrays["character"][row]]
        name = f"images_{arrays['split'][row]}/{alphabet}/character{number:02d}/{arrays['file_number'][row]:04d}"
        drawing = files[f"{name}_{arrays['drawer'][row]:02d}.png"]
        np.testing.assert_array_equal(ink[row], 1 - np.asarray(Image.open(io.BytesIO(drawing)), np.uint8))


def test_the_canonical_image_is_the_ink_resized_by_pillow():
    ink = np.zeros((1, 105, 105), np.uint8)
    ink[0, 40:60, 50:53] = 1
    small = omniglot.shrink(ink)
    expected = np.asarray(Image.fromarray(ink[0] * 255).resize((28, 28), Image.LANCZOS))
    np.testing.assert_array_equal(small[0], expected)
    assert small.max() > 150 and small[0, 0, 0] == 0, "ink is high on a background of 0"


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        (b"not a picture", "not a readable PNG"),
        (png(np.zeros((105, 104))), "is 104x105 of mode 1"),
        (png(np.eye(105))[:-40], "not a readable PNG"),
    ],
)
def test_a_bad_drawing_is_named(tmp_path, contents, says):
    path = archive(tmp_path / "bad.zip", {"images_background/A/character01/0001_01.png": contents})
    with pytest.raises(DataError, match=f"bad.zip: images_background/A/character01/0001_01.png.*{says}"):
        omniglot.pack([path])


def test_an_archive_of_something_else_is_refused(tmp_path):
    with pytest.raises(DataError, match="no drawings inside"):
        omniglot.pack([archive(tmp_path / "other.zip", {"readme.txt": b"hello"})])


def test_a_hostile_archive_is_refused(tmp_path):
    drawings = {**some_drawings("background", ["A"]), "images_background/../../B/character01/0001_01.png": b""}
    with pytest.raises(DataError, match="climbs out of its folder"):
        omniglot.pack([archive(tmp_path / "hostile.zip", drawings)])
    assert [path.name for path in tmp_path.iterdir()] == ["hostile.zip"]


def test_without_a_network_the_error_says_what_to_do(cache, monkeypatch):
    offline = dataclasses.replace(omniglot.SOURCE, base_url="http://127.0.0.1:9/")
    monkeypatch.setattr(omniglot, "SOURCE", offline)
    with pytest.raises(DataError, match="images_background.zip .*check the network, or .*MLCOURSE_MIRROR"):
        omniglot.load(progress=False)
    assert not any(path.is_file() for path in cache.rglob("*"))


# ---------------------------------------------------------------- with the real data


def in_mirror(name: str) -> Path:
    """A file of the mirror; the test is skipped, by name, when the variable is not set or the file not there."""
    if not MIRROR:
        pytest.skip(f"MLCOURSE_MIRROR is not set: let it name a folder with omniglot/{name}")
    path = Path(MIRROR) / "omniglot" / name
    if not path.is_file():
        pytest.skip(f"MLCOURSE_MIRROR={MIRROR} holds no omniglot/{name}")
    return path


@pytest.fixture(scope="module")
def packed() -> store.Arrays:
    """The mirror's packed file as it lies there, read without our loader."""
    with np.load(in_mirror("omniglot_105_packed.npz")) as file:
        return dict(file)


@pytest.fixture(scope="module")
def loaded(packed, tmp_path_factory) -> Iterator[Path]:
    """A cache that the real loader filled from the mirror."""
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLCOURSE_CACHE", str(cache))
        patch.setenv("MLCOURSE_MIRROR", MIRROR)
        omniglot.load(progress=False)
        yield cache


def same(ours: store.Arrays, theirs: store.Arrays) -> None:
    """Byte for byte: names, types, shapes, contents."""
    assert sorted(ours) == sorted(theirs)
    for name in ours:
        assert ours[name].dtype == theirs[name].dtype and ours[name].shape == theirs[name].shape, name
        assert ours[name].tobytes() == theirs[name].tobytes(), name


def test_full_omniglot_has_its_counts(loaded):
    everything = omniglot.load()
    assert everything.images.shape == (1623, 20, 28, 28) and len(everything.alphabet_names) == 50
    assert store.verify("omniglot") | {"detail": ""} == store.describe("omniglot") | {"ok": True, "detail": ""}
    sizes = {
        ("random", True): (1100, 100, 423),
        ("random", False): (1200, 0, 423),
        ("alphabets", False): (964, 0, 659),
    }
    for (kind, val), expected in sizes.items():
        assert tuple(map(len, omniglot.splits(kind, val=val))) == expected
    parts = omniglot.splits("alphabets")
    alphabets = [set(part.alphabet.tolist()) for part in parts]
    assert [len(group) for group in alphabets] == [25, 5, 20] and len(set.union(*alphabets)) == 50
    names = [set(part.class_names.tolist()) for part in omniglot.splits("random", seed=3)]
    assert len(set.union(*names)) == 1623


def test_the_random_split_follows_its_seed(loaded):
    tests = [set(omniglot.splits("random", seed=seed).test.class_names.tolist()) for seed in (0, 0, 1)]
    assert tests[0] == tests[1] != tests[2]
    with pytest.raises(ValueError, match='kind is \'vinyals\'; choose "random" or "alphabets"'):
        omniglot.splits("vinyals")


def test_the_cache_equals_the_packed_file_byte_for_byte(loaded, packed):
    same(store.read_arrays(loaded / "omniglot" / "omniglot_105_packed.npz", fix=""), packed)


def test_full_archives_made_from_the_packed_file_give_it_back(packed, tmp_path):
    """All 32,460 drawings, as PNG files in two zip archives of the official layout, through the real zip code."""
    ink = omniglot.unpack(packed["images_packed"])
    paths = []
    for split in ("background", "evaluation"):
        drawings = {}
        for row in np.flatnonzero(packed["split"] == split):
            alphabet = packed["alphabet_names"][packed["alphabet"][row]]
            folder = (
                f"images_{split}/{alphabet}/character{packed['character_number'][packed['character'][row]]:02d}"
            )
            name = f"{folder}/{packed['file_number'][row]:04d}_{packed['drawer'][row]:02d}.png"
            drawings[name] = png(ink[row])
        paths.append(archive(tmp_path / f"images_{split}.zip", drawings))
    same(omniglot.pack(paths), packed)


def test_loaded_images_are_the_drawings_resized(loaded, packed):
    images = omniglot.load().images
    for row in (0, 19, 5000, 32459):
        small = omniglot.shrink(omniglot.unpack(packed["images_packed"][row : row + 1]))[0]
        np.testing.assert_array_equal(images[row // 20, row % 20], small)


@pytest.mark.parametrize("small", SMALL, ids=lambda small: small.name)
def test_official_small_archives_are_served_verified_and_equal_the_packed_rows(
    small, packed, cache, serve, tmp_path
):
    body = in_mirror(f"official/{small.name}").read_bytes()
    server = serve({small.name: body})
    data = dataclasses.replace(omniglot.SOURCE, base_url=server.url, archives=(small,))
    server.plan = ["cut"]
    path = store.download(data, small, tmp_path / "got", progress=False)
    assert path.read_bytes() == body and server.requests == 2, "the first connection was cut, the second was not"
    arrays = omniglot.pack([path])
    keys = {}
    for row in np.flatnonzero(packed["split"] == "background"):
        alphabet = packed["alphabet_names"][packed["alphabet"][row]]
        keys[alphabet, packed["character_number"][packed["character"][row]], packed["drawer"][row]] = row
    for row in range(len(arrays["drawer"])):
        alphabet = arrays["alphabet_names"][arrays["alphabet"][row]]
        same_row = keys[alphabet, arrays["character_number"][arrays["character"][row]], arrays["drawer"][row]]
        assert arrays["images_packed"][row].tobytes() == packed["images_packed"][same_row].tobytes()
        assert arrays["file_number"][row] == packed["file_number"][same_row]
    assert len(arrays["drawer"]) == DRAWINGS[small.name]


def test_an_official_archive_with_one_changed_byte_is_refused(cache, serve: Callable, tmp_path):
    body = in_mirror(f"official/{SMALL[0].name}").read_bytes()
    server = serve({SMALL[0].name: body})
    server.plan = ["changed"] * 10
    data = dataclasses.replace(omniglot.SOURCE, base_url=server.url, archives=SMALL[:1])
    with pytest.raises(DataError, match="does not have the published SHA-256 f38eb80f"):
        store.load(data, progress=False)
    assert not any(path.is_file() for path in cache.rglob("*"))


def test_lessons_use_omniglot_when_it_is_there(loaded, capsys):
    chosen = characters()
    assert tuple(map(len, chosen)) == tuple(map(len, omniglot.splits("alphabets")))
    assert "Omniglot, from the cache" in capsys.readouterr().out
    tasks = Episodes(chosen.train, n_way=20, k_shot=5, n_query=15, rotations=True).sample(
        2, np.random.default_rng(0)
    )
    assert tasks.query.x.shape == (2, 300, 1, 28, 28)


# --- a machine that only trains ----------------------------------------------------------------------------


@pytest.fixture
def without_pillow(monkeypatch):
    for name in [name for name in sys.modules if name == "PIL" or name.startswith("PIL.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "PIL", None)  # importing it fails from here on


def test_without_pillow_the_images_that_another_machine_made_are_read(without_pillow, monkeypatch, tmp_path):
    monkeypatch.setenv("MLCOURSE_CACHE", str(tmp_path))
    folder = store.cached_path(omniglot.SOURCE).parent
    folder.mkdir(parents=True)
    made = np.random.default_rng(0).integers(0, 256, (2, 20, 28, 28), dtype=np.uint8)
    np.save(folder / "omniglot_28_pillow9.9.9.npy", made)
    packed = {"images_packed": np.zeros((40, 1379), np.uint8)}
    assert np.array_equal(omniglot._small_images(packed), made)


def test_without_pillow_and_without_images_it_is_said_how_to_go_on(without_pillow, monkeypatch, tmp_path):
    monkeypatch.setenv("MLCOURSE_CACHE", str(tmp_path))
    with pytest.raises(DataError, match="holds no small images of Omniglot yet, and Pillow.*is not installed"):
        omniglot._small_images({"images_packed": np.zeros((40, 1379), np.uint8)})
