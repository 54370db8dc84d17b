"""SQLite's store when things go wrong: killed processes, damaged and foreign files, no room, a lock that stays."""

import asyncio
import contextlib
import dataclasses
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from mlcourse.serving import sqlite_store
from mlcourse.serving.sqlite_store import SqliteStore
from mlcourse.serving.store import Adapter, Damaged, Feedback, StoreDown, StoreFull

NOW = time.time()
PAGE = 4096
WRITER = """
import asyncio, sys, time
import numpy as np
from mlcourse.serving.sqlite_store import SqliteStore
from mlcourse.serving.store import Adapter

async def client(store, name):
    for number in range(100_000):
        id = f"{name}-{number}"
        await store.put(Adapter(id, "ann", "m", 1, time.time(), {}, {"w": np.full(1000, number, np.float32)}))
        print(id, flush=True)

async def main():
    store = SqliteStore(sys.argv[1], max_age=None, cache_bytes=0, patience=60)
    await asyncio.gather(*(client(store, f"{sys.argv[2]}{number}") for number in range(4)))

asyncio.run(main())
"""
DELETES = """
import asyncio, sys
from mlcourse.serving.sqlite_store import SqliteStore

async def main():
    store = SqliteStore(sys.argv[1], max_age=None, cache_bytes=0)
    print(await store.delete("a", "ann"))

asyncio.run(main())
"""


def adapter(id="a", n=4, **changed) -> Adapter:
    arrays = {"w": np.arange(n, dtype=np.float32)}
    return dataclasses.replace(Adapter(id, "ann", "m", 1, NOW, {}, arrays), **changed)


@contextlib.asynccontextmanager
async def opened(path, **changed):
    store = SqliteStore(path, **{"max_age": None, "cache_bytes": 1_000_000, "patience": 0.2} | changed)
    try:
        yield store
    finally:
        await store.close()


async def filled(path, adapters) -> None:
    """Put them, and let SQLite move all of it from its log into the file."""
    async with opened(path) as store:
        await asyncio.gather(*(store.put(each) for each in adapters))


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "adapters.db"


# --- processes ---------------------------------------------------------------------------------------------


def test_killed_under_load_nothing_that_was_answered_is_lost(path):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name], stdout=subprocess.PIPE, text=True)
        for name in "pq"
    ]
    answered = [writer.stdout.readline().strip() for writer in writers]  # from now on both write
    for writer in writers:
        answered += [writer.stdout.readline().strip() for _ in range(40)]
        writer.send_signal(signal.SIGKILL)
        *whole, torn = writer.stdout.read().split("\n")
        answered += whole
        writer.wait()

    async def scene():
        async with opened(path) as store:
            for id in answered:
                kept = await store.get(id, "ann")
                assert kept is not None, id
                np.testing.assert_array_equal(kept.arrays["w"], np.full(1000, int(id.split("-")[1])))
            await store.put(adapter("after"))
            assert await store.get("after", "ann") is not None

    asyncio.run(scene())
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_another_process_sees_a_delete(path):
    async def scene():
        async with opened(path) as store:
            await store.put(adapter())
            assert await store.get("a", "ann") is not None
            done = subprocess.run([sys.executable, "-c", DELETES, str(path)], capture_output=True, text=True)
            assert done.stdout.strip() == "True", done.stderr
            assert await store.get("a", "ann") is None

    asyncio.run(scene())


def test_a_lock_that_stays_is_told_and_then_forgotten(path):
    async def scene():
        async with opened(path) as store:
            await store.put(adapter("before"))
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")  # as a process does that is stopped in the middle of a write
                started = time.monotonic()
                told = await asyncio.gather(
                    *(store.put(adapter(str(n))) for n in range(3)), return_exceptions=True
                )
                assert [type(error) for error in told] == [StoreDown] * 3
                assert "another process" in str(told[0])
                assert time.monotonic() - started < 5
                with pytest.raises(StoreDown):
                    await store.check()
                assert await store.get("before", "ann") is not None  # readers go on
                other.execute("ROLLBACK")
            await store.put(adapter("after"))
            assert [kept.id for kept in await store.list("ann")] == ["before", "after"]

    asyncio.run(scene())


def test_many_stores_make_one_file_at_once(path):
    async def scene():
        async with contextlib.AsyncExitStack() as stack:
            stores = [await stack.enter_async_context(opened(path, patience=10)) for _ in range(6)]
            questions = [store.put(adapter(str(n))) for n, store in enumerate(stores)]
            await asyncio.gather(*questions, *(store.list("ann") for store in stores))
            assert len(await stores[0].list("ann")) == 6

    asyncio.run(scene())


def test_what_waits_goes_into_one_commit(path):
    async def scene():
        async with opened(path) as store:
            store._writer._rests_until = float("inf")  # no sweep, which has a commit of its own
            await store.check()
            commits = []
            store._writer._database.set_trace_callback(
                lambda said: commits.append(said) if said == "COMMIT" else None
            )
            begun, may_end = threading.Event(), threading.Event()
            first = asyncio.ensure_future(store._writer.do(lambda database: begun.set() or may_end.wait(30)))
            await asyncio.to_thread(begun.wait, 30)
            others = [asyncio.ensure_future(store.put(adapter(str(n)))) for n in range(30)]
            while store._writer._asked.qsize() < 30:
                await asyncio.sleep(0)
            may_end.set()
            await asyncio.gather(first, *others)
            assert len(commits) == 2

    asyncio.run(scene())


# --- damage ------------------------------------------------------------------------------------------------


def spoil(path: Path, content: bytes, with_: bytes) -> None:
    """Change the one place in the file where `content` is."""
    raw = path.read_bytes()
    assert raw.count(content) == 1
    path.write_bytes(raw.replace(content, with_))


@pytest.mark.parametrize("cache_bytes", [0, 1_000_000])
def test_a_flipped_byte_is_never_a_wrong_number(path, cache_bytes):
    good, bad = adapter("good"), adapter("bad", arrays={"w": np.array([123.456, 7.0])})
    asyncio.run(filled(path, [good, bad]))
    number = np.array([123.456]).tobytes()
    spoil(path, number, number[:3] + bytes([number[3] ^ 1]) + number[4:])

    async def scene():
        async with opened(path, cache_bytes=cache_bytes) as store:
            for _ in range(2):
                with pytest.raises(Damaged, match="bad"):
                    await store.get("bad", "ann")
                assert await store.get("good", "ann") is not None
            assert len(await store.list("ann")) == 2
            assert await store.delete("bad", "ann")
            assert await store.get("bad", "ann") is None

    asyncio.run(scene())


def test_flipped_facts_are_not_told(path):
    asyncio.run(filled(path, [adapter("good"), adapter("bad", about={"classes": ["tiger"]})]))
    spoil(path, b"tiger", b"tigor")

    async def scene():
        async with opened(path) as store:
            assert [kept.id for kept in await store.list("ann")] == ["good"]
            with pytest.raises(Damaged):
                await store.get("bad", "ann")

    asyncio.run(scene())


def test_a_spoiled_page_costs_what_is_on_it_and_no_more(path):
    """Each page behind the first becomes rubbish in turn: nothing wrong is told, most cost one adapter."""
    ids = [f"a{n}" for n in range(12)]
    asyncio.run(filled(path, [adapter(id, n=3000, created=NOW + n) for n, id in enumerate(ids)]))
    whole = path.read_bytes()
    answered = []

    async def scene() -> None:
        async with opened(path) as store:
            answered.append(0)
            for id in ids:
                with contextlib.suppress(Damaged):
                    kept = await store.get(id, "ann")
                    np.testing.assert_array_equal(kept.arrays["w"], np.arange(3000))
                    answered[-1] += 1

    for page in range(1, len(whole) // PAGE):
        path.write_bytes(whole[: page * PAGE] + b"\xa5" * PAGE + whole[(page + 1) * PAGE :])
        asyncio.run(scene())
    assert answered.count(len(ids)) < 8  # pages of the list's index, of notes
    assert sum(count >= len(ids) - 1 for count in answered) > 0.8 * len(
        answered
    )  # but for pages that lead to others


def first_leaf(path: Path) -> int:
    """The number of the page with the first of the adapters (https://www.sqlite.org/fileformat2.html, 1.6)."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        root = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'adapters'").fetchone()[0]
    page = path.read_bytes()[(root - 1) * PAGE :]
    assert page[0] == 5  # an inner page of a table; the place of its first cell stands at 12
    cell = int.from_bytes(page[12:14], "big")
    return int.from_bytes(page[cell : cell + 4], "big")


def test_what_is_too_old_is_swept_around_damage(path, monkeypatch):
    monkeypatch.setattr(sqlite_store, "REST", 0.0)
    asyncio.run(filled(path, [adapter(f"old{n}", n=3000, created=NOW - 1000 + n) for n in range(8)]))
    raw = bytearray(path.read_bytes())
    raw[(first_leaf(path) - 1) * PAGE] = 99  # no kind of page
    path.write_bytes(raw)

    async def scene():
        async with opened(path, max_age=500) as store:
            for n in range(6):
                await store.put(adapter(f"new{n}", created=time.time()))
            assert len(await store.list("ann")) == 6
            left = "SELECT count(*) FROM adapters INDEXED BY oldest WHERE created < ?"
            (left,) = await store._reader.do(lambda database: database.execute(left, (NOW - 500,)).fetchone())
            assert 0 < left < 4

    asyncio.run(scene())


@pytest.mark.parametrize(
    "content",
    [b"these are my notes and no database\n" * 200, b"SQLite format 3\x00" + b"\xff" * 8176],
    ids=["text", "spoiled head"],
)
def test_a_file_that_is_no_store_is_named_and_left_alone(path, content):
    path.write_bytes(content)

    async def scene():
        async with opened(path) as store:
            for question in (store.get, store.delete):
                with pytest.raises(StoreDown, match="adapters.db is damaged or no SQLite file"):
                    await question("a", "ann")
            with pytest.raises(StoreDown, match="adapters.db"):
                await store.check()

    asyncio.run(scene())
    assert path.read_bytes() == content


def test_another_programs_database_is_left_alone(path):
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE adapters (id)")
    before = path.read_bytes()

    async def scene():
        async with opened(path) as store:
            with pytest.raises(StoreDown, match="another program"):
                await store.put(adapter())

    asyncio.run(scene())
    assert path.read_bytes() == before


def test_a_newer_schema_is_refused(path):
    asyncio.run(filled(path, [adapter()]))
    with contextlib.closing(sqlite3.connect(path)) as newer:
        newer.execute(f"PRAGMA user_version = {sqlite_store.SCHEMA + 1}")

    async def scene():
        async with opened(path) as store:
            with pytest.raises(StoreDown, match="schema 2, this version knows 1; update"):
                await store.get("a", "ann")

    asyncio.run(scene())


# --- places and room ---------------------------------------------------------------------------------------


def test_a_place_that_cannot_be_is_told(tmp_path):
    (tmp_path / "file").write_text("no folder")

    async def scene(path):
        async with opened(path) as store:
            with pytest.raises(StoreDown, match="folder"):
                await store.put(adapter())

    asyncio.run(scene(tmp_path))
    asyncio.run(scene(tmp_path / "file" / "adapters.db"))


def test_a_file_that_goes_is_missed_and_one_that_comes_is_taken(path):
    async def scene():
        async with opened(path) as store:
            await store.put(adapter())
            assert await store.get("a", "ann") is not None
            path.rename(path.with_name("elsewhere.db"))
            for question in (store.get("a", "ann"), store.put(adapter("b")), store.check()):
                with pytest.raises(StoreDown, match="has gone"):
                    await question
            path.with_name("elsewhere.db").rename(path)
            assert await store.get("a", "ann") is not None
            await store.put(adapter("b"))

    asyncio.run(scene())


def test_only_its_user_may_read_the_file(path):
    asyncio.run(filled(path, [adapter()]))
    assert path.stat().st_mode & 0o077 == 0


def pages(store, most: int):
    return store._writer.do(lambda database: database.execute(f"PRAGMA max_page_count = {most}").fetchall())


def test_without_room_small_ones_go_on_and_with_room_all(path):
    async def scene():
        async with opened(path) as store:
            await store.check()
            await pages(store, 30)
            big = adapter("big", n=50_000)
            told = await asyncio.gather(
                store.put(adapter("a")), store.put(big), store.put(adapter("b")), return_exceptions=True
            )
            assert [type(answer) for answer in told] == [type(None), StoreFull, type(None)]
            assert "make room" in str(told[1])
            for id in "ab":
                assert await store.get(id, "ann") is not None
            assert await store.get("big", "ann") is None
            assert await store.delete("a", "ann")
            await pages(store, 1_000_000)
            await store.put(big)
            assert (await store.get("big", "ann")).bytes == 200_000

    asyncio.run(scene())


def test_what_is_too_old_makes_room(path, monkeypatch):
    monkeypatch.setattr(sqlite_store, "REST", 0.0)

    async def scene():
        async with opened(path, max_age=500) as store:
            await store.check()
            await pages(store, 40)
            for n in range(60):  # each takes three pages
                await store.put(adapter(str(n), n=3000, created=time.time() - 501 + 0.02))
                await asyncio.sleep(0.002)
            assert path.stat().st_size <= 40 * PAGE

    asyncio.run(scene())


def test_the_cache_holds_what_it_may(path):
    async def scene():
        async with opened(path, cache_bytes=20_000) as store:
            for n in range(20):
                await store.put(adapter(str(n), n=1000))
                await store.get(str(n), "ann")
            assert 1 < len(store._cache) < 5 and store._cache.bytes <= 20_000

    asyncio.run(scene())


def test_after_close_it_answers_no_more(path):
    async def scene():
        async with opened(path) as store:
            waiting = [asyncio.ensure_future(store.put(adapter(str(n)))) for n in range(100)]
            await asyncio.sleep(0)
            await store.close()
            assert await asyncio.gather(*waiting) == [None] * 100
            for question in (store.get("a", "ann"), store.note(Feedback("m", 1, "a", 1, 1, 0.0))):
                with pytest.raises(StoreDown, match="closed"):
                    await question
        async with opened(path) as store:
            assert len(await store.list("ann")) == 100

    asyncio.run(scene())


@pytest.mark.parametrize("wrong", [{"max_age": 0}, {"cache_bytes": -1}, {"patience": float("inf")}])
def test_settings_are_numbers(path, wrong):
    with pytest.raises(ValueError):
        SqliteStore(path, **{"max_age": None, "cache_bytes": 0} | wrong)
