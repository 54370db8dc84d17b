"""Wrong answers that once passed, or were told something else, and right ones that must pass."""

import numpy as np
import pytest

from mlcourse.lessons.checks import nb00, nb01, nb02, nb03, nb06, nb07, nb08
from mlcourse.tasks.task import Examples, Task


def draw(images, n_way, k_shot, n_query, rng):
    """A right episode, as the four arrays of a support and a query set."""
    letters = rng.permutation(len(images))[:n_way]
    drawings = np.stack([rng.permutation(images[letter]) for letter in letters])[:, :, None] / 255
    support, query = drawings[:, :k_shot], drawings[:, k_shot : k_shot + n_query]
    y = (np.repeat(np.arange(n_way), n) for n in (k_shot, n_query))
    return [part.reshape(-1, *part.shape[2:]) for part in (support, query)], list(y), letters


def spoilt(value):
    def answer(*arguments):
        (support, query), (support_y, query_y), _ = draw(*arguments)
        query[:, :, 1:] = value
        return Task(Examples(support, support_y), Examples(query, query_y))

    return answer


def unequal_queries(images, n_way, k_shot, n_query, rng):
    (support, _), (support_y, _), letters = draw(images, n_way, k_shot, n_query, np.random.default_rng(rng))
    taken = {picture.tobytes() for picture in np.rint(255 * support[:, 0]).astype(np.uint8)}
    left = [(i, p) for i, letter in enumerate(letters) for p in images[letter] if p.tobytes() not in taken]
    chosen = [left[i] for i in rng.permutation(len(left))[: n_way * n_query]]
    query_y = np.array([i for i, _ in chosen])
    query = np.stack([p for _, p in chosen])[:, None] / 255
    return Task(Examples(support, support_y), Examples(query, query_y))


def unequal_support(images, n_way, k_shot, n_query, rng):
    (support, query), (support_y, query_y), letters = draw(images, n_way, k_shot, n_query, rng)
    support_y[1:] = np.r_[np.zeros(len(support_y) - n_way), np.arange(1, n_way)]
    others = images[letters[support_y], np.arange(len(support_y)) % images.shape[1]][:, None] / 255
    return Task(Examples(others, support_y), Examples(query, query_y))


def seed_of_its_own(n_classes, n_val, n_test, rng):
    order = np.random.default_rng(0).permutation(n_classes)
    return order[n_val + n_test :], order[:n_val], order[n_val : n_val + n_test]


def last_classes_are_the_test(n_classes, n_val, n_test, rng):
    order = rng.permutation(n_classes - n_test)
    return order[n_val:], order[:n_val], np.arange(n_classes - n_test, n_classes)


def resting_place(curvatures, slopes, inner_lr, inner_steps, first_order):
    weights = curvatures
    weights *= (1 - inner_lr * curvatures) ** (inner_steps * (1 if first_order else 2))
    return np.sum(weights * slopes) / np.sum(weights)


def all_slopes_one(curvatures, slopes, inner_lr, inner_steps, first_order):
    slopes[:] = 1.0
    return 1.0


def theta_everywhere(theta, adapted, meta_lr):
    for phi in adapted:
        phi.update({name: p.copy() for name, p in theta.items()})
    return dict(theta)


def zeros_cut(x, y, k_shot):
    x[:], y[:] = 0, 0
    return Task(Examples(x[:, :k_shot], y[:, :k_shot]), Examples(x[:, k_shot:], y[:, k_shot:]))


WRONG = [
    (nb07.draw_episode, spoilt(np.nan), "not finite"),
    (nb07.draw_episode, spoilt(-5), "none of `images`"),
    (nb07.draw_episode, spoilt(0.77), "none of `images`"),
    (nb07.draw_episode, unequal_queries, "3 of each are right"),
    (nb07.draw_episode, unequal_support, "occur [5, 1, 1, 1] times in support.y; 2 of each"),
    (nb01.split, seed_of_its_own, "whatever `rng` is"),
    (nb01.split, last_classes_are_the_test, "classes of meta-test were not shuffled"),
    (nb01.cut, zeros_cut, "also changed x in place, which may be why"),
    (nb01.cut, lambda x, y, k: Task(Examples(x[:, :3], y[:, :3]), Examples(x[:, 3:], y[:, 3:])), "k_shot 5"),
    (nb06.rests_at, all_slopes_one, "Your function also changed slopes in place"),
    (nb06.reptile_outer_step, theta_everywhere, "changed adapted in place"),
    (nb00.squared_error, lambda guess, truth: np.sum((guess - truth) ** 2) / 3, "the error of two guesses"),
    (nb01.nearest_label, lambda support, query_x: np.array([2, 0, 1, 1, 0]), "five shots and six queries"),
    (nb01.nearest_label, lambda support, query_x: ["2", "0", "1", "1", "0"], "holds strings"),
    (nb02.best_rate, lambda rates, losses: rates[2], "the rate of three, on two tasks, is 0.003"),
    (nb03.interval, lambda s: (s.mean(), 1.96 * s.std(ddof=1) / 3), "four tasks"),
    (
        nb06.reptile_outer_step,
        lambda theta, phis, lr: {k: t + lr * (sum(phi[k] for phi in phis) / 3 - t) for k, t in theta.items()},
        "the new θ of one task",
    ),
    (nb08.prototypes, lambda e, y, n: np.stack([e[y == k].mean(axis=0) for k in range(3)]), "of two classes"),
    *((nb03.leaks, word, "letters from a to e") for word in ("face", "peace", 3, None)),
]  # fmt: skip
RIGHT = [
    (nb06.rests_at, resting_place),
    *((nb03.leaks, letters) for letters in ("ace", "A, C, E", ["a", "c", "e"], {"e", "c", "a"})),
    (nb00.squared_error, lambda guess, truth: np.mean(np.square(np.subtract(guess, truth, out=guess)))),
]


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
@pytest.mark.parametrize(("check", "answer", "says"), WRONG)
def test_what_is_wrong_is_told(check, answer, says):
    verdict = check(answer)
    assert verdict.status == "wrong" and says in verdict.message, verdict


@pytest.mark.parametrize(("check", "answer"), RIGHT)
def test_what_is_right_passes(check, answer):
    assert check(answer).status == "passed", check(answer)
