"""The same app on Ray Serve: replicas on several machines, started and stopped as the load asks for.

    serve run mlcourse.serving.ray_app:app store=redis://HOST:6379/0 models=/shared/models max_replicas=8

Needs the extra `cluster`, a folder of models that all machines see, and a store that all reach: Redis. A replica
holds nothing that counts, so that one which dies takes no adapter with it. Ray gathers the support sets that adapt
together, in the place of the lane that does it under uvicorn.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from fastapi import FastAPI
from ray import serve

from mlcourse.serving.app import create_app
from mlcourse.serving.settings import Settings

MOST_AT_ONCE, WINDOW = 32, 0.003  # as in `Settings`; Ray reads them when a class is made
OURS = ("min_replicas", "max_replicas", "target_ongoing_requests")


class ByRay:
    """The lane of `lanes.Batched`, with `@serve.batch` as what gathers. Ray itself bounds how many may wait."""

    def __init__(self, run: Callable[[Any, list[Any]], list[Any]]) -> None:
        self.run = run

    async def submit(self, key: Hashable, item: Any) -> Any:
        """The result for `item`, or what `run` raised."""
        found = await self._gathered((key, item))
        if isinstance(found, Exception):
            raise found
        return found

    async def close(self) -> None:
        """Nothing is left to end."""

    @serve.batch(max_batch_size=MOST_AT_ONCE, batch_wait_timeout_s=WINDOW)
    async def _gathered(self, asked: list[tuple[Hashable, Any]]) -> list[Any]:
        """Those of one key run together; each gets its own result, or the error of its batch."""
        places: dict[Hashable, list[int]] = defaultdict(list)
        for place, (key, _) in enumerate(asked):
            places[key].append(place)
        found: list[Any] = [None] * len(asked)
        for key, of_key in places.items():
            results: Sequence[Any]
            try:
                results = await asyncio.to_thread(self.run, key, [asked[place][1] for place in of_key])
            except Exception as error:
                results = [error] * len(of_key)
            for place, result in zip(of_key, results, strict=True):
                found[place] = result
        return found


def deployment(
    settings: Settings, *, min_replicas: int = 1, max_replicas: int = 4, target_ongoing_requests: int = 8
) -> serve.Application:
    """The app to give to `serve.run`. A replica is added where more than the target are at work in each.

    ValueError for a store that lies on one machine.
    """
    if not settings.store.startswith(("redis://", "rediss://")):
        raise ValueError(f"store is {settings.store!r}, which other machines do not see; give redis://HOST:PORT/N")

    def build() -> FastAPI:
        return create_app(settings, lane=ByRay)

    @serve.deployment(
        max_ongoing_requests=2 * settings.room,
        max_queued_requests=settings.room,
        autoscaling_config={
            "min_replicas": min_replicas,
            "max_replicas": max_replicas,
            "target_ongoing_requests": target_ongoing_requests,
        },
        ray_actor_options={"num_cpus": 0.5},
    )
    @serve.ingress(build)
    class Adapting:
        """The app itself answers."""

    return Adapting.bind()


def app(arguments: dict[str, str]) -> serve.Application:
    """What `serve run mlcourse.serving.ray_app:app NAME=VALUE ...` calls: settings, and how many replicas."""
    replicas = {name: int(value) for name, value in arguments.items() if name in OURS}
    return deployment(Settings(**{name: v for name, v in arguments.items() if name not in OURS}), **replicas)
