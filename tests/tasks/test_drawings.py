"""Strokes to images: the laws that any drawing obeys, and the strokes of bitmaps and glyphs."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mlcourse.tasks import drawings, glyphs

points = arrays.arrays(
    np.float64, st.tuples(st.integers(1, 12), st.just(2)), elements=st.floats(-1, 1, allow_subnormal=False)
)
some_strokes = st.lists(points, min_size=1, max_size=5)


def by_definition(strokes) -> np.ndarray:
    """Every pixel's distance to every piece, on strokes in pixels."""
    start, end = (drawings.segments(strokes)[:, None, side] for side in (0, 1))  # (S, 1, 2)
    centres = np.stack(np.meshgrid(np.arange(28) + 0.5, np.arange(28) + 0.5), axis=-1).reshape(1, -1, 2)
    length = ((end - start) ** 2).sum(axis=-1)
    share = ((centres - start) * (end - start)).sum(axis=-1) / np.where(length > 0, length, 1)
    nearest = start + np.clip(share, 0, 1)[..., None] * (end - start)
    distance = np.linalg.norm(centres - nearest, axis=-1).min(axis=0)
    return np.clip(1.5 - distance, 0, 1).reshape(28, 28)


# --- the laws ----------------------------------------------------------------------------------------------


@given(some_strokes)
def test_ink_is_the_distance_to_the_nearest_line(strokes):
    image = drawings.render(strokes)
    assert image.shape == (28, 28) and image.dtype == np.float64
    assert 0 <= image.min() and image.max() <= 1
    np.testing.assert_allclose(image, by_definition(drawings.place(strokes)), atol=1e-9)


@given(some_strokes, st.sampled_from([1e-6, 0.037, 1.0, 28.0, 1e6]), st.floats(-10, 10), st.floats(-10, 10))
def test_place_and_size_on_the_paper_do_not_matter(strokes, scale, right, down):
    moved = [scale * (stroke + (right, down)) for stroke in strokes]
    span = np.ptp(np.concatenate(strokes), axis=0).max()
    if span == 0 or span > 1e-3:  # what is far smaller than its distance from the origin loses its last digits
        np.testing.assert_allclose(drawings.render(moved), drawings.render(strokes), atol=1e-8)


@given(some_strokes, st.randoms(use_true_random=False))
def test_order_and_direction_of_the_strokes_do_not_matter(strokes, random):
    other = [stroke[::-1] for stroke in random.sample(strokes, len(strokes))]
    np.testing.assert_allclose(drawings.render(other), drawings.render(strokes), atol=1e-9)


@given(some_strokes)
def test_the_longer_side_has_one_length_and_the_middle_is_in_the_middle(strokes):
    placed = np.concatenate(drawings.place(strokes))
    low, high = placed.min(axis=0), placed.max(axis=0)
    np.testing.assert_allclose((low + high) / 2, 14, atol=1e-9)
    assert max(high - low) == pytest.approx(20) or max(high - low) == 0


@given(some_strokes)
def test_a_mirrored_drawing_gives_a_mirrored_image(strokes):
    mirrored = [stroke * (-1, 1) for stroke in strokes]
    np.testing.assert_allclose(drawings.render(mirrored), drawings.render(strokes)[:, ::-1], atol=1e-9)


# --- some drawings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dot", [[[0, 0]], [[1e9, -3], [1e9, -3]], [[7, 7]] * 5])
def test_a_dot_stays_a_dot_in_the_middle(dot):
    image = drawings.render([dot])
    inked = np.argwhere(image > 0)
    assert inked.min() >= 12 and inked.max() <= 15 and image[13, 13] == image[14, 14] > 0.7


def test_a_straight_line_is_two_pixels_thick_and_twenty_long():
    image = drawings.render([[[0, 0], [300, 0]]])
    assert image[13:15, 5:23].min() == 1 and image[:12].max() == image[16:].max() == 0
    assert image.sum() == pytest.approx(20 * 2 + np.pi, abs=0.5)  # with a half disc at either end


def test_a_flat_drawing_keeps_its_proportions():
    placed = np.concatenate(drawings.place([np.array([[0.0, 0], [100, 0], [100, 25]])]))
    np.testing.assert_allclose(np.ptp(placed, axis=0), (20, 5))


@pytest.mark.parametrize(
    "strokes, words",
    [
        ([], "strokes is empty; give at least one stroke"),
        ([np.zeros((0, 2))], "strokes[0] has shape (0, 2); give (n, 2)"),
        ([[[0, 0]], [1, 2]], "strokes[1] has shape (2,); give (n, 2)"),
        ([[[0, 0, 0]]], "strokes[0] has shape (1, 3); give (n, 2)"),
        ([[[0, 0], [1]]], "strokes[0] is no array of numbers"),
        (
            [[[0, 0]], [[0, 0], [np.nan, 1]]],
            "strokes[1] of shape (2, 2) holds nan at point 1; leave such points out",
        ),
        ([[[0, 0], [0, np.inf]]], "strokes[0] of shape (2, 2) holds inf at point 1"),
        ([[[-1e308, 0], [1e308, 0]]], "strokes reach from -1e+308 to 1e+308; divide them"),
    ],
)
def test_what_cannot_be_drawn_is_named(strokes, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        drawings.render(strokes)


# --- strokes of bitmaps and of glyphs ----------------------------------------------------------------------


def test_a_bitmap_becomes_its_skeleton():
    pytest.importorskip("skimage")
    ink = np.zeros((40, 60), bool)
    ink[9:12, 5:50] = True  # a bar, and beside it a dot
    ink[30, 30] = True
    strokes = drawings.from_bitmap(ink)
    assert sorted(map(len, strokes)) == [1, max(map(len, strokes))]
    line, dot = sorted(strokes, key=len, reverse=True)
    assert np.median(line[:, 1]) == 10 and np.ptp(line[:, 1]) <= 1 and np.ptp(line[:, 0]) >= 40
    np.testing.assert_array_equal(np.abs(np.diff(line[:, 0])), 1)
    np.testing.assert_array_equal(dot, [[30, 30]])


def test_the_lines_of_a_skeleton_use_every_pair_of_neighbours_once():
    pytest.importorskip("skimage")
    ink = np.zeros((30, 30), bool)
    ink[15, 3:27] = ink[3:27, 15] = True  # a cross, one pixel wide
    ink[[4, 5, 6, 7], [20, 21, 22, 23]] = True  # and a slanted line
    pieces = drawings.segments(drawings.from_bitmap(ink))
    pairs = {frozenset(map(tuple, piece)) for piece in pieces.tolist()}
    assert len(pairs) == len(pieces)
    assert {frozenset({(20.0, 4.0), (21.0, 5.0)}), frozenset({(15.0, 3.0), (15.0, 4.0)})} <= pairs


@pytest.mark.parametrize("ink", [np.zeros((5, 5)), np.ones(5)])
def test_a_bitmap_without_ink_is_refused(ink):
    pytest.importorskip("skimage")
    with pytest.raises(ValueError, match=re.escape(f"ink has shape {ink.shape}")):
        drawings.from_bitmap(ink)


def test_the_glyphs_strokes_are_those_of_their_drawers():
    written, stored = drawings.of_glyphs(), glyphs.read_strokes()
    assert len(written) == len(stored.script) and {len(drawers) for drawers in written} == {glyphs.DRAWERS}
    for drawer, (x, y, _) in zip(range(2), glyphs.drawers(stored), strict=False):
        for letter in (0, 1500, len(written) - 1):
            own = stored.letter == letter
            np.testing.assert_array_equal(
                np.concatenate(written[letter][drawer]), np.stack([x[own], y[own]], axis=1)
            )
            assert len(written[letter][drawer]) == len(set(stored.stroke[own]))


def test_another_hand_draws_nearly_the_same():
    drawing = [np.array([[0.0, 0], [50, 10], [60, 80]]), np.array([[20.0, 40]])]
    one, other = (drawings.bend(drawing, np.random.default_rng(seed)) for seed in (0, 1))
    assert [stroke.shape for stroke in one] == [(3, 2), (1, 2)]
    assert not np.allclose(one[0], other[0])
    same = drawings.bend(drawing, np.random.default_rng(0), affine=0, warp=0)
    np.testing.assert_allclose(drawings.render(same), drawings.render(drawing), atol=1e-9)
