"""Mistakes planted in the exercises of notebook 02."""

from tests.notebooks.exercises import Mistake

MISTAKES = {
    "2.1": [
        Mistake(old="if layer < n_layers - 1:", new="if True:", says="cuts off all that is negative"),
        Mistake(old=' + params[f"b{layer}"]', new="", says="biases are missing"),
        Mistake(old="np.maximum(h, 0)", new="h", says="it is a straight line"),
        Mistake(old="n_layers = len(params) // 2", new="n_layers = 3", says="first 3 layers were used"),
        Mistake(old="len(params) // 2", new="len(params)", says="count in pairs"),
        Mistake(old="h @ params", new="x @ params", says="`ValueError: matmul"),
    ],
    "2.2": [
        Mistake(old="tasks.query.y], axis=1)", new="tasks.query.y], axis=0)", says="different orders"),
        Mistake(old="[tasks.support.x, tasks.query.x]", new="[tasks.support.x]", says="one of the two sets"),
        Mistake(old="x.reshape(-1, 1)", new="x", says="the task axis is still there"),
        Mistake(old="y.reshape(-1, 1)", new="y.reshape(-1)", says="broadcast against the outputs"),
        Mistake(old="x.reshape(-1, 1)", new="x.reshape(1, -1)", says="that is a row"),
    ],
    "2.3": [
        Mistake(
            old="values = waves(x)",
            new="values = type(waves)(*(np.mean(part, keepdims=True) for part in waves))(x)",
            says="the wave of the mean parameters",
        ),
        Mistake(old="values.mean(axis=0)", new="np.median(values, axis=0)", says="smallest at the mean"),
        Mistake(old="values.mean(axis=0)", new="values.mean(axis=1)", says="one number a wave"),
        Mistake(old="values.mean(axis=0)", new="values.sum(axis=0)", says="a sum over the waves"),
        Mistake(old="(values - average) ** 2", new="values - average", says="deviations from a mean cancel"),
        Mistake(old="(values - average) ** 2", new="values ** 2", says="the error of predicting 0"),
        Mistake(
            old="np.mean((values - average) ** 2)",
            new="np.sum(np.mean((values - average) ** 2, axis=0))",
            says="a sum over the inputs or the waves",
        ),
        Mistake(old="return average, floor", new="return floor", says="`return average, floor`"),
    ],
    "2.4": [
        Mistake(old="np.where(np.isfinite(means), means, np.inf)", new="means", says="takes the first `nan`"),
        Mistake(old="losses.mean(axis=0)", new="np.nanmean(losses, axis=0)", says="`nanmean`"),
        Mistake(old="rates[np.argmin(means)]", new="np.argmin(means)", says="the place of the rate"),
        Mistake(old="rates[np.argmin(means)]", new="np.min(means)", says="the loss of the best rate"),
        Mistake(old="losses.mean(axis=0)", new="losses[0]", says="best on one of the tasks"),
    ],
}
