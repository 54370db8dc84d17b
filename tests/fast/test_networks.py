"""Conv4: shapes, what it normalises by, and its meta-gradient in a loop and under vmap."""

import numpy as np
import pytest
import torch

from mlcourse.fast import losses, maml, networks
from mlcourse.fast.arrays import tensors
from mlcourse.tasks import Episodes, Examples, Task, glyphs


def image_tasks(n_tasks=3, n_way=3, size=16, seed=0):
    """Random pictures: x (T, n_way, 1, size, size), one of each class in support and query."""
    rng = np.random.default_rng(seed)
    x, y = rng.random((n_tasks, 2 * n_way, 1, size, size)), np.tile(np.arange(n_way), (n_tasks, 1))
    return tensors(Task(Examples(x[:, :n_way], y), Examples(x[:, n_way:], y)))


def test_shapes_are_those_of_the_paper():
    network = networks.conv4(n_way=5)
    params = network.init(np.random.default_rng(0))
    assert [params[f"w{i}"].shape for i in range(5)] == [(64, 1, 3, 3), *[(64, 64, 3, 3)] * 3, (64, 5)]
    assert {params[f"{name}{i}"].shape for name in ("b", "scale", "shift") for i in range(4)} == {(64,)}
    assert params["b4"].shape == (5,)
    assert sum(p.numel() for p in params.values()) == 112_261
    assert all(p.dtype == torch.float64 for p in params.values())
    assert network.apply(params, torch.rand(7, 1, 28, 28, dtype=torch.float64)).shape == (7, 5)


@pytest.mark.parametrize(("channels", "in_channels", "size"), [(8, 3, 84), (4, 1, 16), (4, 2, 33)])
def test_other_sizes(channels, in_channels, size):
    network = networks.conv4(n_way=4, channels=channels, in_channels=in_channels, size=size)
    params = network.init(np.random.default_rng(0))
    x = torch.rand(2, in_channels, size, size, dtype=torch.float64)
    assert network.apply(params, x).shape == (2, 4)


def test_init_depends_on_the_generator_alone():
    first, again, other = (networks.conv4(3, channels=4).init(np.random.default_rng(s)) for s in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["w0"], other["w0"])


def test_scores_depend_on_what_is_judged_together():
    """Batch normalisation by the batch itself: the docstring says so, and evaluation must reckon with it."""
    network = networks.conv4(3, channels=4, size=16)
    params, x = network.init(np.random.default_rng(0)), torch.rand(4, 1, 16, 16, dtype=torch.float64)
    assert not torch.allclose(network.apply(params, x)[:2], network.apply(params, x[:2]))
    order = torch.tensor([3, 1, 0, 2])
    torch.testing.assert_close(network.apply(params, x[order]), network.apply(params, x)[order])


def test_normalisation_is_torchs():
    h, scale, shift = torch.randn(3, 4, 5, 6, dtype=torch.float64), *torch.rand(2, 4, dtype=torch.float64)
    theirs = torch.nn.functional.batch_norm(h, None, None, scale, shift, training=True)
    torch.testing.assert_close(networks.batch_norm(h, scale, shift), theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("first_order", [False, True])
def test_the_meta_gradient_is_the_same_in_a_loop_and_under_vmap(first_order):
    """It was not while the network used `F.batch_norm`: the two differed by a tenth and more."""
    network = networks.conv4(3, channels=4, size=16)
    loss, params, tasks = losses.cross_entropy(network), network.init(np.random.default_rng(0)), image_tasks()
    how = {"inner_lr": 0.4, "inner_steps": 2, "first_order": first_order}
    loop, vmapped = (maml.meta_gradient(loss, params, tasks, **how, batching=b) for b in ("loop", "vmap"))
    for name in params:
        torch.testing.assert_close(vmapped[name], loop[name], rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("batching", ["loop", "vmap"])
def test_the_meta_gradient_of_a_convolution_agrees_with_finite_differences(batching):
    network = networks.conv4(3, channels=4, size=16)
    loss, params, tasks = losses.cross_entropy(network), network.init(np.random.default_rng(0)), image_tasks(2)
    rng, step, how = np.random.default_rng(1), 1e-7, {"inner_lr": 0.1, "inner_steps": 1}
    way = {name: torch.as_tensor(rng.normal(size=tuple(p.shape))) for name, p in params.items()}
    ahead, behind = ({name: p + sign * step * way[name] for name, p in params.items()} for sign in (1, -1))
    rise = maml.meta_loss(loss, ahead, tasks, **how) - maml.meta_loss(loss, behind, tasks, **how)
    gradient = maml.meta_gradient(loss, params, tasks, **how, batching=batching)
    slope = sum((gradient[name] * way[name]).sum() for name in params)
    np.testing.assert_allclose(slope, rise / (2 * step), rtol=1e-4)


def test_errors_name_the_shape_and_the_fix():
    with pytest.raises(ValueError, match="size is 12; .* at least 16 x 16"):
        networks.conv4(5, size=12)
    network = networks.conv4(5, channels=4)
    params = network.init(np.random.default_rng(0))
    for shape in [(2, 28, 28), (2, 1, 28, 27), (2, 3, 28, 28)]:
        with pytest.raises(ValueError, match=r"x has shape .*; this network takes \(n, 1, 28, 28\)"):
            network.apply(params, torch.zeros(shape))


# --- embeddings, another way to convolve, and frozen statistics ----------------------------------------------


def test_without_classes_the_linear_layer_is_left_out():
    classifier, embedding = networks.conv4(3, channels=4), networks.conv4(None, channels=4)
    params, x = classifier.init(np.random.default_rng(0)), torch.rand(2, 1, 28, 28, dtype=torch.float64)
    points = embedding.apply(params, x)
    assert points.shape == (2, 4) and "w4" not in embedding.init(np.random.default_rng(0))
    torch.testing.assert_close(points @ params["w4"] + params["b4"], classifier.apply(params, x))


@pytest.mark.parametrize("batching", ["loop", "vmap"])
@pytest.mark.parametrize(("size", "inner_steps"), [(16, 1), (28, 2)])
def test_a_convolution_as_a_matrix_product_has_the_same_meta_gradient(batching, size, inner_steps):
    rng, letters = np.random.default_rng(3), glyphs.splits().train
    tasks = Episodes(letters, n_way=3, n_query=2).sample(2, rng)
    tasks = tensors(tasks, dtype=torch.float64)
    if size == 16:
        tasks = Task(*(Examples(part.x[..., 6:22, 6:22], part.y) for part in tasks))
    how = {"inner_lr": 0.4, "inner_steps": inner_steps}
    gradients = []
    for convolution, way in (("direct", "loop"), ("matmul", batching)):
        network = networks.conv4(3, channels=4, size=size, convolution=convolution)
        params = network.init(np.random.default_rng(0))
        gradients.append(maml.meta_gradient(losses.cross_entropy(network), params, tasks, **how, batching=way))
    for name, ours in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], ours, rtol=1e-6, atol=1e-9)


def test_an_unknown_convolution_is_refused():
    with pytest.raises(ValueError, match="convolution is 'fft'; choose one of direct, matmul"):
        networks.conv4(3, convolution="fft")


def test_on_a_gpu_only_weights_of_a_task_s_own_are_multiplied_out():
    picked = {
        (device, own): networks.convolution_for(torch.device(device), per_task_weights=own)
        for device in ("cpu", "cuda")
        for own in (True, False)
    }
    assert {key for key, convolution in picked.items() if convolution == "matmul"} == {("cuda", True)}


@pytest.mark.parametrize("convolution", ["direct", "matmul"])
def test_frozen_statistics_are_those_of_the_images_and_nothing_else_counts(convolution):
    network = networks.conv4(None, channels=4, size=16, convolution=convolution)
    params, x = network.init(np.random.default_rng(0)), torch.rand(6, 1, 16, 16, dtype=torch.float64)
    held = networks.freeze_statistics(params, x)
    assert set(held) - set(params) == {f"{name}{block}" for name in ("mean", "variance") for block in range(4)}
    torch.testing.assert_close(
        network.apply(held, x), network.apply(params, x)
    )  # the same images: the same numbers
    torch.testing.assert_close(network.apply(held, x[:2]), network.apply(held, x)[:2])
    assert not torch.allclose(network.apply(params, x[:2]), network.apply(params, x)[:2])
