"""Mistakes planted in the reference solutions of problem set 4."""

from tests.assignments.planted import Mistake

MISTAKES = [
    Mistake(
        item="tasks",
        old="return np.stack([middle, steepness, top], axis=1)",
        new="return np.round(np.stack([middle, steepness, top], axis=1), 1)",
        says="drawn twice",
    ),
    Mistake(
        item="tasks",
        old="middle = rng.uniform(-2, 2, n_tasks) ",
        new="rng = np.random.default_rng(0); middle = rng.uniform(-2, 2, n_tasks) ",
        says="meta-test would be meta-train",
    ),
    Mistake(
        item="tasks",
        old="top], axis=1)",
        new="top], axis=1).squeeze()",
        says="one row for each task",
    ),
    Mistake(
        item="points",
        old="x[:, 5:]",
        new="x",
        says="among the queries",
    ),
    Mistake(
        item="points",
        old="x[:, 5:]",
        new="np.concatenate([x[:, :5] * 0.1 * 10, x[:, 5:]], axis=1)",
        says="among the queries",
    ),
    Mistake(
        item="points",
        old="rng.uniform(-3, 3, (n_tasks, 25, 1))",
        new="np.round(rng.uniform(-3, 3, (n_tasks, 25, 1)))",
        says="among the queries",
    ),
    Mistake(
        item="points",
        old="return x[:, :5], x[:, 5:]",
        new="k_shot = rng.integers(4, 12); return x[:, :k_shot], x[:, k_shot:]",
        says="sizes change from call to call",
    ),
    Mistake(
        item="points",
        old="x[:, 5:]",
        new="x[:, 5:12]",
        says="3 to 20, and 10 to 100",
    ),
    Mistake(
        item="values",
        old="return y + rng",
        new="y = y / y.max(axis=1, keepdims=True); return y + rng",
        says="depends on the other points of its set",
    ),
    Mistake(
        item="values",
        old="return y + rng",
        new="y = y - y.mean(axis=1, keepdims=True); return y + rng",
        says="depends on the other points of its set",
    ),
    Mistake(
        item="values",
        old="return y + rng",
        new="y = y / y.max(); return y + rng",
        says="depends on the other tasks of the batch",
    ),
    Mistake(
        item="values",
        old="return y + rng.normal(0, 0.05, y.shape)",
        new="return (y + rng.normal(0, 0.05, y.shape)) / np.std(y)",
        says="depends on the other tasks of the batch",
    ),
    Mistake(
        item="values",
        old="return y + rng",
        new="return y + np.random.default_rng(0)",
        says="noise that is not from `rng`",
    ),
    Mistake(
        item="family",
        old="support_y = outputs(parameters, support_x, rng)",
        new="support_x = support_x[:, :4]; support_y = outputs(parameters, support_x, rng)",
        says="have the sizes",
    ),
    Mistake(
        item="family",
        old="parameters = draw(n_tasks, rng)",
        new="rng = np.random.default_rng(); parameters = draw(n_tasks, rng)",
        says="take all chance from `rng`",
    ),
    Mistake(
        item="family",
        old="outputs(parameters, query_x, rng)",
        new="outputs(draw(n_tasks, rng), query_x, rng)",
        says="not clearly better than pooled",
    ),
    Mistake(
        item="family",
        old="support_y = outputs(parameters, support_x, rng)",
        new=(
            "support_y = outputs(parameters, support_x, rng)\n"
            "    query_x = np.concatenate([support_x, query_x], axis=1)"
        ),
        says="has already seen it",
    ),
    Mistake(
        item="family",
        old="parameters = draw(n_tasks, rng)",
        new="parameters = np.repeat(draw(1, rng), n_tasks, axis=0)",
        says="not clearly better than pooled",
    ),
    Mistake(
        item="family",
        old="parameters = draw(n_tasks, rng)",
        new="parameters = np.sort(draw(n_tasks, rng), axis=0)",
        says="as good with the support set of another task",
    ),
    Mistake(
        item="family",
        old="Examples(query_x, outputs(parameters, query_x, rng))",
        new="Examples(query_x, outputs(parameters, query_x, rng)[..., 0])",
        says="(T, n, d) and (T, n, 1) are right",
    ),
]

PARTLY = {
    "whole numbers for parameters, and queries that were given away": (
        [
            (
                "return np.stack([middle, steepness, top], axis=1)",
                "return np.round(np.stack([middle, steepness, top], axis=1), 1)",
            ),
            ("x[:, 5:]", "x"),
        ],
        15,
    ),
    "each set is scaled by its own maximum": (
        [("return y + rng", "y = y / y.max(axis=1, keepdims=True); return y + rng")],
        23,
    ),
    "the pieces are right, the family uses other parameters for the queries and no generator": (
        [
            ("parameters = draw(n_tasks, rng)", "rng = np.random.default_rng(); parameters = draw(n_tasks, rng)"),
            ("outputs(parameters, query_x, rng)", "outputs(draw(n_tasks, rng), query_x, rng)"),
        ],
        22,
    ),
}
