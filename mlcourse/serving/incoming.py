"""A request's body and its sender, read within bounds: so many bytes, so many seconds, and whose token."""

import asyncio
import hashlib
from typing import Any

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from mlcourse.serving.bodies import BadBody, parsed
from mlcourse.serving.documents import Support
from mlcourse.serving.settings import Settings

JSON, NPY = "application/json", "application/x-npy"


class Refused(Exception):
    """A request that is answered by `status` and a sentence."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or {}


async def body_of(request: Request, settings: Settings) -> bytes:
    """The whole body, or `Refused`: too large, too slow, or packed."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(415, "the body is packed (Content-Encoding); send it as it is")
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said) > settings.max_body:
        raise Refused(413, _too_large(settings), {"Connection": "close"})
    parts, size = [], 0
    try:
        async with asyncio.timeout(settings.body_seconds):
            async for part in request.stream():
                size += len(part)
                if size > settings.max_body:
                    raise Refused(413, _too_large(settings), {"Connection": "close"})
                parts.append(part)
    except ClientDisconnect:
        raise Refused(400, "the connection ended before the body did; send it whole") from None
    except TimeoutError:
        slow = f"the body did not come within {settings.body_seconds:g} seconds; send it at once"
        raise Refused(408, slow, {"Connection": "close"}) from None
    return b"".join(parts)


def kind_of(request: Request) -> str:
    """JSON or NPY; `Refused` for another Content-Type."""
    kind = request.headers.get("content-type", JSON).split(";")[0].strip().lower()
    if kind not in (JSON, NPY):
        raise Refused(415, f"the Content-Type is not known; send {JSON}, or arrays of numpy.save as {NPY}")
    return kind


def read(model: type[BaseModel], body: bytes) -> Any:
    """The JSON body as `model` describes it. Messages name the place and never repeat what was sent."""
    try:
        return model.model_validate(parsed(body))
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        first = min(found, key=lambda one: one["type"] != "extra_forbidden")  # a misspelt field is missing, too
        known = {name for each in (model, Support) for name in each.model_fields}
        path = ".".join(str(part) for part in first["loc"] if part in known) or "the body"
        extra = first["type"] == "extra_forbidden"
        told = (
            f"has a field that is not known; there are {', '.join(model.model_fields)}" if extra else first["msg"]
        )
        raise BadBody(f"{path}: {told}") from None


def owner_of(request: Request, owners: frozenset[str]) -> str:
    """Whose request it is, one of `owners` by the token's digest; "" where no token is asked for."""
    if not owners:
        return ""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    # compared as digests: how long that takes tells nothing about a token
    given = digest(token.strip())
    if scheme.lower() != "bearer" or given not in owners:
        raise Refused(
            401, "send a token of this server: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"}
        )
    return given


def digest(token: str) -> str:
    """What a token's owner is called: the store shall hold no token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _too_large(settings: Settings) -> str:
    return f"the body is larger than {settings.max_body} bytes; send fewer examples, or arrays as {NPY}"
