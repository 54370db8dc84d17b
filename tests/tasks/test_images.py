"""The laws of few-shot tasks from image sets: what is never repeated, never shared, and always the same."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcourse.tasks import each
from mlcourse.tasks.images import (
    Episodes,
    ImageSet,
    Labelled,
    Numbered,
    choose,
    split_at_random,
    split_by_alphabet,
)


def labelled_set(
    classes: int, per_class: int, alphabets: int = 3, counts: np.ndarray | None = None, colour: bool = False
) -> ImageSet:
    """Images that say what they are: the top row reads class, drawer, 255; turned images read it elsewhere.

    With `counts` class c has the first `counts[c]` of them. In colour, green is 255 - red, blue half of red.
    """
    images = np.zeros((classes, per_class, 4, 4), np.uint8)
    images[:, :, 0, 0] = np.arange(classes)[:, None]
    images[:, :, 0, 1] = np.arange(per_class)
    images[:, :, 0, 2] = 255
    alphabet = np.arange(classes) % alphabets
    names = np.array([f"class {index}" for index in range(classes)])
    if colour:
        images = np.stack([images, 255 - images, images // 2], axis=-1)
    if counts is not None:
        images = images[np.arange(per_class) < counts[:, None]]
    return ImageSet("labelled", images, alphabet, np.array(["a", "b", "c"][:alphabets]), names, counts)


def read(x: np.ndarray) -> list[tuple[int, int, int]]:
    """(class, drawer, quarter turns) of images (n, 1, 4, 4) or (n, 3, 4, 4)."""
    found = []
    pixels = np.rint(x * 255).astype(int)
    if pixels.shape[1] == 3:
        np.testing.assert_array_equal(pixels[:, 1], 255 - pixels[:, 0])
        np.testing.assert_array_equal(pixels[:, 2], pixels[:, 0] // 2)
    for image in pixels[:, 0]:
        turns = next(k for k in range(4) if np.rot90(image, -k)[0, 2] == 255)
        top = np.rot90(image, -turns)[0]
        found.append((top[0], top[1], turns))
    return found


sizes = st.tuples(
    st.integers(2, 12), st.integers(2, 9), st.integers(1, 8), st.integers(1, 4), st.integers(1, 4), st.booleans()
).filter(lambda s: s[3] + s[4] <= s[1] and s[2] <= s[0] * (4 if s[5] else 1))


@given(size=sizes, n_tasks=st.integers(1, 4), seed=st.integers(0, 2**32), colour=st.booleans(), data=st.data())
def test_every_task_keeps_the_rules(size, n_tasks, seed, colour, data):
    classes, per_class, n_way, k_shot, n_query, rotations = size
    enough = st.lists(st.integers(k_shot + n_query, per_class), min_size=classes, max_size=classes)
    counts = data.draw(st.none() | enough.map(np.array))
    image_set = labelled_set(classes, per_class, counts=counts, colour=colour)
    family = Episodes(image_set, n_way, k_shot, n_query, rotations)
    tasks = family.sample(n_tasks, np.random.default_rng(seed))
    assert tasks.support.x.shape == (n_tasks, n_way * k_shot, image_set.channels, 4, 4)
    assert tasks.query.x.shape == (n_tasks, n_way * n_query, image_set.channels, 4, 4)
    assert tasks.support.x.dtype == np.float32 and tasks.support.y.dtype == np.int64
    assert tasks.support.x.min() >= 0 and tasks.support.x.max() == 1
    for task in each(tasks):
        np.testing.assert_array_equal(task.support.y, np.repeat(np.arange(n_way), k_shot))
        np.testing.assert_array_equal(task.query.y, np.repeat(np.arange(n_way), n_query))
        shown = read(task.support.x) + read(task.query.x)
        assert len(set(shown)) == len(shown), "no image occurs twice in a task"
        of_label: dict[int, set] = {}
        for (character, _, turns), label in zip(shown, [*task.support.y, *task.query.y], strict=True):
            of_label.setdefault(int(label), set()).add((character, turns))
        assert all(len(group) == 1 for group in of_label.values()), "a label is one class, in support and query"
        assert len(set.union(*of_label.values())) == n_way, "two labels are never one class"


def test_the_same_seed_gives_the_same_tasks_and_another_seed_others():
    family = Episodes(labelled_set(12, 8), n_way=4, k_shot=2, n_query=3, rotations=True)
    first, again, other = (family.sample(6, np.random.default_rng(seed)) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first.support.x, again.support.x)
    np.testing.assert_array_equal(first.query.x, again.query.x)
    assert not np.array_equal(first.support.x, other.support.x)


def test_labels_are_dealt_anew_for_each_task():
    tasks = Episodes(labelled_set(3, 4), n_way=3, k_shot=1, n_query=1).sample(600, np.random.default_rng(0))
    orders = [tuple(character for character, _, _ in read(task.support.x)) for task in each(tasks)]
    counts = [orders.count(order) for order in sorted(set(orders))]
    assert len(counts) == 6 and min(counts) > 70, "all six orders of three classes come up, about 100 times each"


def test_rotations_are_classes_of_their_own():
    family = Episodes(labelled_set(2, 2), n_way=8, k_shot=1, n_query=1, rotations=True)
    task = next(each(family.sample(1, np.random.default_rng(0))))
    assert {(c, t) for c, _, t in read(task.support.x)} == {(c, t) for c in range(2) for t in range(4)}


@given(rows=st.integers(1, 5), population=st.integers(1, 40), share=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_choose_never_repeats(rows, population, share, seed):
    size = max(1, round(share * population))
    chosen = choose(np.random.default_rng(seed), rows, size, population)
    assert chosen.shape == (rows, size) and chosen.min() >= 0 and chosen.max() < population
    assert all(len(set(row)) == size for row in chosen.tolist())


def test_choose_is_uniform_over_ordered_choices():
    """All 5 * 4 * 3 = 60 ordered choices of 3 from 5; chi-square with 59 degrees of freedom, 0.1 % point 98."""
    chosen = choose(np.random.default_rng(1), 30_000, 3, 5)
    counts = np.bincount(chosen @ [25, 5, 1], minlength=125)
    counts = counts[counts > 0]
    assert len(counts) == 60
    assert ((counts - 500) ** 2 / 500).sum() < 98


def test_choose_draws_each_row_from_its_own_population():
    """Rows choose 2 of 2, 3 and 6 numbers; every number comes up as often as the others of its row."""
    population = np.tile([2, 3, 6], 4000)
    chosen = choose(np.random.default_rng(2), len(population), 2, population)
    for most in (2, 3, 6):
        counts = np.bincount(chosen[population == most].ravel())
        assert len(counts) == most and abs(counts / 4000 - 2 / most).max() < 0.04


def names(part: ImageSet) -> set[str]:
    return set(part.class_names.tolist())


@given(classes=st.integers(3, 30), cut=st.tuples(st.integers(0, 10), st.integers(0, 10), st.integers(0, 10)))
def test_random_splits_share_no_class(classes, cut):
    whole = labelled_set(classes, 1)
    if sum(cut) > classes:
        with pytest.raises(ValueError, match="sizes"):
            split_at_random(whole, cut, np.random.default_rng(0))
        return
    parts = split_at_random(whole, cut, np.random.default_rng(0))
    assert tuple(len(part) for part in parts) == cut
    assert len(names(parts.train) | names(parts.val) | names(parts.test)) == sum(cut)


def test_the_random_test_set_does_not_depend_on_val():
    whole = labelled_set(20, 1)
    with_val = split_at_random(whole, (10, 4, 6), np.random.default_rng(3))
    without = split_at_random(whole, (14, 0, 6), np.random.default_rng(3))
    assert names(with_val.test) == names(without.test)
    assert names(with_val.train) | names(with_val.val) == names(without.train)


@given(val=st.sets(st.integers(0, 2)), test=st.sets(st.integers(0, 2)))
def test_splits_by_alphabet_share_no_alphabet(val, test):
    whole = labelled_set(11, 1)
    if val & test:
        with pytest.raises(ValueError, match="share alphabets"):
            split_by_alphabet(whole, val, test)
        return
    parts = split_by_alphabet(whole, val, test)
    assert set(parts.val.alphabet) == val and set(parts.test.alphabet) == test
    assert set(parts.train.alphabet) == {0, 1, 2} - val - test
    assert sum(map(len, parts)) == 11


def test_unknown_alphabets_are_named():
    with pytest.raises(ValueError, match=r"test names \[9, -1\]; give numbers from 0 to 2"):
        split_by_alphabet(labelled_set(6, 1), [0], [9, -1])


def test_alphabets_may_be_given_by_masks():
    whole = labelled_set(11, 1)
    by_number = split_by_alphabet(whole, {1}, range(2, 3))
    by_mask = split_by_alphabet(whole, np.array([False, True, False]), [False, False, True])
    assert list(map(names, by_number)) == list(map(names, by_mask))


@pytest.mark.parametrize(
    "classes", [[0.0, 1.0], ["0"], [0, 0], [True, False], np.ones((6, 1), bool), np.array(3), [6], [-1]]
)
def test_only_classes_that_are_there_can_be_taken_each_once(classes):
    for taken_from in (labelled_set(6, 5), labelled_set(6, 5, counts=np.array([5, 2, 5, 3, 5, 5]))):
        with pytest.raises(ValueError, match="classes (has shape|names)"):
            taken_from.take(classes)
    with pytest.raises(ValueError, match="val (has shape|names)"):
        split_by_alphabet(labelled_set(6, 5), classes, [])


def test_an_image_that_a_class_does_not_have_is_no_image_of_the_next():
    uneven = labelled_set(3, 5, counts=np.array([2, 5, 4]))
    for number in (2, -3):
        with pytest.raises(IndexError, match="one of the classes has only 2 images"):
            uneven.pick(0, number)
    np.testing.assert_array_equal(uneven.pick(0, -1), uneven.pick(0, 1))
    np.testing.assert_array_equal(uneven.pick(np.array([0, 2]), np.array([1, 3])), uneven.images[[1, 10]])


def test_counts_may_be_unsigned():
    uneven = labelled_set(3, 5, counts=np.array([2, 5, 4]))
    again = ImageSet(
        "own",
        uneven.images,
        uneven.alphabet,
        uneven.alphabet_names,
        uneven.class_names,
        np.array([2, 5, 4], np.uint8),
    )
    np.testing.assert_array_equal(again.pick([0, 1, 2], [0, -1, 2]), uneven.pick([0, 1, 2], [0, -1, 2]))
    assert len(uneven.take(slice(1, None))) == 2
    with pytest.raises(ValueError, match="counts has shape .3,. and type float64"):
        ImageSet(
            "own", uneven.images, uneven.alphabet, uneven.alphabet_names, uneven.class_names, np.array([2.0, 5, 4])
        )


def test_an_image_set_is_made_of_arrays():
    with pytest.raises(ValueError, match="images is a list; give a NumPy array"):
        ImageSet("own", [[1]], np.array([0]), np.array(["a"]), np.array(["b"]))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"n_way": 7}, "n_way is 7, but .* only 6 classes.*lower n_way"),
        ({"n_way": 25, "rotations": True}, "only 24 classes.*four rotations"),
        ({"k_shot": 3, "n_query": 3}, r"k_shot \+ n_query is 3 \+ 3 = 6, but .* only 5 images per class"),
        ({"n_way": 0}, "n_way is 0"),
        ({"k_shot": 1.5}, "k_shot is 1.5"),
        ({"n_query": 0}, "n_query is 0"),
    ],
)
def test_impossible_tasks_are_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        Episodes(labelled_set(6, 5), **{"n_way": 5, "k_shot": 1, "n_query": 1, **arguments})


def test_a_seed_is_not_a_generator():
    with pytest.raises(ValueError, match=r"rng is 0; give a NumPy generator"):
        Episodes(labelled_set(6, 5), n_query=1).sample(1, 0)


def test_small_classes_are_named():
    some = labelled_set(6, 5, counts=np.array([5, 2, 5, 3, 5, 5]))
    says = r"1 \+ 3 = 4, but .* has fewer images of class 1 \(2\), class 3 \(3\); .*per_class >= 4\)"
    with pytest.raises(ValueError, match=says):
        Episodes(some, n_query=3)
    Episodes(some.take(some.per_class >= 4), n_way=4, n_query=3)
    with pytest.raises(ValueError, match="only 2 images per class"):
        Episodes(some, n_query=9)


def test_an_image_set_says_what_it_holds():
    assert repr(labelled_set(6, 5)) == "ImageSet(labelled: 6 classes of 3 alphabets, 5 images each, 4x4)"
    uneven = labelled_set(3, 5, counts=np.array([2, 5, 4]), colour=True)
    assert repr(uneven) == "ImageSet(labelled: 3 classes, 2 to 5 images each, 4x4 colour)"
    assert repr(uneven.take(np.array([1]))) == "ImageSet(labelled: 1 classes, 5 images each, 4x4 colour)"
    assert len(uneven.take(np.zeros(3, bool))) == 0 and "0 classes" in repr(uneven.take(np.zeros(3, bool)))
    assert uneven.per_class.tolist() == [2, 5, 4] and labelled_set(2, 5).per_class.tolist() == [5, 5]


def test_image_sets_check_their_arrays():
    with pytest.raises(ValueError, match=r"images has shape \(2, 1, 4, 4, 4\) .*for colour .* last axis of 3"):
        ImageSet("bad", np.zeros((2, 1, 4, 4, 4), np.uint8), np.zeros(2), np.array(["a"]), np.array(["x", "y"]))
    with pytest.raises(ValueError, match=r"counts is array\(\[1, 6\]\), 7 in all; .*for each class, 6 in all"):
        labelled_set(2, 5, counts=np.array([1, 6]))
    with pytest.raises(
        ValueError, match=r"images has shape \(2, 5, 4, 4\) .*give uint8 of shape \(images, height"
    ):
        replace(labelled_set(2, 5), counts=np.array([5, 5]))
    with pytest.raises(ValueError, match=r"images has shape \(2, 3\)"):
        ImageSet("bad", np.zeros((2, 3), np.uint8), np.zeros(2), np.array(["a"]), np.array(["x", "y"]))
    with pytest.raises(ValueError, match=r"alphabet has shape \(3,\)"):
        ImageSet("bad", np.zeros((2, 1, 4, 4), np.uint8), np.zeros(3), np.array(["a"]), np.array(["x", "y"]))
    with pytest.raises(ValueError, match="square"):
        wide = ImageSet(
            "wide", np.zeros((2, 2, 4, 5), np.uint8), np.zeros(2), np.array(["a"]), np.array(["x", "y"])
        )
        Episodes(wide, n_way=2, k_shot=1, n_query=1, rotations=True)


def test_shares_instead_of_numbers_are_answered_with_numbers():
    letters = labelled_set(50, 2)
    rng = np.random.default_rng(0)
    says = r"sizes is \(0.8, 0.1, 0.1\); give three numbers of classes, .*: as shares .* would be \(40, 5, 5\)"
    with pytest.raises(ValueError, match=says):
        split_at_random(letters, (0.8, 0.1, 0.1), rng)
    assert [len(part) for part in split_at_random(letters, (40, 5, 5), rng)] == [40, 5, 5]
    with pytest.raises(ValueError, match="rng is 0; give a NumPy generator"):
        split_at_random(letters, (40, 5, 5), 0)


def test_numbered_tasks_are_those_that_episodes_draws():
    numbers = np.arange(9 * 7).reshape(9, 7)  # each image is its own number
    image_set = ImageSet(
        "n", numbers.astype(np.uint8)[..., None, None], np.zeros(9, int), np.zeros(1), np.arange(9)
    )
    settings = {"n_way": 5, "k_shot": 2, "n_query": 3}
    theirs = Episodes(image_set, **settings).sample(6, np.random.default_rng(4))
    ours = Numbered(9, 7, **settings).sample(6, np.random.default_rng(4))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one.x, np.rint(255 * other.x[:, :, 0, 0, 0]).astype(int))
        np.testing.assert_array_equal(one.y, other.y)


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("counts", [None, np.array([1, 3, 2])])
def test_one_of_each_class_is_its_first_image(colour, counts):
    image_set = labelled_set(3, 3, counts=counts, colour=colour)
    found = image_set.one_of_each()
    assert found.dtype == np.float32 and found.shape[:2] == (3, 3 if colour else 1)
    for index in range(3):
        first = image_set.images_of(index)[0] / 255
        np.testing.assert_allclose(found[index], np.moveaxis(first, -1, 0) if colour else first[None], rtol=1e-6)


# ---- batches for ordinary training ------------------------------------------------------------------------------


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("rotations", [False, True])
@pytest.mark.parametrize("counts", [None, np.array([1, 3, 2, 3, 3])])
def test_a_label_is_the_number_of_its_class_in_the_whole_set(colour, rotations, counts):
    family = Labelled(labelled_set(5, 3, counts=counts, colour=colour), n_images=40, rotations=rotations)
    task = family.sample(6, np.random.default_rng(0))
    assert task.support.x.shape == task.query.x.shape == (6, 20, 3 if colour else 1, 4, 4)
    seen = set()
    for part in task:
        for x, labels in zip(*part, strict=True):
            for (shown, drawer, turns), label in zip(read(x), labels, strict=True):
                assert label == shown + 5 * turns and (counts is None or drawer < counts[shown])
                seen.add(int(label))
    assert seen == set(range(family.n_classes)) and family.n_classes == (20 if rotations else 5)


def test_batches_are_the_same_from_the_same_generator_and_know_their_set():
    family = Labelled(labelled_set(5, 3), n_images=8)
    first, second = (family.sample(2, np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(first.query.x, second.query.x)
    assert family.identity() != Labelled(labelled_set(6, 3), n_images=8).identity()


def test_an_odd_number_of_images_is_refused():
    with pytest.raises(ValueError, match="n_images is 7; give an even number"):
        Labelled(labelled_set(5, 3), n_images=7)
