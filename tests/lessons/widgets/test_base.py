"""What all widgets share: a state that cannot be shown is refused, whoever sends it; figures in words."""

import copy
import re
from collections.abc import Callable

import numpy as np
import pytest

from mlcourse.lessons.widgets import DrawOnce, EpisodeBrowser, Landscape, OwnWave, PrototypeExplorer, Stepper, base
from mlcourse.tasks import glyphs


def episodes() -> EpisodeBrowser:
    return EpisodeBrowser(glyphs.splits().test)


@pytest.mark.parametrize(
    "make, sent, words",
    [
        (Stepper, {"method": "sgd"}, "method is 'sgd'"),
        (Stepper, {"index": 3, "seed": 99}, "seed is 99"),
        (Landscape, {"method": "nonsense"}, "method is 'nonsense'"),
        (Landscape, {"inner_lr": 5.0}, "inner_lr is 5.0"),
        (Landscape, {"minima": [[0, 0], [1, 1]], "preset": "none"}, "preset is 'none'"),
        (OwnWave, {"step": 4, "rates": {"maml": 1}}, "rates is {'maml': 1}"),
        (OwnWave, {"points": [[0, 0]]}, "points is [[0, 0]]"),
        (episodes, {"n_way": 3, "guesses": [4]}, "guesses is [4]"),
        (PrototypeExplorer, {"query": [9, 9]}, "query holds [9, 9]"),
        (DrawOnce, {"query": [[[0, -1]]]}, "query: strokes[0] reaches from -1 to 0"),
    ],
)
def test_a_page_cannot_leave_a_state_that_cannot_be_shown(
    make: Callable[[], base.Widget], sent: dict, words: str
) -> None:
    shown = make()
    before = shown.state()
    with pytest.raises(base.StateError, match=re.escape(words)):
        shown.set_state(sent)  # what the browser sends arrives here
    assert shown.state() == before
    assert shown.describe()


@pytest.mark.parametrize(
    "value, text", [(1, "1.00"), (-1.5, "−1.50"), (-0.004, "0.00"), (0.0, "0.00"), (-0.006, "−0.01")]
)
def test_no_minus_before_a_zero(value: float, text: str) -> None:
    assert base.fixed(value) == text


def test_only_finite_numbers_of_the_shape_are_numbers() -> None:
    np.testing.assert_array_equal(base.as_numbers([[1, 2], [3, 4]], (2, 2)), [[1.0, 2.0], [3.0, 4.0]])
    for wrong in ([1, 2], [[1, 2], [3]], [["1", "2"], ["3", "4"]], [[float("inf"), 2], [3, 4]], None):
        assert base.as_numbers(wrong, (2, 2)) is None


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: Stepper(methods=5), "methods is 5; give one or more of 'maml'"),
        (lambda: Stepper(methods="maml"), "methods is 'maml'; give one or more of 'maml'"),
        (lambda: Landscape(["alike"]), "preset is ['alike']; give one of 'alike'"),
        (lambda: Landscape(np.array(["alike"])), "preset is array(['alike']"),
        (lambda: OwnWave(None), "methods is None; give one to three of ('scratch'"),
        (lambda: OwnWave([["maml"]]), "methods is ['maml']; give one of 'scratch'"),
        (lambda: DrawOnce(cards=5), "cards is 5; give a list of 2 to 5 drawings"),
        (lambda: DrawOnce(query=5), "query is 5; give a list of strokes"),
        (lambda: PrototypeExplorer(None), "episodes is None; give a list of embedded episodes"),
        (lambda: PrototypeExplorer([5]), "episodes[0] is 5; give what EmbeddedEpisode.draw makes"),
        (lambda: EpisodeBrowser(None), "image_set is None; give an object of the class ImageSet"),
        (lambda: EpisodeBrowser(glyphs.splits().test, seed=-1), "seed is -1; give a whole number of at least 0"),
        (lambda: EpisodeBrowser(glyphs.splits().test, seed="a"), "seed is 'a'; give a whole number"),
    ],
)
def test_arguments_of_the_wrong_kind_are_named(make: Callable[[], base.Widget], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        make()


@pytest.mark.parametrize(
    "make, names",
    [(PrototypeExplorer, ("examples", "query")), (Landscape, ("minima", "theta")), (DrawOnce, ("cards", "query"))],
)
def test_what_is_changed_in_one_widget_is_as_it_was_in_the_next(
    make: Callable[[], base.Widget], names: tuple[str, ...]
) -> None:
    first = make()
    before = copy.deepcopy(first.state())
    for name in names:
        getattr(first, name)[0] = 99
    for preset in first.data.get("presets", {}).values() if make is Landscape else ():
        preset["theta"][0] = 99
    assert make().state() == before


@pytest.mark.parametrize(
    "files, says",
    [
        ({"a.js": 'import {\n  b,\n} from "./b.js";\n'}, "in one line"),
        ({"a.js": 'import b from "./b.js";\n'}, "in one line"),
        ({"a.js": 'const b = await import("./b.js");\n'}, "in one line"),
        ({"a.js": "const b = 1;\nexport { b };\n"}, "in one line"),
        ({"a.js": 'import { b } from "./b.js";\n', "b.js": "export default 1;\n"}, "default export"),
        ({"a.js": 'import { b } from "./b.js";\nconst c = 1;\n', "b.js": "function c() {}\n"}, "both have c"),
        ({"a.js": "const text = `one\n  // two`;\n"}, "template literal"),
    ],
)
def test_scripts_that_one_scope_cannot_hold_are_refused(files, says, tmp_path, monkeypatch):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(base, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match=says):
        base.script("a.js")


def test_a_script_brings_its_modules_once_and_before_itself(tmp_path, monkeypatch):
    (tmp_path / "parts").mkdir()
    (tmp_path / "a.js").write_text('import { b } from "./parts/b.js";\nimport { c } from "./c.js";\nb(c);\n')
    (tmp_path / "parts" / "b.js").write_text('import { c } from "../c.js";\nexport const b = (x) => x + c;\n')
    (tmp_path / "c.js").write_text("export const c = 1;\n")
    monkeypatch.setattr(base, "FOLDER", tmp_path)
    assert base.script("a.js").split("\n") == ["const c = 1;", "", "const b = (x) => x + c;", "", "b(c);", ""]
