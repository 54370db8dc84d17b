"""The mistakes that the tests plant in the exercises' solutions: one module a notebook, `nb01.py` and so on.

    from tests.notebooks.exercises import Mistake

    MISTAKES = {
        "5.1": [
            Mistake(old="theta[k] - inner_lr", new="theta[k] + inner_lr", says="up the hill"),
            ...  # three or more, the real ones that people make
        ],
    }

`old` occurs once in the exercise's solution, on one line; `says` stands in the message that the check gives when
`old` is replaced by `new`.
"""
