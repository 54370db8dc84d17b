"""The prototype explorer without a browser: what follows from its state, what that may be, its stored HTML."""

import json
import re

import numpy as np
import pytest
import torch

from mlcourse.baselines import flatten
from mlcourse.lessons.widgets import base
from mlcourse.lessons.widgets.prototypes.prototypes import (
    DISTANCES,
    EmbeddedEpisode,
    PrototypeExplorer,
    log_probabilities,
)
from mlcourse.reference import protonet
from mlcourse.tasks import glyphs

N_WAY, N, D = 3, 9, 6


def episode(seed: int = 0, n_way: int = N_WAY, d: int = D, spread: float = 0.7) -> EmbeddedEpisode:
    """Points around a mean for each class, off the origin, and images 4 x 4."""
    rng = np.random.default_rng(seed)
    points = rng.normal(2, 2, (n_way, 1, d)) + rng.normal(0, spread, (n_way, N, d))
    return EmbeddedEpisode(rng.integers(0, 256, (n_way, N, 4, 4), dtype=np.uint8), points)


@pytest.fixture
def plane() -> PrototypeExplorer:
    return PrototypeExplorer()


@pytest.fixture
def space() -> PrototypeExplorer:
    return PrototypeExplorer([episode(0), episode(1)], view="space")


def by_hand(query: np.ndarray, prototypes: np.ndarray, distance: str) -> np.ndarray:
    """exp(logit) over its sum, as the notebook writes it."""
    if distance == "cosine":
        logits = [query @ c / np.linalg.norm(query) / np.linalg.norm(c) for c in prototypes]
    else:
        power = {"squared": 2, "euclidean": 1}[distance]
        logits = [-(np.linalg.norm(query - c) ** power) for c in prototypes]
    return np.exp(logits) / np.exp(logits).sum()


# --- what follows from the state ---------------------------------------------------------------------------


@pytest.mark.parametrize("distance", DISTANCES)
def test_probabilities_are_those_worked_out_by_hand(plane, space, distance):
    for shown in (plane, space):
        shown.distance = distance
        query = shown.queries[shown.selected]
        np.testing.assert_allclose(shown.probabilities, by_hand(query, shown.prototypes, distance), rtol=1e-9)


def test_by_squared_distance_they_are_the_package_s(space):
    expected = protonet.log_probabilities(space.queries, space.prototypes)
    np.testing.assert_array_equal(log_probabilities(space.queries, space.prototypes, "squared"), expected)


def test_with_one_example_the_prototype_is_that_example(plane, space):
    np.testing.assert_array_equal(plane.prototypes[1], plane.examples[1][0])
    np.testing.assert_allclose(plane.prototypes[0], np.mean(plane.examples[0], axis=0), rtol=1e-12)
    np.testing.assert_array_equal(space.prototypes, space.episodes[0].points[:, 0])
    space.k_shot = 4
    np.testing.assert_allclose(space.prototypes, space.episodes[0].points[:, :4].mean(axis=1), rtol=1e-12)


def test_the_square_judges_the_same_and_is_surer_farther_away(plane):
    sure = {}
    for plane.distance in ("squared", "euclidean", "cosine"):
        plane.query = [4.0, 2.5]
        far = plane.probabilities
        plane.query = [2.0, 1.2]
        sure[plane.distance] = (plane.probabilities.max(), far.max(), far.argmax())
    assert sure["squared"][1:] > sure["euclidean"][1:] and sure["squared"][2] == sure["euclidean"][2] == 1
    assert sure["squared"][1] > sure["squared"][0] > 0.9
    assert sure["cosine"][1] < 0.7


def test_turning_the_axes_changes_no_distance_and_no_angle():
    for d in (6, 60):  # fewer and more dimensions than points
        made = episode(3, d=d)
        turned, share = made.turned()
        before, after = (points.reshape(N_WAY * N, -1) for points in (made.points, turned.points))
        assert after.shape[1] == min(d, N_WAY * N + 1)
        # inner products hold lengths, distances and angles; the rest is the rounding to four digits of the largest
        inner = before @ before.T
        np.testing.assert_allclose(after @ after.T, inner, atol=1e-3 * inner.max())
        spread = after.var(axis=0)
        assert (np.diff(spread[:N_WAY]) < 0).all()
        assert share == pytest.approx(spread[:2].sum() / spread.sum(), abs=1e-3)


def test_what_the_page_judges_is_what_the_network_judged():
    made = episode(5, spread=2.5)
    shown = PrototypeExplorer([made], view="space")
    centres = made.points[:, :1].mean(axis=1)
    expected = log_probabilities(made.points[:, 5:].reshape(-1, D), centres, "squared").argmax(axis=1)
    np.testing.assert_array_equal(shown.judged_right, expected == np.repeat(np.arange(N_WAY), N - 5))
    assert 0 < shown.judged_right.sum() < len(expected)


def test_labels_stand_beside_their_points(plane, space):
    assert plane.labels.tolist() == [0, 0, 0, 1, 2, 2] and plane.points.shape == (6, 2)
    space.k_shot = 2
    assert space.labels.tolist() == [0, 0, 1, 1, 2, 2] and space.points.shape == (6, D)
    assert space.queries.shape == (12, D)


def test_episodes_are_drawn_from_a_set_and_embedded():
    letters = glyphs.splits().test
    options = {"n_episodes": 2, "n_way": 4, "n_query": 3, "seed": 7, "view": "space"}
    shown = PrototypeExplorer.from_embedding(flatten, letters, **options)
    known = {image.tobytes(): number for number, row in enumerate(letters.images) for image in row}
    for drawn in shown.episodes:
        classes = [{known[image.tobytes()] for image in of_class} for of_class in drawn.images]
        assert all(len(found) == 1 for found in classes) and len(set.union(*classes)) == 4
    first, pixels = shown.episodes[0], shown.episodes[0].images.reshape(4 * 8, -1) / 255
    points = first.points.reshape(4 * 8, -1)
    np.testing.assert_allclose(points @ points.T, pixels @ pixels.T, atol=0.03)
    assert shown.data["dimensions"] == 784
    assert PrototypeExplorer.from_embedding(flatten, letters, **options).data == shown.data


@pytest.mark.parametrize(
    "embed, words",
    [
        (
            lambda x: flatten(x)[:, :30].T,
            "embed returned shape (30, 45) and dtype float64 for images of shape (45, 1",
        ),
        (lambda x: np.tile(flatten(x), (2, 1)), "returned shape (90, 784)"),
        (lambda x: flatten(x)[:-3], "shape (42, 784) and dtype float64 for images of shape (45, 1, 28, 28); give"),
        (lambda x: x[:, 0], "returned shape (45, 28, 28)"),
        (lambda x: flatten(x) * 1j, "dtype complex128 for images"),
        (lambda x: flatten(x) * 1e160, "reach 1e+160, where distances are infinite"),
        (lambda x: flatten(x) * 1e-160, "are all the same or not finite"),
        (lambda x: [[0.0], [0.0, 1.0]], "embed returned rows of different lengths"),
        (None, "embed is None; give a function of images (n, 1, H, W)"),
    ],
)
def test_an_embedding_that_gives_no_row_of_numbers_for_each_image_is_named(embed, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        PrototypeExplorer.from_embedding(embed, glyphs.splits().test)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"image_set": None}, "image_set is None; give an object of the class ImageSet"),
        ({"seed": -1}, "seed is -1; give a whole number of at least 0"),
        ({"n_episodes": 0}, "n_episodes is 0; give a whole number of at least 1"),
    ],
)
def test_episodes_that_cannot_be_drawn_are_named(options, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        PrototypeExplorer.from_embedding(flatten, **{"image_set": glyphs.splits().test, **options})


def test_an_embedding_may_give_tensors_that_are_still_followed():
    letters = glyphs.splits().test
    shown = PrototypeExplorer.from_embedding(lambda x: torch.tensor(flatten(x), requires_grad=True), letters)
    assert shown.data == PrototypeExplorer.from_embedding(flatten, letters).data


# --- what the state may be ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change, words",
    [
        ({"distance": "manhattan"}, "distance is 'manhattan'; give one of 'squared', 'euclidean', 'cosine'"),
        ({"view": "space"}, "view is 'space'; give one of 'plane'"),
        ({"examples": [[[0, 0]]]}, "examples has 1 classes; give 2 to 6"),
        ({"examples": [[[0, 0]], []]}, "examples[1] is []; give 1 to 8 points [x, y]"),
        ({"examples": [[1, 2], [3, 4]]}, "examples[0] holds 1; give [x, y], x from -4 to 4 and y from -3 to 3"),
        ({"examples": [[[0, 0]], 5]}, "examples[1] is 5; give 1 to 8 points [x, y]"),
        ({"query": ["a", 2]}, "query holds ['a', 2]; give [x, y]"),
        ({"examples": [[[0, 0]], [[0, 3.5]]]}, "examples[1] holds [0, 3.5]; give [x, y], x from -4 to 4"),
        ({"query": [float("nan"), 0]}, "query holds [nan, 0]; give [x, y]"),
        ({"query": [1, 2, 3]}, "query holds [1, 2, 3]; give [x, y]"),
        ({"query": ["1", "2"]}, "query holds ['1', '2']; give [x, y]"),
    ],
)
def test_wrong_states_are_named(plane, change, words):
    (name, value), before = next(iter(change.items())), plane.state()
    with pytest.raises(ValueError, match=re.escape(words)):
        setattr(plane, name, value)
    assert plane.state() == before


def test_the_kernel_cannot_leave_the_episodes(space):
    space.episode, space.selected = 99, 99
    assert (space.episode, space.selected) == (1, 11)


def test_queries_of_the_plane_have_no_class(plane):
    with pytest.raises(ValueError, match="view is 'plane'; set it to 'space'"):
        _ = plane.judged_right


@pytest.mark.parametrize(
    "images, points, words",
    [
        (
            (3, 5, 4, 4),
            (3, 5, 2),
            "images has shape (3, 5, 4, 4), dtype uint8; give uint8 (n_way, n, H, W), n over 5",
        ),
        ((7, 9, 4, 4), (7, 9, 2), "images has shape (7, 9, 4, 4); give 2 to 6 classes"),
        ((3, 9, 4, 4), (3, 9, 2), "points, of shape (3, 9, 2), are all the same"),
        ((3, 9, 4, 4), (3, 8, 2), "points has shape (3, 8, 2); images has shape (3, 9, 4, 4), so give (3, 9, d)"),
        ((3, 9, 4, 4), (3, 9, 1), "points has shape (3, 9, 1)"),
    ],
)
def test_wrong_episodes_are_named(images, points, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        EmbeddedEpisode(np.zeros(images, np.uint8), np.zeros(points))


def test_points_are_real_numbers():
    with pytest.raises(ValueError, match="points has dtype complex128; give real numbers"):
        EmbeddedEpisode(episode().images, episode().points * 1j)


def test_episodes_must_be_alike():
    with pytest.raises(ValueError, match="give one shape"):
        PrototypeExplorer([episode(), episode(n_way=4)])


# --- what is shown -----------------------------------------------------------------------------------------


def test_it_says_what_it_shows(plane, space):
    assert repr(plane) == "PrototypeExplorer(view='plane', distance='squared', examples=[3, 1, 2])"
    assert repr(space) == (
        "PrototypeExplorer(view='space', distance='squared', episode=0 of 1, k_shot=1, selected=0)"
    )
    assert re.fullmatch(
        r"Prototype explorer, a plane of your own: 3 classes with 3, 1, 2 examples, their means and the regions "
        r"where each is nearest\. The query belongs to class 1 with probability 0\.50, by squared distance\.",
        plane.describe(),
    )
    assert f"{space.judged_right.sum()} of 12 queries are judged right" in space.describe()


@pytest.mark.parametrize("distance", DISTANCES)
def test_the_picture_follows_the_state(distance):
    shown = PrototypeExplorer([episode()], distance=distance)
    first = shown.still()
    assert PrototypeExplorer([episode()], distance=distance).still() == first
    shown.query = [-3.0, -2.0]
    moved = shown.still()
    shown.view = "space"
    assert len({first, moved, shown.still()}) == 3


def test_it_is_small_and_asks_nobody_for_anything():
    """With five episodes of 45 letters and the 64 numbers that a large network makes of each."""
    mix = np.random.default_rng(0).normal(size=(784, 64))
    shown = PrototypeExplorer.from_embedding(lambda x: flatten(x) @ mix, glyphs.splits().test)
    page = shown.to_html()
    assert len(page.encode()) < 250_000
    assert not re.search(r"https?:|import\s|\bfetch\(|require\(|^export ", page, re.MULTILINE)
    state = json.loads(re.search(r"^const state=(.*);$", page, re.MULTILINE)[1])
    assert state == json.loads(json.dumps(shown.state()))


def test_a_script_stands_alone_with_each_of_its_modules_once():
    page = base.script("prototypes/prototypes.js")
    names = re.findall(r"^(?:export )?(?:function|const|let|class) (\w+)", page, re.MULTILINE)
    assert len(names) == len(set(names)) and {"readImage", "plane", "mount"} <= set(names)
