"""A checkpoint is taken up by the run that wrote it and by no other, wherever the difference lies."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from mlcourse import methods, training
from mlcourse.errors import DataError
from mlcourse.fast import losses, networks
from mlcourse.fast.episodes import Episodes
from mlcourse.tasks import Sinusoids, glyphs, images

NETWORK = networks.mlp((1, 8, 1))
LOSS = losses.squared_error(NETWORK)


def start(seed=0):
    return NETWORK.init(np.random.default_rng(seed))


def train(path, *, loss=LOSS, params=None, family=None, meta_steps=6, **how):
    method = how.pop("method", None) or methods.MAML(loss, inner_lr=0.02)
    how = {"meta_batch_size": 4, "device": "cpu", "capture": "eager", "progress": False, "block": 3} | how
    params, family = params or start(), family or Sinusoids(5, 5)
    return training.train(method, params, family, meta_steps=meta_steps, checkpoint=path, **how)


def heavy(params, x, y):
    """The same loss and a little weight decay."""
    return LOSS(params, x, y) + 1e-3 * sum((p**2).sum() for p in params.values())


class Philox(Sinusoids):
    """Sines from another generator."""

    def generator(self, seed):
        return np.random.Generator(np.random.Philox(seed))


class Shifted(Sinusoids):
    """Sines that look like the others from outside: same class name, same shapes."""

    def draw(self, n_tasks, rng):
        waves = super().draw(n_tasks, rng)
        return waves._replace(phase=waves.phase + 1)


Shifted.__name__ = Shifted.__qualname__ = "Sinusoids"


class Faster(methods.MAML):
    """The same name and settings, and an outer rate that is ten times larger."""

    def step(self, *arguments):
        return dataclasses.replace(self, meta_lr=1e-2).step_of_maml(*arguments)

    step_of_maml = methods.MAML.step


class Later(Faster):
    """What differs only when half of the run is over."""

    def step(self, params, moments, tasks, done):
        later = dataclasses.replace(self, meta_lr=1e-3 * 0.1 ** float(done > 0.5))
        return later.step_of_maml(params, moments, tasks, done)


OTHERS = {
    "another k_shot": ({"family": Sinusoids(1, 5)}, "it drew other tasks from the same seed"),
    "other waves": ({"family": Shifted(5, 5)}, "it drew other tasks from the same seed"),
    "another loss": ({"loss": heavy}, "it lowers another loss, or takes other steps"),
    "another start": ({"params": start(1)}, "it began at other parameters"),
    "another generator": ({"family": Philox(5, 5)}, "generator=NumPy PCG64, this run generator=NumPy Philox"),
    "a step that keeps its rate to itself": (
        {"method": Faster(LOSS, inner_lr=0.02)},
        "takes other steps",
    ),
    "a step that changes its rate late": (
        {"method": Later(LOSS, inner_lr=0.02)},
        "takes other steps",
    ),
    "another budget": ({"budget_seconds": 60.0}, "budget_seconds=None, this run budget_seconds=60.0"),
    "what the caller says": ({"about": {"precision": "tf32"}}, "precision=None, this run precision=tf32"),
    "by a name that we use, too": ({"about": {"seed": 3, "start": "x"}}, "seed=None, start=None, this run seed=3"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_the_checkpoint_of_another_run_is_refused(tmp_path, name):
    change, words = OTHERS[name]
    path = tmp_path / "run.pt"
    train(path)
    before = path.read_bytes()
    with pytest.raises(DataError, match=f"belongs to another run: .*{words}.*; give another path"):
        train(path, **change)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", [name for name in OTHERS if name != "another budget"])  # its end is the pace's
def test_and_its_own_run_goes_on_from_it(tmp_path, name):
    change, _ = OTHERS[name]
    first, again = (train(tmp_path / "run.pt", **change) for _ in range(2))
    for key in first.params:
        assert torch.equal(first.params[key], again.params[key])
    assert again.curve["step"].tolist() == [3, 6]


def test_a_frozen_layer_is_part_of_what_a_run_is(tmp_path):
    train(tmp_path / "run.pt")
    half = {name: p.requires_grad_(name != "w0") for name, p in start().items()}
    with pytest.raises(DataError, match=r"frozen=\[\], this run frozen=\['w0'\]"):
        train(tmp_path / "run.pt", params=half)


def test_settings_may_be_what_numpy_computed_or_a_path(tmp_path):
    rate, about = np.float64(0.02), {"data": Path("a") / "b", "sizes": (1, np.int64(2)), "alpha": np.float32(0.5)}
    about |= {"cut": {"val": np.arange(2)}, "dtype": torch.float32}
    plainly = {"data": "a/b", "sizes": [1, 2], "alpha": 0.5, "cut": {"val": [0, 1]}, "dtype": "torch.float32"}
    train(tmp_path / "run.pt", method=methods.MAML(LOSS, inner_lr=rate), about=about)
    train(tmp_path / "run.pt", method=methods.MAML(LOSS, inner_lr=0.02), about=plainly)


def test_what_a_run_is_known_by_must_be_plain(tmp_path):
    with pytest.raises(ValueError, match="data is <object .*numbers, words and lists of them"):
        train(tmp_path / "run.pt", about={"data": object()})
    assert not list(tmp_path.iterdir())


def test_a_family_that_keeps_count_cannot_be_taken_up_again(tmp_path):
    class Counting(Sinusoids):
        drawn = 0

        def sample(self, n_tasks, rng):
            self.drawn += 1
            tasks = super().sample(n_tasks, rng)
            return tasks._replace(query=tasks.query._replace(y=tasks.query.y + self.drawn))

    with pytest.raises(ValueError, match=r"Counting.sample draws other tasks .* or train without a checkpoint"):
        train(tmp_path / "run.pt", family=Counting(5, 5))
    train(None, family=Counting(5, 5))


@pytest.mark.parametrize("part", ["params", "state", "curve", "steps"])
def test_a_checkpoint_whose_numbers_have_changed_is_refused(tmp_path, part):
    path = tmp_path / "run.pt"
    train(path)
    held = torch.load(path, weights_only=True)
    if part == "params":
        held["params"]["w0"][0, 0] += 1e-6
    elif part == "state":
        held["state"][0].flatten()[0] += 1
    elif part == "curve":
        held["curve"]["loss"][0] += 1
    else:
        held["steps"] -= 3
    torch.save(held, path)
    with pytest.raises(DataError, match=r"run.pt is damaged: it does not hold what was written"):
        train(path)


def test_a_place_where_no_checkpoint_can_be_is_told_before_anything_is_drawn(tmp_path):
    class Never(Sinusoids):
        def sample(self, n_tasks, rng):
            raise AssertionError("work began")

    (tmp_path / "file").touch()
    for place in (tmp_path, tmp_path / "file" / "run.pt"):
        with pytest.raises(DataError, match="cannot be written"):
            train(place, family=Never(5, 5))


def test_what_is_not_measured_every_time_is_not_a_number_in_between(tmp_path):
    def sometimes(step, params):
        return {4: None, 6: {"b": 2}}.get(step, {"a": 1.0})

    for _ in range(2):  # also of a run that is read again
        curve = train(tmp_path / "run.pt", block=2, callback=sometimes).curve
        np.testing.assert_array_equal(curve["a"], [1.0, np.nan, np.nan])
        np.testing.assert_array_equal(curve["b"], [np.nan, np.nan, 2])


def test_sizes_may_be_numpys(tmp_path):
    for _ in range(2):
        train(tmp_path / "run.pt", meta_steps=np.int64(6), block=np.int64(3), seed=np.int64(0))


# --- images, drawn where they are used ---------------------------------------------------------------------

LETTERS = networks.conv4(3, channels=4)


def train_letters(path, family, **how):
    method = methods.MAML(losses.cross_entropy(LETTERS), inner_lr=0.1)
    how = {"meta_batch_size": 2, "device": "cpu", "capture": "eager", "progress": False} | how
    return training.train(
        method, LETTERS.init(np.random.default_rng(0)), family, meta_steps=2, checkpoint=path, **how
    )


def test_test_classes_are_not_train_classes(tmp_path):
    splits = glyphs.splits()
    families = [Episodes(part, 3, 1, 2, device="cpu") for part in (splits.train, splits.test)]
    train_letters(tmp_path / "run.pt", families[0])
    with pytest.raises(
        DataError, match="belongs to another run: it has family=Episodes.*this run family=Episodes"
    ):
        train_letters(tmp_path / "run.pt", families[1])


def test_one_pixel_makes_other_images(tmp_path):
    """Even one that the first tasks do not show."""
    train_set = glyphs.splits().train
    pixels = train_set.images.copy()
    pixels[-1, -1, 0, 0] ^= 1
    changed = images.ImageSet(
        train_set.name, pixels, train_set.alphabet, train_set.alphabet_names, train_set.class_names
    )
    train_letters(tmp_path / "run.pt", Episodes(train_set, 3, 1, 2, device="cpu"))
    with pytest.raises(DataError, match="belongs to another run: it has family="):
        train_letters(tmp_path / "run.pt", Episodes(changed, 3, 1, 2, device="cpu"))


def test_tasks_drawn_by_numpy_are_not_those_drawn_on_the_device(tmp_path):
    train_set = glyphs.splits().train
    train_letters(tmp_path / "run.pt", Episodes(train_set, 3, 1, 2, device="cpu"))
    with pytest.raises(DataError, match="generator=torch on cpu, this run generator=NumPy PCG64"):
        train_letters(tmp_path / "run.pt", images.Episodes(train_set, 3, 1, 2))
