"""Markdown: tables, and texts that were not written as such."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    r"""The rows below a head; a bar within a cell divides nothing.

    >>> print(table(["a", "b"], [["1|2", "3"]]))
    | a | b |
    |---|---|
    | 1\|2 | 3 |
    """
    cells = [head, *rows]
    lines = ["| " + " | ".join(one.replace("|", r"\|") for one in row) + " |" for row in cells]
    lines[1:1] = ["|" + "---|" * len(head)]
    return "\n".join(line.replace("|  |", "| |") for line in lines)


def prose(text: str) -> str:
    r"""A text on one line, in which nothing but code is markup.

    >>> print(prose("<name> of `a_b`, a_b"))
    \<name> of `a_b`, a\_b
    """
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    parts[::2] = (re.sub(r"([<\[*_\\])", r"\\\1", part) for part in parts[::2])
    return "".join(parts)
