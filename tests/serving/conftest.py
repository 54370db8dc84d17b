"""What the tests of the server share: the course's own models, a service, and an app with a client."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from fastapi.testclient import TestClient

from mlcourse.serving.app import create_app
from mlcourse.serving.settings import Settings
from mlcourse.tasks import Episodes, Sinusoids, glyphs

SINE = {"x": [[-4.0], [-2.2], [0.0], [1.6], [3.6]], "y": [2.4, 0.15, -2.1, 1.41, 1.29]}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of the app with the course's own models; what is not foreseen is raised in the test."""
    folder = tmp_path_factory.mktemp("server")
    settings = Settings(store=str(folder / "adapters.sqlite"), max_body=200_000, most_examples=100)
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture
def sine() -> dict:
    """Five points of a sine as a support set in JSON."""
    return SINE


def sines(n_tasks: int, seed: int = 0):
    """Tasks like those of the model `sines`."""
    return Sinusoids(10, 10).sample(n_tasks, np.random.default_rng(seed))


def characters(n_tasks: int, seed: int = 0, k_shot: int = 1):
    """Tasks like those of the model `glyphs`, of scripts that it has not met."""
    return Episodes(glyphs.splits().test, 5, k_shot, 3).sample(n_tasks, np.random.default_rng(seed))
