"""Tasks in files: what is drawn is what was written, little is held, training takes it up, damage is told."""

import numpy as np
import pytest

from mlcourse import methods
from mlcourse.errors import DataError
from mlcourse.fast import losses, networks
from mlcourse.tasks import Episodes, Sinusoids, Task, glyphs, one, pad
from mlcourse.tasks.family import Family
from mlcourse.tasks.stream import Streamed, write_tasks
from mlcourse.training import train

SINES = Sinusoids(5, 3)


@pytest.fixture
def folder(tmp_path):
    """25 tasks in files of 10, 10 and 5."""
    write_tasks(tmp_path / "tasks", SINES, 25, np.random.default_rng(0), per_file=10)
    return tmp_path / "tasks"


def as_written():
    rng = np.random.default_rng(0)
    parts = [SINES.sample(n, rng) for n in (10, 10, 5)]
    return np.concatenate([part.support.x for part in parts]).astype(np.float32)


def test_what_is_drawn_is_what_was_written(folder):
    family, written = Streamed(folder), as_written()
    assert family.n_tasks == 25 and "25 tasks in 3 files" in repr(family)
    tasks = family.sample(400, np.random.default_rng(1))
    rows = [np.flatnonzero((written == x).all(axis=(1, 2))) for x in tasks.support.x]
    assert all(len(row) == 1 for row in rows)
    drawn = np.bincount(np.concatenate(rows), minlength=25)
    assert (drawn > 0).all() and drawn.max() < 40  # all of them, in all files, by the same chance
    assert tasks.support.x.shape == (400, 5, 1) and tasks.query.y.shape == (400, 3, 1)
    assert tasks.query.y.dtype == np.float32


def test_support_and_query_stay_together(folder):
    """Each is a sine A sin(x - p): both are fitted by the support set, and the queries lie on it."""
    for task in range(5):
        support, query = one(Streamed(folder).sample(5, np.random.default_rng(2)), task)

        def waves(x):
            return np.hstack([np.sin(x), np.cos(x)])

        found, *_ = np.linalg.lstsq(waves(support.x), support.y, rcond=None)
        np.testing.assert_allclose(waves(query.x) @ found, query.y, atol=1e-4)


def test_the_same_generator_state_gives_the_same_tasks(folder):
    first, second = (Streamed(folder).sample(7, np.random.default_rng(3)) for _ in range(2))
    for a, b in zip((*first.support, *first.query), (*second.support, *second.query), strict=True):
        np.testing.assert_array_equal(a, b)


def test_images_keep_their_labels(tmp_path):
    episodes = Episodes(glyphs.splits().val, 3, 1, 2)
    write_tasks(tmp_path, episodes, 4, np.random.default_rng(0))
    tasks = Streamed(tmp_path).sample(6, np.random.default_rng(1))
    assert tasks.support.y.dtype == np.int64 and tasks.support.x.shape == (6, 3, 1, 28, 28)
    assert (np.sort(tasks.support.y) == [0, 1, 2]).all()


def test_never_more_than_a_file_is_drawn_at_once(tmp_path):
    asked = []

    def sample(n_tasks, rng):
        asked.append(n_tasks)
        return SINES.sample(n_tasks, rng)

    write_tasks(tmp_path, sample, 23, np.random.default_rng(0), per_file=10)
    assert asked == [10, 10, 3]


def test_nothing_is_read_until_it_is_drawn(folder):
    """Broken numbers in a task that nobody draws do no harm, and are seen where it is drawn: no copy was taken."""
    family = Streamed(folder)
    changed = np.load(folder / "00002.npy", mmap_mode="r+")
    changed["support.x"] = 7
    changed.flush()
    drawn = family.sample(200, np.random.default_rng(0)).support.x
    assert (drawn == 7).all(axis=(1, 2)).any()


def test_training_takes_them_up_again_after_a_stop(folder, tmp_path):
    network = networks.mlp((1, 8, 1))
    method = methods.MAML(losses.squared_error(network), inner_lr=0.01)
    how = {
        "meta_batch_size": 4,
        "block": 5,
        "capture": "eager",
        "device": "cpu",
        "progress": False,
        "meta_steps": 10,
    }

    def run(**more):
        return train(method, network.init(np.random.default_rng(0)), Streamed(folder), **how, **more)

    def stop(step, params):
        if step == 10:
            raise KeyboardInterrupt

    whole = run()
    place = tmp_path / "run.npz"
    with pytest.raises(KeyboardInterrupt):
        run(checkpoint=place, callback=stop)
    resumed = run(checkpoint=place)
    for name, p in whole.params.items():
        np.testing.assert_array_equal(p, resumed.params[name])
    other = tmp_path / "other"
    write_tasks(other, SINES, 24, np.random.default_rng(0))
    with pytest.raises(DataError):
        train(method, network.init(np.random.default_rng(0)), Streamed(other), **how, checkpoint=place)


# --- refused -------------------------------------------------------------------------------------------------


def test_a_folder_is_not_written_twice(folder):
    with pytest.raises(DataError, match="holds tasks already"):
        write_tasks(folder, SINES, 5, np.random.default_rng(0))


def test_an_empty_folder_says_how_to_fill_it(tmp_path):
    with pytest.raises(DataError, match="write some by stream.write_tasks"):
        Streamed(tmp_path)


@pytest.mark.parametrize("keep", [0, 40, 800])
def test_a_cut_file_is_told(folder, keep):
    whole = (folder / "00001.npy").read_bytes()
    assert len(whole) > 800
    (folder / "00001.npy").write_bytes(whole[:keep])
    with pytest.raises(DataError, match="00001.npy"):
        Streamed(folder)


def test_another_array_is_no_task(folder):
    np.save(folder / "00009.npy", np.zeros(3))
    with pytest.raises(DataError, match="no tasks"):
        Streamed(folder)
    np.save(folder / "00009.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(DataError, match="00009.npy"):
        Streamed(folder)


def test_two_shapes_need_two_folders(folder, tmp_path):
    write_tasks(tmp_path / "more", Sinusoids(6, 3), 5, np.random.default_rng(0))
    (tmp_path / "more" / "00000.npy").rename(folder / "00003.npy")
    with pytest.raises(DataError, match="give each a folder"):
        Streamed(folder)


def test_tasks_that_do_not_fit_a_record_are_refused(tmp_path):
    def ragged(n_tasks, rng):
        return pad([one(SINES.sample(1, rng), 0), one(Sinusoids(2, 2).sample(1, rng), 0)])

    with pytest.raises(ValueError, match="with a mask"):
        write_tasks(tmp_path / "a", ragged, 2, np.random.default_rng(0))

    class Growing(Family):
        def sample(self, n_tasks: int, rng) -> Task:
            return Sinusoids(n_tasks, 2).sample(n_tasks, rng)

    with pytest.raises(ValueError, match="give tasks of one shape"):
        write_tasks(tmp_path / "b", Growing(), 5, np.random.default_rng(0), per_file=3)


@pytest.mark.parametrize("wrong", [{"n_tasks": 0}, {"per_file": 0}, {"rng": 3}, {"family": Sinusoids}])
def test_arguments_that_cannot_be(tmp_path, wrong):
    given = {"family": SINES, "n_tasks": 3, "rng": np.random.default_rng(0), **wrong}
    with pytest.raises(ValueError, match=next(iter(wrong))):
        write_tasks(tmp_path, **given)
    assert not list(tmp_path.iterdir())
