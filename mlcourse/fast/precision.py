"""How exactly a GPU multiplies float32 numbers: the one rule for TF32."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from mlcourse.arguments import require_choice

PRECISIONS = ("float32", "tf32")


@contextmanager
def products(precision: str) -> Iterator[None]:
    """Inside, an NVIDIA GPU multiplies float32 numbers exactly ("float32"), or rounded to TF32 ("tf32").

    TF32 keeps 10 bits of the mantissa of each factor, in matrix products and convolutions alike. On a CPU nothing
    changes.
    """
    require_choice("precision", precision, PRECISIONS)
    places = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [place.allow_tf32 for place in places]
    try:
        for place in places:
            place.allow_tf32 = precision == "tf32"
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.allow_tf32 = value
