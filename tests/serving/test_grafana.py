"""The dashboard for Grafana asks for what the server tells, and shows the five measures."""

import json
import re

import numpy as np
import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from mlcourse.serving.app import PAGE, create_app
from mlcourse.serving.settings import Settings

DASHBOARD = json.loads((PAGE / "grafana.json").read_text(encoding="utf-8"))
PANELS = DASHBOARD["panels"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
NAME = re.compile(r"mlcourse_\w+")
FIVE = ("inner_steps", "few_shot_accuracy", "task_generalisation_gap", "labels_saved", "seconds_to_deploy")


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """After some requests: of each sample the server tells, its labels."""
    settings = Settings(store=str(tmp_path_factory.mktemp("grafana") / "a.sqlite"))
    x = np.linspace(-4, 4, 10)  # as many points as at meta-test: feedback counts
    ten = {"x": x[:, None].tolist(), "y": (2 * np.sin(x)).tolist()}
    with TestClient(create_app(settings)) as client:
        for _ in range(2):
            made = client.post("/adapt", json={"model": "sines", "support": ten}).json()["adapter"]
            client.post("/predict", json={"adapter": made, "x": [[1.0]]})
            client.post("/feedback", json={"adapter": made, "x": [[1.0]], "y": [1.0]})
        families = text_string_to_metric_families(client.get("/metrics").text)
        found = {}
        for family in families:
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
        return found


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_asks_for_what_there_is(told, query):
    names = NAME.findall(query)
    assert names and set(names) <= told.keys()
    labels = {word for group in re.findall(r"by \(([^)]*)\)", query) for word in re.split(r",\s*", group)}
    labels |= set(re.findall(r"(\w+)=\"", query))
    assert labels <= set().union(*(told[name] for name in names))


def test_legends_name_labels_that_the_query_keeps(told):
    for panel in PANELS:
        for target in panel["targets"]:
            labels = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert labels <= set().union(*(told[name] for name in NAME.findall(target["expr"]))), panel["title"]


def test_the_five_measures_are_on_it():
    asked = {name for query in QUERIES for name in NAME.findall(query)}
    assert {f"mlcourse_{name}" for name in FIVE} <= asked


def test_panels_stand_beside_one_another_and_have_ids_of_their_own():
    taken = set()
    for panel in PANELS:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
        assert place["x"] + place["w"] <= 24 and not cells & taken
        taken |= cells
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    assert all(panel["datasource"]["uid"] == "${source}" for panel in PANELS)
