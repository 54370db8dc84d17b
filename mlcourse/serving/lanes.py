"""The two ways in which requests come to the processor, both bounded: in batches, or several side by side.

A gradient step of a small network is mostly the cost of calling torch, so that sixteen tasks under one `vmap`
cost little more than one: `Batched` waits a moment for others of the same shape. A convolution is mostly
arithmetic, and nothing is saved by batching: `Pooled` runs a few side by side, each on a thread.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


class Busy(Exception):
    """As much waits already as may wait; the same request will work a moment later."""


class Batched:
    """Items of the same key that arrive within `window` seconds are run together, at most `most` at a time.

    run(key, items) -> results, in their order, on a thread of its own. room: how many may wait; then `Busy`.
    While a batch runs, the next one gathers, so that under load the window is never waited for. An item whose
    caller has gone is not computed. seen(size, seconds): told of each batch.
    """

    def __init__(
        self,
        run: Callable[[Any, list[Any]], list[Any]],
        *,
        window: float = 0.003,
        most: int = 32,
        room: int = 256,
        seen: Callable[[int, float], None] = lambda size, seconds: None,
    ) -> None:
        self.run, self.window, self.most, self.room, self.seen = run, window, most, room, seen
        self.waiting: dict[Hashable, deque[tuple[Any, asyncio.Future]]] = defaultdict(deque)
        self.n_waiting = 0
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="adapt")
        self.worker: asyncio.Task | None = None
        self.arrived = asyncio.Event()

    async def submit(self, key: Hashable, item: Any) -> Any:
        """The result for `item`, or what `run` raised; `Busy` at once where no more may wait."""
        if self.n_waiting >= self.room:
            raise Busy(f"{self.n_waiting} requests wait already")
        if self.worker is None:
            self.worker = asyncio.create_task(self._work())
        future = asyncio.get_running_loop().create_future()
        self.waiting[key].append((item, future))
        self.n_waiting += 1
        self.arrived.set()
        return await future

    async def close(self) -> None:
        """Give up what waits, and the thread."""
        if self.worker is not None:
            self.worker.cancel()
        self.thread.shutdown(wait=False, cancel_futures=True)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self.arrived.wait()
            if self.n_waiting < self.most:
                await asyncio.sleep(self.window)
            key, batch = self._next()
            if not batch:
                continue
            started = time.perf_counter()
            try:
                results = await loop.run_in_executor(self.thread, self.run, key, [item for item, _ in batch])
            except Exception as error:
                results = [error] * len(batch)
            self.seen(len(batch), time.perf_counter() - started)
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_exception(result) if isinstance(result, Exception) else future.set_result(result)

    def _next(self) -> tuple[Hashable, list[tuple[Any, asyncio.Future]]]:
        """The key whose first item has waited longest, and as many of its items as may run together."""
        key = next(iter(self.waiting))
        queue = self.waiting.pop(key)
        batch = [queue.popleft() for _ in range(min(self.most, len(queue)))]
        if queue:
            self.waiting[key] = queue  # behind the others: no shape starves another
        self.n_waiting -= len(batch)
        if not self.n_waiting:
            self.arrived.clear()
        return key, [(item, future) for item, future in batch if not future.cancelled()]


class Pooled:
    """Calls side by side on `threads` threads; at most `room` wait or run, then `Busy`."""

    def __init__(self, threads: int = 2, room: int = 256) -> None:
        self.threads = ThreadPoolExecutor(threads, thread_name_prefix="compute")
        self.room, self.inside = room, 0

    async def submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What `function(*arguments)` returns or raises."""
        if self.inside >= self.room:
            raise Busy(f"{self.inside} requests wait already")
        self.inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.threads, function, *arguments)
        finally:
            self.inside -= 1

    async def close(self) -> None:
        """Give up what waits, and the threads."""
        self.threads.shutdown(wait=False, cancel_futures=True)
