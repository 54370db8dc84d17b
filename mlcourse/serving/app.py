"""The server's HTTP: FastAPI routes that read a body within bounds, call the service, and answer in JSON.

    python -m mlcourse serve            and then http://127.0.0.1:8000/ and http://127.0.0.1:8000/docs

Nothing here decides an answer (`service.py`) or keeps anything (`store.py`). Whatever can go wrong has one status
and one sentence, {"error": ...}; 500 is a mistake of ours.
"""

import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi import Path as InPath
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

import mlcourse
from mlcourse.errors import DataError
from mlcourse.serving import documents
from mlcourse.serving.bodies import BadBody, array, several
from mlcourse.serving.incoming import JSON, Refused, body_of, digest, kind_of, owner_of, read
from mlcourse.serving.lanes import Busy
from mlcourse.serving.registry import Registry
from mlcourse.serving.service import Lane, NotThere, Service
from mlcourse.serving.settings import Settings, from_environment, read_tokens
from mlcourse.serving.store import Damaged, Store, StoreDown, StoreFull

PAGE = Path(__file__).with_name("page")
STATUS: dict[type[Exception], int] = {  # the first that fits
    BadBody: 422,
    NotThere: 404,
    Damaged: 410,
    Busy: 503,
    StoreFull: 507,
    StoreDown: 503,
    DataError: 503,
    ValueError: 422,
}
AGAIN = {503, 507}  # after a moment
PRIVATE = {  # whose own words name files: these are for the log
    DataError: "this model cannot be loaded; the server's log says why: register the model again",
    StoreFull: "the store of adapters is full; delete some, or free some space",
    StoreDown: "the store of adapters does not answer; try again",
}
log = logging.getLogger("mlcourse.serving")
Id = Annotated[str, InPath(max_length=64)]
Name = Annotated[str, Query(max_length=64)]
Version = Annotated[int, Query(ge=1, le=10**9)]


def from_settings() -> FastAPI:
    """The app of a worker, which uvicorn starts by this name; its settings come by the environment."""
    return create_app(from_environment())


def open_store(settings: Settings) -> Store:
    """The store that the settings name."""
    if settings.store.startswith(("redis://", "rediss://")):
        from mlcourse.serving.redis_store import RedisStore

        return RedisStore(settings.store, max_age=settings.max_age, cache_bytes=settings.cache_bytes)
    from mlcourse.serving.sqlite_store import SqliteStore

    return SqliteStore(settings.store, max_age=settings.max_age, cache_bytes=settings.cache_bytes)


def create_app(settings: Settings, *, lane: Lane | None = None) -> FastAPI:
    """The whole app. lane: see `Service`."""
    registry = Registry(settings.models, device=settings.device, embedded=settings.embedded)
    owners = frozenset(map(digest, read_tokens(settings.tokens)))

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        service = Service(settings, registry, open_store(settings), lane)
        app.state.service = service
        await service.start()
        yield
        await service.stop()

    app = FastAPIOffline(
        title="mlcourse: adapt, then predict",
        version=mlcourse.__version__,
        description="Send a support set, get an adapter; send questions, get predictions with their confidence.",
        redoc_url=None,
        lifespan=life,
        responses={422: {"model": documents.Problem}},
    )
    app.state.settings, app.state.owners = settings, owners
    _add_errors(app)
    app.add_middleware(Counting)
    _add_requests(app)
    _add_adapters(app)
    _add_models(app)
    _add_watching(app)
    app.mount("/page", StaticFiles(directory=PAGE), name="page")
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def service_of(request: Request) -> Service:
    """The service of the app that this request came to."""
    return request.app.state.service


def owner(request: Request) -> str:
    """Whose request it is."""
    return owner_of(request, request.app.state.owners)


async def body(request: Request) -> bytes:
    """Its body."""
    return await body_of(request, request.app.state.settings)


# --- adapt, predict, feedback --------------------------------------------------------------------------------


def _add_requests(app: FastAPI) -> None:
    answers: dict[int | str, dict[str, Any]] = {
        status: {"model": documents.Problem} for status in (401, 404, 408, 410, 413, 415, 422, 503, 507)
    }

    @app.post(
        "/adapt",
        response_model=documents.Adapted,
        response_model_exclude_none=True,
        responses=answers,
        openapi_extra=documents.body(documents.AdaptBody, documents.ADAPT, "support.x, then support.y; ?model="),
    )
    async def adapt(request: Request, model: Name | None = None, version: Version | None = None) -> Response:
        """Adapt a model to a support set; the adapter's id is for POST /predict."""
        whose, raw = owner(request), await body(request)
        if kind_of(request) == JSON:
            _require_in_body(model, version)
            sent = read(documents.AdaptBody, raw)
            name, version, support = sent.model, sent.version, _support(sent.support)
        else:
            name, support = _needed("model", model), tuple(several(raw, ("support.x", "support.y")).values())
        return JSONResponse(await service_of(request).adapt(whose, name, version, *support))

    @app.post(
        "/predict",
        response_model=documents.Predicted,
        response_model_exclude_none=True,
        responses=answers,
        openapi_extra=documents.body(
            documents.PredictBody, documents.PREDICT, "x, with ?adapter=; or support.x, support.y, x, with ?model="
        ),
    )
    async def predict(
        request: Request, adapter: Name | None = None, model: Name | None = None, version: Version | None = None
    ) -> Response:
        """Predict by an adapter, or for a support set that comes with the questions and is not kept."""
        whose, raw, service = owner(request), await body(request), service_of(request)
        if kind_of(request) == JSON:
            _require_in_body(adapter, model, version)
            sent = read(documents.PredictBody, raw)
            adapter, model, version, x = sent.adapter, sent.model, sent.version, array("x", sent.x)
            support = _support(sent.support) if sent.support is not None else None
        elif adapter is not None:
            x, support = several(raw, ("x",))["x"], None
        else:
            *inline, x = several(raw, ("support.x", "support.y", "x")).values()
            support = tuple(inline)
        _require_one_way(adapter, model, version, support)
        if adapter is not None:
            return JSONResponse(await service.predict(whose, adapter, x))
        return JSONResponse(await service.predict_at_once(_needed("model", model), version, *support, x))

    @app.post(
        "/feedback",
        responses=answers,
        openapi_extra=documents.body(documents.FeedbackBody, documents.FEEDBACK, "x, then y; ?adapter="),
    )
    async def feedback(request: Request, adapter: Name | None = None) -> Response:
        """Tell what was true: few-shot accuracy is watched over the last adapters."""
        whose, raw = owner(request), await body(request)
        if kind_of(request) == JSON:
            _require_in_body(adapter)
            sent = read(documents.FeedbackBody, raw)
            id, x, y = sent.adapter, array("x", sent.x), _labels_of("y", sent.y)
        else:
            id, (x, y) = _needed("adapter", adapter), several(raw, ("x", "y")).values()
        return JSONResponse(await service_of(request).feedback(whose, id, x, y))


def _support(sent: documents.Support) -> tuple[Any, Any]:
    return array("support.x", sent.x), _labels_of("support.y", sent.y)


def _labels_of(name: str, y: Any) -> Any:
    """A list as it is, since it may hold texts; an array where it is in NumPy's format."""
    return y if isinstance(y, list) else array(name, y)


def _needed(name: str, value: str | None) -> str:
    if value is None:
        raise BadBody(f"{name} is missing; name it in the body, or with arrays in the address: ?{name}=...")
    return value


def _require_in_body(*parameters: Any) -> None:
    if any(one is not None for one in parameters):
        raise BadBody("with a body in JSON everything goes into the body; leave the address without ?...")


def _require_one_way(adapter: str | None, model: str | None, version: int | None, support: Any) -> None:
    named = (model, version) != (None, None)
    if (adapter is None) == (support is None) or (adapter is not None and named):
        raise BadBody("name an adapter alone, or else a model and a support set: one of the two")


# --- what there is -------------------------------------------------------------------------------------------


def _add_adapters(app: FastAPI) -> None:
    @app.get("/adapters")
    async def adapters(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        before: Annotated[float | None, Query(allow_inf_nan=False)] = None,
    ) -> Response:
        """Your adapters, newest first; for more, ask for those created before the last one."""
        found = await service_of(request).newest(owner(request), limit, before)
        return JSONResponse({"adapters": [{**one._asdict(), "about": dict(one.about)} for one in found]})

    @app.get("/adapters/{id}")
    async def describe(request: Request, id: Id) -> Response:
        """One of them."""
        one = await service_of(request).describe(owner(request), id)
        held = {"id": one.id, "model": one.model, "version": one.version, "created": one.created}
        return JSONResponse(held | {"about": dict(one.about), "bytes": one.bytes})

    @app.delete("/adapters/{id}", status_code=204)
    async def delete(request: Request, id: Id) -> Response:
        """Forget it, at once and in every worker."""
        await service_of(request).delete(owner(request), id)
        return Response(status_code=204)


def _add_models(app: FastAPI) -> None:
    @app.get("/models")
    async def models(request: Request) -> Response:
        """The models, and the version of each that answers where none is named."""
        registry = service_of(request).registry
        return JSONResponse(
            {"models": [_described(registry, name) for name in registry.names() if registry.sound(name)]}
        )

    @app.get("/models/{name}")
    async def model(request: Request, name: Id, version: Version | None = None) -> Response:
        """One model: what it takes and gives, how it was judged, what made it."""
        try:
            record = service_of(request).registry.record(name, version)
        except KeyError as error:
            raise NotThere(error.args[0]) from None
        shown = ("name", "version", "form", "judged", "confidence", "made")
        return JSONResponse({key: record[key] for key in shown})


def _described(registry: Registry, name: str) -> dict[str, Any]:
    record = registry.record(name)
    judged = record["judged"]
    score = {part: judged[part] for part in ("metric", "mean", "half_width", "labels_saved")}
    return {
        "name": name,
        "current": record["version"],
        "versions": registry.versions(name),
        "form": record["form"],
        "judged": score,
    }


def _add_watching(app: FastAPI) -> None:
    @app.get("/healthz")
    async def healthz() -> Response:
        """This process answers."""
        return JSONResponse({"alive": True})

    @app.get("/readyz", responses={503: {"model": documents.Problem}})
    async def readyz(request: Request) -> Response:
        """It may be sent requests: models are warm, and the store can be read and written."""
        service = service_of(request)
        if service.not_ready:
            raise Refused(503, f"not ready: {service.not_ready}")
        await service.store.check()
        return JSONResponse({"ready": True})

    @app.get("/metrics", response_class=Response)
    async def metrics(request: Request) -> Response:
        """All counters, in all workers, and the five measures, as Prometheus reads them."""
        service = service_of(request)
        return Response(service.meters.text(await service.watched()), media_type=CONTENT_TYPE_LATEST)

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(PAGE / "index.html")


# --- around every request ------------------------------------------------------------------------------------


class Counting:
    """Counts each answer by its route and status; plain ASGI: the framework's wrapper costs as much as routing."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), [500]

        async def noting(message: Any) -> None:
            if message["type"] == "http.response.start":
                status[0] = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            service: Service | None = getattr(scope["app"].state, "service", None)
            if service is not None:
                path = getattr(scope.get("route"), "path", "other")  # no address: a caller could make up millions
                service.meters.requests.labels(path, status[0]).inc()
                service.meters.seconds.labels(path).observe(time.perf_counter() - started)


def _add_errors(app: FastAPI) -> None:
    async def known(request: Request, error: Exception) -> Response:
        status = next(number for kind, number in STATUS.items() if isinstance(error, kind))
        again = {"Retry-After": "1"} if status in AGAIN else None
        told = next((words for kind, words in PRIVATE.items() if isinstance(error, kind)), None)
        if told:
            log.warning("%s", error)
        return JSONResponse({"error": told or str(error)}, status, again)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return JSONResponse({"error": str(error)}, error.status, error.headers)

    async def by_framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        told = {404: "there is no such address", 405: "this address takes another method"}
        words = told.get(error.status_code, str(error.detail))
        return JSONResponse({"error": f"{words}; /docs lists them all"}, error.status_code, error.headers)

    async def unreadable(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]  # FastAPI's own answer repeats what was sent, and dies of a lone surrogate
        where = next((part for part in first["loc"][1:] if isinstance(part, str)), "the address")
        return JSONResponse({"error": f"{where}: {first['msg']}"}, 422)

    async def unknown(request: Request, error: Exception) -> Response:
        log.error("not foreseen", exc_info=error)
        return JSONResponse({"error": "a mistake of this server; its log says which"}, 500)

    for kind in STATUS:
        app.add_exception_handler(kind, known)
    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(HTTPException, by_framework)
    app.add_exception_handler(RequestValidationError, unreadable)
    app.add_exception_handler(Exception, unknown)


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's schema, and what the bodies refer to."""
    if not app.openapi_schema:
        found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        found.setdefault("components", {}).setdefault("schemas", {}).update(documents.components())
        if app.state.owners:
            found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            found["security"] = [{"token": []}]
        app.openapi_schema = found
    return app.openapi_schema
