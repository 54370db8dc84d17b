"""What all widgets share: stored HTML that works without a kernel, with a still picture for pages without scripts.

A widget here is one `mount(el, model)` in a `.js` file, used twice: live, by anywidget, with the kernel's model;
and inlined in the output's text/html with a plain object for a model, so that it plays in a published page.
That HTML begins as an `<img>` of the present frame, which the script replaces: a notebook that nobody ran or
trusted yet (scripts are stripped there) shows the picture and says how to bring it to life.
"""

import base64
import hashlib
import html
import io
import json
import re
from collections import Counter
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from mlcourse.errors import DataError
from mlcourse.experiments import results
from mlcourse.lessons import palette

FOLDER = Path(__file__).parent
HINT = "A still picture. To bring it to life, run this cell or trust the notebook; on a web page, allow scripts."
IMPORT = re.compile(r'^import \{[^}\n]*\} from "(\.{1,2}/[\w/]+\.js)";\n', flags=re.MULTILINE)
TOP_LEVEL = re.compile(r"^(?:export )?(?:async )?(?:const|let|var|class|function)\*? (\w+)", flags=re.MULTILINE)
# What a stored page leaves out of a script: indents and lines of comment (every output would carry them), exports
NOT_STORED = r"^\s*//.*\n|^[ \t]+|^export (default .*$)?"
# What the script uses of anywidget's model, for a page without a kernel
PLAIN_MODEL = """const heard = {};
const model = {
  get: (key) => state[key],
  set: (key, value) => {
    if (state[key] === value) return;
    state[key] = value;
    (heard["change:" + key] ?? []).forEach((listener) => listener());
  },
  on: (event, listener) => (heard[event] ??= []).push(listener),
  off: () => {},
  save_changes: () => {},
};"""
_shown: Counter[str] = Counter()  # how often a page's state was shown: equal widgets still need different ids


def script(path: str) -> str:
    """The script at `path` in this folder as one text, with the modules that it imports written before it.

    A stored page has no folder to import from. All modules then share one scope, so what cannot be joined so is
    refused: an import in another form than one line of names, a default export of a module, a top-level name that
    two modules have, and a line of a template literal that looks like code. (Its indents are not stored.)
    """
    parts: dict[Path, str] = {}

    def add(file: Path) -> None:
        source = file.read_text(encoding="utf-8")
        for needed in IMPORT.findall(source):
            needed_file = (file.parent / needed).resolve()
            if needed_file not in parts:
                add(needed_file)
        own = IMPORT.sub("", source)
        if fault := _joining_fault(own, is_module=file != main):
            raise ValueError(f"{file.name} cannot be joined with others into one script: {fault}")
        parts[file] = own if file == main else re.sub(r"^export ", "", own, flags=re.MULTILINE)

    main = (FOLDER / path).resolve()
    add(main)
    names = Counter(name for part in parts.values() for name in TOP_LEVEL.findall(part))
    if twice := [name for name, times in names.items() if times > 1]:
        raise ValueError(f"{path} joins modules that both have {', '.join(twice)} at the top; rename one of them")
    return "\n".join(parts.values())


def _joining_fault(source: str, *, is_module: bool) -> str:
    """Why a script without its one-line imports cannot stand in one scope with others, or nothing."""
    if odd := re.search(r"^\s*import\b.*|\bimport\(.*|^export (\{|\*).*", source, flags=re.MULTILINE):
        return f'{odd[0].strip()!r}; write import {{ names }} from "./module.js"; in one line'
    if is_module and "export default" in source:
        return "it has a default export, which only the widget's own script may have"
    for literal in re.findall(r"`[^`]*`", source):
        if odd := re.search(r"\n\s*(import|export|//).*", literal):
            return f"in a template literal the line {odd[0].strip()!r} would be taken for code; begin it otherwise"
    return ""


def style() -> str:
    """The widgets' CSS, with the colours of `mlcourse.lessons.palette` as variables, for light and dark pages."""
    light, dark = _variables(palette.LIGHT, palette.TASKS), _variables(palette.DARK, palette.TASKS_ON_DARK)
    return (
        f".mlc{{{light}}}\n@media (prefers-color-scheme:dark){{.mlc{{{dark}}}}}\n"
        f'body[data-jp-theme-light="true"] .mlc,html[data-theme="light"] .mlc{{{light}}}\n'
        f'body[data-jp-theme-light="false"] .mlc,html[data-theme="dark"] .mlc{{{dark}}}\n'
        + (FOLDER / "style.css").read_text(encoding="utf-8")
    )


def _variables(theme: dict[str, str], tasks: list[str]) -> str:
    colours = theme | {f"task{number}": colour for number, colour in enumerate(tasks, start=1)}
    scheme = "light" if theme is palette.LIGHT else "dark"
    return f"color-scheme:{scheme};" + "".join(f"--mlc-{name}:{value};" for name, value in colours.items())


class StateError(traitlets.TraitError, ValueError):
    """A value that a widget cannot show. Being a TraitError, it makes traitlets keep what was there before."""


def require_one_of(name: str, value: Any, known: Iterable[Any]) -> Any:
    """`value`, if it is one of those that are known; else a StateError that lists them."""
    known = tuple(known)
    if not isinstance(value, Hashable) or value not in known:  # a list is none; an array is not for comparing
        raise StateError(f"{name} is {value!r}; give one of {', '.join(map(repr, known))}")
    return value


def require_kind(name: str, value: Any, kind: type) -> None:
    """Refuse what is no `kind`."""
    if not isinstance(value, kind):
        raise StateError(f"{name} is {value!r}; give an object of the class {kind.__name__}")


def require_several(name: str, value: Any, wanted: str) -> tuple:
    """The parts of a list, or of anything else that holds several; else a StateError that says what is wanted."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise StateError(f"{name} is {value!r}; give {wanted}")
    return tuple(value)


def require_whole(name: str, value: Any, low: int, high: int) -> int:
    """`value`, if it is a whole number from `low` to `high`; else a StateError that says so."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise StateError(f"{name} is {value!r}; give a whole number from {low} to {high}")
    return value


def as_numbers(value: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    """`value` as a float64 array, if it holds finite numbers, no words, and has this shape; else None."""
    try:
        numbers = np.array(value)
    except (TypeError, ValueError):
        return None
    fits = holds_numbers(numbers) and numbers.shape == shape and np.isfinite(numbers).all()
    return numbers.astype(np.float64) if fits else None


def holds_numbers(array: np.ndarray) -> bool:
    """Whether an array is of real numbers, whole or not."""
    return np.issubdtype(array.dtype, np.integer) or np.issubdtype(array.dtype, np.floating)


def table_lacks(name: str, error: Exception) -> DataError:
    """What to raise when a stored table has not what a widget tells of it; error: how that showed."""
    path = results.results_folder() / f"{name}.json"
    return DataError(f"the table {path} lacks what a widget needs ({error!r}); restore it: git checkout {path}")


def fixed(value: float) -> str:
    """Two decimals with a real minus sign, but none before a zero that was rounded; as `fixed` in plot.js."""
    text = f"{value:.2f}"
    return text.replace("-", "−" if float(text) else "")


def listed(parts: list[str]) -> str:
    """Words in a row: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if parts[1:] else parts)


def to_png(figure: Any) -> bytes:
    """A matplotlib figure as a PNG of 64 colours: a small file, for every stored widget carries one."""
    from PIL import Image

    large, small = io.BytesIO(), io.BytesIO()
    figure.savefig(large, metadata={"Software": None})
    Image.open(large).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()


def to_script(value: Any) -> str:
    """JSON that may stand inside a script element: no `<` is left that could end it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


class Widget(anywidget.AnyWidget):
    """An anywidget whose output is stored as self-contained HTML beside the live view.

    A subclass sets `_esm` to `script(...)` and `_css` to `style()`, tags the traits that make up its state with
    `sync=True, stored=True`, refuses what it cannot show with a StateError in their validators, and gives
    `describe()`, `still()` and a stable `__repr__`.
    """

    def describe(self) -> str:
        """The present frame in words: the picture's alternative text."""
        raise NotImplementedError

    def still(self) -> bytes:
        """The present frame as a PNG."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """What the script needs: every trait tagged `stored`."""
        return {name: getattr(self, name) for name in sorted(self.trait_names(stored=True))}

    def to_html(self) -> str:
        """The whole widget as HTML: a picture, then the style and the script that replace it."""
        state = to_script(self.state())
        digest = hashlib.sha1(state.encode()).hexdigest()[:8]
        _shown[digest] += 1  # the same after every restart, different when one widget is shown twice
        uid = f"mlc-{digest}-{_shown[digest]}"
        picture = base64.b64encode(self.still()).decode()
        script = re.sub(NOT_STORED, "", str(self._esm), flags=re.MULTILINE)
        return (
            f'<div id="{uid}"><img alt="{html.escape(self.describe())}" style="max-width:100%;height:auto" '
            f'src="data:image/png;base64,{picture}"><p>{HINT}</p></div>\n<style>{style()}</style>\n'
            f"<script>(()=>{{{script}\nconst state={state};\n{PLAIN_MODEL}\n"
            'const box=document.createElement("div");mount(box,model);'  # if it throws, the picture stays
            f'document.getElementById("{uid}").replaceChildren(box);}})();</script>'
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict]:
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        return data | {"text/plain": repr(self), "text/html": self.to_html()}, metadata
