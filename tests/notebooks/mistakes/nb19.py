"""Mistakes planted in the exercises of notebook 19."""

from tests.notebooks.exercises import Mistake

MISTAKES = {
    "19.1": [
        Mistake(old=" if not np.array_equal(phi[name], theta[name])", new="", says="ll of phi is kept"),
        Mistake(old="if not np.array_equal", new="if np.array_equal", says="did not move: keep the others"),
        Mistake(old="phi[name] for", new="phi[name] - theta[name] for", says="are differences"),
        Mistake(old="phi[name] for", new="theta[name] for", says="the numbers are theta's"),
        Mistake(
            old="not np.array_equal(phi[name], theta[name])", new="(phi[name] != theta[name]).all()", says="*any*"
        ),
        Mistake(old="np.array_equal", new="np.allclose", says="a small step is a step"),
        Mistake(old="{**theta, **kept}", new="{**kept}", says="only the names that moved"),
        Mistake(old="{**theta, **kept}", new="{**kept, **theta}", says="the kept arrays must win"),
        Mistake(
            old="return {**theta, **kept}", new="theta.update(kept); return theta", says="changed theta in place"
        ),
    ],
    "19.2": [
        Mistake(old="tuple(kind)", new="kind[0]", says="different version"),
        Mistake(old="tuple(kind)", new="tuple(kind[:2])", says="different size"),
        Mistake(old="tuple(kind)", new="tuple(kind[1:])", says="different model"),
        Mistake(old="ids[i : i + most]", new="ids", says="more than `most`"),
        Mistake(
            old="range(0, len(ids), most)",
            new="range(0, max(1, len(ids) - most + 1), most)",
            says="some requests are in",
        ),
        Mistake(old="ids[i : i + most]", new="ids[i : most]", says="batch is empty"),
        Mistake(old="together.values()", new="reversed(together.values())", says="the order is not"),
        Mistake(old="tuple(kind), []", new="(*kind, id < 'c'), []", says="more batches than needed"),
    ],
    "19.3": [
        Mistake(old="np.argsort(-scores,", new="np.argsort(scores,", says="sort the highest first"),
        Mistake(old="last & (share >= target)", new="share >= target", says="stop at the last of equals"),
        Mistake(
            old="scores[1:] != scores[:-1], True", new="scores[1:] != scores[:-1], False", says="the threshold"
        ),
        Mistake(old="good[-1]", new="good[0]", says="the strictest threshold"),
        Mistake(
            old="last & (share >= target)",
            new="last & np.logical_and.accumulate(share >= target)",
            says="stopped at the first fall",
        ),
        Mistake(old="share >= target", new="share > target + 1e-9", says="compare by `>=`"),
        Mistake(old="else np.inf", new="else -np.inf", says="*everything*"),
        Mistake(old="else np.inf", new="else scores[0]", says="you return 0.9"),
        Mistake(old="scores[good[-1]] if", new="scores[good[-1] - 1] if", says="Does `share` belong"),
    ],
    "19.4": [
        Mistake(old="variance / window", new="variance", says="*one* adapter"),
        Mistake(old="np.sqrt(variance / window)", new="np.sqrt(variance) / window", says="root of `window`"),
        Mistake(old=" + mean * (1 - mean) / asked", new="", says="few questions"),
        Mistake(old="spread ** 2", new="spread", says="square it before"),
        Mistake(old=" / asked", new="", says="mean of `asked` answers"),
        Mistake(old="np.sqrt(variance / window)", new="variance / window", says="three variances"),
        Mistake(old="3 *", new="1.96 *", says="one window in 40"),
        Mistake(old="mean - 3", new="mean + 3", says="the upper end"),
        Mistake(
            old="max(0.0, mean - 3 * np.sqrt(variance / window))",
            new="mean - 3 * np.sqrt(variance / window)",
            says="never below zero",
        ),
    ],
}
