"""Adapting as a short-lived job: support sets in files, answers on stdout, no server and nothing kept.

For a batch scheduler, which starts a process, lets it work through its files, and takes it away.
"""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mlcourse.errors import DataError
from mlcourse.serving.registry import Registry
from mlcourse.serving.service import NotThere, Service
from mlcourse.serving.settings import Settings
from mlcourse.tasks.store import read_arrays


def run(
    files: Sequence[Path], model: str, version: int | None = None, models: Path | None = None
) -> Iterator[dict[str, Any]]:
    """For each file, with arrays x (S, *features), y and query (Q, *features), what the server would answer.

    A file that cannot be used gives {"file", "error"}, and the others go on. ValueError for a model that there is
    not.
    """
    service = Service(Settings(most_at_once=1, window=0), Registry(models), store=None)  # type: ignore[arg-type]
    try:
        service.registry.model(model, version)
    except KeyError as error:
        raise ValueError(error.args[0]) from None
    with asyncio.Runner() as runner:
        for path in files:
            yield {"file": str(path), **runner.run(_answer(service, path, model, version))}


async def _answer(service: Service, path: Path, model: str, version: int | None) -> dict[str, Any]:
    try:
        held = read_arrays(path, fix="write it by numpy.savez(path, x=..., y=..., query=...)")
        if missing := {"x", "y", "query"} - held.keys():
            raise ValueError(f"the file has no array {', '.join(sorted(missing))}; write x, y and query")
        return await service.predict_at_once(model, version, held["x"], held["y"], held["query"])
    except (ValueError, DataError, NotThere) as error:
        return {"error": str(error)}
