"""Running one-task functions over many tasks, and carrying trees of arrays to torch and back."""

from typing import NamedTuple

import numpy as np
import pytest
import torch

from mlcourse.fast import batching
from mlcourse.fast.arrays import arrays, leaves, tensors, tree_map
from mlcourse.fast.batching import over_tasks
from mlcourse.tasks import Examples

FLAT, CONVOLUTION = {"w0": torch.zeros(2, 3)}, {"w0": torch.zeros(4, 1, 3, 3)}


class Pair(NamedTuple):
    left: object
    right: object


@pytest.mark.parametrize("way", ["vmap", "loop"])
def test_results_are_stacked_with_the_task_axis_in_front(way):
    examples = Examples(torch.arange(12.0).reshape(4, 3), torch.arange(4.0))

    def function(one, factor):
        return {"sum": one.x.sum() + one.y}, (one.x * factor, one.y)

    out = over_tasks(function, FLAT, examples, torch.full((4,), 2.0), batching=way)
    torch.testing.assert_close(out[0]["sum"], examples.x.sum(dim=1) + examples.y)
    torch.testing.assert_close(out[1][0], 2 * examples.x)
    assert out[1][1].shape == (4,)


@pytest.mark.parametrize(("params", "looped"), [(FLAT, False), (CONVOLUTION, True)])
def test_auto_loops_over_convolutions_on_a_cpu(params, looped, monkeypatch):
    used = []
    monkeypatch.setattr(torch, "vmap", lambda function: used.append("vmap") or torch.func.vmap(function))
    over_tasks(lambda x: x + 1, params, torch.zeros(2, 3))
    assert used == ([] if looped else ["vmap"])


def test_an_unknown_way_is_refused():
    with pytest.raises(ValueError, match="batching is 'map'; choose one of auto, vmap, loop"):
        over_tasks(lambda x: x, FLAT, torch.zeros(2), batching="map")
    assert batching.BATCHING == ("auto", "vmap", "loop")


def test_trees_keep_their_form():
    tree = {"a": Pair(1, (2, 3)), "b": (), "c": 4}
    assert tree_map(lambda x, y: x + y, tree, tree) == {"a": Pair(2, (4, 6)), "b": (), "c": 8}
    assert type(tree_map(str, tree)["a"]) is Pair
    assert list(leaves(tree)) == [1, 2, 3, 4]


def test_there_and_back():
    tree = Examples({"x": np.ones((2, 2))}, np.arange(3))
    there = tensors(tree, device="cpu", dtype=torch.float32)
    assert there.x["x"].dtype == torch.float32 and there.y.dtype == torch.int64
    back = arrays(there)
    assert back.x["x"].dtype == np.float32 and np.array_equal(back.y, tree.y)
    assert tensors(tree).x["x"].dtype == torch.float64
