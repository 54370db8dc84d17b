"""From the strokes of a pen to the image that a network sees, by any hand and on any paper.

A drawing is a list of strokes; a stroke is an array of points (n, 2): x to the right, y down, in any unit.
`render` centres it, brings its longer side to one length and draws it with one pen, so that a reader's finger,
Omniglot's bitmaps and the glyphs' strokes all arrive in the same form. `render.js` beside the widget `DrawOnce` is
the same arithmetic for the browser: single additions, multiplications, divisions and square roots of float64, in
the same order, which IEEE 754 fixes to the last bit.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from mlcourse.tasks import glyphs, omniglot, store
from mlcourse.tasks.images import ImageSet

SIDE = 28  # pixels of the image
LONGER = 20.0  # pixels from end to end of the longer side, measured along the middle of the lines
PEN = 2.0  # width of a line in pixels
REACH = PEN / 2 + 0.5  # pixels from the middle of a line to the first centre without ink

Strokes = list[np.ndarray]


def render(strokes: Sequence) -> np.ndarray:
    """The image of a drawing: float64 (28, 28) from 0, paper, to 1, ink.

    The middle of the drawing's bounding box comes to the middle of the image. A drawing without extent is a dot.
    The ink of a pixel falls from 1 to 0 as its centre's distance to the nearest line goes from half a pixel less
    than half the pen's width to half a pixel more.

    strokes: a list of arrays (n, 2), n at least 1; one point alone is a dot.

    Raises:
        ValueError: there is no stroke, or one that is empty, of another shape, or holds a number not finite.
    """
    pieces = segments(place(checked(strokes)))
    image = np.full((SIDE, SIDE), REACH * REACH)  # squared distances to the nearest line, as far as they matter
    first, size = windows(pieces)
    columns, rows = np.moveaxis(first[:, :, None] + np.arange(size), 1, 0)  # (S, size): the pixels near each piece
    (from_x, from_y), (along_x, along_y) = pieces[:, 0].T[:, :, None], (pieces[:, 1] - pieces[:, 0]).T[:, :, None]
    from_x, from_y = columns + 0.5 - from_x, rows + 0.5 - from_y  # a pixel's centre lies half a pixel inside it
    length = (along_x * along_x + along_y * along_y)[:, :, None]  # squared
    share = ((from_x * along_x)[:, None, :] + (from_y * along_y)[:, :, None]) / np.where(length > 0, length, 1)
    share = np.clip(share, 0, 1)  # of the way from the piece's start to its end, where it is nearest
    x = from_x[:, None, :] - share * along_x[:, :, None]
    y = from_y[:, :, None] - share * along_y[:, :, None]
    np.minimum.at(image, (rows[:, :, None], columns[:, None, :]), x * x + y * y)
    return np.clip(REACH - np.sqrt(image), 0, 1)


def windows(pieces: np.ndarray) -> tuple[np.ndarray, int]:
    """The first pixel (S, 2), x and y, of a square around each piece that holds all it can ink, and their side."""
    low = np.floor(pieces.min(axis=1) - REACH)
    size = min(SIDE, int(np.ceil(pieces.max(axis=1) + REACH - low).max()))
    return np.clip(low, 0, SIDE - size).astype(np.int64), size


def checked(strokes: Sequence) -> Strokes:
    """The strokes as float64 arrays (n, 2)."""
    arrays = [_checked_stroke(stroke, number) for number, stroke in enumerate(strokes)]
    if not arrays:
        raise ValueError("strokes is empty; give at least one stroke, an array of points (n, 2)")
    return arrays


def _checked_stroke(stroke: Sequence, number: int) -> np.ndarray:
    try:
        points = np.asarray(stroke, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"strokes[{number}] is no array of numbers ({error}); give points (n, 2)") from error
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ValueError(f"strokes[{number}] has shape {points.shape}; give (n, 2), x and y of at least one point")
    if not np.isfinite(points).all():
        at = np.argwhere(~np.isfinite(points))[0]
        raise ValueError(
            f"strokes[{number}] of shape {points.shape} holds {points[tuple(at)]} at point {at[0]}; "
            "leave such points out"
        )
    return points


def place(strokes: Strokes) -> Strokes:
    """Centre and scale: points in pixels of the image."""
    points = np.concatenate(strokes)
    low, high = points.min(axis=0), points.max(axis=0)
    with np.errstate(over="ignore"):
        middle, span = low / 2 + high / 2, max(high[0] - low[0], high[1] - low[1])
    if not np.isfinite(span):
        raise ValueError(f"strokes reach from {low.min():g} to {high.max():g}; divide them by something large")
    return [(stroke - middle) / (span if span > 0 else 1) * LONGER + SIDE / 2 for stroke in strokes]


def segments(strokes: Strokes) -> np.ndarray:
    """The straight pieces between successive points, (S, 2, 2): start and end; a lone point is both."""
    return np.concatenate([np.stack([s[:-1], s[1:]], axis=1) if len(s) > 1 else s[None, [0, 0]] for s in strokes])


def bend(strokes: Strokes, rng: np.random.Generator, affine: float = 0.1, warp: float = 0.06) -> Strokes:
    """The same drawing by another hand: slanted, stretched and bent by a random polynomial of third degree.

    affine, warp: standard deviations, as shares of half the drawing's longer side. The unit is not kept.
    """
    x, y = ((np.concatenate(place(strokes)) - SIDE / 2) / (LONGER / 2)).T  # within [-1, 1]
    slant, curve = np.eye(2) + affine * rng.normal(size=(2, 2)), warp * rng.normal(size=(2, 5))
    squares = np.stack([x * x - 0.4, y * y - 0.4, x * y, 0.7 * x * y * y, 0.7 * y * y * y])
    mirrored = np.stack([x * x - 0.4, y * y - 0.4, x * y, 0.7 * x * x * y, 0.7 * x * x * x])
    bent = slant @ np.stack([x, y]) + np.stack([curve[0] @ squares, curve[1] @ mirrored])
    return np.split(bent.T, np.cumsum([len(stroke) for stroke in strokes])[:-1])


# --- strokes of the course's characters --------------------------------------------------------------------


def from_bitmap(ink: np.ndarray) -> Strokes:
    """The strokes of a bitmap: lines along its skeleton, from pixel to neighbouring pixel, as long as they go on.

    ink: (H, W), true or positive where the pen was. A pixel without neighbours is a dot.

    Raises:
        ValueError: it has another shape, or no ink.
    """
    from skimage.morphology import skeletonize  # here: only who prepares training data needs it

    ink = np.asarray(ink)
    if ink.ndim != 2 or not (ink > 0).any():
        raise ValueError(f"ink has shape {ink.shape}, {np.sum(ink > 0)} pixels of it inked; give (H, W) with ink")
    skeleton = np.pad(skeletonize(ink > 0), 1)
    right, down = np.roll(skeleton, -1, axis=1), np.roll(skeleton, -1, axis=0)
    falling, rising = np.roll(down, -1, axis=1), np.roll(skeleton, (1, -1), axis=(0, 1))
    up = np.roll(skeleton, 1, axis=0)
    pairs = {(0, 1): right, (1, 0): down, (1, 1): falling & ~right & ~down, (-1, 1): rising & ~right & ~up}
    beside: dict[tuple[int, int], list] = {tuple(pixel): [] for pixel in np.argwhere(skeleton).tolist()}
    for (rows, columns), there in pairs.items():
        for row, column in np.argwhere(skeleton & there).tolist():
            beside[row, column].append((row + rows, column + columns))
            beside[row + rows, column + columns].append((row, column))
    return [np.array(line)[:, ::-1] - 1.0 for line in _lines(beside)]


def _lines(beside: dict[tuple[int, int], list]) -> Iterator[list[tuple[int, int]]]:
    """Lines that use every pair of neighbours once, from the ends and crossings first; lone pixels too."""
    yield from ([pixel] for pixel, neighbours in beside.items() if not neighbours)
    for start in sorted(beside, key=lambda pixel: len(beside[pixel]) % 2 == 0):
        while beside[start]:
            line = [start]
            while beside[line[-1]]:
                following = beside[line[-1]].pop()
                beside[following].remove(line[-1])
                line.append(following)
            yield line


def of_omniglot(part: ImageSet | None = None) -> list[list[Strokes]]:
    """Omniglot's drawings as strokes, 20 of each character: of all 1,623 (half a minute), or of a part of them."""
    packed = store.load(omniglot.SOURCE)["images_packed"]
    packed = packed.reshape(-1, omniglot.DRAWERS, packed.shape[1])
    chosen = packed if part is None else packed[_numbers_of(part, omniglot.load())]
    return [[from_bitmap(ink) for ink in omniglot.unpack(rows)] for rows in chosen]


def of_glyphs(part: ImageSet | None = None) -> list[list[Strokes]]:
    """The glyphs as strokes, of each letter what the 20 simulated drawers make of it: of all, or of a part."""
    stored = glyphs.read_strokes()
    ends = np.flatnonzero(np.diff(stored.stroke)) + 1
    letter = stored.letter[np.concatenate([[0], ends])]  # of each stroke
    letters: list[list[Strokes]] = [[[] for _ in range(glyphs.DRAWERS)] for _ in stored.script]
    for drawer, (x, y, _) in enumerate(glyphs.drawers(stored)):
        for number, stroke in zip(letter, np.split(np.stack([x, y], axis=1), ends), strict=True):
            letters[number][drawer].append(stroke)
    return letters if part is None else [letters[number] for number in _numbers_of(part, glyphs.load())]


def _numbers_of(part: ImageSet, whole: ImageSet) -> np.ndarray:
    """Which classes of the whole set its part holds, by their names: (classes of the part,)."""
    return np.flatnonzero(np.isin(whole.class_names, part.class_names))


def in_form(image_set: ImageSet, strokes: Sequence[Sequence[Strokes]]) -> ImageSet:
    """The same classes with rendered strokes for images; strokes: of each class its drawings."""
    images = np.array([[render(drawing) for drawing in drawers] for drawers in strokes])
    pixels = np.rint(255 * images).astype(np.uint8)
    names = image_set.alphabet, image_set.alphabet_names, image_set.class_names
    return ImageSet(image_set.name, pixels, *names)
