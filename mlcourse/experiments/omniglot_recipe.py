"""The papers' settings for few-shot Omniglot, as one record a run, and how to change one of them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from mlcourse.arguments import nearest, require_choice, require_count, require_rate

METHODS = ("maml", "fomaml", "reptile", "protonet", "matching", "classifier")
ADAPTS = {"inner_lr", "inner_steps", "inner_steps_test"}  # settings that mean something to some methods only
OWN = {"maml": ADAPTS, "fomaml": ADAPTS, "reptile": ADAPTS | {"batch_size", "batch_size_test"}}
OWN |= {name: {"halvings"} for name in ("protonet", "matching", "classifier")}
ONE_METHODS = set().union(*OWN.values())
NONE_WITHOUT = ("k_shot", "meta_steps", "meta_batch_size", "k_shot_training", "n_query_training", "n_query_test")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the numbers; `recipe` fills in what the papers did."""

    method: str
    n_way: int
    k_shot: int
    meta_steps: int
    meta_batch_size: int
    n_way_training: int
    k_shot_training: int
    n_query_training: int  # per class
    n_query_test: int  # per class
    inner_lr: float = 0.0
    inner_steps: int = 0
    inner_steps_test: int = 0
    batch_size: int = 0  # of Reptile's inner steps
    batch_size_test: int = 0
    meta_lr: float = 1e-3
    halvings: int = 0
    channels: int = 64

    @property
    def n_images(self) -> int:
        """Images of a training task, rounded up to even: what the ordinary classifier gets in its place."""
        shown = self.n_way_training * (self.k_shot_training + self.n_query_training)
        return shown + shown % 2

    def __post_init__(self) -> None:
        require_choice("method", self.method, METHODS)
        least = dict.fromkeys(("n_way", "n_way_training"), 2) | dict.fromkeys((*NONE_WITHOUT, "channels"), 1)
        if self.method == "reptile":
            least |= dict.fromkeys(("inner_steps", "batch_size", "batch_size_test"), 1)
        for field in fields(self)[1:]:
            value = getattr(self, field.name)
            if field.type is int:
                require_count(field.name, value, least.get(field.name, 0))
            else:
                require_rate(field.name, value)
            if field.name in ONE_METHODS - OWN[self.method] and value != field.default:
                raise ValueError(
                    f"{field.name} is {value!r}, and {self.method} has no such setting; its own are "
                    f"{', '.join(sorted(OWN[self.method]))}, beside those that all have"
                )


def recipe(method: str, n_way: int, k_shot: int) -> Recipe:
    """The published setting of a method for N-way K-shot tasks of Omniglot.

    MAML: Finn et al. (2017), appendix A.1, the inner rate on the mean cross-entropy. Reptile: Nichol et al.
    (2018), the Omniglot settings in the appendix. Prototypical Networks: Snell et al. (2017), section 3.1.
    Matching Networks (Vinyals et al. 2016) are trained like them, so that only the measure differs. The ordinary
    classifier, a rival without a paper's number, gets as many images a step as they do, of all classes at once.
    """
    require_choice("method", method, METHODS)
    common = {"method": method, "n_way": n_way, "k_shot": k_shot}
    few = n_way <= 5
    if method == "reptile":
        inner = {"inner_lr": 1e-3, "inner_steps": 5, "batch_size": 10, "batch_size_test": 5, "meta_steps": 100_000}
        if not few:
            inner = {"inner_lr": 5e-4, "inner_steps": 10, "batch_size": 20, "batch_size_test": 10}
            inner["meta_steps"] = 200_000
        shots = {"n_way_training": n_way, "k_shot_training": 10, "n_query_training": 1, "n_query_test": 1}
        return Recipe(**common, **shots, **inner, inner_steps_test=50, meta_batch_size=5, meta_lr=1.0)
    if method in ("maml", "fomaml"):
        inner = {"inner_lr": 0.4, "inner_steps": 1, "inner_steps_test": 3, "meta_batch_size": 32}
        if not few:
            inner = {"inner_lr": 0.1, "inner_steps": 5, "inner_steps_test": 5, "meta_batch_size": 16}
        shots = {"k_shot_training": k_shot, "n_query_training": k_shot, "n_query_test": k_shot}
        return Recipe(**common, **shots, **inner, n_way_training=n_way, meta_steps=60_000)
    shots = {"k_shot_training": k_shot, "n_query_training": 5, "n_query_test": 5}
    return Recipe(**common, **shots, n_way_training=60, meta_batch_size=1, meta_steps=12_000, halvings=5)


def changed(r: Recipe, changes: Sequence[str]) -> Recipe:
    """The recipe with some settings changed, each given as text: ["inner_lr=1.0", "channels=32"].

    Raises ValueError for a name that is no setting (method, n_way and k_shot are arguments of `recipe`), or none
    of this method, or given twice, and for a value that is no number of its kind.
    """
    settings = {field.name: field.type for field in fields(Recipe)[3:]}
    chosen: dict[str, Any] = {}
    for change in changes:
        name, _, text = change.partition("=")
        if name in chosen:
            raise ValueError(f"{name} is set to {chosen[name]!r} and by {change!r}; give it once")
        if name not in settings:
            raise ValueError(
                f"{change!r} changes no setting{nearest(name, list(settings))}; give NAME=VALUE, "
                f"NAME one of {', '.join(settings)}"
            )
        try:
            chosen[name] = settings[name](text)
        except ValueError as error:
            raise ValueError(f"{change!r}: {name} is {settings[name].__name__}, and {text!r} is not") from error
    return replace(r, **chosen)
