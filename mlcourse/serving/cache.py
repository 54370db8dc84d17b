"""A cache bounded in bytes and in age: what was used longest ago goes first."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from mlcourse.arguments import require_count, require_positive


class Cache:
    """Values by key, never more than `most_bytes` of them, none given out `most_age` seconds after it was put.

    A value says its own bytes when it is put; one that is larger than the whole cache is not kept. For one thread.
    """

    def __init__(
        self, most_bytes: int, most_age: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.most_bytes = require_count("most_bytes", most_bytes, least=0)
        if most_age is not None:
            require_positive("most_age", most_age)
        self.most_age = most_age
        self.bytes = 0
        self._clock = clock
        self._kept: OrderedDict[Hashable, tuple[Any, int, float]] = OrderedDict()  # used longest ago first

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable) -> Any | None:
        """The value, now the one used last; None where there is none, or none young enough."""
        if key not in self._kept:
            return None
        value, _, put_at = self._kept[key]
        if self._too_old(put_at):
            self.drop(key)
            return None
        self._kept.move_to_end(key)
        return value

    def put(self, key: Hashable, value: Any, size: int) -> None:
        """Keep `value`, of `size` bytes, and let go of as many others as that takes."""
        require_count("size", size, least=0)
        self.drop(key)
        if size <= self.most_bytes:
            self._kept[key] = (value, size, self._clock())
            self.bytes += size
        while self._kept:
            oldest, (_, _, put_at) = next(iter(self._kept.items()))
            if self.bytes <= self.most_bytes and not self._too_old(put_at):
                break
            self.drop(oldest)

    def drop(self, key: Hashable) -> None:
        """Forget it, if it is there."""
        if key in self._kept:
            self.bytes -= self._kept.pop(key)[1]

    def _too_old(self, put_at: float) -> bool:
        return self.most_age is not None and self._clock() - put_at >= self.most_age
