"""One rule for TF32: both kinds of products follow it, and what was there before comes back."""

import pytest
import torch

from mlcourse.fast.precision import products

PLACES = (torch.backends.cuda.matmul, torch.backends.cudnn)


@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_inside_both_kinds_of_products_follow_and_afterwards_all_is_as_before(precision):
    before = [place.allow_tf32 for place in PLACES]
    with pytest.raises(KeyError), products(precision):
        assert [place.allow_tf32 for place in PLACES] == [precision == "tf32"] * 2
        raise KeyError
    assert [place.allow_tf32 for place in PLACES] == before


def test_another_precision_is_refused():
    with pytest.raises(ValueError, match="precision is 'int8'; choose one of float32, tf32"), products("int8"):
        pass
