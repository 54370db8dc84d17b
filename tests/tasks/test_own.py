"""Your own images: real files and arrays become episodes without loss, and what cannot be used is named."""

import os
import struct
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mlcourse.errors import DataError
from mlcourse.fast.episodes import Episodes as DeviceEpisodes
from mlcourse.tasks import Episodes, ImageSet, each, own, split_at_random, split_by_alphabet

MIRROR = os.environ.get("MLCOURSE_MIRROR", "")


def save(path: Path, pixels: np.ndarray | Image.Image, **options) -> Path:
    """An image file, with the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


def flat(value: int | tuple[int, int, int], height: int = 28, width: int = 28) -> np.ndarray:
    """An image of one grey, or of one colour."""
    return np.broadcast_to(np.uint8(value), (height, width, *np.shape(value))).copy()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three classes with 2, 3 and 4 grey images: 10 * class + number."""
    for index, (name, count) in enumerate({"ant": 2, "bee": 3, "cat": 4}.items()):
        for number in range(count):
            save(tmp_path / "pets" / name / f"{number}.png", flat(10 * index + number))
    return tmp_path / "pets"


def values(part: ImageSet, index: int) -> Counter:
    """The grey levels at the middle of the images of one class."""
    height, width = part.size
    return Counter(part.images_of(index)[:, height // 2, width // 2].tolist())


# ---------------------------------------------------------------- folders


def test_a_folder_becomes_an_image_set_and_episodes(folder):
    pets = own.read_folder(folder)
    assert repr(pets) == "ImageSet(pets: 3 classes, 2 to 4 images each, 28x28)"
    assert pets.class_names.tolist() == pets.alphabet_names.tolist() == ["ant", "bee", "cat"]
    for index in range(3):
        assert values(pets, index) == Counter(range(10 * index, 10 * index + index + 2))
    tasks = Episodes(pets, n_way=3, k_shot=1, n_query=1).sample(50, np.random.default_rng(0))
    for task in each(tasks):
        support, query = (np.rint(part.x[:, 0, 0, 0] * 255).astype(int) for part in task)
        np.testing.assert_array_equal(support // 10, query // 10)
        assert sorted(support // 10) == [0, 1, 2] and not set(support) & set(query)


def test_own_classes_are_split_like_any_others(folder):
    pets = own.read_folder(str(folder), size=16)
    parts = split_at_random(pets, (1, 0, 2), np.random.default_rng(0))
    assert sorted(np.concatenate([part.class_names for part in parts])) == ["ant", "bee", "cat"]
    assert all(part.per_class.tolist() == [len(values(part, i)) for i in range(len(part))] for part in parts)
    Episodes(parts.test, n_way=2, k_shot=1, n_query=1).sample(2, np.random.default_rng(0))
    assert split_by_alphabet(pets, val=[], test=[1]).test.class_names.tolist() == ["bee"]


def test_omniglots_own_layout_gives_alphabets(tmp_path):
    for alphabet, character in (("Greek", "character01"), ("Greek", "character02"), ("Latin", "character01")):
        for number in range(2):
            save(tmp_path / alphabet / character / f"{number}.png", Image.new("1", (105, 105), 1))
    letters = own.read_folder(tmp_path, dark_ink=True)
    assert letters.class_names.tolist() == ["Greek/character01", "Greek/character02", "Latin/character01"]
    assert letters.alphabet_names.tolist() == ["Greek", "Latin"] and letters.alphabet.tolist() == [0, 0, 1]
    assert letters.images.max() == 0 and letters.counts is None, "white paper is 0"
    parts = split_by_alphabet(letters, val=[], test=[1])
    assert (len(parts.train), len(parts.test)) == (2, 1)


def test_colour_keeps_three_channels_and_grey_makes_one(tmp_path):
    for name, colour in {"leaf": (0, 200, 0), "sky": (0, 0, 250)}.items():
        save(tmp_path / name / "1.png", flat(colour))
        save(tmp_path / name / "2.png", flat(77))
    coloured, grey = own.read_folder(tmp_path, colour=True), own.read_folder(tmp_path)
    assert coloured.images.shape == (2, 2, 28, 28, 3) and grey.images.shape == (2, 2, 28, 28)
    assert coloured.images[0, 0, 5, 5].tolist() == [0, 200, 0] and coloured.images[1, 1, 5, 5].tolist() == [77] * 3
    assert grey.images[0, 0, 5, 5] == round(0.587 * 200) and grey.images[1, 1, 5, 5] == 77
    task = Episodes(coloured, n_way=2, k_shot=1, n_query=1).sample(1, np.random.default_rng(0))
    assert task.support.x.shape == (1, 2, 3, 28, 28)


@pytest.mark.parametrize("suffix", own.SUFFIXES)
def test_every_kind_of_file_is_read(tmp_path, suffix):
    kind = {"format": "JPEG"} if suffix == ".jfif" else {}
    for number in range(2):
        save(tmp_path / "class" / f"{number}{suffix.upper()}", flat(100), **kind)
    assert abs(int(own.read_folder(tmp_path).images[0, 0, 14, 14]) - 100) <= 2


def test_a_wide_image_is_cut_to_its_middle(tmp_path):
    wide = np.concatenate([flat(255), flat(90), flat(255)], axis=1)
    for number, pixels in enumerate((wide, wide.T)):
        save(tmp_path / "class" / f"{number}.png", pixels)
    assert (own.read_folder(tmp_path).images[..., 2:-2, 2:-2] == 90).all()


def test_a_photograph_stands_as_its_camera_held_it(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its left side: to be turned clockwise by 90 degrees
    lying = np.concatenate([flat(200, 400, 200), flat(0, 400, 200)], axis=1)
    for number in range(2):
        save(tmp_path / "class" / f"{number}.jpg", lying, exif=exif, quality=95)
    upright = own.read_folder(tmp_path).images[0, 0]
    assert (upright[:12] > 190).all() and (upright[16:] < 10).all()


def test_what_shines_through_is_white_paper_and_16_bits_become_8(tmp_path):
    stroke = np.zeros((28, 28, 4), np.uint8)  # black everywhere, but transparent outside the stroke
    stroke[10:20, 10:20, 3] = 255
    save(tmp_path / "class" / "1.png", stroke)
    save(tmp_path / "class" / "2.png", np.full((28, 28), 128 * 256, np.uint16))
    first, second = own.read_folder(tmp_path).images[0]
    assert first[0, 0] == 255 and first[15, 15] == 0
    assert (second == 128).all()


def test_an_animation_shows_its_first_frame(tmp_path):
    frames = [Image.fromarray(flat(value)) for value in (50, 250)]
    for number in range(2):
        save(tmp_path / "class" / f"{number}.gif", frames[0], save_all=True, append_images=frames[1:])
    assert (own.read_folder(tmp_path).images == 50).all()


def test_what_systems_leave_behind_is_skipped(folder):
    for name in (".DS_Store", "ant/Thumbs.db", "ant/.hidden.png", "cat/desktop.ini", "README.txt"):
        (folder / name).write_bytes(b"not an image")
    (folder / "__MACOSX").mkdir()
    (folder / ".git").mkdir()
    assert own.read_folder(folder).per_class.tolist() == [2, 3, 4]


# ---------------------------------------------------------------- folders that cannot be used


def png_that_claims(width: int, height: int) -> bytes:
    """A small PNG file whose header promises a size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def truncated(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    contents = save(path, noise).read_bytes()
    path.write_bytes(contents[: len(contents) // 2])


SPOILT_FILES = {
    "no image at all": (lambda p: p.write_text("a poem"), r"9\.png is no image, whatever its name .*PNG.*replace"),
    "empty": (lambda p: p.write_bytes(b""), r"bee/9\.png is no image"),
    "truncated": (truncated, r"bee/9\.png cannot be read \(.*trunc.*\): it is damaged; replace or"),
    "1 x 1": (lambda p: save(p, flat(9, 1, 1)), r"bee/9\.png has 1 x 1 pixels; at least 8 x 8 .*replace or"),
    "a line": (lambda p: save(p, flat(9, 2, 90)), r"bee/9\.png has 90 x 2 pixels; at least 8 x 8"),
    "large": (
        lambda p: p.write_bytes(png_that_claims(9_000, 9_000)),
        r"bee/9\.png has 9,000 x 9,000 pixels, more than 50,000,000; make it smaller",
    ),
    "a bomb": (
        lambda p: p.write_bytes(png_that_claims(60_000, 60_000)),
        r"bee/9\.png is larger than 50,000,000 pixels .*make it smaller",
    ),
}


@pytest.mark.parametrize("kind", SPOILT_FILES)
def test_a_file_that_cannot_be_used_is_named(folder, kind):
    spoil, says = SPOILT_FILES[kind]
    spoil(folder / "bee" / "9.png")
    with pytest.raises(DataError, match=says):
        own.read_folder(folder)


def test_several_bad_files_are_told_at_once(folder):
    for number in range(7):
        (folder / "bee" / f"bad{number}.jpg").write_text("a poem")
    with pytest.raises(DataError, match=r"(?s)bad0\.jpg .*bad4\.jpg [^.]*\nand 2 more files$"):
        own.read_folder(folder)


def empty(path: Path) -> None:
    for file in path.iterdir():
        file.unlink()


SPOILT_FOLDERS = {
    "notes": (lambda f: (f / "bee" / "notes.txt").write_text("x"), r"notes\.txt is not an image \(\.bmp .*move"),
    "phone": (lambda f: (f / "bee" / "1.heic").write_text("x"), r"bee/1\.heic is not an image .*convert it"),
    "stray": (lambda f: save(f / "1.png", flat(1)), r"pets/1\.png belongs to no class; move it into a sub-folder"),
    "empty": (lambda f: empty(f / "bee"), r"bee has 0 images; a class needs at least 2.*add images"),
    "one": (lambda f: (f / "ant" / "0.png").unlink(), r"ant has 1 image; a class needs at least 2, one to learn"),
    "mixed": (lambda f: save(f / "dog" / "pug" / "1.png", flat(1)), "dog has sub-folders and .*ant has none; arr"),
    "inside": (lambda f: save(f / "cat" / "more" / "1.png", flat(1)), "cat has sub-folders and .*ant has none"),
}


@pytest.mark.parametrize("kind", SPOILT_FOLDERS)
def test_a_folder_that_is_built_otherwise_is_refused(folder, kind):
    spoil, says = SPOILT_FOLDERS[kind]
    spoil(folder)
    with pytest.raises(DataError, match=says):
        own.read_folder(folder)


def test_folders_that_are_none(tmp_path):
    with pytest.raises(DataError, match="folder is .*nowhere, which does not exist; give the one that holds"):
        own.read_folder(tmp_path / "nowhere")
    file = save(tmp_path / "lonely" / "pet.png", flat(1))
    with pytest.raises(DataError, match="folder is .*pet.png, which is a file"):
        own.read_folder(file)
    with pytest.raises(DataError, match=r"pet\.png belongs to no class; move it into a sub-folder of .*lonely"):
        own.read_folder(file.parent)
    file.unlink()
    with pytest.raises(DataError, match="lonely, which has no sub-folders; make one for each class"):
        own.read_folder(file.parent)
    save(tmp_path / "a" / "b" / "c" / "d" / "1.png", flat(1))
    with pytest.raises(DataError, match=r"c/d lies too deep; arrange .*folder/alphabet/class/image"):
        own.read_folder(tmp_path / "a")


def test_train_and_test_folders_are_not_alphabets(tmp_path):
    for part in ("train", "test"):
        save(tmp_path / part / "ant" / "1.png", flat(1))
    with pytest.raises(DataError, match="test, train look like parts of one set.*read one part"):
        own.read_folder(tmp_path)


def test_a_size_that_is_none(folder):
    with pytest.raises(ValueError, match="size is 4; give a whole number of at least 8"):
        own.read_folder(folder, size=4)


@given(data=st.data(), suffix=st.sampled_from(["png", "jpg", "gif", "bmp", "webp"]))
def test_damage_gives_an_image_or_an_error_that_names_the_file(data, suffix, tmp_path_factory):
    path = save(tmp_path_factory.mktemp("damage") / f"1.{suffix}", np.arange(256, dtype=np.uint8).reshape(16, 16))
    contents = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(contents) - 1), min_size=1, max_size=8)):
        contents[place] = data.draw(st.integers(0, 255))
    path.write_bytes(contents[: data.draw(st.integers(0, len(contents)))])
    try:
        assert own._read_image(path, 28, colour=True).shape == (28, 28, 3)
    except DataError as error:
        assert str(path) in str(error)


# ---------------------------------------------------------------- arrays


@st.composite
def labelled_images(draw) -> tuple[np.ndarray, np.ndarray]:
    """Images that say their class and number at the top left, labels as numbers or words, in any order."""
    counts = draw(st.lists(st.integers(2, 5), min_size=1, max_size=5))
    label = np.repeat(np.arange(len(counts)), counts)
    images = np.zeros((len(label), 8, 9, 3) if draw(st.booleans()) else (len(label), 8, 9), np.uint8)
    images[:, 0, 0] = (10 * label + 2).reshape(-1, *(1,) * (images.ndim - 3))
    images[:, 0, 1] = np.arange(len(label)).reshape(-1, *(1,) * (images.ndim - 3))
    order = draw(st.permutations(range(len(label))))
    names = np.array(["ant", "bee", "cat", "dog", "eel"])[label] if draw(st.booleans()) else label * 3 - 4
    return images[order], names[order]


@given(given_=labelled_images(), seed=st.integers(0, 2**32), as_floats=st.booleans())
def test_every_image_belongs_to_its_class(given_, seed, as_floats):
    images, labels = given_
    whole = own.from_arrays(images / 255 if as_floats else images, labels)
    assert whole.per_class.sum() == len(images), "nothing is lost"
    assert whole.class_names.tolist() == [str(name) for name in np.unique(labels)]
    class_of = {int(number.flat[0]): str(label) for number, label in zip(images[:, 0, 1], labels, strict=True)}
    tasks = Episodes(whole, len(whole), k_shot=1, n_query=1).sample(3, np.random.default_rng(seed))
    for task in each(tasks):
        support, query = ([class_of[round(n * 255)] for n in part.x[:, 0, 0, 1].tolist()] for part in task)
        assert support == query and len(set(support)) == len(whole)


@given(given_=labelled_images(), data=st.data())
def test_the_order_of_the_input_does_not_matter(given_, data):
    images, labels = given_
    order = list(data.draw(st.permutations(range(len(labels)))))
    first, second = own.from_arrays(images, labels), own.from_arrays(images[order], labels[order])
    assert first.class_names.tolist() == second.class_names.tolist()
    for index, count in enumerate(first.per_class):
        one, other = (sorted(part.images_of(index).reshape(count, -1).tolist()) for part in (first, second))
        assert one == other


def test_a_folder_and_its_arrays_are_the_same(folder):
    read = own.read_folder(folder)
    labels = np.repeat(read.class_names, read.per_class)
    made = own.from_arrays(np.concatenate([read.images_of(i) for i in range(len(read))]), labels)
    np.testing.assert_array_equal(read.images, made.images)
    np.testing.assert_array_equal(read.per_class, made.per_class)


def test_lists_booleans_and_words_are_taken():
    ink = np.random.default_rng(0).random((4, 8, 8)) > 0.5
    words = np.array(["yes", "no", "yes", "no"], object)
    made = own.from_arrays(list(ink), words, name="votes")
    assert repr(made) == "ImageSet(votes: 2 classes, 2 images each, 8x8)"
    np.testing.assert_array_equal(made.images[1, 0], ink[0] * 255)


GOOD = np.full((4, 8, 8), 0.5)
PLACED = np.where(np.arange(4)[:, None, None] == 2, np.nan, GOOD)


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (PLACED, r"shape \(4, 8, 8\) and type float64; 64 values are NaN or infinite, the first in images\[2\]"),
        (GOOD * np.inf, "256 values are NaN or infinite"),
        (GOOD * 510, r"values from 255 to 255; give floats from 0 to 1: images / 255"),
        (GOOD - 1, r"values from -0.5 to -0.5; give floats from 0 to 1: \(images - images.min"),
        (np.ones((4, 8, 8), np.uint8), "type uint8, but no value above 1.*images \\* 255"),
        (
            np.ones((4, 8, 8), np.int64),
            r"type int64, with values from 1 to 1; give uint8 from 0 to 255: images .* 255",
        ),
        (np.zeros((4, 3, 8, 8)), r"shape \(4, 3, 8, 8\).*channels come last: images.transpose\(0, 2, 3, 1\)"),
        (np.zeros((4, 8, 8, 1)), r"grey images have no axis for channels: images\[..., 0\]"),
        (np.zeros((4, 1, 8, 8)), r"grey images have no axis for channels: images\[:, 0\]"),
        (np.zeros((4, 8, 8, 4)), r"leave transparency out: images\[..., :3\]"),
        (np.zeros((4, 64)), r"shape \(4, 64\).*images.reshape\(len\(images\), height, width\)"),
        (np.zeros((4, 1, 1)), r"shape \(4, 1, 1\).*none smaller than 8 x 8 pixels"),
        (np.zeros((0, 8, 8)), "at least one image"),
        ([np.zeros((8, 8)), np.zeros((8, 8, 3))], "images is no array .*give all images the same shape"),
        (np.array("cat"), "give \\(n, height, width\\)"),
    ],
)
def test_images_that_cannot_be_used(images, says):
    with pytest.raises(ValueError, match=says):
        own.from_arrays(images, [0, 0, 1, 1])


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([0.0, 0, 1, 1], r"shape \(4,\) and type float64; give whole numbers or words: labels.astype\(int\)"),
        (np.eye(4, dtype=int), r"labels has shape \(4, 4\).*from one-hot rows, labels.argmax\(axis=1\)"),
        ([0, 0, 1], r"labels has shape \(3,\), but there are 4 images; give each a label"),
        (3, r"labels has shape \(\) .*give \(n,\)"),
        ([0, None, 1, 1], "type object; give whole numbers or words"),
        ([[0], [0, 1]], "labels is no array"),
        ([0, 0, 0, 7], r"labels gives fewer than 2 images to 7 \(1\); a class needs one to learn from"),
        (["a", "b", "c", "c"], r"fewer than 2 images to a \(1\), b \(1\); .*leave the class out"),
    ],
)
def test_labels_that_cannot_be_used(labels, says):
    with pytest.raises(ValueError, match=says):
        own.from_arrays(GOOD, labels)


def test_too_few_classes_or_images_for_an_episode_are_told_by_name():
    pets = own.from_arrays(np.full((9, 8, 8), 0.5), ["ant"] * 2 + ["bee"] * 7, name="pets")
    with pytest.raises(ValueError, match="n_way is 5, but ImageSet.pets: 2 classes, 2 to 7 .*lower n_way"):
        Episodes(pets)
    says = r"1 \+ 5 = 6, but .* has fewer images of ant \(2\); lower .*image_set.take\(image_set.per_class >= 6\)"
    with pytest.raises(ValueError, match=says):
        Episodes(pets, n_way=2)
    assert len(Episodes(pets.take(pets.per_class >= 6), n_way=1).image_set) == 1


@pytest.mark.parametrize("rotations", [False, True])
def test_tasks_drawn_on_the_device_show_every_image_and_nothing_else(rotations):
    from mlcourse.fast.episodes import Episodes as OnDevice

    labels = np.repeat([0, 1, 2], [2, 7, 4])
    images = np.broadcast_to(np.arange(1, 14, dtype=np.uint8)[:, None, None, None], (13, 8, 8, 3))
    family = OnDevice(own.from_arrays(images, labels), 3, k_shot=1, n_query=1, rotations=rotations, device="cpu")
    tasks = family.sample(200, family.generator(0))
    assert tasks.support.x.shape == (200, 3, 3, 8, 8)
    support, query = ((part.x[:, :, 0, 0, 0].numpy() * 255).round().astype(int) for part in tasks)
    assert set(support.ravel()) == set(range(1, 14)) and (support != query).all()
    np.testing.assert_array_equal(labels[support - 1], labels[query - 1])


# ---------------------------------------------------------------- with real data


def test_blood_cells_become_colour_episodes():
    path = Path(MIRROR) / "bccd_cells" / "bccd_cells_32.npz"
    if not MIRROR or not path.is_file():
        pytest.skip(f"MLCOURSE_MIRROR={MIRROR} holds no bccd_cells/bccd_cells_32.npz")
    with np.load(path) as file:
        images, labels = file["images"], file["class_names"][file["label"]]
    cells = own.from_arrays(images, labels, name="cells")
    assert repr(cells) == "ImageSet(cells: 7 classes, 2 to 361 images each, 32x32 colour)"
    with pytest.raises(ValueError, match=r"fewer images of basophil \(2\)"):
        Episodes(cells)
    family = Episodes(cells.take(cells.per_class >= 20), n_way=5, k_shot=1, n_query=5)
    tasks = family.sample(200, np.random.default_rng(0))
    assert tasks.query.x.shape == (200, 25, 3, 32, 32)
    right = []
    for task in each(tasks):
        distances = ((task.query.x[:, None] - task.support.x) ** 2).sum(axis=(2, 3, 4))
        right.append(np.mean(distances.argmin(axis=1) == task.query.y))
    assert 0.42 < np.mean(right) < 0.52, "the nearest image, pixel by pixel: 47 % where the crops were made"


@pytest.mark.parametrize(("paper", "dark_ink", "asked"), [(255, False, 1), (255, True, 0), (0, False, 0)])
def test_paper_that_would_count_as_ink_is_asked_about(tmp_path, capsys, paper, dark_ink, asked):
    drawing = np.full((20, 20), paper, np.uint8)
    drawing[8:12, 4:16] = 255 - paper
    for name in ("a1", "a2", "b1", "b2"):
        place = tmp_path / name[0]
        place.mkdir(exist_ok=True)
        Image.fromarray(drawing).save(place / f"{name}.png")
    own.read_folder(tmp_path, dark_ink=dark_ink)
    assert capsys.readouterr().err.count("pass dark_ink=True") == asked


# ---------------------------------------------------------------- ranges


def deep(path: Path, values: np.ndarray) -> None:
    """A PNG file of 16 bits a pixel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint16)).save(path)


def test_a_grey_value_of_16_bits_that_the_file_calls_transparent_is_paper(tmp_path):
    """And it is no value of the picture: a clear 65,535 says nothing about the bits that the ink uses."""
    clear = 65_535
    for number in range(2):
        path = tmp_path / "a" / f"{number}.png"
        values = np.full((8, 8), 1023)
        values[:, :4], values[:, 4] = clear, 0
        deep(path, values)
        length = 33  # of the signature and the header, after which a PNG says what is transparent
        note = b"tRNS" + clear.to_bytes(2)
        whole = path.read_bytes()
        chunk = (2).to_bytes(4) + note + zlib.crc32(note).to_bytes(4)
        path.write_bytes(whole[:length] + chunk + whole[length:])
    image = own.read_folder(tmp_path, size=8).images[0, 0]
    assert (image[:, :4] == 255).all() and (image[:, 4] == 0).all() and (image[:, 5:] == 255).all()


def test_a_folder_is_a_path():
    with pytest.raises(ValueError, match="folder is None; give the path of a folder"):
        own.read_folder(None)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_grey_of_16_bits_is_scaled_by_the_bits_that_the_set_uses(tmp_path, bits):
    """The whole set's: a dim image beside a bright one stays dim."""
    full = 2**bits - 1
    for name, share in (("ant", 1.0), ("bee", 0.5)):
        for number in range(2):
            deep(tmp_path / name / f"{number}.png", np.full((28, 28), round(share * full)))
    read = own.read_folder(tmp_path)
    assert read.images[0].min() == read.images[0].max() == 255
    assert abs(int(read.images[1, 0, 0, 0]) - 128) <= 1


def test_a_set_without_bright_values_is_asked_about(tmp_path, capsys):
    for name in ("ant", "bee"):
        for number in range(2):
            save(tmp_path / name / f"{number}.png", Image.new("L", (28, 28), 16))
    own.read_folder(tmp_path)
    assert "no value above 16 of 255: nearly black; stretch them" in capsys.readouterr().err


ADVICE = [  # values, and what to do with them
    (np.array([0, 300], np.uint16), "np.rint(images * (255 / 300)).astype(np.uint8)"),
    (np.array([0, 900], np.uint16), "np.rint(images * (255 / 1023)).astype(np.uint8)"),
    (np.array([0, 4000], np.int32), "np.rint(images * (255 / 4095)).astype(np.uint8)"),
    (np.array([0, 65000], np.uint16), "np.rint(images * (255 / 65535)).astype(np.uint8)"),
    (np.array([0, 200], np.int64), "images.astype(np.uint8)"),
    (np.array([0, 16], np.int64), "np.rint(images * (255 / 16)).astype(np.uint8)"),
    (np.array([-5, 16], np.int64), "np.rint((images - images.min()) * (255 / np.ptp(images))).astype(np.uint8)"),
    (np.array([0.0, 16.0]), "images / 16"),
    (np.array([0.0, 255.0]), "images / 255"),
    (np.array([0.0, 4000.0]), "images / 4095"),
    (np.array([-1.0, 1.0]), "(images - images.min()) / np.ptp(images)"),
]


@pytest.mark.parametrize(("values", "advice"), ADVICE, ids=[f"{v.dtype} {v.max()}" for v, _ in ADVICE])
def test_the_advice_makes_images_of_full_range(values, advice, capsys):
    """What the message says, done: taken without a word, the highest value is white, and zero stays zero."""
    images = np.tile(values[:, None, None], (2, 28, 28)).astype(values.dtype)
    with pytest.raises(ValueError, match="with values from") as raised:
        own.from_arrays(images, [0, 1, 0, 1])
    assert str(raised.value).endswith(advice)
    made = own.from_arrays(eval(advice, {"np": np, "images": images}), [0, 1, 0, 1])
    assert made.images.max() >= 200 and made.images.min() == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("images", [np.full((4, 8, 8), 16, np.uint8), np.full((4, 8, 8), 16 / 255)])
def test_digits_of_16_levels_are_not_taken_without_a_word(images, capsys):
    own.from_arrays(images, [0, 1, 0, 1])
    said = capsys.readouterr().err
    assert said.startswith("images have no value above ") and said.count("\n") == 1
    advice = said.rpartition("give ")[2].rstrip(".\n")
    assert own.from_arrays(eval(advice, {"np": np, "images": images}), [0, 1, 0, 1]).images.max() == 255


# ---------------------------------------------------------------- large, damaged, at home


def test_memory_is_proportional_to_the_images():
    """One class of 20,000 among 10,000 of one image pair each: padded to the largest it would be 15 GB."""
    labels = np.concatenate([np.zeros(20_000, int), np.repeat(np.arange(1, 5001), 2)])
    made = own.from_arrays(np.full((len(labels), 8, 8), 255, np.uint8), labels)
    assert made.images.nbytes == len(labels) * 64 and len(made) == 5001
    for family in (Episodes(made, 5, 1, 1), DeviceEpisodes(made, 5, 1, 1, rotations=True, device="cpu")):
        draws = family.generator(0) if hasattr(family, "generator") else np.random.default_rng(0)
        assert family.sample(3, draws).support.x.min() == 1, "only images, no blanks"
    assert made.take(made.per_class > 2).images.shape == (20_000, 8, 8)


@pytest.mark.parametrize("notes", [b"garbage", b"Exif\x00\x00II*\x00\xff\xff\xff\xff"])
def test_damaged_notes_are_no_damage_to_the_picture(tmp_path, notes):
    for name in ("ant", "bee"):
        for number in range(2):
            picture = Image.new("L", (28, 28), 200)
            path = tmp_path / name / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            picture.save(path, exif=notes)
    assert (own.read_folder(tmp_path).images == 200).all()


def test_a_folder_at_home_is_found(tmp_path, monkeypatch):
    for name in ("ant", "bee"):
        for number in range(2):
            save(tmp_path / "set" / name / f"{number}.png", Image.new("L", (28, 28), 200))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(own.read_folder("~/set")) == 2
