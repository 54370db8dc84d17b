"""The contract of a store, held by every store: SQLite's, and Redis's where a Redis server can be started."""

import asyncio
import contextlib
import dataclasses
import os
import shutil
import socket
import subprocess
import time

import numpy as np
import pytest

from mlcourse.serving.sqlite_store import SqliteStore
from mlcourse.serving.store import MOST_LISTED, MOST_NOTED, Adapter, Feedback, StoreDown, StoreFull, Summary

NOW = time.time()
CACHE = 1_000_000


def adapter(id="a", owner="ann", created=NOW, n=4, **changed) -> Adapter:
    arrays = {"w": np.arange(n, dtype=np.float32), "b": np.array(1.5)}
    return dataclasses.replace(Adapter(id, owner, "m", 2, created, {"classes": ["x", "y"]}, arrays), **changed)


class Redis:
    """A Redis server of the tests' own, which writes before it answers."""

    def __init__(self, folder) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        words = (
            f"--port {self.port} --bind 127.0.0.1 --dir {self.folder} --save --appendonly yes --appendfsync always"
        )
        self.process = subprocess.Popen(["redis-server", *words.split(" ")], stdout=subprocess.DEVNULL)
        for _ in range(500):
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe,
            ):
                probe.sendall(b"PING\r\n")
                if probe.recv(5) == b"+PONG":
                    return
            time.sleep(0.01)
        raise RuntimeError("redis-server did not start")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    for needed, there in (
        ("the package redis", _importable("redis")),
        ("a redis-server", shutil.which("redis-server")),
    ):
        if not there:
            pytest.skip(f"{needed} is not installed")
    server = Redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


def _importable(name: str) -> bool:
    try:
        __import__(name)
    except ModuleNotFoundError:
        return False
    return True


@pytest.fixture(params=["sqlite", "redis"])
def make(request, tmp_path):
    """What makes a store; called again, it makes what another process would have of the same one."""
    if request.param == "sqlite":
        return lambda **changed: SqliteStore(
            tmp_path / "new" / "adapters.db", **{"max_age": None, "cache_bytes": CACHE} | changed
        )
    from mlcourse.serving.redis_store import RedisStore

    server = request.getfixturevalue("redis")

    async def empty() -> None:
        store = RedisStore(server.url, max_age=None, cache_bytes=0)
        await store._redis.flushall()
        await store.close()

    asyncio.run(empty())
    return lambda **changed: RedisStore(server.url, **{"max_age": None, "cache_bytes": CACHE} | changed)


def run(make, scene, n=1, **changed):
    """Play `scene(*stores)` with `n` of them and close them after it."""

    async def whole():
        stores = [make(**changed) for _ in range(n)]
        try:
            return await scene(*stores)
        finally:
            for store in stores:
                await store.close()

    return asyncio.run(whole())


def same(one: Adapter, other: Adapter) -> bool:
    facts = [
        (a.id, a.owner, a.model, a.version, a.created, a.about, sorted(a.arrays))
        for a in (one, other)
        if a is not None
    ]
    return (
        len(facts) == 2
        and facts[0] == facts[1]
        and all(np.array_equal(one.arrays[name], other.arrays[name]) for name in one.arrays)
    )


@pytest.mark.parametrize("cache_bytes", [0, CACHE])
def test_what_is_put_is_there_for_all_and_after_all_have_gone(make, cache_bytes):
    async def scene(one, two):
        await one.put(adapter())
        assert same(await one.get("a", "ann"), adapter())
        assert same(await one.get("a", "ann"), adapter())  # this time perhaps from the cache
        assert same(await two.get("a", "ann"), adapter())

    run(make, scene, n=2, cache_bytes=cache_bytes)

    async def later(store):
        assert same(await store.get("a", "ann"), adapter())
        await store.check()

    run(make, later)


def test_an_adapter_belongs_to_its_owner(make):
    async def scene(store):
        await store.put(adapter("c", "a:b"))
        await store.put(adapter("b:c", "a"))
        await store.put(adapter("c", ""))
        await store.put(adapter("c", "bob", n=9))
        for id, owner in (("c", "ann"), ("a:b:c", ""), ("b:c", "a:b"), ("c", "a")):
            assert await store.get(id, owner) is None
            assert not await store.delete(id, owner)
        assert await store.list("ann") == []
        assert [kept.id for kept in await store.list("a:b")] == ["c"]
        assert await store.delete("c", "bob")
        assert same(await store.get("c", "a:b"), adapter("c", "a:b"))
        assert same(await store.get("c", ""), adapter("c", ""))

    run(make, scene)


def test_a_delete_is_a_delete_everywhere(make):
    async def scene(one, two):
        await one.put(adapter())
        await one.put(adapter("older", created=NOW - 1))
        assert await one.get("a", "ann") and await two.get("a", "ann")  # now in both caches
        assert await one.delete("a", "ann") is True
        assert await two.get("a", "ann") is None
        assert await one.get("a", "ann") is None
        assert [kept.id for kept in await two.list("ann", limit=1)] == ["older"]
        assert await two.delete("a", "ann") is False

    run(make, scene, n=2)


def test_what_is_put_again_takes_the_place_of_the_first(make):
    async def scene(one, two):
        await one.put(adapter())
        await two.get("a", "ann")
        await one.put(adapter(n=7, created=NOW + 1))
        assert same(await two.get("a", "ann"), adapter(n=7, created=NOW + 1))
        assert [kept.created for kept in await two.list("ann")] == [NOW + 1]

    run(make, scene, n=2)


def test_lists_are_newest_first_and_go_on(make):
    async def scene(store):
        for number in range(7):
            await store.put(adapter(f"a{number}", created=NOW + number))
        first = await store.list("ann", limit=3)
        assert first[0] == Summary("a6", "m", 2, NOW + 6, {"classes": ["x", "y"]})
        assert [kept.id for kept in first] == ["a6", "a5", "a4"]
        assert [kept.id for kept in await store.list("ann", limit=3, before=first[-1].created)] == [
            "a3",
            "a2",
            "a1",
        ]
        for limit in (0, -1, 2.5, MOST_LISTED + 1):
            with pytest.raises(ValueError, match="limit"):
                await store.list("ann", limit=limit)

    run(make, scene)


def test_too_old_is_gone(make):
    async def scene(store):
        started = time.time()
        await store.put(adapter("old", created=started - 100))
        await store.put(adapter("young", created=started - 0.7))
        await store.put(adapter("new", created=started))
        assert await store.get("old", "ann") is None
        assert not await store.delete("old", "ann")
        assert await store.get("young", "ann") is not None
        await asyncio.sleep(0.35)
        assert await store.get("young", "ann") is None  # though it was in the cache
        assert [kept.id for kept in await store.list("ann")] == ["new"]

    run(make, scene, max_age=1.0)


def test_notes_add_up_and_the_window_is_the_latest(make):
    async def scene(store):
        assert await store.window("m", 1, 5) == []
        for id, right, at in (("a", 3, 1.5), ("b", 1, 2.0), ("c", 0, 3.0), ("a", 2, 9.25), ("b", 1, 0.5)):
            await store.note(Feedback("m", 1, id, right, 5, at))
        await store.note(Feedback("m", 2, "z", 1, 1, 4.0))
        await store.note(Feedback("n", 1, "z", 1, 1, 4.0))
        assert await store.window("m", 1, 2) == [
            Feedback("m", 1, "a", 5, 10, 9.25),
            Feedback("m", 1, "c", 0, 5, 3.0),
        ]
        assert (await store.window("m", 1, 5))[2] == Feedback("m", 1, "b", 2, 10, 2.0)
        for size in (0, MOST_NOTED + 1):
            with pytest.raises(ValueError, match="size"):
                await store.window("m", 1, size)

    run(make, scene)


def test_only_the_latest_notes_are_kept(make, monkeypatch):
    for module in ("sqlite_store", "redis_store"):
        with contextlib.suppress(ModuleNotFoundError):
            monkeypatch.setattr(f"mlcourse.serving.{module}.MOST_NOTED", 3)

    async def scene(store):
        for number in range(6):
            await store.note(Feedback("m", 1, f"a{number}", 1, 1, float(number)))
        assert [kept.adapter for kept in await store.window("m", 1, 3)] == ["a5", "a4", "a3"]
        await store.note(Feedback("m", 1, "a1", 1, 1, 10.0))
        assert (await store.window("m", 1, 3))[0] == Feedback(
            "m", 1, "a1", 1, 1, 10.0
        )  # the first one is forgotten

    run(make, scene)


def test_many_at_once(make):
    async def scene(one, two):
        await asyncio.gather(
            *(store.put(adapter(f"{n}{store is one}")) for n in range(40) for store in (one, two))
        )
        await asyncio.gather(
            *(store.note(Feedback("m", 1, "a", 1, 2, 0.0)) for _ in range(20) for store in (one, two))
        )
        found = await asyncio.gather(*(two.get(f"{n}True", "ann") for n in range(40)))
        assert all(same(kept, adapter(f"{n}True")) for n, kept in enumerate(found))
        assert len(await one.list("ann")) == 80
        assert await one.window("m", 1, 1) == [Feedback("m", 1, "a", 40, 80, 0.0)]

    run(make, scene, n=2)


def test_who_goes_away_while_waiting_hurts_nobody(make):
    async def scene(store):
        waiting = [asyncio.ensure_future(store.put(adapter(f"a{n}"))) for n in range(20)]
        await asyncio.sleep(0)
        for task in waiting[::2]:
            task.cancel()
        done = await asyncio.gather(*waiting, return_exceptions=True)
        assert [answer for answer in done[1::2] if answer is not None] == []
        for n in range(1, 20, 2):
            assert same(await store.get(f"a{n}", "ann"), adapter(f"a{n}"))

    run(make, scene)


def test_what_cannot_be_kept_is_refused_and_the_rest_goes_on(make):
    async def scene(store):
        with pytest.raises(ValueError, match="arrays"):
            await store.put(adapter(arrays={"x": np.array([None])}))
        await store.put(adapter())
        assert same(await store.get("a", "ann"), adapter())

    run(make, scene)


def test_a_redis_that_was_killed_comes_back_with_what_it_had_answered(redis):
    from mlcourse.serving.redis_store import RedisStore

    async def scene(store):
        await store.put(adapter())
        redis.kill()
        for question in (store.get("a", "ann"), store.put(adapter("b")), store.check(), store.list("ann")):
            with pytest.raises(StoreDown, match="Redis at 127.0.0.1"):
                await question
        redis.start()
        assert same(await store.get("a", "ann"), adapter())
        await store.put(adapter("b"))

    run(lambda: RedisStore(redis.url, max_age=None, cache_bytes=CACHE), scene)


def test_a_full_redis_says_so_and_takes_more_when_it_has_room(redis):
    from mlcourse.serving.redis_store import RedisStore

    async def scene(store):
        await store._redis.config_set("maxmemory", "1")
        for question in (store.put(adapter("big")), store.note(Feedback("m", 1, "a", 1, 1, 0.0)), store.check()):
            with pytest.raises(StoreFull, match="maxmemory"):
                await question
        await store._redis.config_set("maxmemory", "0")
        assert await store.list("ann", before=NOW - 10) == []
        await store.put(adapter("big"))

    run(lambda: RedisStore(redis.url, max_age=None, cache_bytes=CACHE), scene)


def test_a_stopped_redis_is_not_waited_for_long(redis):
    from mlcourse.serving.redis_store import RedisStore

    async def scene(store):
        await store.put(adapter("s"))
        os.kill(redis.process.pid, 19)  # SIGSTOP
        try:
            with pytest.raises(StoreDown):
                await store.get("s", "ann")
        finally:
            os.kill(redis.process.pid, 18)  # SIGCONT
        assert same(await store.get("s", "ann"), adapter("s"))

    run(lambda: RedisStore(redis.url, max_age=None, cache_bytes=CACHE, patience=0.2), scene)


def test_without_the_package_redis_it_says_how_to_get_it(monkeypatch):
    from mlcourse.serving import redis_store

    monkeypatch.setitem(__import__("sys").modules, "redis", None)
    monkeypatch.setitem(__import__("sys").modules, "redis.asyncio", None)
    with pytest.raises(ModuleNotFoundError, match="cluster"):
        redis_store.RedisStore("redis://localhost", max_age=None, cache_bytes=0)
