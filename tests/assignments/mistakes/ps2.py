"""Mistakes planted in the answers of problem set 2, honest evaluation."""

from tests.assignments.planted import Mistake

MISTAKES = [
    Mistake(
        "a-name",
        'flaw_a = "class leak"',
        'flaw_a = "support in query"',
        "the rows without the first of each class",
    ),
    Mistake("a-name", 'flaw_a = "class leak"', 'flaw_a = "best on test"', "computed once, at the end"),
    Mistake(
        "a-witness", "np.array([0, 1, 2, 2, 2, 2])", "np.repeat(np.arange(5), 2)", "the same rows on both sides"
    ),
    Mistake(
        "a-witness",
        "np.array([0, 1, 2, 2, 2, 2])",
        "np.array([0, 0, 0, 0, 0, 0, 1, 2, 3, 4])",
        "but not by the flaw",
    ),
    Mistake("a-witness", "np.array([0, 1, 2, 2, 2, 2])", "np.repeat(np.arange(3), 30)", "2 to 60 whole numbers"),
    Mistake(
        "a-mend",
        "return np.flatnonzero(trained), np.flatnonzero(~trained)",
        "return split_a(labels)",
        "class still stands on both sides",
    ),
    Mistake(
        "a-mend", "round(0.6 * len(classes))", "int(0.6 * len(classes))", "other ones than the first three fifths"
    ),
    Mistake("a-mend", "np.unique(labels)", "np.array(list(dict.fromkeys(labels.tolist())))", "in ascending order"),
    Mistake("b-name", 'flaw_b = "first order"', 'flaw_b = "query labels"', "the query labels only judge φ"),
    Mistake("b-name", 'flaw_b = "first order"', 'flaw_b = "stale start"', "every task begins there"),
    Mistake("b-witness", "0.8)", "0.0)", "make the same move"),
    Mistake("b-witness", "0.8)", "0.3)", "do not point in opposite directions"),
    Mistake("b-mend", "squared_error(p, x, y), start)", "squared_error(p, x, y), theta)", "flaw is still there"),
    Mistake("b-mend", "np.mean(gradients, axis=0)", "np.sum(gradients, axis=0)", "a sum over the tasks"),
    Mistake("b-mend", "theta - meta_lr *", "theta + meta_lr *", "up the hill"),
    Mistake("c-name", 'flaw_c = "standard deviation"', 'flaw_c = "one seed"', "over training runs"),
    Mistake("c-name", 'flaw_c = "standard deviation"', 'flaw_c = "stale start"', "from task to task on purpose"),
    Mistake("c-witness", "np.tile([0.0, 1.0], 50)", "np.tile([0.9, 1.0], 50)", "large for their spread"),
    Mistake("c-witness", "np.tile([0.0, 1.0], 50)", "np.tile([-1.0, 1.0], 50)", "even for an honest one"),
    Mistake("c-mend", "gains.std(ddof=1) / np.sqrt(len(gains))", "gains.std(ddof=1)", "flaw is still there"),
    Mistake("c-mend", "/ np.sqrt(len(gains))", "/ len(gains)", "falls with the square root of n"),
    Mistake("c-mend", "1.96 * gains.std", "gains.std", "one standard error"),
    Mistake("c-mend", "gains.std(ddof=1)", "gains.std()", "take `ddof=1`"),
    Mistake("c-mend", "bool(mean - half_width > 0)", "bool(mean > 0)", "the whole interval must lie above 0"),
    Mistake("d-name", 'flaw_d = "transductive"', 'flaw_d = "query labels"', "does not get the query labels"),
    Mistake(
        "d-name", 'flaw_d = "transductive"', 'flaw_d = "support in query"', "the support set is used for the fit"
    ),
    Mistake("d-witness", "np.array([[2.0], [5.0]])", "np.array([[-1.0], [1.0]])", "return the same scores"),
    Mistake("d-witness", "np.array([[2.0], [5.0]])", "np.array([[-2.0], [5.0]])", "and the classes do not"),
    Mistake("d-mend", "return (query_x - middle) / spread", "return normalised(query_x)", "flaw is still there"),
    Mistake(
        "d-mend",
        "return (query_x - middle) / spread",
        "return (query_x - middle) / (query_x.std(axis=0) + 1e-6)",
        "spread is still that of the queries",
    ),
    Mistake(
        "d-mend",
        "return (query_x - middle)",
        "return (query_x - query_x.mean(axis=0))",
        "mean is still that of the queries",
    ),
    Mistake("e-name", 'flaw_e = "best on test"', 'flaw_e = "stale start"', "from task to task on purpose"),
    Mistake("e-name", 'flaw_e = "best on test"', 'flaw_e = "first order"', "no second-order part"),
    Mistake("e-witness", "np.array([[2.0, 0.5]])", "np.array([[2.0, 5.0]])", "both programs report the same loss"),
    Mistake("e-witness", "np.array([[2.0, 0.5]])", "np.array([[2.0, 2.0], [2.0, 7.0]])", "but not half"),
    Mistake(
        "e-mend",
        "if curve[-1] < lowest:\n            kept, lowest = theta, curve[-1]",
        "loss = loss_after_a_step(theta, test)\n        if loss < lowest:\n            kept, lowest = theta, loss",
        "flaw is still there",
    ),
    Mistake(
        "e-mend",
        "return kept, loss_after_a_step(kept, test), curve",
        "return kept, lowest, curve",
        "the tasks that chose the checkpoint",
    ),
    Mistake("interval", "one_mean = one.mean()", "one_mean = two.mean()", "the mean of method two"),
    Mistake("interval", "one.std(ddof=1) / np.sqrt(40)", "one.std(ddof=1)", "the square root of n is missing"),
    Mistake("interval", "1.96 * one.std", "one.std", "one standard error"),
    Mistake("interval", "(one_half / 0.5) ** 2", "(one_half / 0.5)", "that takes four times as many"),
    Mistake("interval", "1.96 * one.std", "2 * 1.96 * one.std", "the whole width"),
    Mistake("paired", "np.mean(two - one)", "np.mean(one - two)", "two minus one was asked"),
    Mistake(
        "paired",
        "np.std(two - one, ddof=1)",
        "np.sqrt(one.var(ddof=1) + two.var(ddof=1))",
        "that of two separate samples",
    ),
    Mistake("paired", "two.var(ddof=1)) / 40)", "two.var(ddof=1)) / 80)", "divides by 80 tasks"),
    Mistake("rest", "way = np.eye(2) - np.array(left)", "way = np.array(left)", "take the way that they cover"),
    Mistake(
        "rest",
        "left = [np.linalg.matrix_power(np.eye(2) - inner_lr * a, k)",
        "left = [(np.eye(2) - inner_lr * a) ** k",
        "takes the power of each entry",
    ),
    Mistake(
        "rest",
        "np.linalg.solve(way.sum(axis=0), sum(way[i] @ minima[i] for i in range(4)))",
        "minima.mean(axis=0)",
        "the plain mean of the minima",
    ),
    Mistake("largest", "2 / shares.max()", "1 / shares.max()", "lands on the resting place in one step"),
    Mistake("largest", "2 / shares.max()", "2 / shares.min()", "the limit of the slowest direction"),
    Mistake("largest", "1 - shares.min()", "1 - shares.max()", "the smallest eigenvalue leaves the most"),
    Mistake("largest", "1 - shares.min()", "shares.min()", "the share that is covered"),
]

PARTLY = {
    "two flaws left in": (
        [
            ("gains.std(ddof=1) / np.sqrt(len(gains))", "gains.std(ddof=1)"),
            ("return (query_x - middle) / spread", "return normalised(query_x)"),
        ],
        75,
    ),
    "mended, but misnamed": (
        [
            ('flaw_a = "class leak"', 'flaw_a = "support in query"'),
            ('flaw_e = "best on test"', 'flaw_e = "stale start"'),
            ("0.8)", "0.0)"),
        ],
        75,
    ),
    "no square root, no largest eigenvalue": (
        [
            ("one.std(ddof=1) / np.sqrt(40)", "one.std(ddof=1)"),
            ("np.std(two - one, ddof=1)", "np.sqrt(one.var(ddof=1) + two.var(ddof=1))"),
            ("2 / shares.max()", "2 / shares.min()"),
        ],
        66,
    ),
}
