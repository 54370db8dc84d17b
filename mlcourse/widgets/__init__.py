"""Widgets to step through and to play with: in JupyterLab, in the published book, and as a picture elsewhere."""

from mlcourse.widgets.stepper import Stepper

__all__ = ["Stepper"]
