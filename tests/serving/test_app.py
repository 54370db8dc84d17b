"""The server's requests, as callers send them: right answers, and for each mistake its status and its sentence."""

import base64
import io
import json
import shutil

import numpy as np
import pytest
import safetensors.numpy
from fastapi.testclient import TestClient

from mlcourse.paths import data_folder
from mlcourse.serving.app import create_app
from mlcourse.serving.lanes import Busy
from mlcourse.serving.settings import Settings
from mlcourse.serving.store import Damaged, StoreDown, StoreFull
from mlcourse.tasks import Sinusoids, each
from mlcourse.tasks.store import digest_of
from mlcourse.tasks.task import Examples
from tests.serving.conftest import characters, sines

NPY = {"Content-Type": "application/x-npy"}


def npy(*arrays):
    file = io.BytesIO()
    for array in arrays:
        np.save(file, array)
    return file.getvalue()


def adapted(client, sine, **more):
    answer = client.post("/adapt", json={"model": "sines", "support": sine, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


# --- right answers -------------------------------------------------------------------------------------------


def test_adapt_then_predict_gives_what_the_model_gives(client):
    model = client.app.state.service.registry.model("sines")
    tasks = sines(3)
    for task in range(3):
        x, y, query = tasks.support.x[task], tasks.support.y[task], tasks.query.x[task]
        support = {"x": x.tolist(), "y": y.tolist()}
        made = adapted(client, support)
        assert made["version"] == 1 and 0 < made["confidence"] <= 1 and made["seconds"] > 0
        found = client.post("/predict", json={"adapter": made["adapter"], "x": query.tolist()}).json()
        inline = client.post("/predict", json={"model": "sines", "support": support, "x": query.tolist()}).json()
        expected = model.servable(Examples(x.astype(np.float32), y.astype(np.float32)), query.astype(np.float32))
        np.testing.assert_allclose(found["predictions"], expected, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(inline["predictions"], expected, rtol=1e-3, atol=1e-4)
        assert len(found["confidence"]) == len(found["abstain"]) == len(query)


def test_labels_are_the_caller_s_own_and_classes_as_many_as_they_like(client):
    task = characters(1, k_shot=2)
    names = np.array(["ash", "beech", "cedar", "elm", "fir"])
    x, y = task.support.x[0], names[task.support.y[0]]
    keep = y != "elm"
    made = adapted(client, {"x": x[keep].tolist(), "y": y[keep].tolist()}, model="glyphs")
    assert sorted(made["labels"]) == ["ash", "beech", "cedar", "fir"]
    asked = {"adapter": made["adapter"], "x": task.query.x[0].tolist()}
    found = client.post("/predict", json=asked).json()
    true = names[task.query.y[0]]
    known = true != "elm"
    assert np.mean(np.array(found["predictions"])[known] == true[known]) > 0.8
    np.testing.assert_allclose(np.sum(found["probabilities"], axis=1), 1, atol=1e-4)
    assert found["labels"] == made["labels"]


def test_json_base64_and_raw_arrays_say_the_same(client, sine):
    x, y = np.array(sine["x"]), np.array(sine["y"])
    asked = np.array([[0.5], [1.0]])

    def packed(array):
        return {"npy": base64.b64encode(npy(array)).decode()}

    bodies = [
        {"json": {"model": "sines", "support": sine, "x": asked.tolist()}},
        {"json": {"model": "sines", "support": {"x": packed(x), "y": packed(y)}, "x": packed(asked)}},
        {"content": npy(x, y, asked), "headers": NPY, "params": {"model": "sines"}},
    ]
    answers = [client.post("/predict", **body).json()["predictions"] for body in bodies]
    assert answers[0] == answers[1] == answers[2]
    made = client.post("/adapt", content=npy(x, y), headers=NPY, params={"model": "sines"}).json()
    found = client.post("/predict", content=npy(asked), headers=NPY, params={"adapter": made["adapter"]}).json()
    assert found["predictions"] == answers[0]


def test_adapters_are_listed_described_and_deleted(client, sine):
    made = [adapted(client, sine)["adapter"] for _ in range(3)]
    listed = client.get("/adapters", params={"limit": 2}).json()["adapters"]
    assert [one["id"] for one in listed] == made[:0:-1]
    older = client.get("/adapters", params={"limit": 1, "before": listed[-1]["created"]}).json()["adapters"]
    assert [one["id"] for one in older] == made[:1]
    assert client.get(f"/adapters/{made[0]}").json()["bytes"] > 5000
    assert client.delete(f"/adapters/{made[0]}").status_code == 204
    for answer in (
        client.delete(f"/adapters/{made[0]}"),
        client.get(f"/adapters/{made[0]}"),
        client.post("/predict", json={"adapter": made[0], "x": [[1.0]]}),
        client.post("/feedback", json={"adapter": made[0], "x": [[1.0]], "y": [1.0]}),
    ):
        assert answer.status_code == 404 and "no such adapter" in answer.json()["error"]


def test_feedback_is_counted_and_watched(client):
    sine = {"x": np.linspace(-4, 4, 10)[:, None].tolist(), "y": (2 * np.sin(np.linspace(-4, 4, 10))).tolist()}
    made = adapted(client, sine)["adapter"]
    x = [[0.5], [1.0], [2.0]]
    said = client.post("/predict", json={"adapter": made, "x": x}).json()["predictions"]
    y = [said[0], said[1], [said[2][0] + 50]]
    assert client.post("/feedback", json={"adapter": made, "x": x, "y": y}).json()["right"] == 2
    other = adapted(client, sine)["adapter"]
    client.post("/feedback", json={"adapter": other, "x": x, "y": said})
    text = client.get("/metrics").text
    assert 'mlcourse_few_shot_accuracy{model="sines/1"} 0.83' in text  # the mean over adapters of 2/3 and 1
    assert 'mlcourse_feedback_tasks{model="sines/1"} 2.0' in text


def test_of_fewer_examples_than_validation_had_nothing_is_known(client):
    short = {"x": [[1.0]], "y": [1.68]}
    made = adapted(client, short)
    assert made["confidence"] == 0.0
    told = client.post("/predict", json={"adapter": made["adapter"], "x": [[1.0]]}).json()
    assert told["confidence"] == [0.0] and told["abstain"] == [True]
    assert (
        client.post("/feedback", json={"adapter": made["adapter"], "x": [[1.0]], "y": [1.68]}).json()["counted"]
        is False
    )


@pytest.mark.parametrize("shots", [2, 5, 10, 20])
def test_the_chance_holds_at_every_number_of_points(client, shots):
    said, right = [], []
    for task in each(Sinusoids(shots, 10).sample(60, np.random.default_rng(7))):
        body = {"model": "sines", "support": {"x": task.support.x.tolist(), "y": task.support.y.tolist()}}
        told = client.post("/predict", json=body | {"x": task.query.x.tolist()}).json()
        said.append(np.mean(told["confidence"]))
        right.append(np.mean(np.abs(np.array(told["predictions"]) - task.query.y) <= 1))
    assert abs(np.mean(said) - np.mean(right)) < 0.06, (np.mean(said), np.mean(right))


def test_models_are_listed_and_described(client):
    listed = {one["name"]: one for one in client.get("/models").json()["models"]}
    assert {"features": [1], "kind": "numbers", "outputs": 1}.items() <= listed["sines"]["form"].items()
    assert client.get("/models/glyphs").json()["judged"]["metric"] == "accuracy"
    assert client.get("/models/glyph").status_code == 404
    assert client.get("/models/glyphs", params={"version": 7}).status_code == 404


def test_health_readiness_metrics_docs_and_page(client):
    assert client.get("/healthz").json() == {"alive": True}
    assert client.get("/readyz").json() == {"ready": True}
    assert "mlcourse_requests_total" in client.get("/metrics").text
    assert "swagger" in client.get("/docs").text and "http" not in client.get("/").text
    for name in ("page.js", "api.js", "curve.js", "drawing.js", "dashboard.js", "paste.js", "style.css"):
        assert client.get(f"/page/{name}").status_code == 200


def test_the_worked_examples_of_the_schema_work(client):
    paths = client.get("/openapi.json").json()["paths"]
    examples = {
        path: paths[path]["post"]["requestBody"]["content"]["application/json"]["examples"]
        for path in paths
        if "post" in paths[path]
    }
    made = client.post("/adapt", json=examples["/adapt"]["sines"]["value"]).json()["adapter"]
    assert client.post("/predict", json=examples["/predict"]["inline"]["value"]).status_code == 200
    for path, name in (("/predict", "adapter"), ("/feedback", "sines")):
        body = examples[path][name]["value"] | {"adapter": made}
        assert client.post(path, json=body).status_code == 200


# --- mistakes ------------------------------------------------------------------------------------------------

MISTAKES = {
    "a misspelt field": ({"modell": "sines"}, "not known; there are model, version, support"),
    "no model": ({"support": {"x": [[1]], "y": [1]}}, "model: Field required"),
    "no y": ({"model": "sines", "support": {"x": [[1]]}}, "support.y: Field required"),
    "x of another form": ({"model": "sines", "support": {"x": [[1, 2]], "y": [1]}}, r"support.x has shape (1, 2)"),
    "nothing": ({"model": "sines", "support": {"x": [], "y": []}}, "support.x has shape (0,)"),
    "too few y": ({"model": "sines", "support": {"x": [[1], [2]], "y": [1]}}, "support.y has shape (1, 1)"),
    "text for numbers": ({"model": "sines", "support": {"x": [[1]], "y": ["a"]}}, "support.y"),
    "a label that is a list": ({"model": "glyphs", "support": {"x": "IMAGES", "y": [[1], [2]]}}, "list of labels"),
    "labels that are true": (
        {"model": "glyphs", "support": {"x": "IMAGES", "y": [True, False]}},
        "list of labels",
    ),
    "labels that are fractions": ({"model": "glyphs", "support": {"x": "IMAGES", "y": [0.5, 1.5]}}, "support.y"),
    "one class": ({"model": "glyphs", "support": {"x": "IMAGES", "y": ["a", "a"]}}, "at least two"),
    "a long label": ({"model": "glyphs", "support": {"x": "IMAGES", "y": ["a" * 101, "b"]}}, "100 characters"),
    "another scale": (
        {"model": "sines", "support": {"x": [[255.0]], "y": [1]}},
        "support.x holds 255; this model was meta-trained on numbers from -4.99",
    ),
    "too many": ({"model": "sines", "support": {"x": [[1]] * 101, "y": [1] * 101}}, "at most 100"),
    "a version of text": ({"model": "sines", "version": "1", "support": {"x": [[1]], "y": [1]}}, "version: "),
    "so large that it diverges": ({"model": "sines", "support": {"x": [[1.0]], "y": [1e30]}}, "finite numbers"),
}


@pytest.mark.parametrize(("body", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told(client, body, told):
    text = json.dumps(body).replace('"IMAGES"', json.dumps(np.eye(28)[None, None].repeat(2, 0).tolist()))
    answer = client.post("/adapt", content=text, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422 and told in answer.json()["error"], answer.text


def test_a_prediction_is_asked_in_one_way(client, sine):
    both = {"adapter": "a", "model": "sines", "support": sine, "x": [[1]]}
    for body in (
        both,
        {"x": [[1]]},
        {"adapter": "a", "model": "sines", "x": [[1]]},
        {"adapter": "a", "version": 7, "x": [[1]]},
    ):
        assert client.post("/predict", json=body).status_code == 422
    half = client.post("/predict", json={"x": [[1]]}, params={"adapter": "a"})
    assert half.status_code == 422 and "into the body" in half.json()["error"]


def test_bodies_are_bounded_in_size_kind_and_packing(client, sine):
    large = client.post("/adapt", content=b"[" + b"1," * 200_000, headers={"Content-Type": "application/json"})
    assert large.status_code == 413 and "200000 bytes" in large.json()["error"]

    def endless():
        for _ in range(100):
            yield b"1," * 10_000

    assert client.post("/adapt", content=endless()).status_code == 413
    body = json.dumps({"model": "sines", "support": sine})
    form = client.post("/adapt", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert form.status_code == 415 and "application/json" in form.json()["error"]
    packed = client.post("/adapt", content=body, headers={"Content-Encoding": "gzip"})
    assert packed.status_code == 415


@pytest.mark.parametrize(
    ("error", "status"),
    [(StoreDown("/secret"), 503), (StoreFull("/secret"), 507), (Damaged("x"), 410), (Busy("b"), 503)],
)
def test_what_befalls_the_store_has_a_status(client, sine, monkeypatch, error, status):
    async def fails(*arguments):
        raise error

    monkeypatch.setattr(client.app.state.service.store, "put", fails)
    answer = client.post("/adapt", json={"model": "sines", "support": sine})
    assert answer.status_code == status and set(answer.json()) == {"error"} and "secret" not in answer.text
    assert ("Retry-After" in answer.headers) == (status in (503, 507))


def test_a_server_whose_store_is_down_is_alive_and_not_ready(client, monkeypatch):
    async def down():
        raise StoreDown("no disk")

    monkeypatch.setattr(client.app.state.service.store, "check", down)
    assert client.get("/readyz").status_code == 503 and client.get("/healthz").status_code == 200


def test_what_was_not_foreseen_tells_nothing_about_itself(client, monkeypatch, sine):
    async def fails(*arguments):
        raise RuntimeError("/home/secret")

    monkeypatch.setattr(client.app.state.service.store, "put", fails)
    monkeypatch.setattr(client._transport, "raise_server_exceptions", False)
    answer = client.post("/adapt", json={"model": "sines", "support": sine})
    assert answer.status_code == 500 and "secret" not in answer.text


def test_an_address_that_there_is_not_is_counted_as_other(client):
    assert "no such address" in client.get("/no/such/page").json()["error"]
    assert "another method" in client.get("/adapt").json()["error"]
    assert client.get("/adapt").status_code == 405
    text = client.get("/metrics").text
    assert 'path="other",status="404"' in text and "no/such" not in text


# --- tokens --------------------------------------------------------------------------------------------------


def test_an_adapter_belongs_to_its_token(tmp_path, sine):
    tokens = tmp_path / "tokens"
    tokens.write_text("first-token-0123456789\nsecond-token-0123456789\n")
    settings = Settings(store=str(tmp_path / "a.sqlite"), tokens=str(tokens))
    first, second = ({"Authorization": f"Bearer {name}-token-0123456789"} for name in ("first", "second"))
    with TestClient(create_app(settings)) as client:
        body = {"model": "sines", "support": sine}
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic first-token-0123456789"}):
            refused = client.post("/adapt", json=body, headers=headers)
            assert refused.status_code == 401 and refused.headers["WWW-Authenticate"] == "Bearer"
        made = client.post("/adapt", json=body, headers=first).json()["adapter"]
        asked = {"adapter": made, "x": [[1.0]]}
        assert client.post("/predict", json=asked, headers=first).status_code == 200
        assert client.post("/predict", json=asked, headers=second).status_code == 404
        assert client.get("/adapters", headers=second).json() == {"adapters": []}
        assert client.delete(f"/adapters/{made}", headers=second).status_code == 404
        assert client.get(f"/adapters/{made}", headers=first).status_code == 200
        assert client.get("/healthz").status_code == 200  # a balancer has no token
        assert "security" in client.get("/openapi.json").json()


def test_a_token_that_can_be_guessed_is_refused(tmp_path):
    (tmp_path / "tokens").write_text("short\n")
    with pytest.raises(ValueError, match="at least 16 characters"):
        create_app(Settings(tokens=str(tmp_path / "tokens")))


def test_a_damaged_model_is_told_and_the_others_are_served(tmp_path, sine):
    folder = tmp_path / "models"
    shutil.copytree(data_folder() / "models", folder)
    (folder / "glyphs/1/params.safetensors").write_bytes(b"broken")
    settings = Settings(models=str(folder), embedded=False, store=str(tmp_path / "a.sqlite"))
    with TestClient(create_app(settings)) as client:
        assert adapted(client, sine)["model"] == "sines"
        assert [one["name"] for one in client.get("/models").json()["models"]] == ["sines"]
        assert client.get("/metrics").status_code == client.get("/readyz").status_code == 200
        images = {"x": np.zeros((2, 1, 28, 28)).tolist(), "y": ["a", "b"]}
        told = client.post("/adapt", json={"model": "glyphs", "support": images})
        assert told.status_code == 503 and "register the model again" in told.text and "models" not in told.text


def test_an_adapter_never_meets_other_weights(tmp_path, sine):
    """A registry that was thrown away and made anew has other weights under the same name and version."""
    folder = tmp_path / "models"
    shutil.copytree(data_folder() / "models", folder)
    settings = Settings(models=str(folder), embedded=False, store=str(tmp_path / "a.sqlite"))
    with TestClient(create_app(settings)) as client:
        made = adapted(client, sine)["adapter"]
    record = json.loads((folder / "sines/1/model.json").read_text())
    numbers = safetensors.numpy.load_file(folder / "sines/1/params.safetensors")
    others = {name: array[..., ::-1].copy() for name, array in numbers.items()}
    (folder / "sines/1/params.safetensors").write_bytes(safetensors.numpy.save(others))
    (folder / "sines/1/model.json").write_text(json.dumps(record | {"digest": digest_of(others)}))
    with TestClient(create_app(settings)) as client:
        told = client.post("/predict", json={"adapter": made, "x": [[1.0]]})
        assert told.status_code == 410 and "adapt again" in told.json()["error"]
        assert client.delete(f"/adapters/{made}").status_code == 204


def test_a_promoted_version_answers_within_a_second_however_many_ask(client, monkeypatch):
    now = [1000.0]
    service = client.app.state.service
    monkeypatch.setattr("mlcourse.serving.service.time.monotonic", lambda: now[0])
    service._current.clear()
    assert service._current_version("sines") == 1
    monkeypatch.setattr(service.registry, "current", lambda name: 2)
    seen = []
    for _ in range(4):
        now[0] += 0.4  # never a second without a request
        seen.append(service._current_version("sines"))
    service._current.clear()
    assert seen == [1, 1, 2, 2]
