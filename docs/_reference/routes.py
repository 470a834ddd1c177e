"""The routes of the API, with the scope that each needs and its operation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from docs._reference.markdown import table
from takt.security.routes import ROUTES, WEBSOCKET

_OPENAPI = Path(__file__).parents[1] / "openapi.json"
_NEEDS = {"a key": "any key", "nothing": "nothing"}


def routes() -> str:
    """A row for each route: method, path, scope, operation id."""
    ids = dict(_operations())
    rows = []
    for row in ROUTES:
        if row.method == "HEAD":
            continue
        method = "WebSocket" if row.method == WEBSOCKET else row.method
        need = _NEEDS.get(row.need, f"`{row.need}`")
        named = ids.get((row.method, row.documented), "")
        rows.append((f"{method} `{row.documented}`", need, named))
    return table(("route", "needs", "operation"), rows)


def _operations() -> Iterator[tuple[tuple[str, str], str]]:
    """Method and path of each operation, with its id."""
    for path, methods in json.loads(_OPENAPI.read_text("utf-8"))["paths"].items():
        for method, operation in methods.items():
            if isinstance(operation, dict) and "operationId" in operation:
                yield (method.upper(), path), f"`{operation['operationId']}`"
