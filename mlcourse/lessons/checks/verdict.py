"""The framework of the exercise checks: say what is wrong and which misconception that usually is.

A check is a generator under `@exercise`, and never raises. It gets the reader's answers and yields what it
finds: `None` for "fine so far", or a sentence. The first sentence is the verdict; without one the exercise is
passed.

    from mlcourse.lessons.checks.compare import compare
    from mlcourse.lessons.checks.verdict import exercise

    @exercise("2.3", "Mean squared error", passed="A mean does not grow with the number of points.")
    def mean_squared_error(answer):
        prediction, y = np.array([1.0, 2.0, 4.0]), np.array([1.0, 4.0, 1.0])
        yield compare(
            answer(prediction, y), 13 / 3, name="the loss", counts={"points": 3},
            diagnoses=[
                (1 / 3, "this is the mean of the errors, where opposite ones cancel: square each first"),
                (lambda got: got < 0, "a squared error is never negative"),
            ],
        )
        yield compare(answer(y, y), 0.0, name="the loss of a perfect prediction")

What `exercise` sees to, so that a check need not:
- a `...` left in the answer, or `NotImplementedError`: "not attempted", with the line;
- an exception in the reader's code: "wrong", in words, with the line;
- an exception in the check, because the answer has a form it did not expect: "wrong", in words;
- arguments that the answer changes in place: it gets copies, so that no right answer is computed from spoilt ones.
  Where the task asks to leave them as they are, say `exercise(…, keeps_arguments=True)`: then it is "wrong".

What `compare` sees to: None, type, missing keys, shape, NaN, sign, scale (a sum for a mean), order, offset.
What passes is kept for later notebooks (`kept.py`).

Put the wrong answers that you expect into `diagnoses`, the most particular first: (wrong value, message) or
(predicate of the answer, message). Choose example numbers for which every misconception gives another result,
and keep the messages distinct: the tests plant each mistake and want its own words.
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from mlcourse.lessons.checks.attempt import Unanswered, explain, open_place, words_of
from mlcourse.lessons.checks.compare import is_discreet
from mlcourse.lessons.checks.kept import stamp
from mlcourse.lessons.checks.lent import Changed, lend

Status = Literal["not attempted", "passed", "wrong"]

# status -> (sign, words, colour of the rule at the left). Told apart without colour; the text keeps that
# of the page, so that it reads in a light and in a dark theme.
LOOKS = {
    "not attempted": ("…", "Not attempted", "#808080"),
    "passed": ("✓", "Passed", "#009E73"),
    "wrong": ("✗", "Not yet", "#D55E00"),
}


@dataclass(frozen=True)
class Verdict:
    """What a check says about an answer; a notebook shows it as the last expression of a cell.

    Attributes:
        status: "not attempted", "passed" or "wrong".
        message: sentences for the reader; `code` in backticks.
        exercise: the exercise's number and title, e.g. "Exercise 5.1 · One inner step".
    """

    status: Status
    message: str
    exercise: str = ""

    def __repr__(self) -> str:
        sign, words, _ = LOOKS[self.status]
        return f"{sign} {words} · {self.exercise}\n{self.message}".replace(" · \n", "\n").rstrip()

    def _repr_markdown_(self) -> str:
        sign, words, _ = LOOKS[self.status]
        return f"**{sign} {words}** · {self.exercise}\n\n{self.message}"

    def _repr_html_(self) -> str:
        sign, words, colour = LOOKS[self.status]
        return (
            f'<div role="status" style="border-left: 0.4em solid {colour}; padding: 0.4em 0.8em">'
            f"<strong>{sign} {words}</strong> · {html.escape(self.exercise)}<br>{as_html(self.message)}</div>"
        )


def as_html(message: str) -> str:
    """A message with its `code` set as code, and all else escaped."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(message)).replace("\n", "<br>")


Findings = Iterator[str | None]


def exercise(
    number: str, title: str, *, passed: str = "Correct.", keeps_arguments: bool = False
) -> Callable[..., Callable[..., Verdict]]:
    """Make a generator of findings into a check that returns a `Verdict` and never raises.

    Args:
        number: as in the notebook's heading, e.g. "5.1".
        title: as in the notebook's heading.
        passed: what a reader hears after solving it: what it was good for, in one sentence.
        keeps_arguments: whether an answer that changes its arguments in place is wrong.
    """

    def decorate(findings: Callable[..., Findings]) -> Callable[..., Verdict]:
        @functools.wraps(findings)
        def check(*answers: object, **named: object) -> Verdict:
            given = (*answers, *named.values())

            def judged(given: tuple) -> tuple[Status, str]:
                return judge(findings, given, passed, keeps_arguments)

            status, message = judged(given)
            kept = stamp(number, title, status, given, lambda given: judged(given)[0] == "passed")
            return Verdict(status, " ".join([message, *kept]), f"Exercise {number} · {title}")

        check.number, check.title = number, title
        return check

    return decorate


def judge(findings: Callable[..., Findings], answers: tuple, passed: str, keep: bool) -> tuple[Status, str]:
    """Run a check on the answers and return the status and what to say, as sentences."""
    status, message = _judge(findings, answers, passed, keep)
    return status, _sentence(message)


def _judge(findings: Callable[..., Findings], answers: tuple, passed: str, keep: bool) -> tuple[Status, str]:
    """Run a check on the answers; a place that is still open outranks whatever the check finds."""
    open_, certain = open_place(answers)
    if certain:
        return "not attempted", open_
    changes: list[str] = []
    try:
        lent = [lend(answer, changes, keep=keep) for answer in answers]
        message = next((found for found in findings(*lent) if found), None)
    except (Unanswered, NotImplementedError):
        return "not attempted", open_ or "Replace the `...` with your answer, then run this cell again."
    except Changed as error:
        message = str(error)
    except Exception as error:  # whatever a reader's code may do, a check explains it
        if "ellipsis" in words_of(error):
            return "not attempted", open_ or "There is still a `...` in your answer: replace it."
        kind = f"the check could not use your answer: it ended in `{type(error).__name__}`"
        message = kind if is_discreet() else explain(error, answers)
    if message and changes and not keep:
        message = f"{_sentence(message)} Your function also changed {changes[0]} in place, which may be why"
    if message is None:
        return "passed", passed
    return ("not attempted", open_) if open_ else ("wrong", message)


def _sentence(message: str) -> str:
    """Begin with a capital and end with a full stop, so that authors may write findings as clauses."""
    message = message.strip()
    starts_as_word = len(message) > 1 and message[0].islower() and message[0].isascii()
    message = message[0].upper() + message[1:] if starts_as_word else message
    return message if message.endswith((".", "!", "?", "`")) else message + "."
