"""Omniglot: 1,623 handwritten characters of 50 alphabets, each drawn by the same number of people, 20.

Lake, Salakhutdinov, Tenenbaum, "Human-level concept learning through probabilistic program induction",
Science 350 (2015) 1332-1338. From github.com/brendenlake/omniglot, MIT licence.

The course's canonical image is the 105 x 105 ink, resized by Pillow (LANCZOS) to 28 x 28.
"""

import io
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from mlcourse.errors import DataError
from mlcourse.tasks import store
from mlcourse.tasks.images import ImageSet, Splits, split_at_random, split_by_alphabet

DRAWN = 105  # side of the original drawings, in pixels
SIDE = 28
DRAWERS = 20
N_TEST = 423  # of the random split, as everywhere in the literature: 1,200 for training, the other 423 to test
N_VAL = 100
VAL_ALPHABETS = 5  # of the 30 background alphabets
SPLIT_NAMES = ("background", "evaluation")

ENTRY = re.compile(
    r"images_(?P<split>background|evaluation)(?:_small[12])?/(?P<alphabet>[^/]+)/"
    r"character(?P<character>\d+)/(?P<number>\d+)_(?P<drawer>\d+)\.png"
)


def read_drawing(name: str, contents: bytes) -> np.ndarray:
    """One PNG file to ink: bool (105, 105), True where the pen was.

    Raises:
        DataError: it is not a drawing of 105 x 105 black and white pixels.
    """
    from PIL import Image  # here: only packing needs it

    try:
        with Image.open(io.BytesIO(contents), formats=["PNG"]) as image:
            if image.size != (DRAWN, DRAWN) or image.mode != "1":
                raise DataError(
                    f"{name} is {image.size[0]}x{image.size[1]} of mode {image.mode}; a drawing is "
                    f"{DRAWN}x{DRAWN} of mode 1: this is not an archive of Omniglot"
                )
            return ~np.asarray(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{name} is not a readable PNG file ({error}); fetch the archive again") from error


def pack(archives: Sequence[Path]) -> store.Arrays:
    """Official archives to compact arrays, without loss.

    Rows are sorted by split (background first), alphabet, character and drawer. N drawings, C characters,
    A alphabets:

    - images_packed uint8 (N, 1379): 1 bit a pixel, 1 = ink; image_shape uint8 (2,)
    - alphabet uint8, character uint16, drawer uint8 (from 1), split, file_number uint16: (N,)
    - alphabet_names, alphabet_split: (A,); character_alphabet, character_number (from 1): uint8 (C,)

    Raises:
        DataError: an archive is truncated, corrupt or hostile, or holds no drawings.
    """
    rows = []
    for path in archives:
        for name, contents in store.zip_entries(path):
            entry = ENTRY.fullmatch(name)
            if entry:
                key = (SPLIT_NAMES.index(entry["split"]), entry["alphabet"])
                key += tuple(int(entry[part]) for part in ("character", "drawer", "number"))
                rows.append((key, np.packbits(read_drawing(f"{path}: {name}", contents))))
    if not rows:
        raise DataError(f"{', '.join(map(str, archives))}: no drawings inside; this is not an archive of Omniglot")
    rows.sort(key=lambda row: row[0])
    return _columns([key for key, _ in rows], np.array([ink for _, ink in rows]))


def _columns(keys: list[tuple[int, str, int, int, int]], images_packed: np.ndarray) -> store.Arrays:
    """Sorted (split, alphabet, character, drawer, file number) of each row to the columns of `pack`."""
    alphabets = list(dict.fromkeys(key[:2] for key in keys))
    characters = list(dict.fromkeys(key[:3] for key in keys))
    alphabet_of = {pair: index for index, pair in enumerate(alphabets)}
    character_of = {triple: index for index, triple in enumerate(characters)}
    return {
        "images_packed": images_packed,
        "image_shape": np.array([DRAWN, DRAWN], np.uint8),
        "alphabet": np.array([alphabet_of[key[:2]] for key in keys], np.uint8),
        "character": np.array([character_of[key[:3]] for key in keys], np.uint16),
        "drawer": np.array([key[3] for key in keys], np.uint8),
        "split": np.array([SPLIT_NAMES[key[0]] for key in keys]),
        "file_number": np.array([key[4] for key in keys], np.uint16),
        "alphabet_names": np.array([name for _, name in alphabets]),
        "alphabet_split": np.array([SPLIT_NAMES[split] for split, _ in alphabets]),
        "character_alphabet": np.array([alphabet_of[triple[:2]] for triple in characters], np.uint8),
        "character_number": np.array([triple[2] for triple in characters], np.uint8),
    }


SOURCE = store.DataSet(
    name="omniglot",
    about="1,623 handwritten characters of 50 alphabets by 20 people each, 32,460 drawings of 105x105",
    licence="MIT, copyright (c) 2015 Brenden Lake",
    home="https://github.com/brendenlake/omniglot",
    packed="omniglot_105_packed.npz",
    digest="2cab2841280b99bc2851c3711323c1dc1e6eb33bb6473b1f0d8982f1946a1cbd",
    base_url="https://raw.githubusercontent.com/brendenlake/omniglot/master/python/",
    archives=(
        store.Archive(
            "images_background.zip", 9_464_212, "ad41ab679c8b5d90b271ef46be6987cc81211774a695c29dcc5367b2b26ee640"
        ),
        store.Archive(
            "images_evaluation.zip", 6_462_886, "1f61a8f3366785b057fc117d9228e78a16e3d976c8953b2a10fcc74cf0609cee"
        ),
    ),
    pack=pack,
)


def unpack(images_packed: np.ndarray) -> np.ndarray:
    """Packed rows (N, 1379) to ink: uint8 (N, 105, 105) of 0 and 1."""
    return np.unpackbits(images_packed, axis=1, count=DRAWN * DRAWN).reshape(-1, DRAWN, DRAWN)


def shrink(ink: np.ndarray) -> np.ndarray:
    """Ink (N, 105, 105) of 0 and 1 to the canonical images: uint8 (N, 28, 28), 255 = ink, Pillow's LANCZOS."""
    from PIL import Image

    small = np.empty((len(ink), SIDE, SIDE), np.uint8)
    for index, drawing in enumerate(ink):
        page = Image.fromarray(drawing * np.uint8(255))
        small[index] = page.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return small


def _small_images(arrays: store.Arrays) -> np.ndarray:
    """The canonical images, uint8 (C, 20, 28, 28), shrunk once (three seconds) and then kept in the cache."""
    packed = arrays["images_packed"]
    shape = (len(packed) // DRAWERS, DRAWERS, SIDE, SIDE)

    def make() -> np.ndarray:
        thousands = (packed[i : i + 1000] for i in range(0, len(packed), 1000))
        return np.concatenate([shrink(unpack(some)) for some in thousands]).reshape(shape)

    return store.derived(_small_path(), shape, make)


def _small_path() -> Path:
    """Where the small images are kept: under the version of Pillow that shrinks them, or shrank them last."""
    folder = store.cached_path(SOURCE).parent
    try:
        from PIL import __version__ as pillow
    except ModuleNotFoundError as error:  # a machine that only trains: what another one shrank will do
        if made := sorted(folder.glob(f"omniglot_{SIDE}_pillow*.npy")):
            return made[-1]
        raise DataError(
            f"{folder} holds no small images of Omniglot yet, and Pillow, which makes them, is not installed; "
            "install it (pip install pillow), or copy the folder from a machine that has loaded Omniglot once"
        ) from error
    return folder / f"omniglot_{SIDE}_pillow{pillow}.npy"


def load(*, progress: bool = True) -> ImageSet:
    """All 1,623 characters as images uint8 (1623, 20, 28, 28); read-only.

    From the cache, else from `MLCOURSE_MIRROR`, else downloaded (16 MB).

    Raises:
        DataError: it cannot be had, or is damaged; the message says what to do.
    """
    return _load(store.cached_path(SOURCE), progress)


@lru_cache(maxsize=1)
def _load(_cache: Path, progress: bool) -> ImageSet:
    arrays = store.load(SOURCE, progress=progress)
    images = _small_images(arrays)
    alphabet = arrays["character_alphabet"].astype(np.int64)
    names = arrays["alphabet_names"]
    class_names = [
        f"{names[a]}/character{n:02d}" for a, n in zip(alphabet, arrays["character_number"], strict=True)
    ]
    return ImageSet("omniglot", images, alphabet, names, np.array(class_names))


def splits(kind: str = "random", *, seed: int = 0, val: bool = True) -> Splits:
    """Meta-train, meta-val and meta-test; no two share a character.

    Args:
        kind: "random" takes 1,200 characters for training and the other 423 to test, shuffled by `seed`.
            "alphabets" is the data set's own division, the harder one: 30 background alphabets for training,
            20 evaluation alphabets to test.
        seed: shuffles the characters, or chooses the alphabets for meta-val.
        val: cut a meta-val set out of the training part (100 characters, or 5 alphabets). If False, val is empty.
    """
    characters = load()
    rng = np.random.default_rng(seed)
    if kind == "random":
        n_val = N_VAL if val else 0
        return split_at_random(characters, (len(characters) - N_TEST - n_val, n_val, N_TEST), rng)
    if kind == "alphabets":
        background, evaluation = np.arange(30), np.arange(30, 50)
        chosen = rng.permutation(background)[:VAL_ALPHABETS] if val else ()
        return split_by_alphabet(characters, val=chosen, test=evaluation)
    raise ValueError(f'kind is {kind!r}; choose "random" or "alphabets"')
