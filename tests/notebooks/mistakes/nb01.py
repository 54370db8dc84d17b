"""Mistakes planted in the exercises of notebook 01."""

from tests.notebooks.exercises import Mistake

MISTAKES = {
    "1.1": [
        Mistake(old="x[:, :k_shot], y[:, :k_shot]", new="x[:k_shot], y[:k_shot]", says="along axis 0, the tasks"),
        Mistake(old="x[:, k_shot:], y[:, k_shot:]", new="x, y", says="in both sets"),
        Mistake(old="x[:, :k_shot], y[:, :k_shot]", new="x[:, k_shot], y[:, k_shot]", says="needs a colon"),
        Mistake(old="x[:, k_shot:], y[:, k_shot:]", new="x[..., k_shot:], y[..., k_shot:]", says="the last axis"),
        Mistake(old="y[:, k_shot:]", new="y[:, :-k_shot]", says="do not belong together"),
        Mistake(old="return Task(support, query)", new="return Task(query, support)", says="changed places"),
        Mistake(old="    return Task(support, query)", new="", says="did you forget `return`?"),
    ],
    "1.2": [
        Mistake("support.y[distance.argmin(axis=1)]", "distance.argmin(axis=1)", says="look up the labels"),
        Mistake(old="argmin", new="argmax", says="farthest away"),
        Mistake(old="argmin(axis=1)", new="argmin(axis=0)", says="for each support drawing"),
        Mistake(old="difference**2", new="np.abs(difference)", says="sums of absolute differences"),
        Mistake(old="difference**2", new="difference", says="opposite sign cancel"),
        Mistake(old="axis=(2, 3, 4)", new="axis=(1, 2, 3, 4)", says="AxisError"),
    ],
    "1.3": [
        Mistake(old="rng.permutation(n_classes)", new="np.arange(n_classes)", says="were not shuffled"),
        Mistake(old="rng.permutation(n_classes)", new="rng.choice(n_classes, n_classes)", says="occur twice"),
        Mistake(old="order[n_val + n_test :]", new="order[n_val:]", says="both meta-train and meta-test"),
        Mistake(old="order[:n_val]", new="order[-n_val:]", says="both meta-train and meta-val"),
        Mistake(old="order[n_val : n_val + n_test]", new="order[n_val:n_test]", says="beginning and its end"),
        Mistake(old="return train, val, test", new="return val, test, train", says="in another order"),
        Mistake(old="rng.permutation", new="np.random.permutation", says="take all random numbers from `rng`"),
        Mistake(old="    return train, val, test", new="", says="did you forget `return`?"),
    ],
    "1.4": [
        Mistake(old='"e"', new='"a"', says="this measures memory"),
        Mistake(old='"e"', new='"b"', says="gardens were all used"),
        Mistake(old='"e"', new='"c"', says="that of new kinds"),
        Mistake(old='"e"', new='"d"', says="made of kinds"),
    ],
}
