"""Requests come to the processor in batches or side by side, in bounded numbers, and none is mixed up."""

import asyncio
import threading

import pytest

from mlcourse.serving.lanes import Batched, Busy, Pooled


def doubled(key, items):
    return [(key, 2 * item) for item in items]


def test_what_arrives_together_runs_together_and_each_gets_its_own():
    async def work():
        sizes = []
        lane = Batched(doubled, window=0.01, seen=lambda size, seconds: sizes.append(size))
        found = await asyncio.gather(*(lane.submit("a" if n % 2 else "b", n) for n in range(10)))
        await lane.close()
        return sizes, found

    sizes, found = asyncio.run(work())
    assert found == [("a" if n % 2 else "b", 2 * n) for n in range(10)]
    assert sizes == [5, 5]  # one batch for each key


def test_a_batch_is_at_most_so_large_and_no_key_starves_another():
    async def work():
        ran = []

        def run(key, items):
            ran.append((key, len(items)))
            return items

        lane = Batched(run, window=0.0, most=4)
        await asyncio.gather(*(lane.submit("many", n) for n in range(9)), lane.submit("one", 0))
        await lane.close()
        return ran

    assert asyncio.run(work()) == [("many", 4), ("one", 1), ("many", 4), ("many", 1)]


def test_a_full_lane_says_so_at_once():
    async def work():
        release = threading.Event()

        def run(key, items):
            release.wait(5)
            return items

        lane = Batched(run, window=0.0, most=1, room=2)
        first = asyncio.create_task(lane.submit("k", 1))
        await asyncio.sleep(0.05)  # it runs now, and does not wait any more
        waiting = [asyncio.create_task(lane.submit("k", n)) for n in (2, 3)]
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="2 requests wait"):
            await lane.submit("k", 4)
        release.set()
        answers = await asyncio.gather(first, *waiting)
        again = await lane.submit("k", 5)
        await lane.close()
        return answers, again

    assert asyncio.run(work()) == ([1, 2, 3], 5)


def test_an_error_reaches_all_of_its_batch_and_the_lane_goes_on():
    async def work():
        def run(key, items):
            if key == "bad":
                raise ValueError("no")
            return items

        lane = Batched(run)
        found = await asyncio.gather(
            lane.submit("bad", 1), lane.submit("bad", 2), lane.submit("good", 3), return_exceptions=True
        )
        await lane.close()
        return found

    one, two, three = asyncio.run(work())
    assert isinstance(one, ValueError) and isinstance(two, ValueError) and three == 3


def test_a_caller_who_has_gone_is_not_computed():
    async def work():
        ran = []

        def run(key, items):
            ran.extend(items)
            return items

        lane = Batched(run, window=0.02)
        gone = asyncio.create_task(lane.submit("k", "gone"))
        there = asyncio.create_task(lane.submit("k", "there"))
        await asyncio.sleep(0)
        gone.cancel()
        await there
        await lane.close()
        return ran

    assert asyncio.run(work()) == ["there"]


def test_a_pool_is_bounded_too():
    async def work():
        release = threading.Event()
        pool = Pooled(threads=2, room=2)
        calls = [asyncio.create_task(pool.submit(release.wait, 5)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await pool.submit(int)
        release.set()
        await asyncio.gather(*calls)
        with pytest.raises(ZeroDivisionError):
            await pool.submit(divmod, 1, 0)
        found = await pool.submit(int, "7")  # what failed has left its place
        await pool.close()
        return found

    assert asyncio.run(work()) == 7
