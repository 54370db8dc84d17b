"""Tasks drawn on the device are tasks as `mlcourse.tasks.images` draws them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mlcourse.fast.episodes import Episodes
from mlcourse.tasks import ImageSet, images


def marked(classes: int = 6, per_class: int = 5, side: int = 4) -> ImageSet:
    """Images that say who they are: the pixel (0, 0) is the class, (0, 1) the number within it."""
    pixels = np.zeros((classes, per_class, side, side), np.uint8)
    pixels[..., 0, 0] = np.arange(classes)[:, None] + 1
    pixels[..., 0, 1] = np.arange(per_class) + 1
    names = np.array([f"class {i}" for i in range(classes)])
    return ImageSet("marked", pixels, np.zeros(classes, np.int64), np.array(["all"]), names)


def marks(x: torch.Tensor) -> np.ndarray:
    """(T, S, 2): class and number of every image of a task."""
    return (x[:, :, 0, 0, :2] * 255).round().long().numpy() - 1


@given(n_way=st.integers(2, 6), k_shot=st.integers(1, 3), n_query=st.integers(1, 2), seed=st.integers(0, 10**6))
def test_a_task_has_distinct_classes_and_no_image_twice(n_way, k_shot, n_query, seed):
    family = Episodes(marked(), n_way, k_shot, n_query, device="cpu")
    tasks = family.sample(3, family.generator(seed))
    assert tasks.support.x.shape == (3, n_way * k_shot, 1, 4, 4) and tasks.support.x.dtype == torch.float32
    assert tasks.query.y.shape == (3, n_way * n_query) and tasks.query.y.dtype == torch.int64
    for task in range(3):
        seen = np.concatenate([marks(part.x)[task] for part in tasks])
        labels = np.concatenate([part.y[task].numpy() for part in tasks])
        assert len(np.unique(seen, axis=0)) == len(seen)
        classes = [set(seen[labels == label, 0]) for label in range(n_way)]
        assert all(len(found) == 1 for found in classes) and len(set.union(*classes)) == n_way


def test_shapes_and_types_are_those_of_the_host():
    on_host = images.Episodes(marked(), 3, 2, 1).sample(4, np.random.default_rng(0))
    family = Episodes(marked(), 3, 2, 1, device="cpu")
    for ours, theirs in zip(family.sample(4, family.generator(0)), on_host, strict=True):
        assert ours.x.shape == theirs.x.shape and np.array_equal(ours.y.numpy(), theirs.y)
        assert ours.x.numpy().dtype == theirs.x.dtype


def test_rotations_are_those_of_the_host():
    """Every class of the device, turned ones included, is one that the host can draw."""
    letters, family = marked(classes=2), Episodes(marked(classes=2), 8, 1, 1, rotations=True, device="cpu")
    tasks = family.sample(1, family.generator(0))
    drawn = {x[0].numpy().tobytes() for x in tasks.support.x[0]}
    assert len(drawn) == 8
    possible = {
        (np.rot90(image, turn) / np.float32(255)).astype(np.float32).tobytes()
        for image in letters.images.reshape(-1, 4, 4)
        for turn in range(4)
    }
    assert drawn <= possible


def test_every_class_is_drawn_equally_often():
    family = Episodes(marked(), 2, 1, 1, device="cpu")
    classes = marks(family.sample(6000, family.generator(0)).support.x)[..., 0]
    share = np.bincount(classes.ravel(), minlength=6) / classes.size
    np.testing.assert_allclose(share, 1 / 6, atol=0.02)


def test_a_shuffled_support_set_holds_the_same_examples_with_their_labels():
    plain, shuffled = (Episodes(marked(), 3, 3, 1, device="cpu", shuffled=s) for s in (False, True))
    ordered, mixed = (family.sample(5, family.generator(1)).support for family in (plain, shuffled))
    assert not torch.equal(ordered.y, mixed.y)
    for task in range(5):
        first, second = (
            {(*mark, int(label)) for mark, label in zip(marks(part.x)[task], part.y[task], strict=True)}
            for part in (ordered, mixed)
        )
        assert first == second


def test_the_same_state_gives_the_same_tasks():
    family = Episodes(marked(), n_query=2, device="cpu")
    first, again, other = (family.sample(2, family.generator(seed)).support.x for seed in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="n_way is 7, but ImageSet"):
        Episodes(marked(), n_way=7, device="cpu")
    for seed in (-1, 0.5, 2**64):
        with pytest.raises(ValueError, match="seed is "):
            Episodes(marked(), n_query=2, device="cpu").generator(seed)
    with pytest.raises(ValueError, match=r"give a torch generator on cpu: generator\(seed\) makes one"):
        Episodes(marked(), n_query=2, device="cpu").sample(2, np.random.default_rng(0))
    with pytest.raises(ValueError, match="n_tasks is 0"):
        Episodes(marked(), n_query=2, device="cpu").sample(0, torch.Generator())
