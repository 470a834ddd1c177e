"""The drawing of the floors, which a Git host makes of its text in Mermaid, without a script.

Mermaid would draw it in the browser, by a program of 3 MB. A drawing of floors needs boxes alone.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

_FLOOR = re.compile(r"^\s*subgraph [^\n]*\n(.*?)^\s*end$", re.DOTALL | re.MULTILINE)
_ROOM = re.compile(r'^\s*\w+\["([^"]+)"\]$', re.MULTILINE)


class Floors(SphinxDirective):
    """A row of boxes for each subgraph, the first one on top; `name: text` is in each box."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """The rows; refuses what has none."""
        drawing = nodes.container(classes=["floors"])
        for floor in _FLOOR.findall("\n".join(self.content)):
            row = nodes.container(classes=["floor"])
            for room in _ROOM.findall(floor):
                name, _, text = room.partition(": ")
                row += nodes.paragraph("", "", nodes.strong(text=name), nodes.Text(f" {text}"))
            drawing += row
        if not drawing.children:
            raise self.error("only drawings of floors, `subgraph` for each, can be shown here")
        return [drawing]


def setup(app: Sphinx) -> dict[str, Any]:
    """Make it the directive `mermaid`."""
    app.add_directive("mermaid", Floors)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
