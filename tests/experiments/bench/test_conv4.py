"""The image benchmark: all contenders compute one gradient, and one that fails keeps its row and ends nothing."""

import pytest
import torch

from mlcourse.experiments import bench, results
from mlcourse.experiments.bench import conv4, conv4_contenders
from mlcourse.experiments.bench.agreement import distance
from mlcourse.fast.arrays import tensors

SMALL = {"n_tasks": 2, "n_way": 3, "k_shot": 1, "n_query": 2, "channels": 4}


def work(inner_steps, device="cpu"):
    return conv4_contenders.draw(inner_steps=inner_steps, seed=0, device=device, **SMALL)


def single(given):
    params, tasks = tensors((given.params, given.tasks), dtype=torch.float32)
    return given._replace(params=params, tasks=tasks)


def exact():
    return conv4_contenders.plain_loop(work(1))()


@pytest.mark.parametrize("inner_steps", [1, 2])
@pytest.mark.parametrize("name", ["fast", "plain loop over tasks", "higher"])
def test_all_contenders_compute_the_same_gradient(name, inner_steps):
    if name == "higher":
        pytest.importorskip("higher")
    given = work(inner_steps)
    exact = conv4_contenders.fast(given, convolution="matmul")()
    made = conv4_contenders.build(conv4_contenders.recipes("cpu")[name], given)
    assert distance(made(), exact) < 1e-8 and distance(made(), exact) < 1e-8


def test_jax_computes_the_same_gradient():
    pytest.importorskip("jax")
    given = work(2)
    assert distance(conv4_contenders.jit_vmap(given)(), conv4_contenders.plain_loop(given)()) < 1e-8


def test_second_order_is_told_from_first():
    """The tolerance for float32 is far below what another gradient would be off by."""
    given = work(1)
    without = given._replace(inner_steps=0)
    apart = distance(conv4_contenders.fast(without)(), conv4_contenders.plain_loop(given)())
    assert apart > 10 * conv4.AGREEMENT["float32"]


def test_a_small_run_makes_a_sound_table(tmp_path):
    said, threads = [], torch.get_num_threads()
    table = bench.meta_gradient(model="conv4", inner_steps=(1,), repeats=1, say=said.append, **SMALL)
    assert torch.get_num_threads() == threads
    assert results.load(str(results.save(table, tmp_path / "b.json")))["name"] == "bench_meta_gradient_conv4"
    rows = {row["method"]: row["values"] for row in table["rows"]}
    assert list(rows) == ["fast", "plain loop over tasks", "higher", "JAX jit + vmap"]
    assert rows["plain loop over tasks"]["1 step, times as fast as the plain loop"] == 1.0
    timed = table["details"]["contenders"]["1 step"]
    for name in ("fast", "plain loop over tasks", "higher"):  # the row is what was timed
        assert rows[name]["1 step, ms"] == pytest.approx(1e3 * timed[name]["seconds"], rel=0.01)
        share = timed["plain loop over tasks"]["seconds"] / timed[name]["seconds"]
        assert rows[name]["1 step, times as fast as the plain loop"] == pytest.approx(share, rel=0.02)
    assert "--model conv4 --device cpu --n-tasks 2" in table["command"] and "--inner-steps 1" in table["command"]
    assert "The floor is" in table["protocol"] and "GFLOP" in table["protocol"]
    assert any("first call" in line for line in said)


def test_a_contender_that_fails_or_disagrees_keeps_its_row(monkeypatch):
    def broken(given):
        raise RuntimeError("out of luck\nand more")

    def another(given):
        return conv4_contenders.plain_loop(given._replace(inner_steps=3))

    def slow(given):
        raise TimeoutError("not ready after 3 s")  # as the limit does: tests/bench/test_timing.py

    def absent(given):
        raise conv4.NotHere("JAX is not installed")

    made = {"plain loop over tasks": conv4_contenders.plain_loop, "broken": broken, "other": another}
    made |= {"slow": slow, "absent": absent}
    recipes = {name: conv4_contenders.Recipe(build) for name, build in made.items()}
    monkeypatch.setattr(conv4_contenders, "recipes", lambda device_type: recipes)
    table = conv4.meta_gradient(inner_steps=(1,), repeats=1, **SMALL)
    shown = {row["method"]: row["values"]["1 step, ms"] for row in table["rows"]}
    timed = table["details"]["contenders"]["1 step"]["plain loop over tasks"]["seconds"]
    assert shown["plain loop over tasks"] == pytest.approx(1e3 * timed, rel=0.01)
    assert shown["broken"] == "failed: RuntimeError: out of luck"
    assert shown["other"].startswith("failed: its gradient is ")
    assert shown["slow"] == "not measured: not ready after 3 s"
    assert shown["absent"] == "not measured: JAX is not installed"


@pytest.mark.parametrize("wrong", [{"inner_steps": (0,)}, {"repeats": 0}, {"n_tasks": 0}, {"channels": 0}])
def test_counts_are_checked(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is 0"):
        bench.meta_gradient(model="conv4", **wrong)


def test_the_model_and_the_device_are_checked():
    with pytest.raises(ValueError, match="model is 'resnet'; choose one of sinusoid, conv4"):
        bench.meta_gradient(model="resnet")
    with pytest.raises(ValueError, match="device is 'tpu'"):
        bench.meta_gradient(model="conv4", device="tpu")


def test_products_in_bfloat16_give_a_gradient_too():
    """The bf16 rows run on a GPU; here it is only seen that second order goes through autocast and vmap."""
    given = work(1)
    made = conv4_contenders.fast(single(given), convolution="matmul", autocast=True)()
    assert 1e-4 < distance(made, conv4_contenders.plain_loop(given)()) < conv4.AGREEMENT["bf16"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("name", list(conv4_contenders.recipes("cuda")))
def test_every_contender_of_a_gpu_is_measured(name):
    """Compiled ones included: all in the small case."""
    if "JAX" in name:
        pytest.importorskip("jax")
    if name == "higher":
        pytest.importorskip("higher")
    found, made = conv4.prepare(conv4_contenders.recipes("cuda")[name], single(work(1, "cuda")), exact(), 600)
    assert made is not None, found
