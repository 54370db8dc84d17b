"""Scripts that both character sets hold: what one of them is tested on, nobody may train on in the other.

The glyphs are letters of the world's scripts, and so are Omniglot's characters. If you train on one set and
judge on the other, or train on both, leave these out.
"""

import numpy as np

from mlcourse.tasks.images import ImageSet

TESTED_ELSEWHERE = {  # scripts of a set's meta-train part, by the set's name
    "glyphs": (  # in Omniglot's evaluation alphabets
        "Avestan", "Cyrillic", "Glagolitic", "Gurmukhi", "Malayalam", "Meetei Mayek", "Oriya", "Syloti Nagri",
        "Syriac", "Tibetan",
    ),
    "omniglot": ("Early_Aramaic", "N_Ko"),  # in the glyphs' meta-test scripts
}  # fmt: skip


def without_tested(train: ImageSet) -> ImageSet:
    """Meta-train characters of either set without the scripts that the other set is tested on.

    Raises:
        ValueError: the set is neither the glyphs nor Omniglot.
    """
    if train.name not in TESTED_ELSEWHERE:
        known = " or ".join(map(repr, TESTED_ELSEWHERE))
        raise ValueError(f"train is {train!r}, named {train.name!r}; give a part of {known}")
    names = train.alphabet_names[train.alphabet]
    return train.take(~np.isin(names, TESTED_ELSEWHERE[train.name]))
