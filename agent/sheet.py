"""Rows on a terminal: a table where it is wide enough for one that can be read, else a block for each row."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from agent.words import NO_VALUE

LEAST = 16
"""Characters to which a column of words may shrink; narrower ones nobody reads."""
_GAP, _INDENT = 3, 4


PIPED = 200
"""Characters in a line where programs or files read the answer."""


def console() -> Console:
    """For answers: standard output, nothing guessed from its words; wide where no terminal says how wide it is."""
    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else PIPED
    return Console(highlight=False, soft_wrap=True, width=width)


@dataclass
class Sheet:
    """Rows under headings; columns in which nothing stands are left out.

    Args:
        title: above all; empty for none.
        headings: of the columns; the first one says what the row is.
        whole: headings of columns that are never broken, such as ids and times, which people copy.
    """

    title: str
    headings: tuple[str, ...]
    whole: frozenset[str] = frozenset()
    _rows: list[tuple[Text, ...]] = field(default_factory=list, init=False)

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        return len(self._rows)

    def add(self, *cells: str | Text) -> None:
        """Put a row below the others; words are read as Rich's markup."""
        self._rows.append(tuple(c if isinstance(c, Text) else Text.from_markup(c) for c in cells))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As wide as there is room."""
        columns = [i for i in range(len(self.headings)) if i == 0 or any(row[i].plain for row in self._rows)]
        least = {i: self._least(i) for i in columns}
        if sum(least.values()) + _GAP * len(columns) <= options.max_width:
            yield self._table(columns, least)
        else:
            yield from self._blocks(columns, console, options.max_width)

    def _least(self, column: int) -> int:
        """The narrowest that a column may be."""
        lines = [line for row in self._rows for line in row[column].plain.splitlines()]
        natural = max(map(cell_len, [self.headings[column], *lines]), default=0)
        if self.headings[column] in self.whole:
            return natural
        words = [word for line in [self.headings[column], *lines] for word in line.split(" ")]
        return min(natural, max(LEAST, min(max(map(cell_len, words), default=0), 2 * LEAST)))

    def _table(self, columns: list[int], least: dict[int, int]) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        if self.title:
            table = Table(
                title=self.title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False
            )  # fmt: skip
        for i in columns:
            heading = self.headings[i]
            table.add_column(heading, overflow="fold", no_wrap=heading in self.whole, min_width=least[i])
        for row in self._rows:
            table.add_row(*(row[i] for i in columns))
        return table

    def _blocks(self, columns: list[int], console: Console, width: int) -> Iterable[Text]:
        if self.title:
            yield Text(self.title, style="bold")
        for row in self._rows:
            first, *others = columns
            name = self.headings[first]
            lines = row[first].split("\n")
            head = Text(f"{name} " if name not in {"", "id"} else "")
            head.append_text(Text(lines[0].plain, style="bold"))
            for more in lines[1:]:
                head.append("  ").append_text(more)
            yield from _broken(head, console, width, indent=0)
            for line in self._packed(row, others, width - _INDENT):
                yield from _broken(line, console, width, indent=_INDENT)

    def _packed(self, row: tuple[Text, ...], columns: list[int], width: int) -> Iterable[Text]:
        """As many of a row's cells in a line as there is room for, each behind its heading."""
        line = Text()
        for i in columns:
            if row[i].plain in {"", NO_VALUE}:
                continue
            cell = Text(f"{self.headings[i]}: " if self.headings[i] else "", style="dim")
            cell = Text().append_text(cell).append_text(Text(" ").join(row[i].split("\n")))
            if line.plain and line.cell_len + _GAP + cell.cell_len > width:
                yield line
                line = Text()
            line = Text(" " * _GAP).join([line, cell]) if line.plain else cell
        if line.plain:
            yield line


def _broken(line: Text, console: Console, width: int, *, indent: int) -> Iterable[Text]:
    # What follows a first line hangs below it: where one cell is long, its words stay together.
    for n, part in enumerate(line.wrap(console, max(width - indent - 2, 20), overflow="fold", no_wrap=False)):
        part.rstrip()
        yield Text(" " * (indent + (2 if n else 0))).append_text(part)
