"""The store of one machine: a SQLite file, which all processes of the server share.

SQLite's write-ahead log lets one process write while the others read (https://www.sqlite.org/wal.html), and
`synchronous=FULL` makes a commit wait for the disk (https://www.sqlite.org/pragma.html#pragma_synchronous).
The wait is most of a commit's time, so whatever comes in meanwhile goes into the next commit together. The file
must lie on a disk of this machine: the log does not work over a network file system.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

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

Work = Callable[[sqlite3.Connection], Any]

OURS = 0x6D6C6361  # "mlca": marks the file as one of this course's
SCHEMA = 1
TABLES = """
CREATE TABLE adapters (
    owner TEXT NOT NULL, id TEXT NOT NULL, created REAL NOT NULL, stamp BLOB NOT NULL, facts BLOB NOT NULL,
    arrays BLOB NOT NULL, PRIMARY KEY (owner, id));
CREATE INDEX newest ON adapters (owner, created, id);
CREATE INDEX oldest ON adapters (created);
CREATE TABLE notes (
    model TEXT NOT NULL, version INTEGER NOT NULL, adapter TEXT NOT NULL, n_right INTEGER NOT NULL,
    n_asked INTEGER NOT NULL, at REAL NOT NULL, PRIMARY KEY (model, version, adapter));
CREATE INDEX latest ON notes (model, version, at, adapter);
"""
MOST_IN_A_COMMIT = 64
REST = 1.0  # seconds between two rounds that remove what is too old
ALIVE = "owner = ? AND id = ? AND created >= ?"  # what every question about an adapter asks
NO_ROOM = (
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_SHMSIZE,
)  # over a quota, which SQLite does not tell apart


class SqliteStore:
    """A `store.Store` in the file `path`, made where it is missing.

    Adapters are forgotten `max_age` seconds after they were created (None: never). Up to `cache_bytes` of them are
    held decoded; each `get` asks the file whether its adapter is still there, so a delete counts in all processes.
    `patience`: how many seconds to wait for another process that is writing. Opens the file at the first question.
    Every method but `get` and `delete` raises `StoreDown` where it meets a damaged page.
    """

    def __init__(
        self, path: Path | str, *, max_age: float | None, cache_bytes: int, patience: float = 5.0
    ) -> None:
        if max_age is not None:
            require_positive("max_age", max_age)
        require_positive("patience", patience)
        self._max_age = max_age
        self._cache = Cache(cache_bytes, max_age)  # only the reader's thread touches it
        self._swept = float("-inf")  # only the writer's thread touches it
        self._reader = _Reader(Path(path), patience)
        self._writer = _Writer(Path(path), patience, self._sweep)

    async def put(self, adapter: Adapter) -> None:
        packed = pack(adapter)

        def work(database: sqlite3.Connection) -> None:
            database.execute(
                "INSERT OR REPLACE INTO adapters VALUES (?, ?, ?, ?, ?, ?)",
                (adapter.owner, adapter.id, adapter.created, packed.stamp, packed.facts, packed.arrays),
            )

        await self._writer.do(work)

    async def get(self, id: str, owner: str) -> Adapter | None:
        key = (owner, id)

        def work(database: sqlite3.Connection) -> Adapter | None:
            with _damaged(id):
                alive = (*key, self._youngest_dead())
                found = database.execute(f"SELECT stamp FROM adapters WHERE {ALIVE}", alive).fetchone()
                cached = self._cache.get(key)
                if found and cached and cached[0] == found[0]:
                    return cached[1]
                self._cache.drop(key)
                found = database.execute(
                    f"SELECT facts, arrays, stamp FROM adapters WHERE {ALIVE}", alive
                ).fetchone()
                if not found:
                    return None
                packed = Packed(*found)
                adapter = unpack(id, owner, packed)
            self._cache.put(key, (packed.stamp, adapter), packed.in_memory)
            return adapter

        return await self._reader.do(work)

    async def list(self, owner: str, *, limit: int = 100, before: float | None = None) -> list[Summary]:
        require_at_most("limit", limit, MOST_LISTED)

        def work(database: sqlite3.Connection) -> list[Summary]:
            listed = database.execute(  # answered by the index alone, so a damaged row costs its own line only
                "SELECT id FROM adapters INDEXED BY newest WHERE owner = ? AND created >= ? AND created < ?"
                " ORDER BY created DESC, id DESC LIMIT ?",
                (owner, self._youngest_dead(), float("inf") if before is None else before, limit),
            ).fetchall()
            summaries = []
            for (id,) in listed:
                with contextlib.suppress(Damaged), _damaged(id):
                    row = database.execute(
                        "SELECT facts, stamp FROM adapters WHERE owner = ? AND id = ?", (owner, id)
                    ).fetchone()
                    if row:  # else deleted meanwhile
                        summaries.append(unpack_summary(id, owner, *row))
            return summaries

        return await self._reader.do(work)

    async def delete(self, id: str, owner: str) -> bool:
        def work(database: sqlite3.Connection) -> bool:
            with _damaged(id):
                alive = (owner, id, self._youngest_dead())
                return database.execute(f"DELETE FROM adapters WHERE {ALIVE}", alive).rowcount > 0

        return await self._writer.do(work)

    async def note(self, feedback: Feedback) -> None:
        def work(database: sqlite3.Connection) -> None:
            model, version, adapter, right, asked, at = feedback
            database.execute(
                "INSERT INTO notes VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " n_right = n_right + excluded.n_right, n_asked = n_asked + excluded.n_asked,"
                " at = max(at, excluded.at)",
                (model, version, adapter, right, asked, at),
            )
            database.execute(
                "DELETE FROM notes WHERE rowid IN (SELECT rowid FROM notes INDEXED BY latest"
                " WHERE model = ? AND version = ? ORDER BY at DESC, adapter DESC LIMIT -1 OFFSET ?)",
                (model, version, MOST_NOTED),
            )

        await self._writer.do(work)

    async def window(self, model: str, version: int, size: int) -> list[Feedback]:
        require_at_most("size", size, MOST_NOTED)

        def work(database: sqlite3.Connection) -> list[Feedback]:
            rows = database.execute(
                "SELECT model, version, adapter, n_right, n_asked, at FROM notes WHERE model = ? AND version = ?"
                " ORDER BY at DESC, adapter DESC LIMIT ?",
                (model, version, size),
            )
            return [Feedback(*row) for row in rows]

        return await self._reader.do(work)

    async def check(self) -> None:
        await self._reader.do(lambda database: database.execute("SELECT count(*) FROM sqlite_master").fetchone())
        # Writes the file's first page anew, which takes as much room and as long as any other small commit.
        await self._writer.do(lambda database: database.execute(f"PRAGMA user_version = {SCHEMA}"))

    async def close(self) -> None:
        await self._writer.close()
        await self._reader.close()

    def _youngest_dead(self) -> float:
        """Adapters created earlier than this are too old."""
        return float("-inf") if self._max_age is None else time.time() - self._max_age

    def _sweep(self, database: sqlite3.Connection) -> bool:
        """Remove some of the adapters that are too old, in rounds from the oldest on; whether there are more.

        A damaged row cannot be removed: it ends the sweep, and the next one goes on behind it.
        """
        rows = database.execute(
            "SELECT rowid, created FROM adapters INDEXED BY oldest WHERE created > ? AND created < ?"
            " ORDER BY created LIMIT ?",
            (self._swept, self._youngest_dead(), MOST_IN_A_COMMIT),
        ).fetchall()
        for rowid, created in rows:
            self._swept = created
            database.execute("DELETE FROM adapters WHERE rowid = ?", (rowid,))
        more = len(rows) == MOST_IN_A_COMMIT
        if not more:
            self._swept = float("-inf")
        return more


class _Reader:
    """A thread with a connection of its own, which does what is asked of it, one thing after the other.

    The event loop never waits for the disk. An error is told to whoever asked; the thread goes on with the next.
    """

    def __init__(self, path: Path, patience: float) -> None:
        self.path, self.patience = path, patience
        self._asked: queue.SimpleQueue[tuple[Work, Future] | None] = queue.SimpleQueue()
        self._closed = False
        self._database: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None  # device and inode of what was opened
        self._thread = threading.Thread(target=self._live, name=f"{path.name} {type(self).__name__}", daemon=True)
        self._thread.start()

    async def do(self, work: Work) -> Any:
        """What `work(connection)` returns or raises, SQLite's errors in the store's words."""
        if self._closed:
            raise StoreDown(f"the store {self.path} was closed; make another")
        future: Future = Future()
        self._asked.put((work, future))
        return await asyncio.wrap_future(future)

    async def close(self) -> None:
        """Do what was asked until now, then let go of the file."""
        if not self._closed:
            self._closed = True
            self._asked.put(None)
        await asyncio.to_thread(self._thread.join)

    def _live(self) -> None:
        while (first := self._asked.get()) is not None:
            # a caller that went away while its work waited wants it no more
            jobs = [job for job in [first, *self._more()] if job[1].set_running_or_notify_cancel()]
            try:
                self._open()
            except Exception as error:
                for _, future in jobs:
                    future.set_exception(self._explained(error))
            else:
                self._answer(jobs)
        self._shut()

    def _more(self) -> list[tuple[Work, Future]]:
        """What is done together with the first job."""
        return []

    def _answer(self, jobs: list[tuple[Work, Future]]) -> None:
        for work, future in jobs:
            try:
                future.set_result(work(self._database))
            except Exception as error:
                future.set_exception(self._explained(error))

    def _open(self) -> None:
        """Have a connection to the file that lies at the path now."""
        if self._database is not None:
            with contextlib.suppress(OSError):
                if self._file == _identity(self.path):
                    return
            self._shut()
        if self._file is not None and not self.path.exists():  # made anew, it would hide that all is lost
            raise StoreDown(f"{self.path} has gone; put it back, or start the server again with an empty store")
        self._database = _connected(self.path, self.patience)
        self._file = _identity(self.path)

    def _shut(self) -> None:
        if self._database is not None:
            with contextlib.suppress(sqlite3.Error):
                self._database.close()
            self._database = None

    def _explained(self, error: Exception) -> Exception:
        """The error in the store's words."""
        if not isinstance(error, sqlite3.Error | OSError):
            return error
        kind = _kind(error)
        if kind == sqlite3.SQLITE_FULL or getattr(error, "sqlite_errorcode", 0) in NO_ROOM:
            return StoreFull(f"{self.path} cannot grow ({error}); make room on its disk")
        if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            held = f"another process has held {self.path} for {self.patience:g} s"
            return StoreDown(f"{held}; ask again, and end that process if it hangs")
        if kind in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            return StoreDown(
                f"{self.path} is damaged or no SQLite file ({error}); put a copy back or move it away"
            )
        self._shut()  # whatever it is, a new connection may do better
        return StoreDown(
            f"{self.path} cannot be used ({error}); is its folder there, and may the server write in it?"
        )


class _Writer(_Reader):
    """A reader that writes: all that waits goes into one transaction, and is answered after its commit."""

    def __init__(self, path: Path, patience: float, sweep: Work) -> None:
        self._sweep, self._rests_until = sweep, 0.0
        super().__init__(path, patience)

    def _more(self) -> list[tuple[Work, Future]]:
        more: list[tuple[Work, Future]] = []
        with contextlib.suppress(queue.Empty):
            while len(more) < MOST_IN_A_COMMIT - 1:
                job = self._asked.get_nowait()
                if job is None:
                    self._asked.put(None)  # nothing can stand behind the word to close
                    break
                more.append(job)
        return more

    def _answer(self, jobs: list[tuple[Work, Future]]) -> None:
        try:
            answers = self._commit(*(work for work, _ in jobs))
        except Exception as error:
            if _kind(error) == sqlite3.SQLITE_BUSY:
                for _, future in jobs:
                    future.set_exception(self._explained(error))
                return
            self._one_by_one(jobs)
        else:
            for (_, future), answer in zip(jobs, answers, strict=True):
                future.set_result(answer)
        if time.monotonic() >= self._rests_until:
            self._rests_until = time.monotonic() + REST  # unless all goes well and there is more
            with contextlib.suppress(sqlite3.Error, StoreDown):  # nobody waits for it
                if self._commit(self._sweep)[0]:
                    self._rests_until = 0.0

    def _one_by_one(self, jobs: list[tuple[Work, Future]]) -> None:
        """Each in a commit of its own, so that one that is too big or meets damage fails alone."""
        for work, future in jobs:
            try:
                future.set_result(self._commit(work)[0])
            except Exception as error:
                future.set_exception(self._explained(error))

    def _commit(self, *works: Work) -> list[Any]:
        self._open()  # again, since an error may have closed it
        self._database.execute("BEGIN IMMEDIATE")
        try:
            answers = [work(self._database) for work in works]
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:  # SQLite itself takes some errors back
                self._database.execute("ROLLBACK")
            raise
        return answers


def _connected(path: Path, patience: float) -> sqlite3.Connection:
    """A connection to this course's tables in `path`, made where there is nothing yet."""
    with contextlib.suppress(OSError):  # SQLite says what is wrong
        path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
    database.text_factory = lambda text: text.decode(errors="replace")  # what is damaged fits no question
    until = time.monotonic() + patience
    try:
        while True:
            try:
                if _is_new(database, path):
                    _make(database, path)
                database.execute("PRAGMA synchronous = FULL")
                database.execute("PRAGMA fullfsync = 1")  # macOS: through the disk's own cache too
                return database
            except sqlite3.OperationalError as error:  # several processes make it at once: not all locks wait
                if _kind(error) != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
                time.sleep(0.01)
    except BaseException:
        database.close()
        raise


def _is_new(database: sqlite3.Connection, path: Path) -> bool:
    """Whether nothing is in the file yet. StoreDown for what is another program's, or a newer course's."""
    ours, schema, tables = database.execute(  # in one question: another process may be making it
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)"
        " FROM pragma_application_id, pragma_user_version"
    ).fetchone()
    if (ours, schema, tables) == (0, 0, 0):
        return True
    if ours != OURS:
        raise StoreDown(f"{path} is another program's database; give the store a file of its own")
    if schema > SCHEMA:
        raise StoreDown(
            f"{path} has schema {schema}, this version knows {SCHEMA}; update mlcourse or take another file"
        )
    return False


def _make(database: sqlite3.Connection, path: Path) -> None:
    path.chmod(0o600)  # what is learned from people's examples is not for every user of the machine
    database.execute("PRAGMA journal_mode = WAL")  # kept in the file
    database.execute("BEGIN IMMEDIATE")
    try:
        if _is_new(database, path):  # else another process was quicker
            for statement in TABLES.split(";"):
                database.execute(statement)
            database.execute(f"PRAGMA application_id = {OURS}")
            database.execute(f"PRAGMA user_version = {SCHEMA}")
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _kind(error: Exception) -> int:
    """SQLite's own number for an error, 0 where it has none."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


@contextlib.contextmanager
def _damaged(id: object) -> Iterator[None]:
    """`Damaged` for what SQLite cannot read."""
    try:
        yield
    except sqlite3.Error as error:
        if _kind(error) not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_TOOBIG):
            raise
        raise Damaged(f"a page that holds adapter {id} is damaged ({error}); adapt again") from error


def _identity(path: Path) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino
