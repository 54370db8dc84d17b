"""What a reader has solved, kept from notebook to notebook: own functions as plain Python, and a passport.

    adapt = yours("5.1", otherwise=my_adapt)     # the reader's own solution of exercise 5.1, if there is one
    passport()                                   # what is solved, when, and in how many tries

The checks of the exercises keep an answer when it passes. Everything lies in `notebooks/my_work/`.
"""

from mlcourse.lessons.work.stamps import note, passport
from mlcourse.lessons.work.travel import yours

__all__ = ["note", "passport", "yours"]
