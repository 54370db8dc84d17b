"""What a store of adapters is: it keeps what a server has learned from support sets, and nothing else does.

The server's processes hold no state of their own that counts: any of them answers for any adapter, and each may be
killed at any moment. An adapter counts as kept when `put` has returned, not earlier. Two stores have this form:
`sqlite_store.SqliteStore` for one machine, `redis_store.RedisStore` for several.
"""

from __future__ import annotations  # a method is called `list`

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from mlcourse.arguments import require_count

MOST_LISTED = 1_000  # adapters in one list
MOST_NOTED = 1_000  # adapters of a version about which a store keeps what turned out: the latest


class StoreDown(Exception):
    """The store does not answer now; the same request may work later."""


class StoreFull(StoreDown):
    """The store has no room for more."""


class Damaged(Exception):
    """What the store holds of this adapter is not what was put there."""


@dataclass(frozen=True)
class Adapter:
    """What one support set has made of one version of a model.

    id: what callers name it by. owner: whose it is, "" where the server asks for no tokens. created: seconds since
    1970. about: small facts in plain JSON (classes, confidence, ...). arrays: what `Servable.predict` needs.
    """

    id: str
    owner: str
    model: str
    version: int
    created: float
    about: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]

    @property
    def bytes(self) -> int:
        """The bytes of its arrays."""
        return sum(array.nbytes for array in self.arrays.values())


class Summary(NamedTuple):
    """An adapter without its arrays, for lists."""

    id: str
    model: str
    version: int
    created: float
    about: Mapping[str, Any]


class Feedback(NamedTuple):
    """What turned out about the predictions of one adapter: `right` of `asked` were right."""

    model: str
    version: int
    adapter: str
    right: int
    asked: int
    at: float


def require_at_most(name: str, value: int, most: int) -> None:
    """Refuse what is no whole number from 1 to `most`."""
    if require_count(name, value) > most:
        raise ValueError(f"{name} is {value}; ask for {most} at most")


class Store(Protocol):
    """All methods raise `StoreDown` when the store cannot be reached, `StoreFull` when it cannot take more."""

    async def put(self, adapter: Adapter) -> None:
        """Keep it; on return it outlives this process and a loss of power."""
        ...

    async def get(self, id: str, owner: str) -> Adapter | None:
        """The adapter, or None where this owner has none of this id (deleted, too old, another's).

        Raises `Damaged` for what cannot be read any more.
        """
        ...

    async def list(self, owner: str, *, limit: int = 100, before: float | None = None) -> list[Summary]:
        """This owner's adapters, newest first, those created before `before`; `limit` is 1,000 at most."""
        ...

    async def delete(self, id: str, owner: str) -> bool:
        """Forget it, in every process from the return on; whether there was one.

        Raises `Damaged` for what cannot be taken out any more.
        """
        ...

    async def note(self, feedback: Feedback) -> None:
        """Keep what turned out; of one adapter the notes add up."""
        ...

    async def window(self, model: str, version: int, size: int) -> list[Feedback]:
        """The sums of the last `size` adapters of this version about which anything is known, newest first.

        `size` is 1,000 at most.
        """
        ...

    async def check(self) -> None:
        """Return when the store can be read and written."""
        ...

    async def close(self) -> None:
        """Finish what is being written."""
        ...
