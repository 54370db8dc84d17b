"""A trained `conv4` as four bare convolutions, small enough for a page: `network.js` computes them in the browser.

It is `fast.networks.conv4` with frozen batch statistics, whose normalisations are folded into the convolutions:
w{i} (channels, inputs, 3, 3) and b{i} (channels,), i from 0 to 3. The numbers are those that float16 can hold, so
that a page can carry them as float16 and lose nothing.
"""

import numpy as np
import torch
import torch.nn.functional as F

from mlcourse.fast.networks import BLOCKS, Params


def fold(params: Params) -> dict[str, np.ndarray]:
    """The four convolutions of a `conv4` with frozen statistics (`freeze_statistics`), rounded to float16.

    A normalisation multiplies and shifts each channel; the convolution before it can do both.
    """
    folded = {}
    for block in range(BLOCKS):
        held = (params[f"{name}{block}"].double() for name in ("w", "b", "scale", "shift", "mean", "variance"))
        kernels, biases, scale, shift, mean, variance = held
        scale = scale * torch.rsqrt(variance + 1e-5)
        folded[f"w{block}"] = (kernels * scale[:, None, None, None]).numpy().astype(np.float16)
        folded[f"b{block}"] = ((biases - mean) * scale + shift).numpy().astype(np.float16)
    return folded


def shapes(channels: int) -> dict[str, tuple[int, ...]]:
    """The shapes of the folded convolutions, by name."""
    inputs = [1] + [channels] * (BLOCKS - 1)
    kernels = {f"w{block}": (channels, inputs[block], 3, 3) for block in range(BLOCKS)}
    return kernels | {f"b{block}": (channels,) for block in range(BLOCKS)}


def embed(weights: dict[str, np.ndarray], images: np.ndarray, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Images (n, 28, 28) to points (n, channels), computed in the precision `dtype`."""
    h = torch.as_tensor(images, dtype=dtype)[:, None]
    for block in range(BLOCKS):
        kernels, biases = (torch.as_tensor(weights[f"{name}{block}"], dtype=dtype) for name in "wb")
        h = torch.relu(F.max_pool2d(F.conv2d(h, kernels, biases, padding=1), 2))
    return h.flatten(1)
