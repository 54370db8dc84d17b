"""The commands `reproduce NAME`: their options are the fields of an experiment's settings."""

import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from importlib import import_module
from typing import Annotated, Any

import typer

from mlcourse.experiments.experiment import Experiment, flag
from mlcourse.experiments.runner import run

Common = dict[str, tuple[Any, Any]]  # by name the annotation and the default


def experiment(name: str) -> type[Experiment]:
    """The experiment of that name."""
    return import_module(f"mlcourse.experiments.{name}").EXPERIMENT


def command(name: str, common: Common, show: Callable[[dict[str, Any], bool], None], say: Callable) -> Callable:
    """A function for typer that runs the experiment `name`.

    common: options that every command has, among them those of `run` and as_json. show: prints the table.
    """
    kind = experiment(name)
    if not kind.on_gpu:
        common = {key: value for key, value in common.items() if key not in ("device", "checkpoints")}
    own = [one for one in fields(kind.settings_type) if one.metadata.get("help")]

    def reproduce(**given: Any) -> None:
        chosen = {one.name: given.pop(one.name) for one in own}
        chosen = {key: tuple(value) if isinstance(value, list) else value for key, value in chosen.items()}
        as_json = given.pop("as_json")
        given["seeds"] = tuple(given["seeds"])
        show(run(kind, kind.settings_type(**chosen), progress=True, say=say, **given), as_json)

    hints = typing.get_type_hints(kind.settings_type)
    options = {one.name: (_annotation(one, hints[one.name]), _default(one)) for one in own} | common
    keyword = inspect.Parameter.KEYWORD_ONLY
    reproduce.__signature__ = inspect.Signature(
        [inspect.Parameter(key, keyword, default=default, annotation=a) for key, (a, default) in options.items()]
    )
    reproduce.__annotations__ = {key: annotation for key, (annotation, _) in options.items()}
    reproduce.__doc__ = kind.about
    return reproduce


def _annotation(one: Field, hint: Any) -> Any:
    """What typer reads off a field: its type (of a tuple, a list of its parts) and its words."""
    parts = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        hint = list[parts[0]]
    elif isinstance(hint, types.UnionType):
        hint = next(part for part in parts if part is not types.NoneType) | None
    return Annotated[hint, typer.Option(flag(one.name), help=one.metadata["help"])]


def _default(one: Field) -> Any:
    return inspect.Parameter.empty if one.default is MISSING else one.default
