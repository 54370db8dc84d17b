"""Mistakes planted in the reference solutions of problem set 3."""

from tests.assignments.planted import Mistake

MISTAKES = [
    Mistake(
        item="choose",
        old="rng.permutation(n_letters)[: len(shots)]",
        new="rng.integers(n_letters, size=len(shots))",
        says="chosen twice",
    ),
    Mistake(
        item="choose",
        old="rng.permutation(n_letters)[: len(shots)]",
        new="np.sort(rng.permutation(n_letters)[: len(shots)])",
        says="the letters are sorted",
    ),
    Mistake(
        item="choose",
        old="rng.permutation(n_letters)",
        new="rng.permutation(n_letters - 1)",
        says="never chosen",
    ),
    Mistake(
        item="choose",
        old="rng.permutation(n_letters)",
        new="np.random.permutation(n_letters)",
        says="take all chance from `rng`",
    ),
    Mistake(
        item="choose",
        old="order[k : k + n_query]",
        new="order[k - 1 : k - 1 + n_query]",
        says="in the support set and in the query set",
    ),
    Mistake(
        item="choose",
        old="order = rng.permutation(n_drawings)",
        new="order = order if support else rng.permutation(n_drawings)",
        says="show the same drawings",
    ),
    Mistake(
        item="choose",
        old="rng.permutation(n_drawings)",
        new="rng.permutation(n_drawings - 1)",
        says="shown more often than others",
    ),
    Mistake(
        item="choose",
        old="order = rng.permutation(n_drawings)",
        new="order = np.arange(n_drawings)",
        says="always holds the first drawings",
    ),
    Mistake(
        item="choose",
        old="order = rng.permutation(n_drawings)",
        new="order = np.concatenate([rng.permutation(k), k + rng.permutation(n_drawings - k)])",
        says="always holds the first drawings",
    ),
    Mistake(
        item="episode",
        old="Task(examples(support), examples(query))",
        new="Task(examples(support), Examples(examples(query).x, examples(query).y * 1.0))",
        says="give whole numbers",
    ),
    Mistake(item="episode", old=".reshape(len(y), -1) / 255", new=".reshape(len(y), -1)", says="divide by 255"),
    Mistake(
        item="episode",
        old="np.concatenate(x).reshape(len(y), -1) / 255",
        new="1 - np.concatenate(x).reshape(len(y), -1) / 255",
        says="paper are exchanged",
    ),
    Mistake(
        item="episode",
        old="Task(examples(support), examples(query))",
        new="Task(examples(query), examples(support))",
        says="exchanged",
    ),
    Mistake(item="prototypes", old="[labels] * weights[:, None]", new="[labels]", says="use the weights"),
    Mistake(
        item="prototypes",
        old="share / share.sum(axis=0)",
        new="share / np.bincount(labels, minlength=n_way)",
        says="divide by the sum of their weights",
    ),
    Mistake(item="prototypes", old="weights > 0", new="weights >= 0", says="spoils the means"),
    Mistake(item="prototypes", old="weights[:, None] ", new="weights[:, None] ** 2 ", says="enter twice"),
    Mistake(item="log-probabilities", old="squares @ metric", new="squares.sum(axis=-1)", says="use the metric"),
    Mistake(item="log-probabilities", old="squares @ metric", new="squares @ metric**2", says="squared, too"),
    Mistake(
        item="log-probabilities",
        old="-(squares @ metric) / temperature",
        new="-(squares @ metric) * temperature",
        says="makes this surer",
    ),
    Mistake(
        item="log-probabilities",
        old="-(squares @ metric) / temperature",
        new="-(squares @ metric)",
        says="temperature is missing: it divides the distance",
    ),
    Mistake(
        item="log-probabilities",
        old="logits = logits - logits.max(axis=1, keepdims=True)",
        new="pass",
        says="infinities or not-a-numbers",
    ),
    Mistake(
        item="linear",
        old="2 * (metric * centres).T",
        new="(metric * centres).T",
        says="2 of the mixed term is missing",
    ),
    Mistake(
        item="log-probabilities",
        old="- logits.max(axis=1, keepdims=True)\n    return logits - np.log(np.exp(logits)",
        new="- logits.max(axis=1, keepdims=True)\n    return np.log(np.exp(logits) / np.exp(logits)",
        says="no logarithm of a probability",
    ),
    Mistake(item="linear", old="-(centres**2 @ metric)", new="(centres**2 @ metric)", says="wrong sign"),
    Mistake(
        item="linear",
        old="-(centres**2 @ metric)",
        new="-(centres**2).sum(axis=1)",
        says="metric is missing in the biases",
    ),
    Mistake(
        item="linear",
        old="2 * (metric * centres).T",
        new="2 * centres.T",
        says="metric is missing in the weights",
    ),
    Mistake(
        item="linear",
        old="-(centres**2 @ metric) / temperature",
        new="-(centres**2 @ metric)",
        says="temperature is missing in the biases",
    ),
    Mistake(item="own-sizes", old="(len(points) - 3)", new="len(points)", says="used up one example"),
    Mistake(
        item="own-sizes",
        old="log_softmax(trace / np.bincount(labels) - squares)",
        new="log_softmax(-trace / np.bincount(labels) - squares)",
        says="sign of the correction",
    ),
    Mistake(
        item="own-sizes",
        old="trace / np.bincount(labels)",
        new="trace * np.bincount(labels)",
        says="the variance of a mean falls with its examples",
    ),
    Mistake(
        item="own-sizes",
        old="log_softmax(-squares)",
        new="log_softmax(-np.sqrt(squares))",
        says="plain distances",
    ),
    Mistake(
        item="own-sizes",
        old="log_softmax(-squares)",
        new="np.exp(log_softmax(-squares))",
        says="give their logarithms",
    ),
    Mistake(
        item="own-prior",
        old="weighed - np.log(np.exp(weighed).sum(axis=1, keepdims=True))",
        new="weighed",
        says="normalise again after adding",
    ),
    Mistake(item="own-prior", old="np.log(of_mine[3])", new="of_mine[3]", says="their logarithms"),
    Mistake(
        item="own-prior",
        old="np.log(of_mine[3])",
        new="np.log(np.bincount(of_mine[1]) / 14)",
        says="not how frequent a class is in use",
    ),
    Mistake(item="own-prior", old="1 / (1 + 2 * np.exp", new="1 / (1 + np.exp", says="half of what is left"),
    Mistake(
        item="own-prior",
        old="axis=1).min(axis=1)",
        new="axis=1).max(axis=1)",
        says="the less likely of the two others",
    ),
    Mistake(
        item="table",
        old=" / np.sqrt(len(scores))",
        new=" / len(scores)",
        says="the square root of n",
    ),
    Mistake(
        item="table",
        old="float(1.96 * scores.std(ddof=1) / np.sqrt(len(scores)))",
        new="float(scores.std(ddof=1))",
        says="the standard deviation of the scores",
    ),
    Mistake(
        item="table",
        old='"difference": interval(difference)',
        new='"difference": (interval(difference)[0], float(np.hypot(interval(ours)[1], interval(rival)[1])))',
        says="two independent samples",
    ),
    Mistake(item="table", old="int(np.ceil(", new="int(np.floor(", says="round up"),
    Mistake(
        item="table",
        old="(1.96 * difference.std(ddof=1) / target) ** 2",
        new="1.96 * difference.std(ddof=1) / target",
        says="the square of the precision",
    ),
    Mistake(item="table", old="1.96 * scores", new="scores", says="95 % is 1.96"),
    Mistake(item="table", old="scores.std(ddof=1)", new="scores.std()", says="use `ddof=1`"),
    Mistake(item="table", old="1.96 * difference", new="difference", says="1.96 is missing"),
    Mistake(item="table", old="difference.std(ddof=1)", new="difference.std()", says="use `ddof=1`"),
    Mistake(
        item="own-scores",
        old="rule(drawn.support,",
        new="rule(drawn.query,",
        says="the queries are in the support set",
    ),
    Mistake(
        item="own-scores", old=".argmax(axis=1)", new=".argmin(axis=1)", says="the farthest class is the answer"
    ),
    Mistake(
        item="own-scores",
        old="np.ones(len(support.y))",
        new="1.0 * (np.arange(25) % 5 == 0)",
        says="only one example of each class counts",
    ),
    Mistake(
        item="own-scores",
        old='("prototypes", nearest_prototype)',
        new='("prototypes", nearest_neighbour)',
        says="one rule twice",
    ),
    Mistake(
        item="own-scores",
        old='(("prototypes", nearest_prototype), ("neighbour", nearest_neighbour))',
        new='(("neighbour", nearest_prototype), ("prototypes", nearest_neighbour))',
        says="the scores of the other rule",
    ),
    Mistake(
        item="own-scores",
        old='own("ps3/table", STUDENT)',
        new="np.random.default_rng(0)",
        says="not the accuracies of this rule on your episodes",
    ),
    Mistake(
        item="own-scores", old="np.array(values)", new="np.sort(values)", says="in the order in which they are"
    ),
    Mistake(
        item="own-scores",
        old="np.array(values)",
        new="np.array(values[:100] * 6)",
        says="from an episode of its own",
    ),
]

PARTLY = {
    "the weights are read, the rest of question 2 is not": (
        [("weights > 0", "weights >= 0"), ("squares @ metric", "squares.sum(axis=-1)")],
        75,
    ),
    "no square root, no prior, no minus": (
        [
            (" / np.sqrt(len(scores))", " / len(scores)"),
            ("np.log(of_mine[3])", "of_mine[3]"),
            ("-(centres**2 @ metric)", "(centres**2 @ metric)"),
        ],
        65,
    ),
    "a leaking sampler and bytes for pixels": (
        [
            ("order[k : k + n_query]", "order[k - 1 : k - 1 + n_query]"),
            (".reshape(len(y), -1) / 255", ".reshape(len(y), -1)"),
        ],
        80,
    ),
}
