"""Two real ranks, started by torchrun, learn what one process learns; when one dies, the run can go on."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mlcourse.fast import distributed
from mlcourse.fast.arrays import leaves
from tests.fast import ranks

ENOUGH = 110  # seconds: less than a rank would wait for a lost one, had it not noticed


def torchrun(*arguments) -> subprocess.CompletedProcess:
    """Two ranks of `ranks.py`, which find each other through a port that nobody else has."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    script = Path(ranks.__file__)
    return subprocess.run([*command, script, *map(str, arguments)], capture_output=True, text=True, timeout=ENOUGH)


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """One run: rank 1 dies in step 8; again, and rank 0 dies in step 13; again, to the end and the comparison."""
    folder = tmp_path_factory.mktemp("ranks")
    deaths = []
    for victim in (1, 0):
        ended = torchrun(folder, victim)
        deaths.append((ended, (folder / "run.pt").read_bytes(), torch.load(folder / "run.pt")))
    ended = torchrun(folder)
    assert ended.returncode == 0, ended.stderr
    found = [torch.load(folder / f"rank{rank}.pt", weights_only=False) for rank in (0, 1)]
    return folder, deaths, ended, found


def assert_close(theirs, ours, tolerance):
    """Every number, within `tolerance` times the largest of them all."""
    theirs, ours = list(leaves(theirs)), list(leaves(ours))
    largest = max(float(leaf.abs().max()) for leaf in ours)
    for one, other in zip(theirs, ours, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance * largest)


# --- the same numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ranks.CASES)
def test_two_ranks_give_the_gradient_of_one_process(story, name):
    ours = ranks.meta_gradient(name)
    for found in story[-1]:
        assert_close(found["gradients"][name], ours, 1e-12)


@pytest.mark.parametrize("name", ranks.TRAINED)
def test_two_ranks_train_the_weights_of_one_process(story, name):
    """After 50 steps, with Adam's moments and the loss on the way."""
    ours = ranks.train(name)
    params, state, curve, *_ = story[-1][0]["trained"][name]
    assert_close(params, ours.params, 1e-8)
    assert list(leaves(ours.state)) == [] or all(
        torch.allclose(one, other, rtol=1e-8, atol=1e-8)
        for one, other in zip(leaves(state), leaves(ours.state), strict=True)
    )
    np.testing.assert_allclose(curve["loss"], ours.curve["loss"], rtol=1e-8)


@pytest.mark.parametrize("name", ranks.TRAINED)
def test_the_ranks_agree_to_the_bit(story, name):
    first, second = (found["trained"][name] for found in story[-1])
    assert all(torch.equal(*pair) for pair in zip(leaves(first[:2]), leaves(second[:2]), strict=True))
    np.testing.assert_array_equal(first[2]["loss"], second[2]["loss"])


def test_each_process_knows_its_place(story):
    assert [found["process"] for found in story[-1]] == [("0", "2", "cpu"), ("1", "2", "cpu")]


# --- a rank dies -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("death", "speaker", "steps"), [(0, 0, 5), (1, 1, 10)])
def test_a_rank_that_dies_ends_the_run_and_leaves_a_checkpoint(story, death, speaker, steps):
    """Whether the others wait for it or are busy: they say why and how to go on, and they say it once."""
    folder, deaths, *_ = story
    ended, _, checkpoint = deaths[death]
    assert ended.returncode != 0
    said = [line for line in ended.stderr.splitlines() if "stopped training" in line]
    assert len(said) == 1, ended.stderr
    assert f"Error: rank {speaker} of 2 stopped training: " in said[0]
    advice = "run the same torchrun command again: it goes on from the checkpoint "
    assert said[0].endswith(advice + str(folder / "run.pt"))
    assert checkpoint["steps"] == steps


def test_the_same_command_ends_with_the_weights_of_a_run_in_which_nobody_died(story):
    ours, (params, _, curve, *_) = ranks.train("MAML"), story[-1][0]["resumed"]
    assert_close(params, ours.params, 1e-8)
    np.testing.assert_allclose(curve["loss"], ours.curve["loss"], rtol=1e-8)
    assert len(list(story[0].glob("*run.pt*"))) == 1


def test_one_process_goes_on_from_the_checkpoint_of_two(story, tmp_path):
    (tmp_path / "run.pt").write_bytes(story[1][1][1])
    resumed = ranks.train("MAML", checkpoint=tmp_path / "run.pt")
    assert_close(resumed.params, ranks.train("MAML").params, 1e-8)


def test_one_rank_alone_shows_progress(story):
    """A bar starts where the checkpoint stands."""
    assert story[2].stderr.count("| 10/50 [") == 1


# --- mistakes ----------------------------------------------------------------------------------------------


def test_a_batch_that_cannot_be_shared_is_refused_on_every_rank(story):
    for found in story[-1]:
        assert "meta_batch_size is 3, which 2 ranks (the world size) cannot share evenly" in found["mistakes"][0]


def test_ranks_that_start_apart_are_refused_on_every_rank(story):
    for found in story[-1]:
        assert "params are not the same on all 2 ranks, which stand at meta-steps 5 to 5;" in found["mistakes"][1]
        assert "which stand at meta-steps 0 to 5; draw them from the same seed" in found["mistakes"][2]


def test_more_ranks_than_gpus_are_refused(monkeypatch):
    for name, value in {"RANK": "2", "WORLD_SIZE": "4", "LOCAL_RANK": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match="LOCAL_RANK is 2, but this node has 2 GPUs.*--nproc-per-node 2"):
        with distributed.running("cuda"):
            raise AssertionError("it must not start")


# --- one process -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("environment", [{}, {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}])
def test_one_process_by_itself_communicates_with_nobody(monkeypatch, environment):
    for name in distributed.TORCHRUN:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    tree = {"w0": torch.ones(2)}
    with distributed.running("cpu") as process, distributed.ending_together(None):
        assert process == (0, 1, torch.device("cpu")) and process.first and distributed.first()
        assert distributed.share(tree) is tree and distributed.mean_over_ranks(tree) is tree
        distributed.require_same(tree, 0)
        assert not torch.distributed.is_initialized()
