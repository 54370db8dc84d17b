"""How long one meta-gradient takes: ours beside the libraries and the plain loop that they run.

Every contender gets the same weights and tasks and must give the same gradient before it is timed. Run it with
`python -m mlcourse bench meta-gradient --model sinusoid` or `--model conv4`.
"""

from typing import Any

from mlcourse.arguments import require_choice
from mlcourse.experiments.bench import conv4, sinusoid

MODELS = {"sinusoid": sinusoid.meta_gradient, "conv4": conv4.meta_gradient}


def meta_gradient(*, model: str = "sinusoid", **settings: Any) -> dict[str, Any]:
    """Time one meta-gradient of `model`; returns a table as `results` keeps them.

    settings: those of `bench.sinusoid.meta_gradient` or `bench.conv4.meta_gradient`, where they are explained.
    """
    require_choice("model", model, MODELS)
    return MODELS[model](**settings)
