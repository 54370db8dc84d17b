"""Mistakes planted in the exercises of notebook 03."""

from tests.notebooks.exercises import Mistake

MISTAKES = {
    "3.1": [
        Mistake(old="argmin(axis=1)", new="argmax(axis=1)", says="farthest away"),
        Mistake(old=".mean(axis=0) for label", new=".sum(axis=0) for label", says="sums of each class"),
        Mistake(old="points[support.y == label]", new="points", says="the mean of all examples"),
        Mistake(old="points[support.y == label]", new="points[3 * label:][:3]", says="not sorted by class"),
        Mistake(old="argmin(axis=1)", new="argmin(axis=0)", says="a query for each class"),
        Mistake(old="means[None]", new="points[None]", says="places of support examples"),
        Mistake(old="return distances.argmin(axis=1)", new="return -distances", says="return labels instead"),
    ],
    "3.2": [
        Mistake(old=" / np.sqrt(len(scores))", new="", says="holds 95 % of the tasks"),
        Mistake(old="1.96 * spread / np.sqrt(len(scores))", new="spread", says="how different the tasks are"),
        Mistake(old="np.sqrt(len(scores))", new="len(scores)", says="falls with √n"),
        Mistake(old="1.96 * ", new="", says="68 times in 100"),
        Mistake(old="1.96 * ", new="2 * 1.96 * ", says="the whole width"),
        Mistake(old="std(ddof=1)", new="var(ddof=1)", says="the variance"),
        Mistake(old="ddof=1", new="", says="give it `ddof=1`"),
        Mistake(old="scores.mean(), half_width", new="half_width, scores.mean()", says="wrong order"),
    ],
    "3.3": [
        Mistake(old="errors.mean(axis=0)", new="errors.min(axis=0)", says="*one* task is good enough"),
        Mistake(old="errors.mean(axis=0)", new="errors.max(axis=0)", says="the worst task"),
        Mistake(old="error <= target", new="error >= target", says="smaller is better"),
        Mistake(old="error <= target", new="error < target", says="exactly 0.75"),
        Mistake(old="return step", new="return step + 1", says="one too many"),
        Mistake(old="return None", new="return len(means)", says="claim a success"),
    ],
    "3.4": [
        Mistake(old='"ace"', new='"abce"', says="shuffling takes away"),
        Mistake(old='"ace"', new='"acde"', says="make methods comparable"),
        Mistake(old='"ace"', new='"ce"', says="the very tasks of the score"),
        Mistake(old='"ace"', new='"ae"', says="the other queries"),
        Mistake(old='"ace"', new='"ac"', says="met in meta-training"),
    ],
    "3.5": [
        Mistake(old="seen.add(support.x.tobytes())", new="seen.add(len(seen))", says="counts the calls"),
        Mistake(old="support.x.tobytes()", new="support.y.tobytes()", says="all tasks share"),
        Mistake(old="support.x.tobytes()", new="support.x[0].tobytes()", says="may share it"),
        Mistake(old="return len(seen)", new="return len(seen) == n_tasks", says="how many different ones"),
        Mistake(old="seen.add(support.x.tobytes())", new="pass", says="wrote nothing down"),
        Mistake(old="np.zeros(len(query_x), dtype=int)", new="0", says="one label for each query"),
    ],
}
