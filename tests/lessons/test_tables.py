"""The HTML tables of the lessons: numbers to the right, words escaped, columns named once."""

import numpy as np
import pytest

from mlcourse.lessons.tables import table


def html(*args, **kwargs) -> str:
    return table(*args, **kwargs)._repr_html_()


def test_rows_of_dicts_and_of_sequences_give_the_same_table():
    dicts = html([{"method": "MAML", "loss": "0.60"}, {"method": "Reptile", "loss": "0.97"}])
    plain = html([("MAML", "0.60"), ("Reptile", "0.97")], columns=("method", "loss"))
    assert dicts == plain and dicts.count("<tr") == 3


def test_numbers_stand_at_the_right_and_words_at_the_left():
    made = html([("MAML", "0.60 ± 0.06")], columns=("method", "loss"))
    assert made.index("text-align: left") < made.index("text-align: right")
    assert "0.60\xa0±\xa00.06" in made  # and are never broken


def test_what_looks_like_markup_is_shown_as_it_is():
    made = html([("<b>", "1")], "a < b", columns=("name", "n"))
    assert "<b>" not in made and "&lt;b&gt;" in made and "a &lt; b" in made


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="3 cells, and there are 2 columns"):
        table([("a", "b", "c")], columns=("one", "two"))


@pytest.mark.parametrize(
    ("rows", "options", "says"),
    [
        ([{"loss": 1.0}, {"los": 2.0}], {}, r"rows\[1\] has 'los', and rows\[0\] only 'loss'"),
        ([], {}, "rows is empty"),
        ([("a", 1)], {}, r"rows\[0\] is a tuple; give columns"),
        ({"loss": 1.0}, {}, r"rows\[0\] is 'loss'; give a dict or a sequence"),
        ([3], {"columns": ["n"]}, r"rows\[0\] is 3; give a dict or a sequence"),
        ([{"loss": 1.0}], {"caption": None}, "caption is None"),
    ],
)
def test_rows_that_make_no_table_are_refused(rows, options, says):
    with pytest.raises(ValueError, match=says):
        table(rows, **options)


def test_floats_of_any_precision_have_four_digits():
    assert "0.3333<" in html([{"loss": np.float32(1 / 3)}])


def test_a_bar_in_a_cell_opens_no_column_in_markdown():
    assert r"| a\|b |" in table([{"name": "a|b"}])._repr_markdown_()


def test_a_column_that_no_row_has_is_refused():
    with pytest.raises(
        ValueError, match="columns has 'accuracy', which no row has; the first has 'method', 'acc'"
    ):
        table([{"method": "MAML", "acc": 98.0}], columns=["method", "accuracy"])
