"""Live experiments: the reader's own drawing function behind sliders, and its picture where there is no kernel.

These are plain ipywidgets: every move runs the reader's Python again, so nothing moves without a kernel. What is
stored, and what the published book shows, is the picture at the starting values and a line that says so.
"""

import html
import inspect
import math
from collections.abc import Callable
from numbers import Integral, Real
from string import Formatter
from typing import Any

import ipywidgets
from matplotlib.figure import Figure

from mlcourse.lessons import figures
from mlcourse.lessons.widgets import base

VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL)


def experiment(
    draw: Callable[..., Figure], *, alt: str, start: dict[str, Any] | None = None, **controls: Any
) -> "Experiment":
    """Put sliders before `draw`, which is called with their values and returns a matplotlib Figure.

    Args:
        draw: the reader's own function; it is called with the name and value of every control.
        alt: what the figure shows, for readers who cannot see it; `{inner_lr}` stands for that control's value.
        start: starting values. Without one a control starts at the default of draw's parameter, a list at its
            first choice, a bool as it is.
        controls: for each parameter (low, high) or (low, high, step) for a slider, of whole numbers if all are
            whole; a list of choices; or a bool for a box to tick.

    Raises:
        TypeError, ValueError: an argument does not fit; the message says which and how to mend it.
        Whatever `draw` raises at the starting values. Later, the message stands where the picture was.
    """
    if not callable(draw):
        raise TypeError(f"draw is {draw!r}; give a function that returns a matplotlib Figure")
    start = {} if start is None else start
    if not isinstance(alt, str):
        raise ValueError(f"alt is {alt!r}; say in a sentence what the figure shows")
    if not isinstance(start, dict):
        raise ValueError(f"start is {start!r}; give a dict of starting values")
    _check_names(draw, alt, controls, start)
    defaults = {
        name: p.default for name, p in inspect.signature(draw).parameters.items() if p.default is not p.empty
    }
    made = {name: _control(name, control, {**defaults, **start}) for name, control in controls.items()}
    return Experiment(draw, alt, made)


class Experiment:
    """What `experiment` returns and a notebook displays: live widgets, and HTML for where there is no kernel."""

    def __init__(self, draw: Callable[..., Figure], alt: str, controls: dict[str, ipywidgets.ValueWidget]):
        self.draw, self.alt, self.controls = draw, alt, controls
        self.output = ipywidgets.HTML(self._picture())
        self.box = ipywidgets.VBox([*controls.values(), self.output])
        for control in controls.values():
            control.observe(self._redraw, names="value")

    def __repr__(self) -> str:
        name = getattr(self.draw, "__name__", type(self.draw).__name__)
        return f"Experiment({', '.join([name, *self._settings()])})"

    @property
    def values(self) -> dict[str, Any]:
        """Where the controls stand: name -> value."""
        return {name: control.value for name, control in self.controls.items()}

    def to_html(self) -> str:
        """What a page without a kernel shows: the present picture, and what would be there with one."""
        kind = "sliders" if all(hasattr(c, "min") for c in self.controls.values()) else "controls"
        line = f"With a kernel (run this cell) {kind} for {base.listed(list(self.controls))} appear here."
        return f"{self.output.value}<p>{line}</p>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return self.box._repr_mimebundle_(**kwargs) | {"text/plain": repr(self), "text/html": self.to_html()}

    def _settings(self) -> list[str]:
        return [f"{name}={value!r}" for name, value in self.values.items()]

    def _redraw(self, change: Any) -> None:
        """Show what the controls ask for. Whatever the reader's function raises is said in its place."""
        try:
            self.output.value = self._picture()
        except Exception as error:
            what = html.escape(f"With {', '.join(self._settings())}: {type(error).__name__}: {error}")
            self.output.value = f'<p role="alert">{what}<br>Choose other values, or mend the function.</p>'

    def _picture(self) -> str:
        from matplotlib import pyplot

        figure = self.draw(**self.values)
        if not isinstance(figure, Figure):
            raise TypeError(f"draw returned {figure!r}; return the matplotlib Figure that it draws")
        pyplot.close(figure)  # one made with pyplot would be shown a second time
        return figures.picture(figure, self.alt.format(**self.values))._repr_html_()


def _check_names(draw: Callable, alt: str, controls: dict[str, Any], start: dict[str, Any]) -> None:
    """Every name that is given is one that is known, and every parameter gets a value."""
    if not controls:
        raise ValueError("there is no control; give at least one, such as inner_steps=(1, 10)")
    parameters = inspect.signature(draw).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for name in controls:
        if name in parameters and parameters[name].kind in BY_PLACE:
            raise ValueError(
                f"draw takes {str(parameters[name])!r} by its place; let it take {name!r} by its name"
            )
        if name not in parameters and not takes_any:
            raise ValueError(f"draw has no parameter {name!r}; it takes {', '.join(parameters) or 'none'}")
    try:
        in_alt = {field for _, field, _, _ in Formatter().parse(alt) if field is not None}
    except ValueError as error:
        raise ValueError(f"alt is {alt!r} ({error}); write {{{{ and }}}} for braces that are not gaps") from error
    for where, names in (("start", set(start)), ("alt", in_alt)):
        if unknown := sorted(names - set(controls)):
            raise ValueError(f"{where} names {unknown[0]!r}, which is no control; there are {', '.join(controls)}")
    for name, parameter in parameters.items():
        needed = parameter.default is parameter.empty and parameter.kind not in VARIADIC
        if needed and name not in controls:
            raise ValueError(f"draw needs {name!r}; give it a control, or a default in the function")


def _control(name: str, control: Any, starts: dict[str, Any]) -> ipywidgets.ValueWidget:
    """The widget that a control asks for, at its starting value."""
    look = {"description": name, "style": {"description_width": "initial"}}
    if isinstance(control, bool):
        value = starts.get(name, control)
        if not isinstance(value, bool):
            raise ValueError(f"{name} starts at {value!r}; give True or False")
        return ipywidgets.Checkbox(value=value, indent=False, **look)
    if isinstance(control, list) and control:
        value = starts.get(name, control[0])
        if value not in control:
            raise ValueError(f"{name} starts at {value!r}; give one of {', '.join(map(repr, control))}")
        # as pairs (label, value), since ipywidgets would take a choice that is a tuple for such a pair
        return ipywidgets.Dropdown(options=[(str(choice), choice) for choice in control], value=value, **look)
    return _slider(name, control, starts, look)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and math.isfinite(value)


def _slider(name: str, control: Any, starts: dict[str, Any], look: dict[str, Any]) -> ipywidgets.ValueWidget:
    fits = isinstance(control, tuple) and len(control) in (2, 3) and all(_is_number(n) for n in control)
    if not (fits and control[0] < control[1] and all(step > 0 for step in control[2:])):
        ways = "(low, high), (low, high, step) of finite numbers, a list of choices, or True or False"
        raise ValueError(f"{name} is {control!r}; give {ways}")
    low, high = control[:2]
    if name not in starts:
        raise ValueError(f"{name} has no starting value; give start={{{name!r}: …}}, or a default in the function")
    value, whole = starts[name], all(isinstance(n, Integral) for n in control)
    if not isinstance(value, Integral if whole else Real) or not low <= value <= high:
        wanted = "whole number" if whole else "number"
        raise ValueError(f"{name} starts at {value!r}; give a {wanted} from {low} to {high}")
    step = control[2] if len(control) == 3 else 1 if whole else (high - low) / 50
    kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
    readout = "d" if whole else ".3g"  # 0.001 is not 0.00
    return kind(min=low, max=high, step=step, value=value, readout_format=readout, continuous_update=False, **look)
