"""A table of numbers that fits the terminal: columns are left out, numbers are never cut."""

from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Column, Table
from rich.text import Text

_MORE = "tables/ and results.nc have them"


class FittedTable(Table):
    """A table without rules, with one-line cells, that leaves out columns if it is too wide."""

    def __init__(
        self,
        *,
        gap: int = 2,
        optional: Iterable[str] = (),
        wrapped: Iterable[str] = (),
        more: str = _MORE,
    ) -> None:
        """Make an empty table.

        Parameters
        ----------
        gap
            Blanks between columns; one if there is little room.
        optional
            First lines of the headings of columns that are left out first, in this order.
            Further columns are left out from the right; the first one is kept.
        wrapped
            First lines of the headings of columns whose words are wrapped instead, before
            columns that are not optional are left out.
        more
            Where the columns that are left out can be found.
        """
        super().__init__(box=None, header_style="bold")
        self._gap, self._more = gap, more
        self._optional, self._wrapped = tuple(optional), frozenset(wrapped)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room, shown = options.max_width, list(self.columns)
        widths = {id(one): _width(one) for one in shown}

        def needed(gap: int) -> int:
            return sum(widths[id(one)] for one in shown) + gap * (len(shown) - 1)

        gap = self._gap if needed(self._gap) <= room else 1
        by_title = {_title(one): one for one in shown}
        order = [by_title[title] for title in self._optional if title in by_title]
        if self._wrapped.isdisjoint(by_title):
            order += [one for one in reversed(shown[1:]) if one not in order]
        left_out = []
        while order and needed(gap) > room:
            left_out.append(order.pop(0))
            shown.remove(left_out[-1])
        table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="bold")
        for one in shown:
            is_fixed = needed(gap) <= room or _title(one) not in self._wrapped
            table.add_column(
                one.header,
                justify=one.justify,
                no_wrap=is_fixed,
                min_width=widths[id(one)] if is_fixed else None,
            )
        for row in zip(*(one.cells for one in shown), strict=True):
            table.add_row(*row)
        yield table
        if left_out:
            names = ", ".join(map(_title, left_out))
            yield Text(f"columns left out for lack of space: {names}; {self._more}")


def _title(column: Column) -> str:
    return str(column.header).split("\n", maxsplit=1)[0]


def _width(column: Column) -> int:
    texts: Sequence[str] = [str(column.header), *map(str, column.cells)]
    return max(cell_len(line) for text in texts for line in text.split("\n"))
