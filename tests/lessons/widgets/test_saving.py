"""What JupyterLab saves of a widget is its picture."""

import copy

from mlcourse.lessons.widgets import Stepper
from mlcourse.lessons.widgets.saving import WIDGET_VIEW, leave_stills


def saved(*outputs, **other):
    cell = {"cell_type": "code", "outputs": [copy.deepcopy(output) for output in outputs]}
    model = {"type": "notebook", "content": {"nbformat": 4, "cells": [{"cell_type": "markdown"}, cell]}} | other
    leave_stills(model, path="x.ipynb", contents_manager=None)
    return cell["outputs"]


def test_the_view_goes_and_the_picture_stays():
    data, _ = Stepper()._repr_mimebundle_()
    (output,) = saved({"output_type": "display_data", "data": data})
    assert output["data"] == {key: value for key, value in data.items() if key != WIDGET_VIEW} != data


def test_whatever_else_is_left_alone():
    others = [
        {
            "output_type": "display_data",
            "data": {WIDGET_VIEW: {"model_id": "a slider of ipywidgets, without a picture"}},
        },
        {"output_type": "stream", "name": "stdout", "text": "words"},
    ]
    assert saved(*others) == others
    assert saved(*others, type="file", content="text") == others
