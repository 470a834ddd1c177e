"""The operations that the console calls, as a JavaScript module made from the OpenAPI document."""

from __future__ import annotations

import json
from pathlib import Path

from tests.api.document.operations import Document, operations_of

CALLS = Path(__file__).parents[3] / "service/takt/console/static/core/operations.js"

_HEAD = "/** Method and path of each operation of the API; made from docs/openapi.json. */"


def calls_module(document: Document) -> str:
    """The text of the module."""
    rows = [
        f"  {one.id}: {json.dumps([one.method, one.path])},"
        for one in sorted(operations_of(document), key=lambda one: one.id)
        if not one.id.startswith("oip_")
    ]
    return "\n".join([_HEAD, "export const OPERATIONS = {", *rows, "};", ""])
