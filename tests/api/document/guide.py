"""The tables of docs/api.md, by the table of routes, the OpenAPI document and the errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from service import errors
from service.errors import TaktError
from service.security.routes import ROUTES, WEBSOCKET
from tests.api.document.operations import Document, operations_of

GUIDE = Path(__file__).parents[3] / "docs/api.md"
_NEEDS = {"a key": "any key", "nothing": "nothing"}


def routes_table(document: Document) -> list[str]:
    """A row for each route: method, path, scope, operation id."""
    ids = {(one.method, one.path): f"`{one.id}`" for one in operations_of(document)}
    rows = ["| route | needs | operation |", "|---|---|---|"]
    for row in ROUTES:
        if row.method == "HEAD":
            continue
        method = "WebSocket" if row.method == WEBSOCKET else row.method
        need = _NEEDS.get(row.need, f"`{row.need}`")
        named = ids.get((row.method, row.documented), "")
        rows.append(f"| {method} `{row.documented}` | {need} | {named} |")
    return rows


def codes_table() -> list[str]:
    """A row for each code that a caller may read: status, code and meaning."""
    rows = ["| status | code | what it means |", "|---|---|---|"]
    found = sorted(_kinds(TaktError), key=lambda kind: (kind.status, kind.code))
    for kind in found:
        meaning = (kind.__doc__ or "").partition("\n")[0]
        rows.append(f"| {kind.status} | `{kind.code}` | {meaning} |")
    return rows


def _kinds(kind: type[TaktError]) -> Iterator[type[TaktError]]:
    yield kind
    for one in kind.__subclasses__():
        if one.__module__ == errors.__name__:
            yield from _kinds(one)
