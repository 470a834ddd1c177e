"""What is written to a terminal: tables, and texts that must not steer it."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence


def table_lines(rows: Sequence[Sequence[str]], right: Container[int] = ()) -> Iterator[str]:
    """Lines of a table, each column as wide as its widest cell.

    >>> list(table_lines([("engine", "images/s"), ("openvino", "12.5")], right=(1,)))
    ['engine    images/s', 'openvino      12.5']

    Args:
        rows: the titles first.
        right: numbers of the columns whose cells end at their right edges.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def plain(text: str) -> str:
    r"""A text of a caller's, which must not steer the terminal.

    >>> plain("scratch\x1b[2J")
    'scratch?[2J'
    """
    return "".join(character if character.isprintable() else "?" for character in text)
