"""All that a server can be told, in one record: it travels to the workers as one environment variable."""

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from mlcourse.arguments import require_count, require_positive

VARIABLE = "MLCOURSE_SERVER"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """models: the registry's folder; the course's own models are behind it unless `embedded` is False. store: the
    file of the adapters, or redis://HOST:PORT/N. tokens: a file with a bearer token in each line; without one
    everybody may use the server.
    """

    models: str | None = None
    embedded: bool = True
    store: str = "adapters.sqlite"
    tokens: str | None = None
    device: str = "cpu"
    threads: int = 1  # that compute side by side in a worker
    window: float = 0.003  # seconds to wait for others who adapt
    most_at_once: int = 32  # support sets in one batch; 1: none wait for others
    room: int = 256  # requests that may wait, for each of the two lanes
    max_age: float | None = 7 * 24 * 3600  # seconds that an adapter is kept
    cache_bytes: int = 32 * 2**20
    max_body: int = 8 * 2**20  # bytes
    body_seconds: float = 10.0  # within which a body must have come
    most_examples: int = 1000  # in a support set, or in the questions of one request
    feedback_window: int = 100  # adapters over which few-shot accuracy slides

    def __post_init__(self) -> None:
        for name in ("threads", "most_at_once", "room", "cache_bytes", "max_body", "most_examples"):
            require_count(name, getattr(self, name))
        require_count("feedback_window", self.feedback_window, least=2)
        require_positive("body_seconds", self.body_seconds)
        if self.max_age is not None:
            require_positive("max_age", self.max_age)

    def to_environment(self) -> None:
        """Let the processes that this one starts find the settings."""
        os.environ[VARIABLE] = json.dumps(asdict(self))


def from_environment() -> Settings:
    """What `to_environment` left, or the defaults."""
    held = json.loads(os.environ.get(VARIABLE, "{}"))
    known = {field.name for field in fields(Settings)}
    return Settings(**{name: value for name, value in held.items() if name in known})


def read_tokens(path: str | None) -> frozenset[str]:
    """The tokens of a file, one a line; ValueError for one that is short enough to be guessed."""
    if path is None:
        return frozenset()
    tokens = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]
    if not tokens or min(map(len, tokens)) < 16:
        raise ValueError(
            f"{path} must hold a token of at least 16 characters in each line; make one: "
            'python -c "import secrets; print(secrets.token_urlsafe())"'
        )
    return frozenset(tokens)
