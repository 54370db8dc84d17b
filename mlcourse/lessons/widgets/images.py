"""Grey images that travel with a widget as short text, which `images.js` reads and draws in the page's own ink.

Text of runs is as small as a PNG here. It is read at once, its numbers are the same in every browser, and what is
drawn from it follows a light or a dark page.
"""

import itertools

import numpy as np

LEVELS = 15  # paper is 0, full ink is 15: sixteen greys, a letter for each
STEP = 255 // LEVELS


def to_greys(images: np.ndarray) -> np.ndarray:
    """Images uint8 of any shape, 255 is ink, rounded to the sixteen greys that can travel: uint8 of that shape."""
    return np.rint(images / STEP).astype(np.uint8) * np.uint8(STEP)


def to_text(image: np.ndarray) -> str:
    """An image uint8 (H, W) of those greys, row by row: for each run a letter, and its length if over 1."""
    runs = ((level, len(list(run))) for level, run in itertools.groupby((image // STEP).ravel().tolist()))
    return "".join(f"{chr(ord('a') + level)}{length if length > 1 else ''}" for level, length in runs)
