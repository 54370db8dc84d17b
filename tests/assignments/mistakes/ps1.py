"""Mistakes planted in the answers of problem set 1, gradients and MAML in NumPy."""

from tests.assignments.planted import Mistake

MISTAKES = [
    Mistake("pull-back-b", "solve(a.T, g)", "solve(a, g)", "going back takes the transpose of the matrix"),
    Mistake("pull-back-b", "np.linalg.solve(a.T, g)", "a.T @ g", "so backwards it divides, too"),
    Mistake("pull-back-b", "return np.linalg.solve(a.T, g)", "return -np.linalg.solve(a.T, g)", "x grows with b"),
    Mistake("pull-back-b", "np.linalg.solve(a.T, g)", "g", "the pull-back of +"),
    Mistake("pull-back-a", "return -np.linalg.inv", "return np.linalg.inv", "makes x smaller"),
    Mistake("pull-back-a", "g @ x.T", "g @ b.T", "so the factor is x"),
    Mistake("pull-back-a", "np.linalg.inv(a).T @ g", "g", "divided by the transpose of `a` first"),
    Mistake("pull-back-a", "np.linalg.inv(a).T", "np.linalg.inv(a)", "solve with `a` itself"),
    Mistake("pull-back-a", "-np.linalg.inv(a).T @ g @ x.T", "-x @ (np.linalg.inv(a).T @ g).T", "transposed"),
    Mistake("hessian-times", "theta - h * v)) / (2 * h)", "theta - h * v)) / h", "the two places are 2h apart"),
    Mistake(
        "hessian-times",
        "(gradient(theta + h * v) - gradient(theta - h * v)) / (2 * h)",
        "(gradient(theta + h * v) - gradient(theta)) / h",
        "go to both sides of `theta`",
    ),
    Mistake("hessian-times", "h = 1e-5 / length", "h = 0.1 / length", "the gradient bends on the way"),
    Mistake(
        "hessian-times",
        "(gradient(theta + h * v) - gradient(theta - h * v))",
        "(gradient(h * v) - gradient(-h * v))",
        "the Hessian at zero",
    ),
    Mistake(
        "hessian-times",
        "(gradient(theta + h * v) - gradient(theta - h * v))",
        "(gradient(theta - h * v) - gradient(theta + h * v))",
        "ahead minus behind",
    ),
    Mistake("hessian-any-length", "h = 1e-5 / length", "h = 1e-5", "must not depend on the length of v"),
    Mistake(
        "hessian-any-length", "h = 1e-5 / length", "v, h = v / length, 1e-5", "twice as long is twice as long"
    ),
    Mistake("hessian-any-length", "if length == 0:", "if length < 0:", "you divide by its length"),
    Mistake(
        "inner-loop",
        "range(inner_steps):\n        error",
        "range(min(inner_steps, 1)):\n        error",
        "from where the last one ended",
    ),
    Mistake(
        "inner-loop", "error = support.x @ phi", "error = support.x @ theta", "take it where the last step ended"
    ),
    Mistake("inner-loop", "phi - inner_lr *", "phi + inner_lr *", "up the hill"),
    Mistake("inner-loop", " / len(error)", "", "the gradient of their sum"),
    Mistake("inner-loop", "np.arctan(error)", "error", "the derivative of ρ is arctan"),
    Mistake("inner-loop", "inner_lr * support", "support", "multiply it by `inner_lr`"),
    Mistake(
        "meta-gradient", "reversed(places[:-1])", "places[:-1]", "coming from the end, the last step is first"
    ),
    Mistake("meta-gradient", "reversed(places[:-1])", "[]", "without the way back to θ"),
    Mistake("meta-gradient", "reversed(places[:-1])", "reversed(places[1:])", "where its step ends"),
    Mistake("meta-gradient", "reversed(places[:-1])", "places[-2:-1]", "one step only"),
    Mistake("meta-gradient", "x @ place - y", "x @ theta - y", "each step has its own, where it begins"),
    Mistake("meta-gradient", "u = u - inner_lr *", "u = u + inner_lr *", "a step gives I − αH"),
    Mistake("meta-gradient", "u - inner_lr * x.T", "u - x.T", "multiply the product by `inner_lr`"),
    Mistake("meta-gradient", "1 / (1 + (x @ place - y) ** 2)", "np.ones(len(y))", "ρ″ depends on r"),
    Mistake("meta-gradient", "(bend * (x @ u)) / len(y)", "(bend * (x @ u))", "divide by the number of examples"),
    Mistake("meta-gradient", "(query_x @ places[-1] - query_y)", "(query_x @ theta - query_y)", "meta-gradient"),
    Mistake("outer-step", "np.mean(gradients, axis=0)", "np.sum(gradients, axis=0)", "the sum over the tasks"),
    Mistake("outer-step", "theta - meta_lr *", "theta + meta_lr *", "up the hill"),
    Mistake("outer-step", "theta - meta_lr *", "theta - inner_lr *", "`inner_lr` is for the inner loop"),
    Mistake("outer-step", "np.mean(gradients, axis=0)", "gradients[-1]", "collect one gradient for each task"),
    Mistake(
        "outer-step", "return theta - meta_lr * np.mean", "return np.mean", "the mean gradient: return the new"
    ),
    Mistake("judge", "np.max(np.abs(found - claimed))", "np.nanmax(np.abs(found - claimed))", "not a number"),
    Mistake("judge", "np.max(np.abs(found - claimed))", "np.abs(np.sum(found - claimed))", "two errors cancel"),
    Mistake(
        "judge",
        "worst <= 1e-5 * largest",
        "np.all(np.abs(found - claimed) <= 1e-5 * np.abs(found))",
        "not each with itself",
    ),
    Mistake("judge", "<= 1e-5 * largest", "<= 5e-3 * largest", "calls a wrong gradient right"),
    Mistake("judge", "np.shape(claimed) != x.shape", "np.size(claimed) != x.size", "of another shape than x"),
    Mistake("judge-any-size", "1e-5 * largest", "1e-5", "does not shrink with the gradient"),
    Mistake("judge-any-size", "worst <= 1e-5 * largest", "worst <= 1e-8 + 1e-5 * largest", "1 % too long"),
    Mistake(
        "judge-any-size", "h = 1e-5 * (np.max(np.abs(x)) or 1.0)", "h = 1e-5", "choose the step by the size of x"
    ),
    Mistake("predict", "factors[letter] < 0)", "factors[letter] > 0)", "where the two agree"),
    Mistake("predict", "factors[letter] < 0)", "factors[letter] < 0.5)", "where 1 − αL″ changes its sign"),
    Mistake("predict", "abs(factors[letter])", "factors[letter]", "an absolute value has none"),
    Mistake("predict", "still = 1 /", "still = 2 /", "twice too large: there the inner loop"),
    Mistake("compute", "range(3)", "range(1)", "the phase after one step: three were asked"),
    Mistake("compute", "full = factor * first_order", "full = first_order", "three factors 1 − αL″ are missing"),
    Mistake("compute", "factor = factor * (1", "factor = 1.0 * (1", "there is one for each of the three steps"),
    Mistake(
        "compute", '(s - mine["query_y"]) * c', '(mine["query_y"] - s) * c', "has the wrong sign: the phase stands"
    ),
]

PARTLY = {
    "no second order": (
        [("reversed(places[:-1])", "[]"), ("full = factor * first_order", "full = first_order")],
        61,
    ),
    "a fixed step everywhere": (
        [("h = 1e-5 / length", "h = 1e-5"), ("h = 1e-5 * (np.max(np.abs(x)) or 1.0)", "h = 1e-5")],
        74,
    ),
    "half of question 1, sums for means": (
        [
            ("return -np.linalg.inv", "return np.linalg.inv"),
            (" / len(error)", ""),
            ("np.mean(gradients, axis=0)", "np.sum(gradients, axis=0)"),
        ],
        65,
    ),
}
