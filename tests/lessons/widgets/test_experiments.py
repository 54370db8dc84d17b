"""Live experiments without a browser: controls and their starting values, the picture, errors, the stored page."""

import re

import ipywidgets
import pytest
from matplotlib import pyplot

from mlcourse.lessons import figures
from mlcourse.lessons.widgets import experiment
from mlcourse.lessons.widgets.saving import WIDGET_VIEW

ALT = "A line for inner_lr {inner_lr} and {inner_steps} steps."


def draw(inner_lr=0.01, inner_steps=1, method="maml", grid=False):
    figure, axes = figures.canvas()
    axes.plot([0, inner_steps], [0, inner_lr])
    if inner_steps == 9:
        raise ValueError("nine is <too> many")
    return None if inner_steps == 8 else figure


def test_each_control_is_the_widget_it_asks_for():
    tried = experiment(
        draw, alt=ALT, inner_lr=(0.001, 0.05, 0.001), inner_steps=(0, 10), method=["maml", "reptile"], grid=True
    )
    kinds = {name: type(control) for name, control in tried.controls.items()}
    sliders = {"inner_lr": ipywidgets.FloatSlider, "inner_steps": ipywidgets.IntSlider}
    assert kinds == sliders | {"method": ipywidgets.Dropdown, "grid": ipywidgets.Checkbox}
    assert tried.values == {"inner_lr": 0.01, "inner_steps": 1, "method": "maml", "grid": False}  # draw's defaults
    assert not tried.controls["inner_lr"].continuous_update and tried.controls["inner_lr"].step == 0.001
    assert tried.box.children == (*tried.controls.values(), tried.output)


def test_start_goes_before_the_defaults_and_a_choice_needs_none():
    def bare(rate, method, grid):
        return draw(rate)

    tried = experiment(bare, alt="A line.", start={"rate": 0.5}, rate=(0.0, 1.0), method=["b", "a"], grid=True)
    assert tried.values == {"rate": 0.5, "method": "b", "grid": True}
    assert experiment(draw, alt="A line.", start={"inner_lr": 0.02}, inner_lr=(0.0, 1.0)).values == {
        "inner_lr": 0.02
    }


def test_choices_may_be_tuples():
    tried = experiment(lambda pair: draw(*pair), alt="A line to {pair}.", pair=[(0.1, 2), (0.3, 4)])
    assert tried.values == {"pair": (0.1, 2)} and 'alt="A line to (0.1, 2)."' in tried.output.value
    tried.controls["pair"].value = (0.3, 4)
    assert 'alt="A line to (0.3, 4)."' in tried.output.value


def test_a_move_draws_the_new_picture_with_its_words():
    tried = experiment(draw, alt=ALT, inner_lr=(0.001, 0.05), inner_steps=(0, 10))
    first = tried.output.value
    assert 'alt="A line for inner_lr 0.01 and 1 steps."' in first and "data:image/png" in first
    tried.controls["inner_steps"].value = 5
    assert 'alt="A line for inner_lr 0.01 and 5 steps."' in tried.output.value
    tried.controls["inner_steps"].value = 1
    assert tried.output.value == first


def test_what_draw_raises_is_said_and_the_sliders_stay():
    tried = experiment(draw, alt=ALT, inner_lr=(0.001, 0.05), inner_steps=(0, 10))
    first = tried.output.value
    tried.controls["inner_steps"].value = 9
    assert "With inner_lr=0.01, inner_steps=9: ValueError: nine is &lt;too&gt; many" in tried.output.value
    assert 'role="alert"' in tried.output.value and tried.box.children[0] is tried.controls["inner_lr"]
    tried.controls["inner_steps"].value = 8
    assert "TypeError: draw returned None; return the matplotlib Figure" in tried.output.value
    tried.controls["inner_steps"].value = 1
    assert tried.output.value == first


def test_an_error_at_the_start_is_an_ordinary_error():
    with pytest.raises(ValueError, match="nine is <too> many"):
        experiment(draw, alt=ALT, start={"inner_steps": 9}, inner_lr=(0.0, 1.0), inner_steps=(0, 10))
    with pytest.raises(TypeError, match="draw returned None; return the matplotlib Figure that it draws"):
        experiment(draw, alt=ALT, start={"inner_steps": 8}, inner_lr=(0.0, 1.0), inner_steps=(0, 10))


def test_a_figure_of_pyplot_is_not_left_open():
    def with_pyplot(inner_steps=1):
        return pyplot.subplots()[0]

    before = pyplot.get_fignums()
    experiment(with_pyplot, alt="Axes.", inner_steps=(0, 10))
    assert pyplot.get_fignums() == before


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"inner_rate": (0.0, 1.0)}, "draw has no parameter 'inner_rate'; it takes inner_lr, inner_steps"),
        ({}, "there is no control"),
        ({"inner_steps": (10, 0)}, "inner_steps is (10, 0); give (low, high), (low, high, step)"),
        ({"inner_steps": (0, 10, 0)}, "inner_steps is (0, 10, 0); give"),
        ({"inner_steps": 3}, "inner_steps is 3; give (low, high)"),
        (
            {"inner_lr": (0.0, float("inf"))},
            "inner_lr is (0.0, inf); give (low, high), (low, high, step) of finite",
        ),
        ({"method": []}, "method is []; give"),
        ({"inner_steps": (2, 10)}, "inner_steps starts at 1; give a whole number from 2 to 10"),
        (
            {"inner_steps": (0, 10), "start": {"inner_steps": 2.5}},
            "starts at 2.5; give a whole number from 0 to 10",
        ),
        ({"method": ["maml"], "start": {"method": "sgd"}}, "method starts at 'sgd'; give one of 'maml'"),
        ({"grid": True, "start": {"grid": 1}}, "grid starts at 1; give True or False"),
        ({"grid": True, "start": {"inner_lr": 1}}, "start names 'inner_lr', which is no control; there are grid"),
        ({"grid": True, "alt": "At {inner_lr}."}, "alt names 'inner_lr', which is no control; there are grid"),
        ({"grid": True, "alt": " "}, "alt is empty; say in a sentence what the figure shows"),
        ({"grid": True, "alt": None}, "alt is None; say in a sentence what the figure shows"),
        (
            {"grid": True, "alt": "A {set."},
            "alt is 'A {set.' (expected '}' before end of string); write {{ and }}",
        ),
        ({"grid": True, "start": 5}, "start is 5; give a dict of starting values"),
    ],
)
def test_wrong_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        experiment(draw, **{"alt": "A line.", **arguments})


def test_a_function_that_cannot_be_called_and_one_that_lacks_a_value_are_named():
    with pytest.raises(TypeError, match="draw is 3; give a function that returns a matplotlib Figure"):
        experiment(3, alt="A line.", inner_lr=(0.0, 1.0))
    with pytest.raises(ValueError, match=re.escape("rate has no starting value; give start={'rate': …}")):
        experiment(lambda rate: draw(rate), alt="A line.", rate=(0.0, 1.0))
    with pytest.raises(ValueError, match="draw needs 'rate'; give it a control, or a default in the function"):
        experiment(lambda rate, steps=1: draw(rate), alt="A line.", steps=(0, 3))
    with pytest.raises(ValueError, match="draw takes 'rate=1' by its place; let it take 'rate' by its name"):
        experiment(lambda rate=1, /: draw(rate), alt="A line.", rate=(0, 3))


def test_the_output_holds_a_live_view_and_what_a_page_without_a_kernel_shows():
    tried = experiment(draw, alt=ALT, inner_lr=(0.001, 0.05), inner_steps=(0, 10))
    data = tried._repr_mimebundle_()
    assert set(data) == {"text/plain", "text/html", WIDGET_VIEW}
    assert data[WIDGET_VIEW]["model_id"] == tried.box.model_id
    assert data["text/plain"] == repr(tried) == "Experiment(draw, inner_lr=0.01, inner_steps=1)"
    assert data["text/html"].startswith('<img alt="A line for inner_lr 0.01 and 1 steps."')
    line = "With a kernel (run this cell) sliders for inner_lr and inner_steps appear here."
    assert data["text/html"].endswith(f"<p>{line}</p>") and "<script" not in data["text/html"]
    chosen = experiment(draw, alt="A line.", method=["maml"])
    assert "controls for method appear here" in chosen.to_html()
