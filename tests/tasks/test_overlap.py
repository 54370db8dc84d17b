"""Scripts of one character set that the other is tested on: they exist, and they are left out."""

import numpy as np
import pytest

from mlcourse.tasks import glyphs, omniglot, overlap, store


def names(part) -> set[str]:
    return set(part.alphabet_names[part.alphabet].tolist())


def test_the_rendered_ones_are_training_scripts_and_are_left_out():
    train = glyphs.splits().train
    kept = overlap.without_tested(train)
    tested = set(overlap.TESTED_ELSEWHERE["glyphs"])
    assert tested <= names(train)
    assert names(kept) == names(train) - tested and len(names(kept)) == 80
    assert np.isin(kept.class_names, train.class_names).all()


def test_the_handwritten_ones_are_background_alphabets_and_are_left_out():
    if store.locate(omniglot.SOURCE) is None:
        pytest.skip("Omniglot is not here: python -m mlcourse data fetch omniglot")
    train = omniglot.splits("alphabets", val=False).train
    tested = set(overlap.TESTED_ELSEWHERE["omniglot"])
    assert tested <= names(train)
    assert names(overlap.without_tested(train)) == names(train) - tested
