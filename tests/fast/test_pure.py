"""A reader's own module under the engine: its meta-gradient is right in every way to run it, or it is refused.

The oracle is central finite differences of the meta-loss, in float64.
"""

import threading
import warnings

import numpy as np
import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.func import functional_call

from mlcourse.fast import capture, maml, metric, protonet, pure
from mlcourse.fast.learners import GradientLearner, MetricLearner
from mlcourse.fast.networks import Network
from mlcourse.tasks import Examples, Task

CHANNELS, SIDE = 4, 4
BATCHINGS = ("loop", "vmap")


def images(n_tasks=3, n=5, classes=2):
    """Tasks of small pictures with one real output each."""
    draw = torch.Generator().manual_seed(0)

    def some():
        x = torch.randn(n_tasks, n, 1, SIDE + 2, SIDE + 2, generator=draw, dtype=torch.float64)
        return Examples(x, torch.randn(n_tasks, n, classes, generator=draw, dtype=torch.float64))

    return Task(some(), some())


def module_with(layer):
    """A small network around one layer, in float64, and its parameters off their regular starting values."""
    torch.manual_seed(1)
    body = [nn.Conv2d(1, CHANNELS, 3), layer, nn.Tanh(), nn.Flatten(), nn.LazyLinear(2)]
    module = nn.Sequential(*body).double()
    training = layer.training
    module.eval()(torch.zeros(2, 1, SIDE + 2, SIDE + 2, dtype=torch.float64))  # the lazy layer finds its size
    module.train(training)
    params = {name: p.detach() + 0.1 * torch.randn_like(p) for name, p in module.named_parameters()}
    return module, params


def loss_of(module, error=F.mse_loss):
    return lambda params, x, y: error(functional_call(module, params, (x,)), y)


def slopes(loss, params, tasks, batching, way, **how):
    """The meta-gradient along a direction."""
    gradient = maml.meta_gradient(loss, params, tasks, inner_lr=0.3, inner_steps=2, batching=batching, **how)
    return sum(float((gradient[name] * way[name]).sum()) for name in params)


def rise(loss, params, tasks, way, step=1e-6):
    """The same by central finite differences."""
    ahead, behind = (
        maml.meta_loss(
            loss, {n: p + sign * step * way[n] for n, p in params.items()}, tasks, inner_lr=0.3, inner_steps=2,
            batching="loop",
        )
        for sign in (1, -1)
    )  # fmt: skip
    return float(ahead - behind) / (2 * step)


class Attention(nn.Module):
    """Self-attention over the pixels of a picture."""

    def __init__(self):
        super().__init__()
        self.attend = nn.MultiheadAttention(CHANNELS, 2, batch_first=True)

    def forward(self, x):
        tokens = x.flatten(2).movedim(1, 2)
        return self.attend(tokens, tokens, tokens, need_weights=False)[0]


class Function(nn.Module):
    """A plain function of a picture whose pixels have weights."""

    def __init__(self, function):
        super().__init__()
        self.function, self.weights = function, nn.Parameter(torch.ones(CHANNELS, SIDE, SIDE))

    def forward(self, x):
        return self.function(x * self.weights)


def encoder(dropout):
    return nn.TransformerEncoderLayer(16, 2, 16, dropout=dropout, activation="gelu", batch_first=True)


def quietly(function, *arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments)


class Recurrent(nn.Module):
    """A recurrent layer over the rows of a picture."""

    def __init__(self, kind):
        super().__init__()
        self.cell = kind(CHANNELS * SIDE, 6, batch_first=True)

    def forward(self, x):
        return self.cell(x.movedim(2, 1).flatten(2))[0]


LAYERS = {
    "BatchNorm2d of the batch": lambda: nn.BatchNorm2d(CHANNELS, track_running_stats=False),
    "BatchNorm2d without scale": lambda: nn.BatchNorm2d(CHANNELS, affine=False, track_running_stats=False),
    "BatchNorm2d in eval mode": lambda: nn.BatchNorm2d(CHANNELS).eval(),
    "InstanceNorm2d": lambda: nn.InstanceNorm2d(CHANNELS),
    "InstanceNorm2d with scale": lambda: nn.InstanceNorm2d(CHANNELS, affine=True),
    "InstanceNorm2d in eval mode": lambda: nn.InstanceNorm2d(CHANNELS, track_running_stats=True).eval(),
    "LayerNorm": lambda: nn.LayerNorm((CHANNELS, SIDE, SIDE)),
    "LayerNorm of the last axis": lambda: nn.LayerNorm(SIDE),
    "LayerNorm without shift": lambda: nn.LayerNorm((CHANNELS, SIDE, SIDE), bias=False),
    "GroupNorm": lambda: nn.GroupNorm(2, CHANNELS),
    "RMSNorm": lambda: nn.RMSNorm((CHANNELS, SIDE, SIDE)),
    "LocalResponseNorm": lambda: nn.LocalResponseNorm(2),
    "BatchNorm1d": lambda: nn.Sequential(nn.Flatten(2), nn.BatchNorm1d(CHANNELS, track_running_stats=False)),
    "weight norm": lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(CHANNELS, CHANNELS, 1)),
    "Conv2d": lambda: nn.Conv2d(CHANNELS, 3, 3, padding=1),
    "Conv2d in groups": lambda: nn.Conv2d(CHANNELS, CHANNELS, 3, groups=2),
    "ConvTranspose2d": lambda: nn.ConvTranspose2d(CHANNELS, 3, 2, stride=2),
    "Conv1d": lambda: nn.Sequential(nn.Flatten(2), nn.Conv1d(CHANNELS, 3, 3)),
    "Bilinear pooling": lambda: nn.AdaptiveAvgPool2d(2),
    "MaxPool2d": lambda: nn.MaxPool2d(2),
    "AvgPool2d": lambda: nn.AvgPool2d(2),
    "Upsample": lambda: nn.Upsample(scale_factor=2, mode="bilinear"),
    "PReLU": lambda: nn.PReLU(CHANNELS),
    "GELU": lambda: nn.GELU(),
    "SiLU": lambda: nn.SiLU(),
    "ELU": lambda: nn.ELU(),
    "Softplus": lambda: nn.Softplus(),
    "Softmax": lambda: nn.Softmax(1),
    "LogSoftmax": lambda: nn.LogSoftmax(1),
    "GLU": lambda: nn.GLU(1),
    "PixelShuffle": lambda: nn.PixelShuffle(2),
    "attention": Attention,
    "transformer": lambda: nn.Sequential(nn.Flatten(2), encoder(dropout=0.0)),
    "RMS, mean and spread by hand": lambda: Function(lambda x: (x - x.mean(1, True)) / x.std(1, keepdim=True)),
    "torch.layer_norm": lambda: Function(lambda x: torch.layer_norm(x, (SIDE,), x[0, 0, 0], None)),
    "torch.batch_norm": lambda: Function(
        lambda x: torch.batch_norm(x, x[0, 0, 0], None, None, None, True, 0.1, 1e-5, False)
    ),
    "causal attention": lambda: Function(lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True)),
    "masked attention": lambda: Function(
        lambda x: F.scaled_dot_product_attention(x, x, x, torch.eye(SIDE).bool())
    ),
    "old weight norm": lambda: quietly(nn.utils.weight_norm, nn.Conv2d(CHANNELS, CHANNELS, 1)),
    "spectral norm in eval mode": lambda: nn.utils.parametrizations.spectral_norm(
        nn.Conv2d(CHANNELS, 3, 1)
    ).eval(),
    "Dropout in eval mode": lambda: nn.Dropout(0.5).eval(),
}
REFUSED = {  # and the words that say why
    "BatchNorm2d as it comes": (
        lambda: nn.BatchNorm2d(CHANNELS),
        "moves running statistics .*track_running_stats=F",
    ),
    "InstanceNorm2d that keeps statistics": (
        lambda: nn.InstanceNorm2d(CHANNELS, affine=True, track_running_stats=True),
        "moves running statistics",
    ),
    "spectral norm": (
        lambda: nn.utils.parametrizations.spectral_norm(nn.Conv2d(CHANNELS, CHANNELS, 1)),
        r"moves running statistics \(or other tensors\)",
    ),
    "Dropout": (lambda: nn.Dropout(0.5), r"draws random numbers .*module.eval\(\) first"),
    "Dropout2d": (lambda: nn.Dropout2d(0.5), "draws random numbers"),
    "AlphaDropout": (lambda: nn.AlphaDropout(0.5), "draws random numbers"),
    "transformer with Dropout": (
        lambda: nn.Sequential(nn.Flatten(2), encoder(dropout=0.1)),
        "draws random numbers",
    ),
    "noise": (lambda: Function(lambda x: x + torch.randn_like(x)), "draws random numbers"),
    "Gumbel softmax": (lambda: Function(lambda x: F.gumbel_softmax(x, dim=1)), "draws random numbers"),
    "Hardsigmoid": (nn.Hardsigmoid, "only once .*hardsigmoid_backward.*first_order=True"),
    "cdist": (lambda: Function(lambda x: torch.cdist(x, x.flip(1))), "only once .*cdist_backward"),
    "native_batch_norm": (
        lambda: Function(lambda x: torch.native_batch_norm(x, x[0, 0, 0], None, None, None, True, 0.1, 1e-5)[0]),
        "wrong second derivative under vmap; use torch.nn.functional.layer_norm and batch_norm",
    ),
}
ONE_BY_ONE = {"GRU": nn.GRU, "LSTM": nn.LSTM, "RNN": nn.RNN}  # what torch cannot do under vmap
ERRORS = {
    "mean squared error": F.mse_loss,
    "Huber": F.huber_loss,
    "smooth L1": F.smooth_l1_loss,
    "binary cross-entropy": lambda out, y: F.binary_cross_entropy_with_logits(out, torch.sigmoid(y)),
    "cross-entropy with soft labels": lambda out, y: F.cross_entropy(out, torch.softmax(y, 1)),
    "cross-entropy with smoothing": lambda out, y: F.cross_entropy(out, y.argmax(1), label_smoothing=0.1),
    "KL divergence": lambda out, y: F.kl_div(out.log_softmax(1), y.softmax(1), reduction="batchmean"),
    "cosine": lambda out, y: 1 - F.cosine_similarity(out, y).mean(),
    "normalised": lambda out, y: ((F.normalize(out) - y) ** 2).mean(),
    "variance": lambda out, y: ((out - y) / out.std(0)).square().mean(),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_has_the_right_meta_gradient(name):
    module, params = module_with(LAYERS[name]())
    check(loss_of(module), params)


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_has_the_right_meta_gradient(name):
    module, params = module_with(nn.Identity())
    check(loss_of(module, ERRORS[name]), params)


def check(loss, params):
    tasks, rng = images(), torch.Generator().manual_seed(2)
    way = {name: torch.randn(p.shape, generator=rng, dtype=p.dtype) for name, p in params.items()}
    expected = rise(loss, params, tasks, way)
    for batching in BATCHINGS:
        found = slopes(loss, params, tasks, batching, way)
        assert found == pytest.approx(expected, rel=2e-5, abs=1e-7), batching


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("batching", BATCHINGS)
def test_what_is_no_pure_function_is_refused_with_a_way_out(name, batching):
    make, words = REFUSED[name]
    module, params = module_with(make())
    loss, tasks = loss_of(module), images()
    with pytest.raises(ValueError, match=words):
        maml.meta_gradient(loss, params, tasks, inner_lr=0.3, batching=batching)


@pytest.mark.parametrize("name", ["BatchNorm2d as it comes", "Dropout", "noise"])
def test_it_is_refused_wherever_a_loss_or_a_network_is_called(name):
    make, words = REFUSED[name]
    module, params = module_with(make())
    loss, tasks = loss_of(module), images()
    network = Network(lambda rng: params, lambda params, x: functional_call(module, params, (x,)))
    one = Examples(tasks.support.x[0], tasks.support.y[0])
    numpys = Examples(*(part.numpy() for part in tasks.support)), tasks.query.x.numpy()
    following = {name: p.clone().requires_grad_() for name, p in params.items()}
    labelled = Task(*(Examples(part.x, torch.arange(5).expand(3, 5) % 2) for part in tasks))
    calls = {
        "adapt": lambda: maml.adapt(loss, params, one, inner_lr=0.1),
        "adapt, followed by autograd": lambda: maml.adapt(loss, following, one, inner_lr=0.1),
        "meta_loss": lambda: maml.meta_loss(loss, params, tasks, inner_lr=0.1, inner_steps=0),
        "a learner": lambda: GradientLearner(network, loss, params, 0.1, 1).many(*numpys),
        "a learner of one task": lambda: GradientLearner(network, loss, params, 0.1, 0)(
            Examples(*(part[0] for part in numpys[0])), numpys[1][0]
        ),
        "metric": lambda: metric.meta_loss(protonet.classify, network, params, labelled, n_way=2),
        "a metric learner": lambda: MetricLearner(protonet.classify, network, params).many(
            Examples(numpys[0].x, np.tile(np.arange(5) % 2, (3, 1))), numpys[1]
        ),
    }
    for where, call in calls.items():
        with pytest.raises(ValueError, match=words):
            call()
            pytest.fail(where)


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_what_cannot_be_done_at_once_says_so_and_is_right_in_a_loop(name):
    module, params = module_with(Recurrent(ONE_BY_ONE[name]))
    loss, tasks = loss_of(module), images()
    way = {name: torch.ones_like(p) for name, p in params.items()}
    assert slopes(loss, params, tasks, "loop", way) == pytest.approx(rise(loss, params, tasks, way), rel=2e-5)
    with pytest.raises(RuntimeError) as raised:
        slopes(loss, params, tasks, "vmap", way)
    assert 'batching="loop" takes one task after the other' in "".join(raised.value.__notes__)


def test_attention_is_torchs_own():
    draw = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 4, 3, 5, generator=draw, dtype=torch.float64) for _ in range(3))
    mask = torch.randn(3, 3, generator=draw, dtype=torch.float64)
    for how in ({}, {"is_causal": True}, {"attn_mask": mask}, {"attn_mask": mask > -2}, {"scale": 0.3}):
        expected = F.scaled_dot_product_attention(query, key, value, **how)
        torch.testing.assert_close(pure._attention(query, key, value, **how), expected)
    few = key[:, :2]
    expected = F.scaled_dot_product_attention(query, few, few, enable_gqa=True)
    torch.testing.assert_close(pure._attention(query, few, few, enable_gqa=True), expected)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_weight_norm_is_torchs_own(dim):
    draw = torch.Generator().manual_seed(0)
    v = torch.randn(3, 4, 2, generator=draw, dtype=torch.float64)
    g = torch.randn([n if axis == dim else 1 for axis, n in enumerate(v.shape)], dtype=v.dtype, generator=draw)
    torch.testing.assert_close(pure._weight_norm(v, g, dim), torch._weight_norm(v, g, dim))


@pytest.mark.skipif(capture.cpp_compiler() is None, reason="needs a C++ compiler")
def test_compiled_it_is_as_right():
    """The compiler sees the exchange too: float64, batch and layer normalisation, against the loop."""
    norms = nn.BatchNorm1d(4, track_running_stats=False), nn.LayerNorm(4)
    module = nn.Sequential(nn.Flatten(), nn.Linear((SIDE + 2) ** 2, 4), *norms, nn.Linear(4, 2)).double()
    params = {name: p.detach() for name, p in module.named_parameters()}
    loss, tasks = loss_of(module), images()

    def gradient(params, tasks):
        return maml.meta_gradient(loss, params, tasks, inner_lr=0.3, batching="vmap")

    compiled, _ = capture.capture(gradient, "compile")
    expected, found = (
        maml.meta_gradient(loss, params, tasks, inner_lr=0.3, batching="loop"),
        compiled(params, tasks),
    )
    for name in params:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-9, atol=1e-10)


def test_an_error_of_the_loss_itself_comes_through():
    def loss(params, x, y):
        raise RuntimeError("the sky fell")

    with pytest.raises(RuntimeError, match="the sky fell"):
        maml.meta_gradient(loss, {"w": torch.ones(1)}, images(), inner_lr=0.1)


def test_another_thread_may_draw_as_it_likes():
    module, params = module_with(nn.Identity())
    loss, tasks, done = loss_of(module), images(), threading.Event()

    def draw():
        while not done.is_set():
            torch.rand(1)

    other = threading.Thread(target=draw)
    other.start()
    try:
        for _ in range(5):
            maml.meta_gradient(loss, params, tasks, inner_lr=0.3, batching="loop")
    finally:
        done.set()
        other.join()


def test_adapting_under_a_readers_own_vmap_is_right_too():
    """What the engine differentiates itself; the reader's own query loss is not its to see to."""
    module, params = module_with(LAYERS["LayerNorm"]())
    loss, tasks = loss_of(module), images()

    def after(params, x, y):
        phi = maml.adapt(loss, params, Examples(x, y), inner_lr=0.3)
        return sum((p**3).sum() for p in phi.values())

    def at_once(params):
        return torch.vmap(lambda x, y: after(params, x, y))(*tasks.support).mean()

    def one_by_one(params):
        return torch.stack([after(params, x, y) for x, y in zip(*tasks.support, strict=True)]).mean()

    found, expected = (torch.func.grad(objective)(params) for objective in (at_once, one_by_one))
    for name in params:
        torch.testing.assert_close(found[name], expected[name])
