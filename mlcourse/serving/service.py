"""Adapt, then predict: what the server does, without HTTP. The app, Ray Serve and `mlcourse adapt` all call this.

Of every request the answer is decided here: which version of which model, whose adapter, how sure. Errors are
exceptions with a sentence that a caller may be shown.
"""

import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from mlcourse.errors import DataError
from mlcourse.serving.bodies import array
from mlcourse.serving.confidence import scores_of
from mlcourse.serving.lanes import Batched, Pooled
from mlcourse.serving.meters import Meters
from mlcourse.serving.registry import Model, Registry, shots_of
from mlcourse.serving.servable import CLASSES, Adapted, Form
from mlcourse.serving.settings import Settings
from mlcourse.serving.store import Adapter, Damaged, Feedback, Store, Summary
from mlcourse.serving.watching import Watch, watch
from mlcourse.tasks.task import Examples

Lane = Callable[[Callable[[Any, list[Any]], list[Any]]], Any]  # gives something with `submit` and `close`
DIGITS = 16  # of a model's digest, kept with each adapter
LONGEST_LABEL = 100  # characters
FRESH = 1.0  # seconds for which the current version of a model is taken as known


log = logging.getLogger("mlcourse.serving")


class NotThere(LookupError):
    """There is no such model or adapter, or it is not this caller's."""


class Service:
    """One process's share of the work; whatever must outlive it lies in `store`."""

    def __init__(self, settings: Settings, registry: Registry, store: Store, lane: Lane | None = None) -> None:
        """lane: makes what gathers support sets for `_adapt_together`; by default `Batched` by the settings."""
        self.settings, self.registry, self.store = settings, registry, store
        self.meters = Meters()
        bounds = {"most": settings.most_at_once, "room": settings.room, "window": settings.window}
        self.batched = (lane or partial(Batched, **bounds, seen=self.meters.batch))(self._adapt_together)
        self.pooled = Pooled(settings.threads, settings.room)
        self.not_ready = "not started"  # why not, in words; "" once it is
        self._current: dict[str, tuple[int, float]] = {}

    async def start(self) -> None:
        """Load and warm up every current model: the first batch of a shape takes torch many times as long.

        A damaged model is logged; whoever asks for it is told, and the others are served.
        """
        self.not_ready = "warming up"
        for name in self.registry.names():
            try:
                await self.pooled.submit(self._warm_up, name)
            except DataError as error:
                log.error("%s", error)
        self.not_ready = ""

    async def stop(self) -> None:
        """Finish what is being written."""
        self.not_ready = "stopping"
        await self.batched.close()
        await self.pooled.close()
        await self.store.close()

    # --- the requests ---

    async def adapt(
        self, owner: str, name: str, version: int | None, x: np.ndarray, y: np.ndarray | Sequence[str | int]
    ) -> dict[str, Any]:
        """Adapt to a support set, keep what came of it, and say by what name."""
        started = time.perf_counter()
        model = await self._model(name, version)
        adapted, about = await self._adapted(model, x, y)
        adapter = Adapter(
            secrets.token_urlsafe(12), owner, model.name, model.version, time.time(), about, adapted.arrays
        )
        await self.store.put(adapter)
        return {
            "adapter": adapter.id,
            "model": model.name,
            "version": model.version,
            "confidence": about["confidence"],
            "seconds": time.perf_counter() - started,
            **({"labels": about["labels"]} if "labels" in about else {}),
        }

    async def predict(self, owner: str, id: str, x: np.ndarray) -> dict[str, Any]:
        """Answer questions by an adapter that is there."""
        started = time.perf_counter()
        adapter, model = await self._adapter(owner, id)
        model.servable.form.require_x("x", self._few("x", x))
        return await self._predicted(model, adapter.arrays, adapter.about, x, started)

    async def predict_at_once(
        self,
        name: str,
        version: int | None,
        support_x: np.ndarray,
        support_y: np.ndarray | Sequence[str | int],
        x: np.ndarray,
    ) -> dict[str, Any]:
        """Adapt, answer, and keep nothing."""
        started = time.perf_counter()
        model = await self._model(name, version)
        model.servable.form.require_x("x", self._few("x", x))  # before the work of adapting
        adapted, about = await self._adapted(model, support_x, support_y)
        return await self._predicted(model, adapted.arrays, about, x, started)

    async def feedback(
        self, owner: str, id: str, x: np.ndarray, y: np.ndarray | Sequence[str | int]
    ) -> dict[str, Any]:
        """Compare true labels with what this adapter predicts, and remember how many were right."""
        adapter, model = await self._adapter(owner, id)
        form = model.servable.form
        form.require_x("x", self._few("x", x))
        if form.kind == CLASSES:
            labels = _labels("y", y, len(x))
            known = {label: number for number, label in enumerate(adapter.about["labels"])}
            true = np.array([known.get(label, -1) for label in labels])  # -1: never right
        else:
            true = _numbers("y", y, form, len(x))
        outputs = await self.pooled.submit(model.servable.predict, adapter.arrays, x)
        right = int(model.right(outputs, true).sum())
        counted = adapter.about["shots"] >= model.record["judged"]["shots"]  # others may be worse
        if counted:
            await self.store.note(Feedback(model.name, model.version, id, right, len(x), time.time()))
        return {"adapter": id, "right": right, "asked": len(x), "counted": counted}

    async def watched(self) -> list[tuple[str, Watch, dict[str, Any]]]:
        """What feedback shows of every current version, and of others that got some; and its record."""
        found = []
        for name in self.registry.names():
            for version in self.registry.versions(name):
                window = await self.store.window(name, version, self.settings.feedback_window)
                if not window and version != self.registry.current(name):
                    continue
                try:
                    model = await self._model(name, version)
                except DataError:
                    continue  # it answers nobody, so there is nothing to watch
                judged = dict(model.record["judged"])
                found.append((model.labels, watch(window, judged["right"]), judged))
        return found

    async def newest(self, owner: str, limit: int, before: float | None) -> list[Summary]:
        """This owner's adapters, newest first."""
        return await self.store.list(owner, limit=limit, before=before)

    async def describe(self, owner: str, id: str) -> Adapter:
        """One of this owner's adapters."""
        return await self._kept(owner, id)

    async def delete(self, owner: str, id: str) -> None:
        """Forget an adapter, in every process."""
        if not await self.store.delete(id, owner):
            raise NotThere("you have no such adapter")

    # --- how ---

    async def _model(self, name: str, version: int | None) -> Model:
        """A version of a model, loaded on a thread where it is not here yet."""
        try:
            version = self._current_version(name) if version is None else version
            return self.registry.loaded(name, version) or await self.pooled.submit(
                self.registry.model, name, version
            )
        except KeyError as error:
            raise NotThere(error.args[0]) from None

    def _current_version(self, name: str) -> int:
        """From the registry's file where what is known is older than `FRESH`, however often it is asked for."""
        version, read_at = self._current.get(name, (0, -np.inf))
        if time.monotonic() - read_at >= FRESH:
            version = self.registry.current(name)
            self._current[name] = version, time.monotonic()
        return version

    async def _adapter(self, owner: str, id: str) -> tuple[Adapter, Model]:
        """An adapter and the model that made it; `Damaged` where other weights have its name and version now."""
        adapter = await self._kept(owner, id)
        model = await self._model(adapter.model, adapter.version)
        if adapter.about["digest"] != model.record["digest"][:DIGITS]:
            raise Damaged(
                "the model that made this adapter has gone, and another has its name and version: adapt again"
            )
        return adapter, model

    async def _kept(self, owner: str, id: str) -> Adapter:
        adapter = await self.store.get(id, owner)
        if adapter is None:
            raise NotThere("you have no such adapter; it may have been deleted, or be too old: adapt again")
        return adapter

    async def _adapted(self, model: Model, x: np.ndarray, y: Any) -> tuple[Adapted, dict[str, Any]]:
        """What a support set leads to, and the small facts that are kept with it."""
        form = model.servable.form
        form.require_x("support.x", self._few("support.x", x))
        about: dict[str, Any] = {"examples": len(x), "digest": model.record["digest"][:DIGITS]}
        if form.kind == CLASSES:
            labels = _labels("support.y", y, len(x))
            names = list(dict.fromkeys(labels))  # in the order in which they come
            form.require_classes("support.y", len(names))
            about["labels"] = names
            y = np.array([names.index(label) for label in labels])
        else:
            y = _numbers("support.y", y, form, len(x))
        about["shots"] = shots_of(y)
        adapted = await self._compute(model, x.astype(np.float32), y)
        if not np.isfinite(adapted.score) or not all(np.isfinite(a).all() for a in adapted.arrays.values()):
            raise ValueError(
                "adapting to this support set left the finite numbers; bring x and y to the scale of the tasks "
                "that the model was meta-trained on"
            )
        about["score"] = adapted.score
        about["confidence"] = float(model.confidence_at(about["shots"]).task(adapted.score))
        return adapted, about

    async def _compute(self, model: Model, x: np.ndarray, y: np.ndarray) -> Adapted:
        if model.servable.at_once:
            return await self.batched.submit((model.name, model.version, len(x)), (x, y))
        (adapted,) = await self.pooled.submit(model.servable.adapt, Examples(x[None], y[None]))
        return adapted

    def _adapt_together(self, key: tuple[str, int, int], items: Sequence[tuple]) -> list[Adapted]:
        """Support sets of one model and one size, in one call."""
        model = self.registry.model(*key[:2])
        return model.servable.adapt(Examples(*(np.stack(parts) for parts in zip(*items, strict=True))))

    async def _predicted(
        self,
        model: Model,
        arrays: Mapping[str, np.ndarray],
        about: Mapping[str, Any],
        x: np.ndarray,
        started: float,
    ) -> dict[str, Any]:
        """The answer to questions x (Q, *features), which have been looked at."""
        form = model.servable.form
        outputs = await self.pooled.submit(model.servable.predict, dict(arrays), x.astype(np.float32))
        if not np.isfinite(outputs).all():
            raise ValueError("the predictions left the finite numbers; bring x to the scale of the support set")
        scores = scores_of(form.kind, outputs, about["score"])
        known = model.confidence_at(about["shots"])
        sure, given = known.prediction(scores), known.given(scores)
        for word, number in (("yes", given.sum()), ("no", (~given).sum())):
            self.meters.predictions.labels(model.labels, word).inc(int(number))
        answer: dict[str, Any] = {"model": model.name, "version": model.version}
        if form.kind == CLASSES:
            answer["predictions"] = [about["labels"][number] for number in outputs.argmax(axis=1)]
            answer["labels"] = about["labels"]
            answer["probabilities"] = np.exp(outputs).round(6).tolist()
        else:
            answer["predictions"] = outputs.tolist()
        seconds = time.perf_counter() - started
        return answer | {"confidence": sure.tolist(), "abstain": (~given).tolist(), "seconds": seconds}

    def _few(self, name: str, x: np.ndarray) -> np.ndarray:
        """ValueError where one request asks for more than it may."""
        if x.ndim and len(x) > self.settings.most_examples:
            raise ValueError(
                f"{name} holds {len(x)} examples; give at most {self.settings.most_examples} at a time"
            )
        return x

    def _warm_up(self, name: str) -> None:
        """One support set alone, a full batch, and a prediction."""
        model = self.registry.model(name)
        form = model.servable.form
        n_classes = form.outputs or 5
        x = np.zeros((n_classes, *form.features), np.float32)
        y = np.arange(n_classes) if form.kind == CLASSES else np.zeros((n_classes, form.outputs), np.float32)
        sizes = (1, self.settings.most_at_once) if model.servable.at_once else (1,)
        for size in sizes:
            adapted = model.servable.adapt(Examples(np.repeat(x[None], size, 0), np.repeat(y[None], size, 0)))
        model.servable.predict(adapted[0].arrays, x)


def _labels(name: str, y: Any, n: int) -> list[str | int]:
    """One label, a short text or a whole number, for each of `n` examples."""
    if isinstance(y, np.ndarray):
        if y.dtype.kind != "i":
            raise ValueError(
                f"{name} has dtype {y.dtype}; the labels of classes are whole numbers, or texts in JSON"
            )
        y = y.tolist() if y.ndim == 1 else None
    if not isinstance(y, list) or any(type(label) not in (str, int) for label in y):
        raise ValueError(f"{name} must be a list of labels, each a text or a whole number")
    if len(y) != n:
        raise ValueError(f"{name} holds {len(y)} labels, x {n} examples; give one for each")
    if any(isinstance(label, str) and len(label) > LONGEST_LABEL for label in y):
        raise ValueError(f"{name} holds a label of more than {LONGEST_LABEL} characters; give shorter ones")
    return y


def _numbers(name: str, y: Any, form: Form, n: int) -> np.ndarray:
    """True outputs, float32 (n, outputs); a plain list of n numbers will do where there is one output."""
    y = array(name, y) if isinstance(y, list) else y
    y = y[:, None] if y.ndim == 1 and form.outputs == 1 else y
    form.require_numbers(name, y, n)
    return y.astype(np.float32)
