"""The embedded characters: letters of the world's scripts, rendered from the strokes in `data/glyphs`.

Every letter is drawn by 20 simulated drawers. A drawer has a style for each script (slant, proportions,
size, pen); each letter is bent a little, and each stroke is moved, turned and stretched a little. They are
*rendered*, never handwriting, and as hard as Omniglot for a method that compares raw pixels (see
`data/glyphs/README.md`).

The same numbers come out on every machine: raw PCG64 bits, single additions, multiplications and
roundings of float64 (which IEEE 754 fixes), and whole-number drawing. There is no sin, exp, sum or matrix
product here, because their last bits depend on the processor.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from mlcourse import paths
from mlcourse.errors import DataError
from mlcourse.tasks import store
from mlcourse.tasks.images import ImageSet, Splits, split_by_alphabet

SOURCE = store.DataSet(
    name="glyphs",
    about="letters of 133 scripts, rendered from OFL Noto fonts, 20 simulated drawers (embedded)",
    licence="MIT; rendered from Noto fonts (SIL Open Font License 1.1)",
    home="data/glyphs/README.md",
    packed="strokes.npz",
    digest="f13e72f65a526b3498e579a3ba75560043690f7d863024e3216de2e4cbe86137",
    embedded="glyphs/strokes.npz",
)

DRAWERS = 20
SIDE = 28  # pixels of an image
FINE = 3  # the pen draws on a canvas this many times finer
CANVAS = SIDE * FINE
SEED = 20_260_101
# SHA-256 of all pixels as drawn; a change of the strokes or the drawers changes it (a test says to what).
IMAGES_SHA256 = "e5e0c90e115c83181ec8e3e62f636ea7f8d5442c5fcba23a2d0e104a29851d22"
STEPS = 8  # dots of the pen between two stored points: never further apart than the pen is wide

# How far drawers stray, as standard deviations: tuned until nearest class mean on raw pixels does as on Omniglot.
SIZE = 24.0  # half a letter's longer side, in canvas pixels
SIZE_SPREAD = 0.12
STYLE = 0.07  # slant and proportions, one draw for each drawer and script
AFFINE = 0.075  # the same, one draw for each drawer and letter
WARP = 0.09  # bending of the whole letter
STROKE = 0.09  # turning and stretching of a stroke
STROKE_SHIFT = 0.054
SHIFT = 3.5  # place on the canvas, in canvas pixels
BROAD_PENS = 0.3  # share of the drawers that use the broader pen


class Strokes(NamedTuple):
    """What `strokes.npz` holds, with the indices that are derived from it. L letters, S strokes, N points."""

    x: np.ndarray  # float64 (N,) in [-1, 1], to the right
    y: np.ndarray  # float64 (N,) in [-1, 1], down
    stroke: np.ndarray  # int (N,): the stroke of each point
    letter: np.ndarray  # int (N,): the letter of each point
    middle: np.ndarray  # float64 (S, 2): about where each stroke's centre is
    segment: np.ndarray  # int (number of segments,): the point at which each straight piece starts
    script: np.ndarray  # int (L,)
    codepoint: np.ndarray  # uint32 (L,)
    script_name: np.ndarray  # str (number of scripts,)


class Bits:
    """A stream of random numbers that NumPy promises never to change: raw PCG64 output."""

    def __init__(self, seed: int):
        self.source = np.random.PCG64(seed)

    def uniform(self, *shape: int) -> np.ndarray:
        """float64 in [0, 1): 53 random bits."""
        raw = self.source.random_raw(int(np.prod(shape)))
        return ((raw >> np.uint64(11)) * 2.0**-53).reshape(shape)

    def bell(self, *shape: int) -> np.ndarray:
        """Mean 0, standard deviation 1, within (-3, 3): the sum of three uniform draws, scaled."""
        return 2 * (self.uniform(*shape) + self.uniform(*shape) + self.uniform(*shape) - 1.5)


def read_strokes() -> Strokes:
    """Read the embedded strokes.

    Raises:
        DataError: the file is missing or damaged.
    """
    path = paths.data_folder() / SOURCE.embedded
    arrays = store.read_arrays(path, fix="restore it with `git checkout data/glyphs`")
    try:
        per_stroke = arrays["points_per_stroke"].astype(np.int64)
        per_letter = arrays["strokes_per_letter"].astype(np.int64)
        points = arrays["points"].astype(np.float64) / 127.5 - 1
        stroke = np.repeat(np.arange(len(per_stroke)), per_stroke)
        letter = np.repeat(np.arange(len(per_letter)), per_letter)[stroke]
        first = np.cumsum(per_stroke) - per_stroke
        last = first + per_stroke - 1
        middle = (points[first] + points[last] + points[(first + last) // 2]) / 3
        segment = np.flatnonzero(stroke[:-1] == stroke[1:])
        script = arrays["script"].astype(np.int64)
        names = arrays["codepoint"], arrays["script_name"]
        return Strokes(points[:, 0], points[:, 1], stroke, letter, middle, segment, script, *names)
    except (KeyError, IndexError, ValueError) as error:
        raise DataError(
            f"{path} holds no strokes ({error}); restore it with `git checkout data/glyphs`"
        ) from error


def move_strokes(s: Strokes, bits: Bits) -> tuple[np.ndarray, np.ndarray]:
    """Shift, turn and stretch every stroke about its middle by one random draw each."""
    shift_x, shift_y, stretch, turn = bits.bell(4, len(s.middle))
    middle_x, middle_y = s.middle[s.stroke, 0], s.middle[s.stroke, 1]
    from_x, from_y = s.x - middle_x, s.y - middle_y
    stretch, turn = 1 + STROKE * stretch[s.stroke], STROKE * turn[s.stroke]
    x = middle_x + from_x * stretch - from_y * turn + STROKE_SHIFT * shift_x[s.stroke]
    y = middle_y + from_y * stretch + from_x * turn + STROKE_SHIFT * shift_y[s.stroke]
    return x, y


def bend(
    x: np.ndarray, y: np.ndarray, letter: np.ndarray, n_letters: int, bits: Bits
) -> tuple[np.ndarray, np.ndarray]:
    """Bend every letter by a random polynomial of third degree, one draw each."""
    a = WARP * bits.bell(10, n_letters)
    a = a[:, letter]
    xx, yy, xy = x * x - 0.4, y * y - 0.4, x * y
    new_x = x + a[0] * xx + a[1] * yy + a[2] * xy + 0.7 * (a[3] * (xy * y) + a[4] * (y * yy))
    new_y = y + a[5] * xx + a[6] * yy + a[7] * xy + 0.7 * (a[8] * (xy * x) + a[9] * (x * xx))
    return new_x, new_y


def place(x: np.ndarray, y: np.ndarray, s: Strokes, bits: Bits) -> tuple[np.ndarray, np.ndarray]:
    """Slant, size and position: from [-1, 1] to canvas pixels."""
    n_scripts, n_letters = len(s.script_name), len(s.script)
    style, own = bits.bell(5, n_scripts)[:, s.script], bits.bell(6, n_letters)
    size = SIZE * (1 + SIZE_SPREAD * style[4])
    x_by_x = (size * (1 + STYLE * style[0] + AFFINE * own[0]))[s.letter]
    y_by_y = (size * (1 + STYLE * style[1] + AFFINE * own[1]))[s.letter]
    x_by_y = (size * (1.3 * STYLE * style[2] + AFFINE * own[2]))[s.letter]
    y_by_x = (size * (0.5 * STYLE * style[3] + AFFINE * own[3]))[s.letter]
    canvas_x = CANVAS / 2 + x * x_by_x + y * x_by_y + SHIFT * own[4][s.letter]
    canvas_y = CANVAS / 2 + y * y_by_y + x * y_by_x + SHIFT * own[5][s.letter]
    return np.clip(canvas_x, 1, CANVAS - 3), np.clip(canvas_y, 1, CANVAS - 3)


def ink(x: np.ndarray, y: np.ndarray, s: Strokes, broad: np.ndarray) -> np.ndarray:
    """Pull the pen along the strokes: points in canvas pixels to images, uint8 (L, SIDE, SIDE)."""
    share = np.arange(STEPS + 1) / STEPS
    dots = []
    for along in (x, y):
        start, end = along[s.segment, None], along[s.segment + 1, None]
        dots.append(np.floor(start * (1 - share) + end * share).astype(np.int64))
    canvas = np.zeros((len(s.script), CANVAS, CANVAS), np.uint8)
    canvas[s.letter[s.segment, None], dots[1], dots[0]] = 1
    canvas = widen(widen(canvas))
    canvas[broad] = widen(canvas[broad])
    rows = canvas[:, 0::FINE] + canvas[:, 1::FINE] + canvas[:, 2::FINE]
    blocks = rows[:, :, 0::FINE] + rows[:, :, 1::FINE] + rows[:, :, 2::FINE]  # 0 ... 9 inked dots
    return ((blocks.astype(np.uint16) * 255 + FINE * FINE // 2) // (FINE * FINE)).astype(np.uint8)


def widen(canvas: np.ndarray) -> np.ndarray:
    """Make every line one canvas pixel wider and one higher."""
    wide = canvas.copy()
    wide[:, :, 1:] |= canvas[:, :, :-1]
    wide[:, 1:] |= wide[:, :-1].copy()
    return wide


def drawers(s: Strokes) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """What each drawer makes of all letters: x and y (N,) in canvas pixels; bool (L,): broad pen."""
    bits = Bits(SEED)
    for _ in range(DRAWERS):
        x, y = bend(*move_strokes(s, bits), s.letter, len(s.script), bits)
        x, y = place(x, y, s, bits)
        yield x, y, (bits.uniform(len(s.script_name)) < BROAD_PENS)[s.script]


def draw(s: Strokes) -> np.ndarray:
    """All letters by all drawers: uint8 (L, DRAWERS, SIDE, SIDE)."""
    images = np.empty((len(s.script), DRAWERS, SIDE, SIDE), np.uint8)
    for drawer, (x, y, broad) in enumerate(drawers(s)):
        images[:, drawer] = ink(x, y, s, broad)
    return images


@lru_cache(maxsize=1)
def load() -> ImageSet:
    """All letters as images uint8 (letters, 20, 28, 28); read-only. Drawn once (about two seconds), then cached.

    Raises:
        DataError: the embedded strokes are missing or damaged.
    """
    strokes = read_strokes()
    path = paths.cache_folder() / "glyphs" / f"glyphs_{SIDE}_{IMAGES_SHA256[:12]}.npy"
    images = store.derived(path, (len(strokes.script), DRAWERS, SIDE, SIDE), lambda: draw(strokes))
    names = np.array(
        [f"{strokes.script_name[s]} {chr(c)}" for s, c in zip(strokes.script, strokes.codepoint, strict=True)]
    )
    return ImageSet("glyphs", images, strokes.script, strokes.script_name, names)


@lru_cache(maxsize=1)
def splits() -> Splits:
    """Train, val and test by whole scripts, always the same: of nine scripts in a row, six, one and two."""
    letters = load()
    scripts = np.arange(len(letters.alphabet_names))
    return split_by_alphabet(letters, val=scripts[scripts % 9 == 8], test=scripts[np.isin(scripts % 9, (4, 7))])
