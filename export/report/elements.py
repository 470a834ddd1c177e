"""What every part of the report is built of; all text that comes in is escaped here."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

BADGE = ' <span class="badge">synthetic: an estimate</span>'


def heading(level: int, text: str, synthetic: bool) -> str:
    """A heading; what it heads rests on synthetic defects or not."""
    return f"<h{level}>{escape(text)}{BADGE if synthetic else ''}</h{level}>"


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The first cell of each row is its header."""
    heads = "".join(
        f'<th scope="col">{escape(cell)}</th>' if cell else "<td></td>" for cell in head
    )
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="table"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def data_uri(jpeg: bytes) -> str:
    """A JPEG for the `src` of an image."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
