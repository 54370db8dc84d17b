"""Tables for notebooks: clean in JupyterLab, in the book and as plain text, in a light and in a dark theme."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class Table:
    """Rows for a notebook: an HTML table that keeps the page's colours, and Markdown for everything else."""

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str):
        self.columns, self.rows, self.caption = list(columns), [list(row) for row in rows], caption
        self.right = [i > 0 and all(_is_number(row[i]) for row in self.rows) for i in range(len(self.columns))]

    def _repr_markdown_(self) -> str:
        rule = ["--:" if right else ":--" for right in self.right]
        lines = [self.columns, rule, *self.rows]
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
            strings ("0.63 ± 0.05") where you want another form.
        caption: what is measured on what, with its unit, and what ± is.
        columns: the headings, if the rows are sequences.

    Raises:
        ValueError: if a row has another number of cells than there are columns.
    """
    rows = list(rows)
    columns = list(columns) or list(rows[0])
    cells = [[row.get(name, "–") for name in columns] if isinstance(row, Mapping) else list(row) for row in rows]
    for row in cells:
        if len(row) != len(columns):
            raise ValueError(f"rows: {row} has {len(row)} cells, and there are {len(columns)} columns: {columns}")
    written = [[f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row] for row in cells]
    return Table(columns, written, caption)
