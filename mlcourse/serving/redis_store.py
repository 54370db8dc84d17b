"""The store of several machines: a Redis server, which all of them ask.

It keeps what Redis keeps. `put` returns when Redis has answered; what that is worth is set in Redis
(https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/). With `appendonly yes` and
`appendfsync always` what was answered is on its disk; with `everysec` a loss of power takes the last second or
two, with neither all since the last snapshot. A replica lags behind, so a failover may lose what was answered
whatever is set. `maxmemory-policy` must be `noeviction`: any other lets a full Redis drop adapters.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator

from mlcourse.arguments import require_positive
from mlcourse.serving.cache import Cache
from mlcourse.serving.packing import Packed, pack, unpack, unpack_summary
from mlcourse.serving.store import (
    MOST_LISTED,
    MOST_NOTED,
    Adapter,
    Damaged,
    Feedback,
    StoreDown,
    StoreFull,
    Summary,
    require_at_most,
)

CONNECTIONS = 32  # of one process; more requests than that wait for one
# In one step, so that two at once lose nothing.
# KEYS: the order, the sums. ARGV: adapter, at, right, asked, how many adapters to keep.
NOTE = """
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
redis.call('HINCRBY', KEYS[2], 'right ' .. ARGV[1], ARGV[3])
redis.call('HINCRBY', KEYS[2], 'asked ' .. ARGV[1], ARGV[4])
for _, adapter in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1 - ARGV[5])) do
    redis.call('ZREM', KEYS[1], adapter)
    redis.call('HDEL', KEYS[2], 'right ' .. adapter, 'asked ' .. adapter)
end
"""


class RedisStore:
    """A `store.Store` in the Redis server at `url`, such as redis://localhost:6379/0; of version 6.2 or later.

    Adapters are forgotten `max_age` seconds after they were created (None: never). Up to `cache_bytes` of them are
    held decoded; each `get` asks Redis whether its adapter is still there. `patience`: how many seconds to wait
    for an answer. Connects at the first question. Raises ModuleNotFoundError without the package `redis`.
    """

    def __init__(self, url: str, *, max_age: float | None, cache_bytes: int, patience: float = 5.0) -> None:
        if max_age is not None:
            require_positive("max_age", max_age)
        require_positive("patience", patience)
        try:
            import redis.asyncio
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "a store in Redis needs the package `redis`; install it with: "
                'pip install -c constraints.txt -e ".[cluster]"'
            ) from error
        self._errors = redis.exceptions
        self._where = url.rpartition("://")[2].rpartition("@")[2]  # without a password
        self._max_age = max_age
        self._cache = Cache(cache_bytes, max_age)
        self._redis = redis.asyncio.Redis(
            connection_pool=redis.asyncio.BlockingConnectionPool.from_url(
                url,
                max_connections=CONNECTIONS,
                timeout=patience,
                socket_timeout=patience,
                socket_connect_timeout=patience,
                retry=redis.asyncio.retry.Retry(
                    redis.backoff.NoBackoff(), 0
                ),  # sent twice, a note would count twice
            )
        )
        self._note = self._redis.register_script(NOTE)

    async def put(self, adapter: Adapter) -> None:
        packed = pack(adapter)
        key, listed = _key(adapter.owner, adapter.id), _key(adapter.owner)
        with self._explained():
            async with self._redis.pipeline(transaction=True) as all_or_nothing:
                all_or_nothing.hset(key, mapping=packed._asdict())
                all_or_nothing.zadd(listed, {adapter.id: adapter.created})
                if self._max_age is not None:
                    all_or_nothing.pexpireat(key, int(1000 * (adapter.created + self._max_age)))
                    all_or_nothing.zremrangebyscore(listed, "-inf", self._youngest_dead())
                    all_or_nothing.pexpire(listed, int(1000 * self._max_age) + 1000)
                await all_or_nothing.execute()

    async def get(self, id: str, owner: str) -> Adapter | None:
        key = _key(owner, id)
        with self._explained():
            stamp = await self._redis.hget(key, "stamp")
            cached = self._cache.get(key)
            if stamp is not None and cached and cached[0] == stamp:
                return cached[1]
            self._cache.drop(key)
            found = stamp is not None and await self._redis.hmget(key, Packed._fields)
        if not found or found == [None] * len(found):  # the second: deleted meanwhile
            return None
        packed = Packed(*found)
        adapter = unpack(id, owner, packed)
        self._cache.put(key, (packed.stamp, adapter), packed.in_memory)
        return adapter

    async def list(self, owner: str, *, limit: int = 100, before: float | None = None) -> list[Summary]:
        require_at_most("limit", limit, MOST_LISTED)
        with self._explained():
            youngest = "+inf" if before is None else f"({before!r}"
            ids = await self._redis.zrevrangebyscore(
                _key(owner), youngest, self._youngest_dead(), start=0, num=limit
            )
            async with self._redis.pipeline(transaction=False) as questions:
                for id in ids:
                    questions.hmget(_key(owner, id.decode()), "facts", "stamp")
                rows = await questions.execute()
        summaries = []
        for id, (facts, stamp) in zip(ids, rows, strict=True):
            if stamp is not None:  # else too old, or deleted meanwhile
                with contextlib.suppress(Damaged):
                    summaries.append(unpack_summary(id.decode(), owner, facts, stamp))
        return summaries

    async def delete(self, id: str, owner: str) -> bool:
        with self._explained():
            async with self._redis.pipeline(transaction=True) as both:
                both.delete(_key(owner, id))
                both.zrem(_key(owner), id)
                return (await both.execute())[0] > 0

    async def note(self, feedback: Feedback) -> None:
        model, version, adapter, right, asked, at = feedback
        with self._explained():
            await self._note(
                keys=_notes(model, version), args=[adapter, repr(float(at)), right, asked, MOST_NOTED]
            )

    async def window(self, model: str, version: int, size: int) -> list[Feedback]:
        require_at_most("size", size, MOST_NOTED)
        order, sums = _notes(model, version)
        with self._explained():
            latest = await self._redis.zrevrange(order, 0, size - 1, withscores=True)
            fields = [kind + adapter for adapter, _ in latest for kind in (b"right ", b"asked ")]
            counts = [int(count or 0) for count in (await self._redis.hmget(sums, fields) if fields else [])]
        return [
            Feedback(model, version, adapter.decode(), right, asked, at)
            for (adapter, at), right, asked in zip(latest, counts[::2], counts[1::2], strict=True)
        ]

    async def check(self) -> None:
        with self._explained():
            await self._redis.set("mlcourse:check", 1, ex=1)
            await self._redis.get("mlcourse:check")

    async def close(self) -> None:
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()

    def _youngest_dead(self) -> float:
        """Adapters created earlier than this are too old."""
        return float("-inf") if self._max_age is None else time.time() - self._max_age

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Redis's errors in the store's words."""
        try:
            yield
        except self._errors.OutOfMemoryError as error:
            raise StoreFull(f"Redis at {self._where} has no room ({error}); give it a higher maxmemory") from error
        except (self._errors.RedisError, OSError) as error:
            raise StoreDown(
                f"Redis at {self._where} does not do its work ({error}); look at it, ask again"
            ) from error


def _key(owner: str, id: str | None = None) -> str:
    """Where an adapter is; without an id, where the owner's list is.

    An owner's name is hashed: it may hold a colon. In braces, so that a cluster keeps an owner's keys together.
    """
    room = f"mlcourse:{{{_short(owner)}}}"
    return f"{room}:list" if id is None else f"{room}:adapter:{id}"


def _notes(model: str, version: int) -> tuple[str, str]:
    room = f"mlcourse:{{{_short(f'{version} {model}')}}}"
    return f"{room}:order", f"{room}:sums"


def _short(name: str) -> str:
    return hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
