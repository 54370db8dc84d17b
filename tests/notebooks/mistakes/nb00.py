"""Mistakes planted in the trial exercise of notebook 00."""

from tests.notebooks.exercises import Mistake

MISTAKES = {
    "0.1": [
        Mistake(old="(guess - truth) ** 2", new="guess - truth", says="above and below cancel"),
        Mistake(old="np.mean((guess - truth) ** 2)", new="np.mean(guess - truth) ** 2", says="squared the mean"),
        Mistake(old="(guess - truth) ** 2", new="np.abs(guess - truth)", says="absolute differences"),
        Mistake(
            old="np.mean((guess - truth) ** 2)",
            new="np.mean((guess - truth) ** 2) ** 0.5",
            says="leave the root out",
        ),
        Mistake(old="np.mean(", new="np.sum(", says="a sum over the points"),
        Mistake(old="np.mean((guess - truth) ** 2)", new="(guess - truth) ** 2", says="of the single points"),
        Mistake(old="return ", new="", says="did you forget `return`?"),
    ],
}
