"""Mistakes planted in the exercises of notebook 08."""

from tests.notebooks.exercises import Mistake

MISTAKES = {
    "8.1": [
        Mistake(old=".mean(axis=0)", new=".sum(axis=0)", says="sums of each class"),
        Mistake(old=".mean(axis=0)", new="[0]", says="one example of each class"),
        Mistake(old="labels == k", new="slice(2 * k, 2 * k + 2)", says="do not stand in the order"),
        Mistake(old="[labels == k]", new="", says="the mean of all examples: average each"),
        Mistake(old="mean(axis=0)", new="mean(axis=1)", says="averaged the coordinates"),
        Mistake(old="mean(axis=0)", new="mean()", says="a single number"),
        Mistake(old="    return np.stack(means)", new="    np.stack(means)", says="did you forget `return`?"),
    ],
    "8.2": [
        Mistake(old="logits = -(", new="logits = (", says="put a minus before the distances"),
        Mistake(
            old="-(differences ** 2).sum(axis=-1)",
            new="-np.sqrt((differences ** 2).sum(axis=-1))",
            says="leave the root out",
        ),
        Mistake(
            old="np.exp(logits).sum(axis=1, keepdims=True)",
            new="np.exp(logits).sum(axis=0, keepdims=True)",
            says="runs over the queries",
        ),
        Mistake(old="return logits - np.log(", new="return np.exp(logits) / (", says="return their logarithms"),
        Mistake(old="logits - np.log(", new="logits + np.log(", says="inside the logarithm means subtracting"),
        Mistake(
            old="(differences ** 2).sum(axis=-1)",
            new="(differences ** 2).mean(axis=-1)",
            says="mean over the coordinates",
        ),
        Mistake(old="differences ** 2", new="np.abs(differences)", says="absolute differences"),
        Mistake(
            old="    logits = logits - logits.max(axis=1, keepdims=True)",
            new="",
            says="every exponential becomes zero",
        ),
        Mistake(
            old="return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))",
            new="return np.log(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))",
            says="logarithm of the finished probability",
        ),
        Mistake(
            old="logits.max(axis=1, keepdims=True)",
            new="logits.max()",
            says="the largest logit of that row",
        ),
    ],
    "8.3": [
        Mistake(old="2 * prototypes.T", new="prototypes.T", says="half of what they should be"),
        Mistake(
            old="    return weights, biases",
            new="    return weights / 2, biases / 2",
            says="both weights and biases are halved",
        ),
        Mistake(old="2 * prototypes.T", new="-2 * prototypes.T", says="minus before 2 c·q"),
        Mistake(old="-(prototypes ** 2)", new="(prototypes ** 2)", says="must not profit"),
        Mistake(
            old="-(prototypes ** 2).sum(axis=1)",
            new="-np.linalg.norm(prototypes, axis=1)",
            says="without the root",
        ),
        Mistake(old="-(prototypes ** 2)", new="0 * (prototypes ** 2)", says="so they must stay"),
        Mistake(old="2 * prototypes.T", new="2 * prototypes", says="so transpose"),
        Mistake(old="sum(axis=1)", new="sum(axis=0)", says="one bias a coordinate"),
    ],
    "8.4": [
        Mistake(old="/ (count + 1)", new="/ 2", says="weighs as much as the four"),
        Mistake(old="/ (count + 1)", new="/ count", says="divide by count + 1"),
        Mistake(old="return moved, count + 1", new="return moved, count", says="count must grow"),
        Mistake(
            old="prototype + (embedding - prototype) /",
            new="(prototype + embedding) /",
            says="weigh it by `count`",
        ),
        Mistake(old="(embedding - prototype) / (count + 1)", new="embedding", says="a prototype is a mean"),
    ],
    "8.5": [
        Mistake(old="trace / counts - squares", new="-squares", says="without a correction"),
        Mistake(old="trace / counts - squares", new="-trace / counts - squares", says="its logit has to grow"),
        Mistake(old="trace / counts - squares", new="squares - trace / counts", says="a logit is minus that"),
        Mistake(old="(len(support) - n_way)", new="len(support)", says="minus the number of classes"),
        Mistake(old="(len(support) - n_way)", new="(len(support) - 1)", says="take one off for each class"),
        Mistake(old="trace / counts", new="trace * counts", says="correction grows with K"),
        Mistake(old="trace / counts", new="trace / np.sqrt(counts)", says="the excess is a variance"),
        Mistake(old="trace / counts", new="trace", says="the softmax cancels it"),
        Mistake(
            old="((support - centres[labels]) ** 2).sum()",
            new="((support - centres[labels]) ** 2).mean(axis=1).sum()",
            says="a trace is their sum",
        ),
        Mistake(
            old="support - centres[labels]", new="support - support.mean(axis=0)", says="around the mean of all"
        ),
    ],
    "8.6": [
        Mistake(old="names[task.query.y])", new="task.query.y)", says="support and query"),
        Mistake(old="lost.append(before - after)", new="lost.append(-after)", says="the accuracy after renaming"),
        Mistake(old="before - after", new="after - before", says="minus the one after"),
        Mistake(
            old="names = rng.permutation(task.support.y.max() + 1)",
            new="names = np.arange(9)",
            says="only the *order*",
        ),
        Mistake(
            old="names = rng.permutation(task.support.y.max() + 1)",
            new="names = np.arange(4)[::-1]",
            says="draw new names",
        ),
        Mistake(old="return np.mean(lost)", new="return lost", says="return their mean"),
    ],
}
