"""A figure as a notebook stores it: a small PNG, with words for readers who cannot see it."""

from __future__ import annotations

import base64
import html
import io
from typing import TYPE_CHECKING

from mlcourse.lessons.figures.language import DPI, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Picture:
    """A figure as a notebook stores it: an image that needs no script, with words for who cannot see it."""

    def __init__(self, png: bytes, alt: str, width: int):
        self.png, self.alt, self.width = png, alt, width

    def __repr__(self) -> str:
        return f"Figure: {self.alt}"

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.png).decode("ascii")
        return (
            f'<img alt="{html.escape(self.alt)}" width="{self.width}" src="data:image/png;base64,{data}" '
            'style="max-width: 100%; height: auto; border-radius: 6px; opacity: 0.9">'  # less glaring in the dark
        )


def show(figure: Figure, alt: str) -> None:
    """Display a figure with words that say what is to be seen in it.

    Args:
        figure: any matplotlib Figure.
        alt: what it shows, in one or two sentences, for readers who cannot see it.

    Raises:
        ValueError: if `alt` says nothing.
    """
    from IPython.display import display

    display(picture(figure, alt))


def picture(figure: Figure, alt: str) -> Picture:
    """Return a figure as a notebook stores it; `show` says what goes in."""
    if not isinstance(alt, str) or not alt.strip():
        said = "empty" if isinstance(alt, str) else repr(alt)
        raise ValueError(f"alt is {said}; say in a sentence what the figure shows")
    return Picture(png(figure), alt, round(figure.get_figwidth() * 125))


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG of at most 256 colours: the same bytes each time, small enough for a notebook."""
    from PIL import Image

    raw, small = io.BytesIO(), io.BytesIO()
    with style():
        figure.savefig(raw, format="png", dpi=DPI, facecolor="white", bbox_inches="tight", pad_inches=0.06)
    image = (
        Image.open(raw).convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    )
    image.save(small, format="png", optimize=True)
    return small.getvalue()
