"""The training loop: it learns, it can be stopped and resumed to the bit, and it says what went wrong."""

import os

import numpy as np
import pytest
import torch

from mlcourse import methods, training
from mlcourse.errors import DataError
from mlcourse.evaluation import evaluate
from mlcourse.fast import adam, losses, maml, networks, protonet, reptile
from mlcourse.fast.arrays import tensors
from mlcourse.fast.episodes import Episodes
from mlcourse.fast.learners import MetricLearner
from mlcourse.tasks import Sinusoids, glyphs, images

NETWORK = networks.mlp((1, 16, 1))
LOSS = losses.squared_error(NETWORK)
NARROW = networks.mlp((1, 8, 1))
NARROW_LOSS = losses.squared_error(NARROW)
METHODS = {
    "MAML": methods.MAML(LOSS, inner_lr=0.02),
    "first-order MAML": methods.MAML(LOSS, inner_lr=0.02, first_order=True),
    "Reptile": methods.Reptile(LOSS, inner_lr=0.02, inner_steps=3, meta_lr=0.5),
    "pooled": methods.Pooled(LOSS),
}
each_method = pytest.mark.parametrize("name", METHODS)


class Own(methods.Method):
    """A method that is its step."""

    name = "nothing"

    def __init__(self, step):
        self.step = step


def train(method, *, meta_steps=12, block=3, **how):
    how = {"meta_batch_size": 4, "device": "cpu", "capture": "eager", "progress": False} | how
    params = how.pop("params", None) or NETWORK.init(np.random.default_rng(0))
    family = how.pop("family", None) or Sinusoids(5, 5)
    return training.train(method, params, family, meta_steps=meta_steps, block=block, **how)


def assert_bit_identical(left, right):
    assert all(torch.equal(left.params[name], right.params[name]) for name in left.params)
    assert left.curve.keys() == right.curve.keys()
    for name in left.curve:
        np.testing.assert_array_equal(left.curve[name], right.curve[name])


def stop_at(step):
    def callback(steps, params):
        if steps == step:
            raise KeyboardInterrupt
        return {"size": np.sqrt(sum(float((p**2).sum()) for p in params.values()))}

    return callback


def measure(steps, params):
    return stop_at(None)(steps, params)


# --- learning ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "inner_steps"),
    [
        (methods.MAML(LOSS, inner_lr=0.02, meta_lr=0.01), 1),
        (methods.MAML(LOSS, inner_lr=0.02, meta_lr=0.01, first_order=True), 1),
        (methods.Reptile(LOSS, inner_lr=0.02, inner_steps=5), 5),
        (methods.Pooled(LOSS, meta_lr=0.01), 0),
    ],
    ids=lambda x: getattr(x, "name", ""),
)
def test_each_method_lowers_the_loss(method, inner_steps):
    """On 200 tasks that were not trained on, after the inner steps that the method reckons with."""
    before, tasks = NETWORK.init(np.random.default_rng(0)), Sinusoids(5, 20).sample(200, np.random.default_rng(9))
    trained = train(method, params=before, meta_steps=200, block=50, meta_batch_size=10, dtype=torch.float64)
    start, end = (
        maml.meta_loss(LOSS, params, tensors(tasks), inner_lr=0.02, inner_steps=inner_steps)
        for params in (before, trained.params)
    )
    assert end < 0.95 * start
    assert list(trained.curve["step"]) == [50, 100, 150, 200]
    assert trained.capture == "eager" and trained.compile_seconds == 0


def test_numbers_are_float32_unless_asked_otherwise():
    assert {p.dtype for p in train(METHODS["MAML"]).params.values()} == {torch.float32}


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    first, again, other = (train(METHODS["MAML"], seed=seed) for seed in (3, 3, 4))
    assert_bit_identical(first, again)
    assert not torch.equal(first.params["w0"], other.params["w0"])


def test_one_step_is_one_meta_gradient_and_one_step_of_adam():
    """Adam's first step has length meta_lr in every entry, against the sign of the gradient."""
    params = NETWORK.init(np.random.default_rng(0))
    method = methods.MAML(LOSS, inner_lr=0.02, meta_lr=0.01)
    trained = train(method, meta_steps=1, params=params, seed=5, dtype=torch.float64)
    tasks = tensors(Sinusoids(5, 5).sample(4, np.random.default_rng(5)))
    value, gradient = maml.meta_loss_and_gradient(LOSS, params, tasks, inner_lr=0.02)
    assert trained.curve["loss"][0] == value
    for name in params:
        expected = params[name] - 0.01 * gradient[name] / (gradient[name].abs() + 1e-8)
        torch.testing.assert_close(trained.params[name], expected, rtol=1e-10, atol=1e-12)


def test_pooled_training_does_not_adapt():
    params = NETWORK.init(np.random.default_rng(0))
    trained = train(METHODS["pooled"], meta_steps=1, params=params, seed=5, dtype=torch.float64)
    tasks = tensors(Sinusoids(5, 5).sample(4, np.random.default_rng(5)))
    x, y = (torch.cat(pair, dim=1).reshape(-1, 1) for pair in zip(*tasks, strict=True))
    assert trained.curve["loss"][0] == pytest.approx(LOSS(params, x, y).item(), rel=1e-12)


def test_the_share_of_steps_already_taken_is_passed_on():
    shares = []

    def step(params, state, tasks, done):
        shares.append(float(done))
        return params, state, torch.zeros(())

    train(Own(step), meta_steps=10)
    np.testing.assert_allclose(shares, np.arange(10) / 10)


def test_reptiles_rate_falls_to_zero():
    """After a share d of the steps, a step is (1 - d) times as long."""
    rng = np.random.default_rng(0)
    params, tasks = tensors((NETWORK.init(rng), Sinusoids(5, 5).sample(4, rng)))
    whole, half, none = (METHODS["Reptile"].step(params, (), tasks, torch.tensor(d))[0] for d in (0.0, 0.5, 1.0))
    expected = reptile.meta_step(LOSS, params, tasks, inner_lr=0.02, inner_steps=3, meta_lr=0.5)
    for name, start in params.items():
        torch.testing.assert_close(whole[name], expected[name], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(half[name] - start, (whole[name] - start) / 2, rtol=1e-10, atol=1e-12)
        assert torch.equal(none[name], start)


def test_the_callbacks_figures_join_the_curve():
    trained = train(METHODS["MAML"], meta_steps=7, callback=measure)
    assert list(trained.curve["step"]) == [3, 6, 7]
    assert len(trained.curve["size"]) == len(trained.curve["loss"]) == 3


def test_nothing_is_drawn_without_progress(capfd):
    train(METHODS["MAML"])
    assert capfd.readouterr() == ("", "")
    train(METHODS["MAML"], progress=True)
    assert "MAML" in capfd.readouterr().err


# --- how the steps are taken -------------------------------------------------------------------------------


@each_method
def test_recorded_steps_end_with_the_bits_of_eager_ones(name):
    eager, traced = (train(METHODS[name], capture=way) for way in ("eager", "trace"))
    assert_bit_identical(eager, traced)
    assert traced.capture == "trace" and traced.compile_seconds > 0


def test_a_recorded_run_that_was_interrupted_ends_with_the_same_bits(tmp_path):
    whole = train(METHODS["MAML"], callback=measure, capture="trace")
    with pytest.raises(KeyboardInterrupt):
        train(METHODS["MAML"], callback=stop_at(6), capture="trace", checkpoint=tmp_path / "run.pt")
    resumed = train(METHODS["MAML"], callback=measure, capture="trace", checkpoint=tmp_path / "run.pt")
    assert_bit_identical(whole, resumed)


def test_a_short_run_is_not_compiled():
    """Compiling a convolution over series took 40 s, for 30 steps that take 3 s in all."""
    params = {"w": torch.full((4, 1, 3), 0.1), "b": torch.zeros(4)}

    def loss(params, x, y):
        h = torch.nn.functional.conv1d(x[:, None, :], params["w"], params["b"], padding=1)
        return ((h.mean(dim=1) - y) ** 2).mean()

    trained = train(methods.MAML(loss, inner_lr=0.02), params=params, meta_steps=30, capture="auto")
    assert trained.capture == "eager"


def test_a_step_that_cannot_be_recorded_says_so_and_runs_eagerly_by_itself(capsys):
    def step(params, state, tasks, done):
        share = float(done)
        return {name: p * (1 - 0.01 * share) for name, p in params.items()}, state, torch.zeros(())

    with pytest.raises(ValueError, match='the step cannot be recorded: .*; take capture="eager"'):
        train(Own(step), capture="trace")
    trained = train(Own(step), capture="auto", meta_steps=300, block=300)
    assert trained.capture == "eager"
    assert capsys.readouterr().err.startswith(
        "Running eagerly, with the same results, more slowly: the step cannot"
    )


def test_the_bar_says_what_takes_a_while(capsys):
    train(METHODS["MAML"], capture="trace", progress=True)
    said = capsys.readouterr().err
    assert "MAML: recording …" in said and "MAML: " in said[said.rindex("recording") :]


def test_threads_are_chosen_for_this_call_alone():
    before, seen = torch.get_num_threads(), []

    def look(step, params):
        seen.append(torch.get_num_threads())

    assert train(METHODS["MAML"], threads=before + 1, callback=look).threads == before + 1
    assert set(seen) == {before + 1} and torch.get_num_threads() == before
    with pytest.raises(ValueError, match="threads is 0"):
        train(METHODS["MAML"], threads=0)


# --- checkpoints -------------------------------------------------------------------------------------------


@each_method
def test_an_interrupted_run_ends_with_the_same_bits(name, tmp_path):
    path = tmp_path / "deep" / "run.pt"
    whole = train(METHODS[name], callback=measure)
    for stop in (6, 9, 12):  # interrupted three times
        with pytest.raises(KeyboardInterrupt):
            train(METHODS[name], callback=stop_at(stop), checkpoint=path)
    resumed = train(METHODS[name], callback=measure, checkpoint=path)
    assert_bit_identical(whole, resumed)
    assert os.listdir(path.parent) == ["run.pt"]


def test_a_finished_run_is_only_read_again(tmp_path):
    path = tmp_path / "run.pt"
    first = train(METHODS["MAML"], checkpoint=path)
    written = path.stat().st_mtime_ns
    again = train(METHODS["MAML"], checkpoint=path)
    assert_bit_identical(first, again)
    assert again.seconds == first.seconds > 0  # of training, whenever it was
    assert path.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "seed=0, this run seed=1"),
        ({"meta_steps": 13}, "meta_steps=12, this run meta_steps=13"),
        ({"meta_batch_size": 5}, "meta_batch_size=4, this run meta_batch_size=5"),
        ({"dtype": torch.float64}, "params=.*torch.float32.*torch.float64"),
        (
            {
                "params": NARROW.init(np.random.default_rng(0)),
                "method": methods.MAML(NARROW_LOSS, inner_lr=0.02),
            },
            r"params=.*\(1, 16\).*\(1, 8\)",
        ),
        (
            {"method": METHODS["first-order MAML"]},
            "method=MAML, first_order=False, this run method=first-order MAML, first_order=True",
        ),
        ({"method": methods.MAML(LOSS, inner_lr=0.5)}, "inner_lr=0.02, this run inner_lr=0.5"),
    ],
)
def test_the_checkpoint_of_another_run_is_refused(tmp_path, change, named):
    path = tmp_path / "run.pt"
    train(METHODS["MAML"], checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(DataError, match="belongs to another run: it has .*" + named):
        train(**{"method": METHODS["MAML"], "checkpoint": path} | change)
    assert path.read_bytes() == before


def test_a_corrupt_checkpoint_is_refused(tmp_path):
    path = tmp_path / "run.pt"
    train(METHODS["MAML"], checkpoint=path)
    torch.save({"something": "else"}, tmp_path / "other.pt")
    for damaged in (path.read_bytes()[:-100], b"", b"no checkpoint", (tmp_path / "other.pt").read_bytes()):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"run.pt cannot be read \(\w+\); delete it to start again"):
            train(METHODS["MAML"], checkpoint=path)
        assert path.read_bytes() == damaged


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), RuntimeError("file write failed")])
def test_a_full_disk_leaves_the_checkpoint_before_it(tmp_path, monkeypatch, failure):
    path = tmp_path / "run.pt"
    with pytest.raises(KeyboardInterrupt):
        train(METHODS["MAML"], callback=stop_at(6), checkpoint=path)
    before = path.read_bytes()

    def fill_up(held, file):
        file.write(b"half a checkpoint")
        raise failure

    with monkeypatch.context() as patched:
        patched.setattr(torch, "save", fill_up)
        with pytest.raises(DataError, match="run.pt could not be written .*; the one before it is untouched"):
            train(METHODS["MAML"], callback=measure, checkpoint=path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["run.pt"]
    whole, resumed = (train(METHODS["MAML"], callback=measure, **how) for how in ({}, {"checkpoint": path}))
    assert_bit_identical(whole, resumed)


# --- what goes wrong ---------------------------------------------------------------------------------------


def test_a_loss_that_explodes_stops_the_run(tmp_path):
    method = methods.MAML(LOSS, inner_lr=1e3, inner_steps=20)
    with pytest.raises(FloatingPointError, match="loss of MAML is (nan|inf) after 3 meta-steps; lower inner_lr"):
        train(method, checkpoint=tmp_path / "run.pt")
    assert not os.listdir(tmp_path)


def test_parameters_that_explode_stop_the_run_even_where_the_loss_does_not(tmp_path):
    """The root has no slope at zero: a finite loss, and a gradient that is none."""

    def loss(params, x, y):
        return LOSS(params, x, y) + torch.sqrt((params["b0"] * 0).sum())

    said = "b0' of pooled is not finite after 1 meta-steps, though the loss is [0-9.]+: its gradient is not"
    with pytest.raises(FloatingPointError, match=said):
        train(methods.Pooled(loss), block=1, checkpoint=tmp_path / "run.pt")
    assert not os.listdir(tmp_path)


def test_a_frozen_mask_may_be_infinite():
    def loss(params, x, y):
        return LOSS({name: p for name, p in params.items() if name != "mask"}, x, y)

    params = {name: p.requires_grad_() for name, p in NETWORK.init(np.random.default_rng(0)).items()}
    params["mask"] = torch.tensor([0.0, -torch.inf], dtype=torch.float64)
    assert train(methods.MAML(loss, inner_lr=0.02), params=params).params["mask"][1] == -torch.inf


@pytest.mark.parametrize("budget", [0, -1.0, float("nan"), float("inf"), "60", True])
def test_a_budget_is_a_time(budget):
    with pytest.raises(ValueError, match="budget_seconds is "):
        train(METHODS["MAML"], budget_seconds=budget)


@pytest.mark.parametrize("answer", [3.0, [("a", 1)], {"loss": 1.0}, {"step": 1}, {"a": None}, {"a": np.ones(2)}])
def test_what_a_callback_may_answer(answer):
    with pytest.raises(ValueError, match="the callback gave .*; give a dict of figures by name"):
        train(METHODS["MAML"], callback=lambda step, params: answer)
    assert "loss" in train(METHODS["MAML"], callback=lambda step, params: None).curve


def test_a_callback_cannot_change_the_run():
    def spoil(step, params):
        for p in params.values():
            p.zero_()
        return {}

    assert_bit_identical(train(METHODS["MAML"], callback=spoil), train(METHODS["MAML"]))


def test_a_step_that_works_in_place_does_not_touch_what_the_caller_gave():
    def step(params, state, tasks, done):
        for p in params.values():
            p.mul_(0.5)
        return params, state, sum((p**2).sum() for p in params.values())

    params = {"w": torch.ones(2)}
    trained = train(Own(step), params=params, meta_steps=2, block=1)
    assert params["w"].tolist() == [1, 1] and trained.params["w"].tolist() == [0.25, 0.25]


def test_the_state_of_a_method_is_tensors():
    class Listing(methods.Reptile):
        def init(self, params):
            return {"steps": [0]}

    method = Listing(LOSS, inner_lr=0.02, inner_steps=3)
    with pytest.raises(ValueError, match=r"the state of Reptile holds \[0\]; give tensors"):
        train(method)


def test_a_family_is_no_class_and_gives_what_it_is_asked_for():
    class Fewer(Sinusoids):
        def sample(self, n_tasks, rng):
            return super().sample(n_tasks - 1, rng)

    with pytest.raises(ValueError, match="the family gave 3 tasks when asked for 4"):
        train(METHODS["MAML"], family=Fewer(5, 5))
    with pytest.raises(ValueError, match="family is the class Sinusoids; give a task family"):
        train(METHODS["MAML"], family=Sinusoids)

    class Static:
        sample = staticmethod(Sinusoids(5, 5).sample)

    train(METHODS["MAML"], family=Static)


@pytest.mark.parametrize("name", ["meta_steps", "meta_batch_size", "block"])
def test_counts_are_checked(name):
    with pytest.raises(ValueError, match=f"{name} is 0"):
        train(METHODS["MAML"], **{name: 0})


def test_an_unknown_capture_is_refused():
    with pytest.raises(ValueError, match="capture is 'quickly'"):
        train(METHODS["MAML"], capture="quickly")


# --- images ------------------------------------------------------------------------------------------------

CLASSIFIER, EMBEDDING = networks.conv4(5, channels=4), networks.conv4(None, channels=4)
SCORE = losses.cross_entropy(CLASSIFIER)
IMAGE_METHODS = {
    "protonet": (EMBEDDING, methods.ProtoNet(EMBEDDING, n_way=5, halvings=1)),
    "matching": (EMBEDDING, methods.MatchingNet(EMBEDDING, n_way=5)),
    "Reptile": (
        CLASSIFIER,
        methods.ReptileAdam(SCORE, inner_lr=1e-3, inner_steps=3, batch_size=4),
    ),
}


def train_on_letters(name, *, family=None, meta_steps=6, **how):
    network, method = IMAGE_METHODS[name]
    family = family or Episodes(glyphs.splits().train, k_shot=2, n_query=2, device="cpu", shuffled=True)
    how = {"meta_batch_size": 2, "block": 2, "device": "cpu", "progress": False} | how
    return training.train(method, network.init(np.random.default_rng(0)), family, meta_steps=meta_steps, **how)


@pytest.mark.parametrize("name", IMAGE_METHODS)
def test_a_run_on_images_drawn_on_the_device_can_be_stopped_and_resumed_to_the_bit(name, tmp_path):
    whole = train_on_letters(name, callback=measure)
    with pytest.raises(KeyboardInterrupt):
        train_on_letters(name, callback=stop_at(4), checkpoint=tmp_path / "run.pt")
    resumed = train_on_letters(name, callback=measure, checkpoint=tmp_path / "run.pt")
    assert_bit_identical(whole, resumed)
    assert whole.capture == "eager"  # a convolutional network is not compiled on a CPU


def test_prototypes_are_learned():
    """From chance-like to far better on letters of scripts that were not trained on."""
    family = Episodes(glyphs.splits().train, n_way=10, n_query=3, device="cpu")
    network = networks.conv4(None, channels=8)
    method = methods.ProtoNet(network, n_way=10, meta_lr=3e-3)
    params, judge = network.init(np.random.default_rng(0)), images.Episodes(glyphs.splits().test)
    trained = training.train(
        method, params, family, meta_steps=60, meta_batch_size=1, device="cpu", progress=False
    )
    before, after = (
        evaluate(
            MetricLearner(protonet.classify, network, p, "alone"), judge, n_tasks=30, rng=np.random.default_rng(0)
        )
        for p in (tensors(params, dtype=torch.float32), trained.params)
    )
    assert after.mean > before.mean + 0.1


def test_reptile_carries_adams_moments_and_walks_through_the_support_set():
    network, method = IMAGE_METHODS["Reptile"]
    family = Episodes(glyphs.splits().train, k_shot=2, n_query=1, device="cpu", shuffled=True)
    params = tensors(network.init(np.random.default_rng(0)), dtype=torch.float64)
    tasks = tensors(family.sample(2, family.generator(0)), dtype=torch.float64)
    zero = torch.zeros((), dtype=torch.float64)
    after, moments, _ = method.step(params, method.init(params), tasks, zero)
    picks = torch.tensor([[[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]]).expand(
        2, -1, -1
    )  # ten examples: round again
    adapted, expected = reptile.adapt_each_adam(
        SCORE, params, adam.init(params), tasks.support, picks, inner_lr=1e-3
    )
    for name in params:
        torch.testing.assert_close(after[name], adapted[name].mean(dim=0))
        torch.testing.assert_close(moments.second[name], expected.second[name])
    assert moments.steps == 3 and float(moments.second["w0"].sum()) > 0
    again, carried, _ = method.step(after, moments, tasks, zero)
    assert carried.steps == 6 and not torch.equal(again["w0"], after["w0"])


def test_a_rate_is_halved_at_equal_intervals():
    """Adam's first step is as long as the rate, in the entry with the largest gradient."""
    network, method = IMAGE_METHODS["protonet"]
    family = Episodes(glyphs.splits().train, n_query=2, device="cpu")
    params = tensors(network.init(np.random.default_rng(0)), dtype=torch.float64)
    tasks = tensors(family.sample(1, family.generator(0)), dtype=torch.float64)
    lengths = []
    for done in (0.0, 0.49, 0.5, 0.99):
        after, _, _ = method.step(params, method.init(params), tasks, torch.tensor(done, dtype=torch.float64))
        lengths.append(float((after["w3"] - params["w3"]).abs().max()))
    np.testing.assert_allclose(lengths, [1e-3, 1e-3, 5e-4, 5e-4], rtol=1e-3)


def test_a_budget_lowers_the_number_of_steps_and_rates_still_fall_to_their_end(monkeypatch):
    """The first block of 3 steps takes 1 s by this clock, so that 4 s are worth 12 of the 1,000 steps."""
    clock = iter(np.arange(0.0, 1000.0, 1.0))
    monkeypatch.setattr(training.time, "perf_counter", lambda: next(clock))
    shares = []

    def step(params, state, tasks, done):
        shares.append(float(done))
        return params, state, torch.zeros(())

    trained = train(Own(step), meta_steps=1000, budget_seconds=4.0)
    assert trained.curve["step"][-1] == 12
    np.testing.assert_allclose(shares[3:], np.arange(3, 12) / 12)
    clock = iter(np.arange(0.0, 1000.0, 1.0))
    assert train(METHODS["MAML"], meta_steps=6, budget_seconds=1000.0).curve["step"][-1] == 6


def test_a_run_in_which_nothing_moves_says_so(capsys):
    constant = methods.MAML(lambda params, x, y: LOSS(params, x, y).detach(), inner_lr=0.02)
    trained = train(constant)
    said = capsys.readouterr().err
    assert said == "After 3 meta-steps of MAML no parameter has moved: does the loss depend on them?\n"
    for name, p in NETWORK.init(np.random.default_rng(0)).items():
        assert torch.equal(trained.params[name], p.float())
    train(METHODS["MAML"])
    assert capsys.readouterr().err == ""
