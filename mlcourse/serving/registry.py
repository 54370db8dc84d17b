"""The registry of models: a folder, `NAME/VERSION/` with the parameters, how to build the network, and its record.

    models/sines/2/params.safetensors    numbers
    models/sines/2/model.json            recipe, form, how it did on meta-test tasks, what its confidence is worth
    models/sines/current                 the version that answers where none is named

`register` writes a version, whole or not at all, never over another one, and never with the number of one that
comes with the course. `promote` changes which one is current; old versions stay, and adapters that they made are
answered by them. What a recipe names is imported: whoever may write into this folder may run code in the server.
"""

import importlib
import json
import os
import re
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from mlcourse.arguments import nearest
from mlcourse.errors import DataError
from mlcourse.evaluation import evaluate, time_to_deploy
from mlcourse.fast.arrays import arrays, tensors
from mlcourse.fast.learners import GradientLearner, MetricLearner
from mlcourse.files import write_whole
from mlcourse.paths import data_folder
from mlcourse.rates import each_step
from mlcourse.serving import confidence as worth
from mlcourse.serving.confidence import Confidence
from mlcourse.serving.servable import CLASSES, NUMBERS, Form, Servable, servable
from mlcourse.tasks.family import as_family
from mlcourse.tasks.store import digest_of
from mlcourse.tasks.task import TaskFamily

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
LOSS = {CLASSES: "mlcourse.fast.losses:cross_entropy", NUMBERS: "mlcourse.fast.losses:squared_error"}
CLASSIFY = "mlcourse.fast.protonet:classify"
SAME = 1e-4  # what a rebuilt model may be off on float32's last digits, as a share of the largest output
RATE = "rate {step} of {name}"  # under which a step's rates of a parameter are stored beside the parameters


@dataclass(frozen=True)
class Recipe:
    """How the network, its loss and its measure are built again: "module:function", and arguments for the network.

    loss: for learners that descend; without one squared error or cross-entropy. classify: for those that compare.
    """

    network: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    loss: str = ""
    classify: str = CLASSIFY


class Families(NamedTuple):
    """Tasks to judge on: `validation` shows what confidence is worth, `test` is told, `train` gives the gap.

    validation: one family, or a list of some that differ in their shots, the examples of a task or of each class.
    """

    validation: Any  # once settled: by shots
    test: TaskFamily
    train: TaskFamily | None = None


@dataclass(frozen=True)
class Model:
    """A version of a model, ready to answer. confidence: by shots. record: all that model.json holds."""

    name: str
    version: int
    servable: Servable
    confidence: Mapping[int, Confidence]
    record: Mapping[str, Any]

    def confidence_at(self, shots: int) -> Confidence:
        """What validation tasks of so many shots, or else of the next fewer, showed."""
        return worth.at_shots(self.confidence, shots)

    def right(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Which predictions are right, (Q,) of bool."""
        return worth.right(self.servable.form.kind, outputs, y, self.record["judged"]["tolerance"])

    @property
    def labels(self) -> str:
        """ "sines/2": name and version, for messages and metrics."""
        return f"{self.name}/{self.version}"


def embedded_models() -> Path:
    """The folder of the models that come with the course."""
    return data_folder() / "models"


# --- write ---------------------------------------------------------------------------------------------------


def register(
    learner: Any,
    name: str,
    recipe: Recipe | str,
    families: Families,
    *,
    folder: Path | str = "models",
    tolerance: float | None = None,
    n_tasks: int = 600,
    seed: int = 2_000_001,
    made: Mapping[str, Any] | None = None,
    labels_saved: Mapping[str, Any] | None = None,
    promote_it: bool = True,
) -> Path:
    """Judge a trained learner on tasks it has not met, and keep it as the next version of `name`; its folder.

    learner: what `trained.learner()` gives. recipe: a `Recipe`, or the "module:function" that builds the network.
    tolerance: for numbers, how far off still counts as right; by default half of the root of the mean squared
    error that predicting zero has. made: where it comes from, command, seeds, date. labels_saved: what
    `evaluation.labels_saved` found, {"labels": 7, "or_more": False, "rival": "..."}. promote_it: let the new
    version answer at once where none is named.

    Raises ValueError for a learner that is transductive, that cannot be served, or that the recipe does not give
    again, DataError where nothing can be written.
    """
    require_name(name)
    recipe = Recipe(recipe) if isinstance(recipe, str) else recipe
    families = _settled(families, seed)
    form = _form(learner, families, seed)
    model = servable(learner, form)
    if form.kind == NUMBERS and tolerance is None:
        tolerance = _usual_size(families.test, seed) / 2
    learner_record, params = _plain(learner)
    record = {
        "name": name,
        "recipe": asdict(recipe),
        "learner": learner_record,
        "form": asdict(form),
        "judged": _judged(model, families, n_tasks, seed, tolerance, labels_saved),
        "made": dict(made or {}),
        "digest": digest_of(arrays(params)),
    }
    record["confidence"] = record["judged"].pop("confidence")
    _require_same(model, _rebuilt(record, params, torch.device("cpu")), families.test, seed)
    version = 1 + max(_taken(home / name) for home in (Path(folder), embedded_models()))
    where = _write(Path(folder) / name, version, {**record, "version": version}, params)
    if promote_it:
        promote(name, version, folder=folder)
    return where


def promote(name: str, version: int, *, folder: Path | str = "models") -> None:
    """From now on `version` answers where none is named. Running servers see it within a second."""
    home = Path(folder) / require_name(name)
    there = sorted({*_versions(home), *_versions(embedded_models() / name)})
    if version not in there:
        told = ", ".join(map(str, there)) or "none"
        raise ValueError(f"there is no version {version} of {name!r} in {folder}; there are: {told}")
    write_whole(home / "current", lambda file: file.write(f"{version}\n".encode()))


def _judged(
    model: Servable,
    families: Families,
    n_tasks: int,
    seed: int,
    tolerance: float | None,
    labels_saved: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The record of how it does: the five measures, and what its confidence is worth."""

    def score(family: TaskFamily) -> Any:
        return evaluate(model, family, n_tasks=n_tasks, rng=np.random.default_rng(seed))

    test = score(families.test)
    how = {"n_tasks": n_tasks, "tolerance": tolerance}
    rngs = np.random.default_rng(seed + 1).spawn(2)
    sure = {
        shots: worth.fitted(worth.try_tasks(model, family, rng=rngs[0], **how))
        for shots, family in sorted(families.validation.items())
    }
    shots = _shots(families.test, seed)
    on_test = worth.try_tasks(model, families.test, rng=rngs[1], **how)
    right, spread, half_width = worth.interval(on_test.right.mean(axis=1))
    given, right_of_given = worth.answered(worth.at_shots(sure, max(shots, min(sure))), on_test)
    deploy = time_to_deploy(model, families.test, rng=np.random.default_rng(seed))
    gap = None if families.train is None else score(families.train).mean - test.mean
    return {
        "metric": test.metric.name,
        "mean": test.mean,
        "half_width": test.half_width,
        "n_tasks": n_tasks,
        "shots": shots,
        "tolerance": tolerance,
        "right": {"mean": right, "spread": spread, "half_width": half_width, "n_tasks": n_tasks},
        "answered": {"share": given, "right": None if np.isnan(right_of_given) else right_of_given},
        "gap": gap,
        "inner_steps": getattr(model.learner, "inner_steps", 0),
        "seconds_to_deploy": deploy.seconds,
        "labels_saved": labels_saved,
        "confidence": {str(number): asdict(one) for number, one in sure.items()},
    }


def _write(home: Path, version: int, record: dict[str, Any], params: dict[str, torch.Tensor]) -> Path:
    """Write a version beside its place and let it take its name at one stroke."""
    where, beside = home / str(version), home / f".{version}.{uuid.uuid4().hex}"
    try:
        beside.mkdir(parents=True)
        (beside / "params.safetensors").write_bytes(save({name: p.contiguous() for name, p in params.items()}))
        text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        (beside / "model.json").write_text(text, encoding="utf-8")
        os.rename(beside, where)
    except OSError as error:
        raise DataError(f"model {where} could not be written ({error}); give another folder") from error
    return where


# --- read ----------------------------------------------------------------------------------------------------


class Registry:
    """The models of a folder, and behind them those that come with the course. Loaded when they are asked for."""

    def __init__(self, folder: Path | str | None = None, *, device: str = "cpu", embedded: bool = True) -> None:
        own = [Path(folder)] if folder is not None else []
        self.homes = own + ([embedded_models()] if embedded else [])
        self.device = torch.device(device)
        self._loaded: dict[tuple[str, int], Model] = {}

    def names(self) -> list[str]:
        """Of all models that have a current version."""
        return sorted({path.parent.name for home in self.homes for path in home.glob("*/current")})

    def versions(self, name: str) -> list[int]:
        """Of one model, oldest first; a version of one's own follows those that come with the course."""
        self._home(name)
        return sorted({version for home in self.homes for version in _versions(home / name)})

    def current(self, name: str) -> int:
        """The version that answers where none is named; read anew each time, since it may have been promoted."""
        path = self._home(name) / "current"
        try:
            return int(path.read_text())
        except (OSError, ValueError) as error:
            raise DataError(f"{path} does not name a version ({error}); promote one") from error

    def record(self, name: str, version: int | None = None) -> dict[str, Any]:
        """What model.json holds."""
        return _record(self._folder(name, self.current(name) if version is None else version))

    def model(self, name: str, version: int | None = None) -> Model:
        """A version, by default the current one. KeyError for what there is not, DataError for a damaged one."""
        version = self.current(name) if version is None else version
        key = (name, version)
        if key not in self._loaded:
            self._loaded[key] = load(self._folder(name, version), device=self.device)
        return self._loaded[key]

    def sound(self, name: str) -> bool:
        """Whether its current version can be loaded."""
        try:
            self.model(name)
        except DataError:
            return False
        return True

    def loaded(self, name: str, version: int) -> Model | None:
        """The version, where it is in memory already."""
        return self._loaded.get((name, version))

    def _home(self, name: str) -> Path:
        for home in self.homes:
            if NAME.fullmatch(name) and (home / name / "current").is_file():
                return home / name
        close = nearest(name, self.names())
        raise KeyError(f"there is no such model{close}; there are: {', '.join(self.names()) or 'none'}")

    def _folder(self, name: str, version: int) -> Path:
        there = self.versions(name)
        if version not in there:
            raise KeyError(f"the model {name} has no such version; there are: {', '.join(map(str, there))}")
        return next(home / name / str(version) for home in self.homes if version in _versions(home / name))


def load(folder: Path | str, *, device: torch.device | str = "cpu") -> Model:
    """The version in this folder. DataError when it is damaged, or what its recipe names is not there."""
    folder = Path(folder)
    record = _record(folder)
    path = folder / "params.safetensors"
    try:
        params = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path} cannot be read ({error}); register the model again") from error
    if digest_of(arrays(params)) != record["digest"]:
        raise DataError(f"{path} does not hold what model.json describes; register the model again")
    try:
        model = _rebuilt(record, params, torch.device(device))
        confidence = {int(shots): worth.from_plain(one) for shots, one in record["confidence"].items()}
        return Model(record["name"], record["version"], model, confidence, record)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{folder} cannot be built again: {error}; start where its modules are") from error


def _rebuilt(record: Mapping[str, Any], stored: Mapping[str, torch.Tensor], device: torch.device) -> Servable:
    """The model that a record and its numbers describe."""
    recipe, how = Recipe(**record["recipe"]), record["learner"]
    form = Form(**{**record["form"], "features": tuple(record["form"]["features"])})
    placed = tensors(dict(stored), device=device)
    params = {name: p for name, p in placed.items() if name in how["params"]}
    network = _named(recipe.network)(**recipe.arguments)
    if how["kind"] == "comparing":
        return servable(MetricLearner(_named(recipe.classify), network, params, how["queries"]), form)
    rates = [
        {name: placed[RATE.format(step=step, name=name)] if rate is None else rate for name, rate in one.items()}
        for step, one in enumerate(how["rates"])
    ]
    loss = _named(recipe.loss or LOSS[form.kind])(network)
    return servable(GradientLearner(network, loss, params, rates, len(rates), how["queries"]), form)


def _plain(learner: Any) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """What of a learner goes into model.json, and the tensors beside it: parameters, and rates that are arrays."""
    params = {name: p.detach().cpu() for name, p in learner.params.items()}
    known = {"params": sorted(params), "queries": learner.queries}
    if isinstance(learner, MetricLearner):
        return {"kind": "comparing", **known}, params
    rates: list[dict[str, float | None]] = []
    stored = dict(params)
    for step, one in enumerate(each_step(learner.params, learner.inner_lr, learner.inner_steps)):
        single = {name: rate for name, rate in one.items() if np.ndim(arrays(rate)) == 0}
        rates.append({name: float(single[name]) if name in single else None for name in one})
        several = {
            RATE.format(step=step, name=n): r.detach().cpu().clone() for n, r in one.items() if n not in single
        }
        stored |= several
    return {"kind": "descending", "rates": rates, **known}, stored


def _named(path: str) -> Callable:
    """What "module:function" names; modules beside the place where the command was called count, too."""
    module, _, function = path.partition(":")
    if not module or not function or module == "__main__":
        raise ValueError(
            f'{path!r} names nothing that a server can import; give "module:function", such as {LOSS[NUMBERS]!r}'
        )
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"{path!r} cannot be found ({error}); it must be importable where the server is started"
        ) from error


def _settled(families: Families, seed: int) -> Families:
    """The families that were meant, those of validation by their shots."""
    if not isinstance(families, Families):
        raise ValueError(f"families is a {type(families).__name__}; give Families(validation, test)")
    validation, test, train = families
    several = validation if isinstance(validation, list | tuple) else [validation]
    by_shots = {_shots(one, seed): one for one in (as_family("validation", one) for one in several)}
    return Families(by_shots, as_family("test", test), None if train is None else as_family("train", train))


def _form(learner: Any, families: Families, seed: int) -> Form:
    """What tasks look like, between which numbers inputs lie, and how many classes the learner asks for."""
    drawn = [f.sample(100, np.random.default_rng(seed)) for f in (families.test, *families.validation.values())]
    inputs = [np.asarray(part.x) for tasks in drawn for part in tasks]
    bounds = float(min(x.min() for x in inputs)), float(max(x.max() for x in inputs))
    features, y = tuple(inputs[0].shape[2:]), np.asarray(drawn[0].support.y)
    if y.dtype.kind == "f":
        return Form(features, NUMBERS, int(y.shape[-1]), *bounds)
    fixed = int(y.max()) + 1 if isinstance(learner, GradientLearner) else None
    return Form(features, CLASSES, fixed, *bounds)


def _shots(family: TaskFamily, seed: int) -> int:
    """The examples of a task of this family; of classes those of the class that has fewest."""
    y = np.asarray(family.sample(1, np.random.default_rng(seed)).support.y[0])
    return shots_of(y)


def shots_of(y: np.ndarray) -> int:
    """The examples in a support set with labels y (S,) or outputs (S, outputs); of classes, of the rarest one."""
    return len(y) if y.dtype.kind == "f" else int(np.unique(y, return_counts=True)[1].min())


def _usual_size(family: TaskFamily, seed: int) -> float:
    """The root of the mean square of the labels: how far off it is to predict zero."""
    y = family.sample(100, np.random.default_rng(seed)).query.y
    return float(np.sqrt(np.mean(np.square(y))))


def _require_same(model: Servable, again: Servable, family: TaskFamily, seed: int) -> None:
    """Refuse a recipe that does not give the same predictions again."""
    task = family.sample(1, np.random.default_rng(seed))
    found, expected = (one(*_single(task)) for one in (again, model))
    if found.shape != expected.shape or np.abs(found - expected).max() > SAME * np.abs(expected).max():
        raise ValueError(
            "the recipe gives another model than the learner: its predictions differ; name the network, the loss "
            "and the measure that it was trained with"
        )


def _single(task: Any) -> Sequence[Any]:
    """The support set and the queries of a batch of one task."""
    return type(task.support)(*(array[0] for array in task.support)), task.query.x[0]


def _record(folder: Path) -> dict[str, Any]:
    path = folder / "model.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); register the model again") from error


def _versions(home: Path) -> list[int]:
    return sorted(int(path.parent.name) for path in home.glob("[0-9]*/model.json"))


def _taken(home: Path) -> int:
    """The last version, also where it is half removed; 0 where there is none."""
    return max([int(path.name) for path in home.glob("[0-9]*") if path.name.isdigit()], default=0)


def require_name(name: str) -> str:
    """ValueError unless it can be the name of a model, and thus of a folder."""
    if not NAME.fullmatch(name):
        raise ValueError(
            f"name is {name!r}; give small letters, digits, - and _, at most 64, such as sines or my-model"
        )
    return name
