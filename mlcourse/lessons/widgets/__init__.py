"""Widgets to step through and to play with: in JupyterLab, in the published book, and as a picture elsewhere.

Each is imported when it is first asked for: to step through the loops is not to wait for torch.
"""

from importlib import import_module
from typing import Any

_MODULES = {
    "DrawOnce": "drawing.drawing",
    "EpisodeBrowser": "episodes.episodes",
    "Landscape": "landscape.landscape",
    "MetaTrain": "training.training",
    "OwnWave": "waves.waves",
    "PrototypeExplorer": "prototypes.prototypes",
    "Stepper": "stepper.stepper",
    "experiment": "experiments",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(_MODULES)}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
