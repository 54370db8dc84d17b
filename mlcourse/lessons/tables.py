"""Tables for notebooks: clean in JupyterLab, in the book and as plain text, in a light and in a dark theme."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mlcourse.experiments.results import PLUS_MINUS


class Table:
    """Rows for a notebook: an HTML table that keeps the page's colours, and Markdown for everything else."""

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str):
        self.columns, self.rows, self.caption = list(columns), [list(row) for row in rows], caption
        self.right = [i > 0 and all(_is_number(row[i]) for row in self.rows) for i in range(len(self.columns))]

    def _repr_markdown_(self) -> str:
        rule = ["--:" if right else ":--" for right in self.right]
        lines = [[cell.replace("|", "\\|") for cell in line] for line in (self.columns, rule, *self.rows)]
        return "\n".join(["| " + " | ".join(line) + " |" for line in lines] + ["", self.caption]).strip()

    def __repr__(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.columns, *self.rows, strict=True)]
        lines = [
            "  ".join(
                c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, self.right, strict=True)
            ).rstrip()
            for row in [self.columns, *self.rows]
        ]
        return "\n".join([self.caption, *lines] if self.caption else lines)

    def _repr_html_(self) -> str:
        head = "".join(self._cell("th", text, i, ' scope="col"') for i, text in enumerate(self.columns))
        body = "".join(
            "<tr>"
            + self._cell("th", row[0], 0, ' scope="row"')
            + "".join(self._cell("td", text, i) for i, text in enumerate(row) if i)
            + "</tr>"
            for row in self.rows
        )
        caption = f'<caption style="caption-side: top; text-align: left">{html.escape(self.caption)}</caption>'
        return (
            '<div style="overflow-x: auto"><table style="border-collapse: collapse; color: inherit; '
            f'font-variant-numeric: tabular-nums">{caption if self.caption else ""}<thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
        )

    def _cell(self, kind: str, text: str, column: int, scope: str = "") -> str:
        side = "right" if self.right[column] else "left"
        wrap = "white-space: nowrap; " if self.right[column] and kind == "td" else ""
        weight = "600" if scope.endswith('col"') else "400"
        return (
            f'<{kind}{scope} style="text-align: {side}; {wrap}font-weight: {weight}; padding: 0.3em 0.8em; '
            f'border-bottom: 1px solid rgba(128, 128, 128, 0.45)">{html.escape(text)}</{kind}>'
        )


def _is_number(text: str) -> bool:
    """Tell whether a cell is a figure ("0.63 ± 0.05", "−3", "12 %", "–" for none), so belongs to the right."""
    return text.strip("–- ") == "" or text.lstrip("−-+±~≈<>≤≥ ")[:1].isdigit()


def table(
    rows: Iterable[Mapping[str, Any] | Sequence[Any]], caption: str = "", *, columns: Sequence[str] = ()
) -> Table:
    """Make a table for a notebook: columns of figures to the right, the first column as the rows' names.

    Args:
        rows: dicts with the same keys, or sequences beside `columns`. Floats are written with four digits: give
            strings ("0.63 ± 0.05") where you want another form. What a dict lacks is written "–".
        caption: what is measured on what, with its unit, and what ± is.
        columns: the headings, if the rows are sequences; of dicts, the keys to show, all by default.

    Raises:
        ValueError: if a row has another number of cells than there are columns, or keys that are none of them.
    """
    if not isinstance(caption, str):
        raise ValueError(f"caption is {caption!r}; give a string, or leave it out")
    rows, columns = list(rows), list(columns)
    _require_rows(rows, columns)
    columns = columns or list(rows[0])
    cells = [[row.get(name, "–") for name in columns] if isinstance(row, Mapping) else list(row) for row in rows]
    for row in cells:
        if len(row) != len(columns):
            raise ValueError(f"rows: {row} has {len(row)} cells, and there are {len(columns)} columns: {columns}")
    floats = float | np.floating
    written = [[f"{cell:.4g}" if isinstance(cell, floats) else str(cell) for cell in row] for row in cells]
    written = [[text.replace(" ± ", PLUS_MINUS) for text in row] for row in written]
    return Table(list(map(str, columns)), written, caption)


def _require_rows(rows: list[Any], columns: list[str]) -> None:
    """Refuse rows that make no table, and dicts of which a cell would be lost."""
    if not rows and not columns:
        raise ValueError("rows is empty; give at least one row, or the columns of a table without rows")
    dicts = [row for row in rows if isinstance(row, Mapping)]
    if dicts and len(dicts) == len(rows):
        for name in columns:
            if not any(name in row for row in dicts):
                raise ValueError(
                    f"columns has {name!r}, which no row has; the first has {', '.join(map(repr, rows[0]))}"
                )
    for place, row in enumerate(rows):
        if isinstance(row, str) or not isinstance(row, Iterable):
            raise ValueError(f"rows[{place}] is {row!r}; give a dict or a sequence of cells")
        if columns:
            continue
        if not isinstance(row, Mapping):
            raise ValueError(f"rows[{place}] is a {type(row).__name__}; give columns, the headings of its cells")
        unknown = [name for name in row if name not in rows[0]]
        if unknown:
            raise ValueError(
                f"rows[{place}] has {unknown[0]!r}, and rows[0] only {', '.join(map(repr, rows[0]))}; give all "
                "rows the same keys, or the columns to show"
            )
