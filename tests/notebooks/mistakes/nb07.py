"""Mistakes planted in the exercises of notebook 07."""

from tests.notebooks.exercises import Mistake

MISTAKES = {
    "7.1": [
        Mistake(old="np.repeat(np.arange(n_way), k_shot)", new="np.repeat(letters, k_shot)", says="its number"),
        Mistake(old="drawings[k_shot : k_shot + n_query]", new="drawings[:n_query]", says="would prove nothing"),
        Mistake(old=" / 255", new="", says="divide by 255"),
        Mistake(
            old="rng.permutation(len(images))[:n_way]",
            new="np.sort(rng.permutation(len(images))[:n_way])",
            says="label says nothing",
        ),
        Mistake(
            old="rng.permutation(len(images))[:n_way]",
            new="rng.integers(len(images), size=n_way)",
            says="without putting them back",
        ),
        Mistake(old="rng.permutation(len(images))[:n_way]", new="rng.permutation(n_way)", says="among all"),
        Mistake(old="rng.permutation(images[letter])", new="images[letter]", says="always shows the same"),
        Mistake(
            old="np.repeat(np.arange(n_way), n_query)",
            new="np.tile(np.arange(n_way), n_query)",
            says="than its letter has in the support set",
        ),
        Mistake(
            old="rng.permutation(len(images))",
            new="np.random.permutation(len(images))",
            says="draw with `rng` and nothing else",
        ),
    ],
    "7.2": [
        Mistake(old="g.mean(dim=(0, 2, 3), keepdim=True)", new="g.mean()", says="ll channels share"),
        Mistake(
            old="variance = g.var(dim=(0, 2, 3)", new="variance = g.var(dim=(2, 3)", says="ach picture has its own"
        ),
        Mistake(old="correction=0, ", new="", says="divides by n − 1"),
        Mistake(old="torch.sqrt(variance + 1e-5)", new="(variance + 1e-5)", says="take its root"),
        Mistake(old=" + shift", new="", says="o shift: add"),
        Mistake(old="scale * (g - mean)", new="(g - mean)", says="o scale: multiply"),
        Mistake(old="torch.relu(g)", new="g", says="no ReLU"),
        Mistake(old='f"w{i}"', new='"w0"', says="not 0"),
        Mistake(old='params[f"scale{i}"][:, None, None]', new='params[f"scale{i}"]', says="give scale and shift"),
    ],
    "7.3": [
        Mistake(
            old="set(train.alphabet) & set(test.alphabet)",
            new="set(train.alphabet_names) & set(test.alphabet_names)",
            says="the numbers that occur",
        ),
        Mistake(
            old="set(train.class_names) & set(test.class_names)",
            new="set(train.class_names) | set(test.class_names)",
            says="their union",
        ),
        Mistake(
            old="{picture.tobytes() for drawings in train.images for picture in drawings}",
            new="{drawings.tobytes() for drawings in train.images}",
            says="not all drawings of a class",
        ),
        Mistake(old=" if picture.tobytes() in known", new="", says="count those that are in both"),
        Mistake(old="return len(classes)", new="return classes", says="the things themselves"),
    ],
    "7.4": [
        Mistake(old="torch.cat([support_x, x[None]])", new="x[None]", says="batch by itself"),
        Mistake(old="[-1]", new="[0]", says="first support picture"),
        Mistake(old="[support_x, x[None]]", new="[x[None], support_x]", says="last support picture"),
        Mistake(old="[support_x, x[None]]", new="[query_x, x[None]]", says="meets the other queries"),
        Mistake(old="apply(phi, batch)[-1]", new="apply(phi, batch)", says="keep the rows"),
        Mistake(old="[support_x, x[None]]", new="[support_x, x]", says="a batch of one"),
        Mistake(old="scores.append(apply(phi, batch)[-1])", new="apply(phi, batch)[-1]", says="still empty"),
    ],
    "7.5": [
        Mistake(old="w = n_q / (n + n_q)", new="w = n / (n + n_q)", says="share of the query"),
        Mistake(old="w = n_q / (n + n_q)", new="w = 0.5", says="counts both alike"),
        Mistake(old="w = n_q / (n + n_q)", new="w = n_q / n", says="not n_q / n"),
        Mistake(old=" + w * (1 - w) * (m_q - m) ** 2", new="", says="distance between the two means"),
        Mistake(old="w * (1 - w) * (m_q - m)", new="w * (m_q - m)", says="moves towards the query"),
        Mistake(old="w * (1 - w) * (m_q - m)", new="w * (1 - w) ** 2 * (m_q - m)", says="m, too, lies away"),
        Mistake(old="variance**0.5", new="variance", says="divide by its root"),
        Mistake(old="(m_q - mean) / ", new="(m_q - m) / ", says="before the query joins"),
        Mistake(old=" / variance**0.5", new="", says="not in standard deviations"),
    ],
}
