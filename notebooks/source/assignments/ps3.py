# %% [markdown]
# # Problem set 3: few-shot learning on real episodes
#
# You build a few-shot classifier from the first index to the last interval: a sampler of your own, weighted prototypes, probabilities with a metric, the linear classifier inside, and a table that you can defend. The pictures are the course's letters, *rendered* by a program, in many of the world's scripts.
#
# | | |
# | --- | --- |
# | **You need** | [01](../../01_what_is_a_task.ipynb) and [07](../../07_few_shot_images.ipynb) (episodes), [03](../../03_measuring_adaptation.ipynb) (intervals, pairs) and [08](../../08_prototypical_networks.ipynb) (prototypes, the square, classes of different size). NumPy is enough. |
# | **Time** | about 4 hours: 50 + 50 + 25 + 65 + 45 minutes for the five questions, 5 for this page |
# | **Points** | 100: a sampler 20, prototypes and log-probabilities 25, the linear form 15, an unbalanced episode of your own 20, a table with intervals 20 |
#
# **How it is graded.** Every item has one check, in the cell below its answer. The part that you see teaches: run it as often as you like. "Run All" stops at the first open item, so run the cells one by one. When your work is graded, a second part runs on fresh inputs that nobody has seen. So an answer that only fits the visible inputs gets no points. The data of questions 4 and 5b come from your id, and no other student has them: the form is checked here; the values when your set is graded. While your set is graded, a cell may compute for 20 seconds, and one call of a function for 10. When you are done, save the notebook and hand it in where your course says.
#
# **Rules.** You may talk to others, and you may use a language model as a tutor. Say so in a cell that you add at the end, with one sentence on what for. What you hand in must be your own: the set asks for a prediction and for numbers from your own data, and you should be able to explain each line.

# %% tags=["yours"]
STUDENT = ""  # the id that your course knows you by

# %% tags=["setup"]
import numpy as np

from mlcourse.assignments import item, own
from mlcourse.lessons.checks.compare import compare
from mlcourse.reference import protonet
from mlcourse.tasks import Episodes, Examples, Task, glyphs

# %% [markdown]
# ## Question 1 · A sampler of episodes (20 points, 50 minutes)
#
# The course's `Episodes` gives each class the same number of shots. Yours takes a list `shots`: label `k` gets `shots[k]` support drawings. So `len(shots)` is `n_way`. Notebook 07, exercise 7.1, draws an episode with equal shots.
#
# **1a. Choose (12 points).** Write `choose`. It looks at no picture: it returns numbers.
#
# - The letters of a task are different. For each label, all letters are equally likely.
# - For each letter, all its drawings are equally likely, and no drawing occurs twice: not in the support set, not in the query set, not in both. The choices for two letters have nothing to do with each other.
# - All chance comes from `rng`. The same state of `rng` gives the same episode.

# %% tags=["answer"] item="choose"
def choose(n_letters, n_drawings, shots, n_query, rng):
    """Choose the letters and drawings of one episode.

    shots: a list of n_way whole numbers. n_query: query drawings of each letter.

    Returns (letters, support, query), whole numbers from 0:
        letters: (n_way,); letters[k] gets the label k.
        support: a list of n_way arrays; support[k] holds shots[k] drawings of letters[k].
        query: (n_way, n_query); row k holds other drawings of letters[k].
    """
    ### BEGIN SOLUTION
    letters = rng.permutation(n_letters)[: len(shots)]
    support, query = [], []
    for k in shots:
        order = rng.permutation(n_drawings)
        support.append(order[:k])
        query.append(order[k : k + n_query])
    return letters, support, np.stack(query)
    ### END SOLUTION

# %% tags=["test"] item="choose" points=12
def fault(choice, n_letters, n_drawings, shots, n_query):
    """What is wrong with the form of one choice, or None."""
    if not isinstance(choice, tuple | list) or len(choice) != 3:
        return "`choose` should return three things: letters, support, query"
    letters, query = np.asarray(choice[0]), np.asarray(choice[2])
    support = [np.asarray(drawings) for drawings in choice[1]]
    sizes = letters.shape, [len(drawings) for drawings in support], query.shape
    if sizes != ((len(shots),), list(shots), (len(shots), n_query)):
        return (
            "the sizes are not those of the docstring: (n_way,), then shots[k] numbers for "
            "each k, then (n_way, n_query)"
        )
    if any(numbers.dtype.kind not in "iu" for numbers in (letters, query, *support)):
        return "letters and drawings are counted: give whole numbers"
    shown = [
        np.concatenate([drawings, others])
        for drawings, others in zip(support, query, strict=True)
    ]
    if (
        letters.min() < 0
        or letters.max() >= n_letters
        or np.min(shown[0]) < 0
        or max(map(np.max, shown)) >= n_drawings
    ):
        return "a number is out of range: letters and drawings are counted from 0"
    if len(set(letters.tolist())) < len(letters):
        return (
            "one letter was chosen twice and has two labels in one task: choose without "
            "replacement"
        )
    for drawings, others in zip(support, query, strict=True):
        if set(drawings.tolist()) & set(others.tolist()):
            return (
                "a drawing is in the support set and in the query set: shuffle once for "
                "each letter, then cut"
            )
        if any(len(set(part.tolist())) < len(part) for part in (drawings, others)):
            return "a drawing occurs twice: choose without replacement"
    return None

def equal(one, other):
    """Whether two choices are the same."""
    parts = [
        np.concatenate([np.ravel(letters), *map(np.ravel, support), np.ravel(query)])
        for letters, support, query in (one, other)
    ]
    return np.array_equal(*parts)

@item("choose", "choose")
def _(choose):
    sizes = (14, 9, [1, 4, 2] * 4, 3)
    seen = [choose(*sizes, np.random.default_rng(seed)) for seed in range(40)]
    for choice in seen:
        yield fault(choice, *sizes)
    if not equal(choose(*sizes, np.random.default_rng(5)), seen[5]):
        yield "the same state of `rng` gave two different episodes: take all chance from `rng`"
    if all(equal(choice, seen[0]) for choice in seen):
        yield "40 generators gave the same episode: take all chance from `rng`"
    if all(max(drawings) < len(drawings) for choice in seen for drawings in choice[1]):
        yield (
            "the support set always holds the first drawings: shuffle all of them for each "
            "letter"
        )
    if all(set(choice[1][1]) == set(choice[1][4]) for choice in seen):
        yield "all letters of a task show the same drawings: choose anew for each letter"

### BEGIN HIDDEN TESTS
def uneven(counts):
    """Whether these counts are not from equal chances. An honest sampler fails less than once in 10⁸ times.

    Pearson's statistic against its 6-sigma point by Wilson and Hilferty (1931); drawing without replacement only
    makes it smaller.
    """
    free, expected = len(counts) - 1, np.mean(counts)
    return ((counts - expected) ** 2 / expected).sum() > free * (1 - 2 / (9 * free) + 6 * np.sqrt(2 / (9 * free))) ** 3

@item("choose", "choose", hidden=True)
def _(choose, rng):
    n_letters, n_drawings, n = int(rng.integers(8, 12)), int(rng.integers(9, 12)), 300
    sizes = (n_letters, n_drawings, [3, 3, 1, int(rng.integers(4, 6))], 3)
    seeds = rng.integers(2**62, size=n)
    seen = [choose(*sizes, np.random.default_rng(seed)) for seed in seeds]
    for choice in seen:
        yield fault(choice, *sizes)
    if not all(equal(choose(*sizes, np.random.default_rng(seeds[i])), seen[i]) for i in range(5)):
        yield "the same state of `rng` gave two different episodes: take all chance from `rng`"
    if all(equal(choice, seen[0]) for choice in seen):
        yield "different generators gave the same episode: take all chance from `rng`"
    letters = np.array([choice[0] for choice in seen])
    if len(np.unique(letters)) < n_letters:
        yield "some letter is never chosen: all of them should take part, the first and the last, too"
    by_label = [np.bincount(column, minlength=n_letters) for column in letters.T]
    if letters[:, 0].mean() < letters[:, -1].mean() - n_letters / 4:
        yield "low numbers get low labels: the letters are sorted, so a label says something about the letter"
    if any(uneven(counts) for counts in by_label):
        yield "not every letter is equally likely to get each label"
    if sum(set(choice[1][0]) == set(choice[1][1]) for choice in seen) > n / 2:
        yield "all letters of a task show the same drawings: choose anew for each letter"
    in_support = np.concatenate([np.concatenate(list(choice[1])) for choice in seen])
    for drawings in (in_support, np.concatenate([np.ravel(choice[2]) for choice in seen])):
        if uneven(np.bincount(drawings, minlength=n_drawings)):
            yield "some drawings are shown more often than others: shuffle all of them for each letter"
### END HIDDEN TESTS

# %% [markdown]
# **1b. Build (8 points).** From the numbers make the episode. Pixels become numbers from 0, paper, to 1, ink, and each drawing becomes one row. Examples stand in the order of their labels.

# %% tags=["answer"] item="episode"
def episode(images, letters, support, query):
    """Return one Task from what `choose` returned.

    images: uint8 (letters, drawings, H, W).
    Returns support x (S, H * W), y (S,), and query x (Q, H * W), y (Q,).
    x lies in [0, 1]; y holds whole numbers (integers).
    """
    ### BEGIN SOLUTION
    def examples(drawings):
        x = [images[letter, numbers] for letter, numbers in zip(letters, drawings, strict=True)]
        y = np.repeat(np.arange(len(letters)), [len(numbers) for numbers in drawings])
        return Examples(np.concatenate(x).reshape(len(y), -1) / 255, y)

    return Task(examples(support), examples(query))
    ### END SOLUTION

# %% tags=["test"] item="episode" points=8
@item("episode", "episode")
def _(episode):
    images = np.arange(48, dtype=np.uint8).reshape(3, 4, 2, 2) * 5
    task = episode(
        images, np.array([2, 0]), [np.array([3]), np.array([1, 2])], np.array([[0], [3]])
    )
    yield compare(
        task[0][1],
        np.array([0, 1, 1]),
        name="support.y",
        diagnoses=[
            (
                np.array([2, 0, 0]),
                "these are the numbers of the letters: a label says which letter of this task",
            ),
            (np.array([0, 1]), "support and query set are exchanged"),
        ],
    )
    yield compare(task[1][1], np.array([0, 1]), name="query.y")
    if any(np.asarray(part[1]).dtype.kind not in "iu" for part in task):
        yield "labels are counted: give whole numbers, not floats"
    ink = np.array([[220, 225, 230, 235], [20, 25, 30, 35], [40, 45, 50, 55]])
    yield compare(
        task[0][0],
        ink / 255,
        name="support.x",
        diagnoses=[
            (ink, "the pixels still go from 0 to 255: divide by 255"),
            (1 - ink / 255, "ink and paper are exchanged: ink is 1"),
            (ink.reshape(3, 2, 2) / 255, "each drawing should be one row of H * W numbers"),
        ],
    )
    yield compare(
        task[1][0], np.array([[160, 165, 170, 175], [60, 65, 70, 75]]) / 255, name="query.x"
    )

### BEGIN HIDDEN TESTS
@item("episode", "episode", hidden=True)
def _(episode, rng):
    n_way, n_query, side = int(rng.integers(3, 6)), int(rng.integers(2, 5)), int(rng.integers(3, 6))
    images = rng.integers(0, 256, (9, 12, side, side + 1)).astype(np.uint8)
    letters, shots = rng.permutation(9)[:n_way], rng.permutation([1, 2, 3, 4, 5])[:n_way]
    order = [rng.permutation(12) for _ in shots]
    support = [numbers[:k] for numbers, k in zip(order, shots, strict=True)]
    query = np.stack([numbers[k : k + n_query] for numbers, k in zip(order, shots, strict=True)])
    task = episode(images, letters, support, query)
    if any(np.asarray(part[1]).dtype.kind not in "iu" for part in task):
        yield "labels are counted: give whole numbers, not floats"
    parts = ("support", "query"), task, (support, query), (query, support)
    for name, (x, y), drawings, others in zip(*parts, strict=True):
        pixels = np.concatenate([images[letter, numbers] for letter, numbers in zip(letters, drawings, strict=True)])
        flat, each = pixels.reshape(len(pixels), -1) / 255, [len(numbers) for numbers in drawings]
        labels = np.repeat(np.arange(n_way), each)
        yield compare(y, labels, name=f"{name}.y", diagnoses=[
            (letters[labels], "these are the numbers of the letters: a label says which letter of this task"),
            (np.repeat(np.arange(n_way), list(map(len, others))), "support and query set are exchanged"),
        ])
        yield compare(x, flat, name=f"{name}.x", rtol=1e-6, diagnoses=[
            (255 * flat, "the pixels still go from 0 to 255: divide by 255"),
            (1 - flat, "ink and paper are exchanged: ink is 1"),
            (pixels / 255, "each drawing should be one row of H * W numbers"),
            (lambda got: got.max() > 1 or got.min() < 0, "the pixels should go from 0 to 1: divide by 255, which 8 bits cannot hold"),
        ])
### END HIDDEN TESTS

# %% [markdown]
# ## Question 2 · Prototypes and log-probabilities (25 points, 50 minutes)
#
# **2a. Weighted prototypes (10 points).** Some labels are less sure than others, and a padded episode has rows that hold no example at all. Both fit into one array of weights $w_i \ge 0$:
#
# $$c_k = \frac{\sum_{i\,:\,y_i = k} w_i\, z_i}{\sum_{i\,:\,y_i = k} w_i}$$
#
# A row with weight 0 is padding: its point and its label may be **anything**, also not-a-number and −1, and must change nothing. Every class has some weight. Notebook 08, exercise 8.1, is the case $w_i = 1$.

# %% tags=["answer"] item="prototypes"
def weighted_prototypes(points, labels, weights, n_way):
    """Return the weighted means (n_way, d).

    points (S, d), labels (S,), weights (S,).
    """
    ### BEGIN SOLUTION
    real = weights > 0
    points, labels, weights = points[real], labels[real], weights[real]
    share = np.eye(n_way)[labels] * weights[:, None]       # (S, n_way)
    share = share / share.sum(axis=0)
    return share.T @ points
    ### END SOLUTION

# %% tags=["test"] item="prototypes" points=10
@item("prototypes", "weighted_prototypes")
def _(weighted_prototypes):
    points = np.array([[0.0, 2.0], [4.0, 2.0], [1.0, 1.0], [5.0, -3.0]])
    labels = np.array([1, 1, 0, 0])
    yield compare(
        weighted_prototypes(points, labels, np.ones(4), 2),
        np.array([[3.0, -1.0], [2.0, 2.0]]),
        name="the prototypes with equal weights",
    )
    yield compare(
        weighted_prototypes(points, labels, np.array([3.0, 1.0, 1.0, 1.0]), 2),
        np.array([[3.0, -1.0], [1.0, 2.0]]),
        name="the prototypes",
        diagnoses=[
            (
                np.array([[3.0, -1.0], [2.0, 2.0]]),
                "every example counts the same: use the weights",
            ),
            (np.array([[3.0, -1.0], [0.4, 2.0]]), "the weights enter twice"),
            (
                np.array([[3.0, -1.0], [2.0, 4.0]]),
                "you divide by the number of examples: divide by the sum of their weights",
            ),
        ],
    )
    padded = (
        np.vstack([points, [np.nan, np.nan]]),
        np.append(labels, -1),
        np.array([3.0, 1, 1, 1, 0]),
    )
    yield compare(
        weighted_prototypes(*padded, 2),
        np.array([[3.0, -1.0], [1.0, 2.0]]),
        name="the prototypes of a padded episode",
        diagnoses=[
            (
                lambda got: np.isnan(got).any(),
                "a padded row spoils the means: 0 times not-a-number is not-a-number. Leave "
                "such rows out",
            ),
        ],
    )

### BEGIN HIDDEN TESTS
@item("prototypes", "weighted_prototypes", hidden=True)
def _(weighted_prototypes, rng):
    n_way, d, each = int(rng.integers(3, 6)), int(rng.integers(2, 5)), int(rng.integers(2, 5))
    labels = rng.permutation(np.repeat(np.arange(n_way), each))
    points, weights = rng.normal(size=(len(labels), d)), rng.uniform(0.2, 3.0, len(labels))

    def means(weights, by_count=False, power=1):
        member = np.eye(n_way)[labels] * weights[:, None] ** power
        return member.T @ points / (each if by_count else member.sum(axis=0)[:, None])

    over_all = np.eye(n_way)[labels].T @ (weights[:, None] * points) / weights.sum()
    known = [
        (means(np.ones(len(labels))), "every example counts the same: use the weights"),
        (means(weights, by_count=True), "you divide by the number of examples: divide by the sum of their weights"),
        (over_all, "you divide by the weights of all classes: each class has its own sum"),
        (means(weights, power=2), "the weights enter twice"),
    ]
    yield compare(weighted_prototypes(points, labels, weights, n_way), means(weights), name="the prototypes", diagnoses=known)

    padded = np.insert(points, 1, np.nan, axis=0), np.insert(labels, 1, -1), np.insert(weights, 1, 0.0)
    yield compare(weighted_prototypes(*padded, n_way), means(weights), name="the prototypes of a padded episode", diagnoses=[
        (lambda got: np.isnan(got).any(), "a padded row spoils the means: 0 times not-a-number is not-a-number. Leave such rows out"),
        *known,
    ])
    zero = np.insert(points, 1, 7.0, axis=0), np.insert(labels, 1, 0), np.insert(weights, 1, 0.0)
    yield compare(weighted_prototypes(*zero, n_way), means(weights), name="the prototypes with a row of weight 0")
### END HIDDEN TESTS

# %% [markdown]
# **2b. Log-probabilities with a metric and a temperature (15 points).** Some directions of the space may count more than others. Let $m_j > 0$ say how much direction $j$ counts, and let $\tau > 0$ be a temperature: the larger, the less sure.
#
# $$\log p(y = k \mid q) = \ell_k - \log \sum_i \exp(\ell_i), \qquad \ell_k = -\frac{1}{\tau} \sum_j m_j\, (q_j - c_{kj})^2$$
#
# The values must be right for queries that are *far* from every prototype: no infinities, no not-a-numbers. Notebook 08, exercise 8.2, is the case $m_j = \tau = 1$ and says how.

# %% tags=["answer"] item="log-probabilities"
def log_probabilities(queries, centres, metric, temperature):
    """Return log p(y = k | q), (n, n_way).

    queries (n, d), centres (n_way, d), metric (d,), temperature: one number.
    """
    ### BEGIN SOLUTION
    squares = (queries[:, None] - centres) ** 2            # (n, n_way, d)
    logits = -(squares @ metric) / temperature
    logits = logits - logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    ### END SOLUTION

# %% tags=["test"] item="log-probabilities" points=15
@item("log-probabilities", "log_probabilities")
def _(log_probabilities):
    centres = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 4.0]])
    middle = log_probabilities(np.array([[1.0, 2.0]]), centres, np.ones(2), 1.0)
    yield compare(
        middle,
        np.full((1, 3), -np.log(3)),
        name="log p halfway between all prototypes",
        diagnoses=[
            (np.full((1, 3), 1 / 3), "these are probabilities: return their logarithms"),
        ],
    )
    log_p = log_probabilities(
        np.array([[0.5, 1.0], [3.0, -1.0]]), centres, np.array([2.0, 0.5]), 4.0
    )
    yield compare(
        np.exp(log_p).sum(axis=1), np.ones(2), name="the sum of each row's probabilities"
    )
    yield compare(
        log_p[0, 0] - log_p[0, 1],
        1.0,
        name="the log-odds of class 0 against class 1 for the first query",
        diagnoses=[
            (0.5, "every direction counts the same: use the metric"),
            (2.0, "the metric was squared, too: multiply after squaring the difference"),
            (4.0, "the temperature is missing: it divides the distance"),
            (16.0, "a higher temperature makes this surer: divide by it"),
            (-1.0, "the farthest prototype is the likeliest: a minus is missing"),
        ],
    )
    far = log_probabilities(np.array([[100.0, 100.0]]), centres, np.ones(2), 1.0)
    yield compare(
        far,
        np.array([[-784.0, -388.0, 0.0]]),
        name="log p of a far query",
        diagnoses=[
            (
                lambda got: not np.isfinite(got).all(),
                "far queries give infinities or not-a-numbers: subtract the largest logit "
                "of the row first, and take no logarithm of a probability",
            ),
            (
                lambda got: got.min() > -100,
                "a small number inside the logarithm hides the far classes: subtract the "
                "largest logit of the row",
            ),
        ],
    )

### BEGIN HIDDEN TESTS
def normalised(logits):
    """The logarithm of the softmax of each row."""
    logits = logits - logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

@item("log-probabilities", "log_probabilities", hidden=True)
def _(log_probabilities, rng):
    n_way, d, temperature = int(rng.integers(3, 6)), int(rng.integers(2, 5)), float(rng.uniform(2.5, 4.0))
    centres, queries, metric = rng.normal(size=(n_way, d)), rng.normal(size=(6, d)), rng.uniform(0.3, 0.7, d)
    squares = (queries[:, None] - centres) ** 2
    logits = -squares @ metric / temperature
    log_p = normalised(logits)
    known = [
        (normalised(-squares.sum(axis=-1) / temperature), "every direction counts the same: use the metric"),
        (normalised(-squares @ metric**2 / temperature), "the metric was squared, too: multiply after squaring the difference"),
        (normalised(-squares @ metric), "the temperature is missing: it divides the distance"),
        (normalised(-squares @ metric * temperature), "a higher temperature makes this surer: divide by it"),
        (normalised(-squares @ metric / temperature**2), "the temperature enters squared"),
        (normalised(-np.sqrt(squares @ metric) / temperature), "these are distances: their squares belong here"),
        (normalised(-logits), "the farthest prototype is the likeliest: a minus is missing"),
        (np.exp(log_p), "these are probabilities: return their logarithms"),
        (logits, "these are the logits: subtract the logarithm of the sum of their exponentials"),
        (normalised(logits.T).T, "the probabilities of each class add up to 1 over the queries: the softmax is over the classes"),
    ]
    yield compare(log_probabilities(queries, centres, metric, temperature), log_p, name="log p", diagnoses=known)
    far = queries + 10 ** rng.uniform(2.5, 3.0)
    want = normalised(-((far[:, None] - centres) ** 2) @ metric / temperature)
    yield compare(log_probabilities(far, centres, metric, temperature), want, name="log p of far queries", rtol=1e-7, atol=1e-6, diagnoses=[
        (lambda got: not np.isfinite(got).all(), "far queries give infinities or not-a-numbers: subtract the largest logit of the row first"),
        (lambda got: got.min() > -100, "a small number inside the logarithm hides the far classes: subtract the largest logit of the row"),
    ])
### END HIDDEN TESTS

# %% [markdown]
# ## Question 3 · The linear form (15 points, 25 minutes)
#
# A softmax does not change when all logits of a row get the same addend. So the classifier of 2b is linear, and a deployed one is a small matrix. Write `as_linear`: weights $W$ and biases $b$ such that the softmax of $q W + b$ is the classifier of 2b, for every $q$. Exercise 8.3 in notebook 08 is the case $m_j = \tau = 1$. Any pair that gives the same probabilities is right.

# %% tags=["answer"] item="linear"
def as_linear(centres, metric, temperature):
    """Return (weights (d, n_way), biases (n_way,)).

    centres (n_way, d), metric (d,), temperature: one number.
    """
    ### BEGIN SOLUTION
    weights = 2 * (metric * centres).T / temperature
    biases = -(centres**2 @ metric) / temperature
    return weights, biases
    ### END SOLUTION

# %% tags=["test"] item="linear" points=15
@item("linear", "as_linear")
def _(as_linear):
    weights, biases = as_linear(
        np.array([[1.0, 0.0], [0.0, 3.0], [-2.0, 1.0]]), np.array([2.0, 0.5]), 2.0
    )
    if np.shape(weights) != (2, 3) or np.shape(biases) != (3,):
        yield (
            f"the weights have the shape {np.shape(weights)} and the biases "
            f"{np.shape(biases)}; (2, 3) and (3,) are right for three prototypes in the plane"
        )
    scores = np.array([[0.5, 1.5]]) @ np.asarray(weights) + np.asarray(biases)
    # The query is as near to prototype 1 as to 0
    odds = scores[0, 0] - scores[0, 1], scores[0, 0] - scores[0, 2]
    yield compare(
        odds,
        (0.0, 5.5),
        name="the log-odds of class 0 against classes 1 and 2",
        diagnoses=[
            ((0.625, 4.375), "the 2 of the mixed term is missing: write out the square"),
            (
                (-2.5, -1.0),
                "the biases have the wrong sign: a prototype far from the origin is not "
                "likelier everywhere",
            ),
            ((2.75, 4.25), "the metric is missing in the biases"),
            ((-2.75, 3.25), "the metric is missing in the weights"),
            ((1.25, 8.75), "the temperature is missing in the biases: it divides both terms"),
            (
                (-1.25, 7.75),
                "the temperature is missing in the weights: it divides both terms",
            ),
            ((0.0, 11.0), "the temperature is missing: it divides both terms"),
        ],
    )

### BEGIN HIDDEN TESTS
@item("linear", "as_linear", hidden=True)
def _(as_linear, rng):
    n_way, d, temperature = int(rng.integers(3, 5)), int(rng.integers(5, 8)), float(rng.uniform(2.5, 4.0))
    centres, metric = rng.normal(size=(n_way, d)), rng.uniform(0.3, 0.7, d)
    queries = rng.normal(size=(d + 5, d))

    def normalised(logits):
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    def given(weights, biases):
        return normalised(queries @ np.asarray(weights) + np.asarray(biases))

    w, b = 2 * (metric * centres).T / temperature, -(centres**2) @ metric / temperature
    weights, biases = as_linear(centres, metric, temperature)
    if np.shape(weights) != (d, n_way) or np.shape(biases) != (n_way,):
        yield "the weights should have the shape (d, n_way), the biases (n_way,)"
    yield compare(given(weights, biases), given(w, b), name="log p", diagnoses=[
        (given(w / 2, b), "the 2 of the mixed term is missing: write out the square"),
        (given(w, -b), "the biases have the wrong sign: a prototype far from the origin is not likelier everywhere"),
        (given(w, 0 * b), "the biases are missing: the prototypes have different lengths"),
        (given(w, -(centres**2).sum(axis=1) / temperature), "the metric is missing in the biases"),
        (given(2 * centres.T / temperature, b), "the metric is missing in the weights"),
        (given(w, -((centres * metric) ** 2).sum(axis=1) / temperature), "the metric is squared in the biases: it multiplies the square"),
        (given(w, b * temperature), "the temperature is missing in the biases: it divides both terms"),
        (given(w * temperature, b), "the temperature is missing in the weights: it divides both terms"),
        (given(w * temperature, b * temperature), "the temperature is missing: it divides both terms"),
        (given(-w, b), "the weights have the wrong sign"),
    ])
### END HIDDEN TESTS

# %% [markdown]
# ## Question 4 · An unbalanced episode of your own (20 points, 65 minutes)
#
# Your episode has three classes with one, four and nine examples, in three dimensions. It is drawn from your id. The part of the checks that you see looks at the form only. Type the answers or compute them; three decimals are enough. You may use `protonet` of the course here: then nothing depends on your question 2.

# %% tags=["setup"]
def unbalanced(rng):
    """One student's episode: points (14, 3), labels (14,), queries (2, 3), prior (3,)."""
    labels = rng.permutation(np.repeat(np.arange(3), rng.permutation([1, 4, 9])))
    centres = rng.normal(0, 0.6, (3, 3))
    points = centres[labels] + rng.normal(0, 0.5, (14, 3))
    queries = centres.mean(axis=0) + rng.normal(0, 0.3, (2, 3))
    return points, labels, queries, rng.dirichlet([4, 4, 4])

# %% [markdown]
# **4a. What unequal classes do (10 points).** Each prototype is the plain mean of its examples. Give two arrays, both of log-probabilities `(2, 3)`, one row for each of your queries:
#
# - `plain`, from negative squared distances, as in notebook 08;
# - `corrected`, from the logits of exercise 8.5, which give back to a small class what the noise of its prototype costs it. Estimate tr(Σ) from your 14 examples, as in exercise 8.5.

# %% tags=["answer"] item="own-sizes"
points, labels, queries, prior = unbalanced(own("ps3/unbalanced", STUDENT))
print(points, labels, queries, sep="\n")
### BEGIN SOLUTION
centres = np.stack([points[labels == k].mean(axis=0) for k in range(3)])
squares = ((queries[:, None] - centres) ** 2).sum(axis=-1)
trace = ((points - centres[labels]) ** 2).sum() / (len(points) - 3)

def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

plain = log_softmax(-squares)
corrected = log_softmax(trace / np.bincount(labels) - squares)
### END SOLUTION

# %% tags=["test"] item="own-sizes" points=10
@item("own-sizes", "plain", "corrected")
def _(plain, corrected):
    # The form is checked here; the values when your set is graded.
    for name, answer in (("plain", plain), ("corrected", corrected)):
        if np.shape(answer) != (2, 3):
            yield (
                f"`{name}` should have the shape (2, 3): a row for each query, a column for "
                "each class"
            )
        if np.min(answer) >= 0 and np.allclose(np.sum(answer, axis=1), 1, atol=5e-3):
            yield f"`{name}` holds probabilities: give their logarithms"
        if not np.allclose(np.exp(answer).sum(axis=1), 1, atol=5e-3):
            yield f"`{name}` is not normalised: each row should sum to 1 after exponentiating"

### BEGIN HIDDEN TESTS
@item("own-sizes", "plain", "corrected", hidden=True)
def _(plain, corrected, rng):
    points, labels, queries, _ = unbalanced(own("ps3/unbalanced"))
    counts, member = np.bincount(labels), np.eye(3)[labels]
    centres = member.T @ points / counts[:, None]
    squares = ((queries[:, None] - centres) ** 2).sum(axis=-1)
    scatter = ((points - centres[labels]) ** 2).sum()

    def normalised(logits):
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    right = normalised(scatter / 11 / counts - squares)
    yield compare(plain, normalised(-squares), name="`plain`", rtol=0, atol=1e-3, diagnoses=[
        (np.exp(normalised(-squares)), "these are probabilities: give their logarithms"),
        (normalised(-np.sqrt(squares)), "these are plain distances: square them"),
        (normalised(squares), "the farthest prototype is the likeliest: a minus is missing"),
        (normalised(np.log(counts) - squares), "class sizes enter as a prior here: `plain` is from the distances alone"),
        (right, "this is the corrected array: `plain` is from the distances alone"),
    ])
    yield compare(corrected, right, name="`corrected`", rtol=0, atol=1e-3, diagnoses=[
        (normalised(-squares), "nothing was corrected: a prototype of one example is noisier than a mean of nine"),
        (normalised(-scatter / 11 / counts - squares), "the sign of the correction is wrong: noise made the squared distance too large"),
        (normalised(scatter / 14 / counts - squares), "you divide the scatter by 14: each of the three means used up one example"),
        (normalised(scatter / 13 / counts - squares), "you divide the scatter by 13: each of the three means used up one example"),
        (normalised(scatter / 11 * counts - squares), "the correction grows with the class: the variance of a mean falls with its examples"),
        (normalised(scatter / 33 / counts - squares), "this is the variance of one coordinate: the squared distance adds up all three"),
        (normalised(np.stack([((points - points.mean(axis=0)) ** 2).sum() / 13 / counts] * 2) - squares), "the scatter is around the mean of all points: take each class's own prototype"),
        (normalised(scatter / 11 / np.sqrt(counts) - squares), "the variance of a mean falls with the number of examples, not with its root"),
    ])
### END HIDDEN TESTS

# %% [markdown]
# **4b. What a prior does (10 points).** In use, the classes are not equally frequent. Your `prior` holds their three shares. Use the plain logits, without the correction of 4a. Bayes' rule, which no lesson has in this form: add to each log-probability the logarithm of its class's share, and normalise again, so that each row sums to 1 after exponentiating. In a formula, $\log p_\pi(k \mid q) = \log p(k \mid q) + \log \pi_k - \log \sum_i \pi_i\, p(i \mid q)$ with the shares $\pi_k$. Give
#
# - `with_prior`, the log-probabilities `(2, 3)` with your `prior`;
# - `break_even`, `(2,)`: forget `prior`. Let the class with *one* example have the share $s$, and the two others $(1 - s)/2$ each. Find the $s$ at which its probability equals the larger of the two other probabilities. One number for each query.

# %% tags=["answer"] item="own-prior"
of_mine = unbalanced(own("ps3/unbalanced", STUDENT))       # points, labels, queries, prior
print("prior", of_mine[3])
### BEGIN SOLUTION
means = protonet.prototypes(of_mine[0], of_mine[1], 3)
far = protonet.squared_distances(of_mine[2], means)
weighed = np.log(of_mine[3]) - far
with_prior = weighed - np.log(np.exp(weighed).sum(axis=1, keepdims=True))
small = int(np.bincount(of_mine[1]).argmin())
rival = np.delete(far, small, axis=1).min(axis=1)            # the nearer of the two others
break_even = 1 / (1 + 2 * np.exp(rival - far[:, small]))
### END SOLUTION

# %% tags=["test"] item="own-prior" points=10
@item("own-prior", "with_prior", "break_even")
def _(with_prior, break_even):
    # The form is checked here; the values when your set is graded.
    if np.shape(with_prior) != (2, 3) or np.shape(break_even) != (2,):
        yield "`with_prior` should have the shape (2, 3), `break_even` the shape (2,)"
    if np.min(with_prior) >= 0 and np.allclose(np.sum(with_prior, axis=1), 1, atol=5e-3):
        yield "`with_prior` holds probabilities: give their logarithms"
    if not np.allclose(np.exp(with_prior).sum(axis=1), 1, atol=5e-3):
        yield "each row should sum to 1 after exponentiating: normalise again after adding"
    if not all(0 < share < 1 for share in break_even):
        yield "`break_even` holds shares: they lie between 0 and 1"

### BEGIN HIDDEN TESTS
@item("own-prior", "with_prior", "break_even", hidden=True)
def _(with_prior, break_even, rng):
    points, labels, queries, prior = unbalanced(own("ps3/unbalanced"))
    counts = np.bincount(labels)
    centres = np.eye(3)[labels].T @ points / counts[:, None]
    squares = ((queries[:, None] - centres) ** 2).sum(axis=-1)

    def normalised(logits):
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    yield compare(with_prior, normalised(np.log(prior) - squares), name="`with_prior`", rtol=0, atol=1e-3, diagnoses=[
        (normalised(-squares), "the prior is missing"),
        (normalised(prior - squares), "the shares were added: their logarithms belong into the logits"),
        (normalised(-np.log(prior) - squares), "the rarer a class, the likelier it became: add the logarithm, do not subtract it"),
        (normalised(np.log(counts / 14) - squares), "these are the shares of the support set: it says how you collected examples, not how frequent a class is in use"),
        (np.exp(normalised(np.log(prior) - squares)), "these are probabilities: give their logarithms"),
        (np.log(prior) - squares, "these are the logits: normalise again after adding the prior"),
        (normalised(-squares) + np.log(prior), "these do not add up to 1: normalise again after adding the prior"),
    ])
    small = counts.argmin()
    gap = np.delete(squares, small, axis=1) - squares[:, [small]]        # rivals minus the small class
    yield compare(break_even, 1 / (1 + 2 * np.exp(gap.min(axis=1))), name="`break_even`", rtol=0, atol=1e-3, diagnoses=[
        (1 / (1 + np.exp(gap.min(axis=1))), "the rival has half of what is left, not all of it"),
        (1 / (1 + 2 * np.exp(gap.max(axis=1))), "you compare with the less likely of the two others"),
        (1 / (1 + np.exp(gap).sum(axis=1)), "this makes the class as likely as the two others together: compare with the likelier one"),
        (1 / (1 + 2 * np.exp(-gap.min(axis=1))), "the sign of the distances is wrong: a class that is farther away needs a larger share"),
        (1 / (1 + 2 * np.exp(gap.min(axis=1) / 2)), "half the squared distance: the course's logits are not halved"),
    ])
### END HIDDEN TESTS

# %% [markdown]
# ## Question 5 · A table with intervals (20 points, 45 minutes)
#
# **5a. Two rules on the same episodes (10 points).** `ours` and `rival` hold the scores of two rules on the same episodes, `(n,)` each. Write `compare_rules`. Every half-width is that of a 95 % interval of the mean, as in notebook 03, exercise 3.2. The scores come in pairs: use it. `episodes_needed` is the smallest number of episodes with which the half-width of the difference would be at most `target`, if the standard deviation of the differences stays.

# %% tags=["answer"] item="table"
def compare_rules(ours, rival, target):
    """Return a dict with four keys.

    "ours", "rival", "difference": each is (mean, half_width).
    "episodes_needed": a whole number.
    """
    ### BEGIN SOLUTION
    def interval(scores):
        return float(scores.mean()), float(1.96 * scores.std(ddof=1) / np.sqrt(len(scores)))

    difference = ours - rival
    needed = int(np.ceil((1.96 * difference.std(ddof=1) / target) ** 2))
    return {"ours": interval(ours), "rival": interval(rival), "difference": interval(difference), "episodes_needed": needed}
    ### END SOLUTION

# %% tags=["test"] item="table" points=10
@item("table", "compare_rules")
def _(compare_rules):
    found = compare_rules(np.array([0.6, 0.8, 0.7, 0.9]), np.array([0.5, 0.6, 0.6, 0.7]), 0.05)
    keys = {"ours", "rival", "difference", "episodes_needed"}
    if not isinstance(found, dict) or not keys <= set(found):
        yield 'return a dict with the keys "ours", "rival", "difference" and "episodes_needed"'
    right = {"ours": (0.75, 0.12653), "rival": (0.6, 0.08002), "difference": (0.15, 0.05658)}
    deviations = {"ours": 0.12910, "rival": 0.08165, "difference": 0.05774}
    for name, (mean, half) in right.items():
        yield compare(found[name][0], mean, name=f"the mean in {name!r}")
        yield compare(
            found[name][1],
            half,
            name=f"the half-width in {name!r}",
            rtol=1e-3,
            diagnoses=[
                (
                    half / 2,
                    "you divide by n: the error of a mean falls with the square root of n",
                ),
                (
                    deviations[name],
                    "this is the standard deviation of the scores: the interval of the mean "
                    "is narrower with every episode",
                ),
                (half / 1.96, "this is the standard error: 95 % is 1.96 of them to each side"),
                (half * np.sqrt(3 / 4), "the variance is divided by n: use `ddof=1`"),
                (2 * half, "this is the whole width"),
                (
                    0.14971,
                    "this is for two independent samples: take the differences episode by "
                    "episode first",
                ),
            ],
        )
    needed = np.asarray(found["episodes_needed"])
    if needed.shape != () or not needed > 0 or needed != np.rint(needed):
        yield '"episodes_needed" should be one whole number, a number of episodes'

### BEGIN HIDDEN TESTS
@item("table", "compare_rules", hidden=True)
def _(compare_rules, rng):
    n, needed = int(rng.integers(20, 60)), int(rng.integers(80, 900))
    ease = rng.normal(0, 0.1, n)
    ours, rival = 0.7 + ease + rng.normal(0, 0.06, n), 0.6 + ease + rng.normal(0, 0.04, n)

    def half(scores, ddof=1):
        return 1.96 * scores.std(ddof=ddof) / np.sqrt(len(scores))

    target = 1.96 * (ours - rival).std(ddof=1) / np.sqrt(needed - 0.5)
    found = compare_rules(ours, rival, target)
    for name, scores in (("ours", ours), ("rival", rival), ("difference", ours - rival)):
        yield compare(found[name][0], scores.mean(), name=f"the mean in {name!r}", diagnoses=[(-scores.mean(), "the difference is ours minus the rival's")])
        yield compare(found[name][1], half(scores), name=f"the half-width in {name!r}", diagnoses=[
            (scores.std(ddof=1), "this is the standard deviation of the scores: the interval of the mean is narrower with every episode"),
            (half(scores) / 1.96, "this is the standard error: 95 % is 1.96 of them to each side"),
            (half(scores, ddof=0), "the variance is divided by n: use `ddof=1`"),
            (2 * half(scores), "this is the whole width"),
            (1.96 * scores.var(ddof=1) / np.sqrt(n), "this uses the variance: take the standard deviation"),
            (1.96 * scores.std(ddof=1) / n, "you divide by n: the error of a mean falls with the square root of n"),
            (np.hypot(half(ours), half(rival)), "this is for two independent samples: take the differences episode by episode first"),
        ])
    yield compare(found["episodes_needed"], needed, name="episodes_needed", rtol=0, atol=0, diagnoses=[
        (needed - 1, "with this number the interval is still too wide: round up"),
        (int(np.ceil((needed - 0.5) / 1.96**2)), "1.96 is missing: the half-width is 1.96 standard errors"),
        (int(np.ceil((needed - 0.5) * (n - 1) / n)), "the variance is divided by n: use `ddof=1`"),
        (lambda got: got in (np.ceil(np.sqrt(needed - 0.5)), np.floor(np.sqrt(needed - 0.5))), "the number of episodes grows with the square of the precision"),
        (lambda got: not 0.5 * needed < got < 2 * needed, "this is not for the paired difference, or the square is missing"),
    ])
### END HIDDEN TESTS

# %% [markdown]
# **5b. Your numbers (10 points).** Now run it. `episodes_of` draws **600** episodes of letters from your id, 5-way **5-shot** with 5 queries of each class. Each is a `Task` as your `episode` returns it. Score two rules on the *same* episodes: nearest prototype with weights, metric and temperature 1, and nearest neighbour on raw pixels, which is given below. Use your functions of question 2. If one of them does not work yet, use the course's `protonet` in its place. The part of the check that you see looks at the form only. Hand in
#
# - `scores`, a dict with the keys `"prototypes"` and `"neighbour"`: the accuracies of the 600 episodes, from 0 to 1, in the order in which they are drawn.
#
# Before you run it, write your guess of the difference into the cell that you add at the end. `compare_rules` makes the table: look at the half-width of the difference, and at what it would be without pairs.

# %% tags=["setup"]
def episodes_of(rng, n=600):
    """One student's n episodes, one after another.

    Each is a Task: support x (25, 784), y (25,), and query x (25, 784), y (25,).
    """
    letters = Episodes(glyphs.splits().test, n_way=5, k_shot=5, n_query=5)
    for _ in range(n):
        drawn = letters.sample(1, rng)
        yield Task(*(Examples(x.reshape(25, -1).astype(float), y[0]) for x, y in drawn))


def nearest_neighbour(support, query_x):
    """The labels (Q,) of the support examples with the nearest pixels.

    support: x (S, d), y (S,). query_x: (Q, d).
    """
    points, queries = np.asarray(support.x, float), np.asarray(query_x, float)
    # The query's own length changes no order
    squares = (points**2).sum(axis=1) - 2 * queries @ points.T
    return support.y[squares.argmin(axis=1)]

# %% tags=["answer"] item="own-scores"
mine = episodes_of(own("ps3/table", STUDENT))  # a generator: one loop uses it up
### BEGIN SOLUTION
def nearest_prototype(support, query_x, n_way=5):
    weights, metric = np.ones(len(support.y)), np.ones(support.x.shape[1])
    prototypes = weighted_prototypes(support.x, support.y, weights, n_way)
    return log_probabilities(query_x, prototypes, metric, 1.0).argmax(axis=1)

scores = {"prototypes": [], "neighbour": []}
for drawn in mine:
    for name, rule in (("prototypes", nearest_prototype), ("neighbour", nearest_neighbour)):
        scores[name].append(np.mean(rule(drawn.support, drawn.query.x) == drawn.query.y))
scores = {name: np.array(values) for name, values in scores.items()}
### END SOLUTION

# %% tags=["test"] item="own-scores" points=10
@item("own-scores", "scores")
def _(scores):
    # The form is checked here; the values when your set is graded.
    for name in ("prototypes", "neighbour"):
        values = np.asarray(scores[name], float)
        if values.shape != (600,):
            yield (
                f"`scores[{name!r}]` has the shape {values.shape}: one number for each of "
                "600 episodes, (600,)"
            )
        if not (values >= 0).all() or values.max() > 1:
            yield f"`scores[{name!r}]` should lie between 0 and 1"
        if np.abs(25 * values - np.rint(25 * values)).max() > 1e-6:
            yield f"`scores[{name!r}]` should be shares of 25 queries"

### BEGIN HIDDEN TESTS
TIE = 1e-3  # of a squared distance: single precision, and the order of a sum, do not reach it


def _shares(task, rule):
    """The least and the largest share of right answers that a rule may have on an episode.

    A query that is as near to two classes, within TIE, may count as either.
    """
    (x, _), (queries, truth) = task  # grouped by label, five of each
    x, own_class = x.reshape(5, 5, -1), truth[:, None] == np.arange(5)
    places = {
        "prototypes": x.mean(axis=1),
        "neighbour": x,
        "one shot": x[:, 0],
        "queries": queries.reshape(5, 5, -1).mean(axis=1),
        "queries alone": queries,
        "farthest": x.mean(axis=1),
    }[rule].reshape(-1, x.shape[-1])
    squares = ((places**2).sum(axis=1) - 2 * queries @ places.T) * (-1 if rule == "farthest" else 1)
    squares = squares.reshape(25, 5, -1).min(axis=-1)
    lead = np.where(own_class, np.inf, squares).min(axis=1) - squares[own_class]
    return np.mean(lead > TIE), np.mean(lead > -TIE)


def _fits(values, tasks, rule):
    """Whether these are a rule's scores. It stops at the first wrong one: the grader asks this for every student."""
    for value, task in zip(values, tasks, strict=True):
        low, high = _shares(task, rule)
        if not low - 1e-6 <= value <= high + 1e-6:
            return False
    return True


@item("own-scores", "scores", hidden=True)
def _(scores, rng):
    given = {name: np.asarray(scores[name], float) for name in ("prototypes", "neighbour")}
    if np.array_equal(given["prototypes"], given["neighbour"]):
        yield "both rules have the same scores: with five shots a mean is not one example. Is this one rule twice?"
    episodes = episodes_of(own("ps3/table"))
    tasks = [next(episodes) for _ in range(10)]
    for name, values in given.items():
        if _fits(values[:10], tasks, name):
            continue
        for rule, message in (
            ("queries", "the queries are in the support set here: the support set makes the prototypes"),
            ("queries alone", "the queries are in the support set here: each query was its own neighbour"),
            ("farthest", "the farthest class is the answer here: which log-probability is the largest?"),
            ("one shot", "only one example of each class counts here: all five make its mean"),
            ({"prototypes": "neighbour", "neighbour": "prototypes"}[name], "these are the scores of the other rule"),
        ):
            if _fits(values[:10], tasks, rule):
                yield f"`scores[{name!r}]`: {message}"
        yield f"`scores[{name!r}]` are not the accuracies of this rule on your episodes, in the order in which they are drawn"
    for place, task in enumerate(episodes, start=10):
        if any(not _fits(values[[place]], [task], name) for name, values in given.items()):
            yield "`scores` begins right, but not all of the 600 numbers are: is each number from an episode of its own?"
### END HIDDEN TESTS
