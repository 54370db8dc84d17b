"""The browser's arithmetic against Python's and torch's: images, points and probabilities of drawings."""

import numpy as np
import pytest
import torch

from mlcourse import weights
from mlcourse.experiments.drawing_browser import Recogniser
from mlcourse.fast import networks, protonet
from mlcourse.fast.folded import embed, fold
from mlcourse.tasks import drawings

pytestmark = pytest.mark.browser

DOT = [np.array([[3.0, 4.0]])]
LINES = [[np.array([[0.0, 0.0], end])] for end in ([5.0, 0.0], [0.0, -7.0], [3.0, 3.0], [1e-9, 0.0])]
EXTREMES = [
    [np.array([[1e300, 0.0], [-1e300, 5.0]])],
    [np.array([[1e-300, 0.0], [3e-300, 2e-300]])],
    [np.array([[1e12, 1e12], [1e12 + 1, 1e12 + 3]])],
    [np.array([[5e-324, 0.0], [1e-320, 1e-321]])],
]


def by_chance(rng: np.random.Generator, count: int) -> list[drawings.Strokes]:
    """Drawings of one to four strokes of one to forty points, of all sizes, anywhere."""
    made = []
    for _ in range(count):
        scale, shift = 10.0 ** rng.integers(-6, 7), rng.normal(size=2)
        strokes = [rng.normal(size=(rng.integers(1, 41), 2)).cumsum(axis=0) for _ in range(rng.integers(1, 5))]
        made.append([scale * (stroke + shift) for stroke in strokes])
    return made


def random_weights(channels: int) -> dict[str, np.ndarray]:
    """The folded weights of a network that was not trained, its statistics those of noise."""
    rng = np.random.default_rng(channels)
    params = networks.conv4(None, channels).init(rng)
    return fold(networks.freeze_statistics(params, torch.as_tensor(rng.random((20, 1, 28, 28)))))


@pytest.fixture(params=["shipped", 5, 33])
def folded(request) -> dict[str, np.ndarray]:
    return weights.load("drawing") if request.param == "shipped" else random_weights(request.param)


def test_browser_and_torch_agree(folded, browser_page):
    drawn = [DOT, *LINES, *EXTREMES, *by_chance(np.random.default_rng(0), 120)]
    page = Recogniser(browser_page.page, folded)
    images, points = page.see(drawn)
    ours = np.array([drawings.render(strokes) for strokes in drawn])
    np.testing.assert_array_equal(images, ours)  # to the last bit
    exact, single = (embed(folded, ours, dtype) for dtype in (torch.float64, torch.float32))
    np.testing.assert_allclose(points, exact, atol=1e-10)
    np.testing.assert_allclose(points, single, atol=1e-5)
    support, labels = np.array([0, 1, 9, 10, 11, 12, 13, 14]), np.array([0, 1, 2, 2, 3, 3, 4, 4])
    queries = np.arange(2, len(drawn))
    log_p = page.classify(support, labels, queries, 5)
    for theirs, tolerance in ((exact, 1e-9), (single, 1e-4)):
        expected = protonet.classify(theirs[queries], theirs[support], torch.as_tensor(labels), 5)
        np.testing.assert_allclose(log_p, expected, atol=tolerance, rtol=tolerance)
        np.testing.assert_allclose(np.exp(log_p), expected.exp(), atol=1e-5)
    assert browser_page.complaints() == []


def test_a_folded_network_is_the_frozen_one():
    rng = np.random.default_rng(1)
    net, images = networks.conv4(None, 6), torch.as_tensor(rng.random((30, 1, 28, 28)))
    params = net.init(rng) | {"scale1": torch.as_tensor(rng.uniform(0.5, 2, 6)), "shift2": torch.ones(6).double()}
    frozen = networks.freeze_statistics(params, images)
    folded = fold(frozen)
    np.testing.assert_allclose(embed(folded, images[:, 0]), net.apply(frozen, images), atol=0.02)
    assert {values.dtype for values in folded.values()} == {np.dtype(np.float16)}


def test_one_recognition_is_quick(browser_page):
    page = Recogniser(browser_page.page, weights.load("drawing"))
    page.see(by_chance(np.random.default_rng(2), 100))
    labels = np.arange(5)
    assert min(page.milliseconds(labels, labels, 5, 100) for _ in range(3)) < 30
