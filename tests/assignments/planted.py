"""What a planted mistake of a problem set is."""

from typing import NamedTuple


class Mistake(NamedTuple):
    """A substitution in a reference solution, the one item that it costs, and words that the check says of it."""

    item: str
    old: str
    new: str
    says: str
