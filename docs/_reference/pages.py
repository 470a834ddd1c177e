"""The pages with parts that are made, and how such a part is put into its page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from docs._reference import plc
from docs._reference.commands import commands
from docs._reference.distributions import distributions
from docs._reference.drawing import drawn
from docs._reference.errors import codes
from docs._reference.facts import facts
from docs._reference.families import families
from docs._reference.metrics import metrics
from docs._reference.routes import routes
from docs._reference.scale import figures, line_cores, one_line, plant, waves
from docs._reference.settings import settings
from docs._reference.station import station_file
from docs._reference.timing import SCENES

DOCS = Path(__file__).parents[1]

PARTS: dict[str, Callable[[], str]] = {
    "codes": codes,
    "commands": commands,
    "distributions": distributions,
    "facts": facts,
    "families": families,
    "figures": figures,
    "line": one_line,
    "line_cores": line_cores,
    "metrics": metrics,
    "plant": plant,
    "plc_controls": plc.controls,
    "plc_reasons": plc.reasons,
    "plc_scenes": plc.scenes,
    "plc_statuses": plc.statuses,
    "routes": routes,
    "settings": settings,
    "station_file": station_file,
    "waves": waves,
}
"""By the name that the comment before it has: what makes a part."""

PAGES = tuple(
    DOCS / name
    for name in (
        "api.md",
        "architecture.md",
        "commands.md",
        "drift.md",
        "errors.md",
        "learning.md",
        "metrics.md",
        "plc.md",
        "scale.md",
        "settings.md",
        "station.md",
    )
)

DRAWINGS = {DOCS / f"plc/{scene.name}.svg": scene for scene in SCENES}
"""Files that are made as a whole."""

_PART = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- made end -->\n)", re.DOTALL)


def renewed(text: str) -> str:
    r"""A page with its parts as the code has them now.

    >>> renewed("# Anything\n")
    '# Anything\n'
    """
    return _PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]]()}\n\n{part[3]}", text)


def drawings() -> dict[Path, str]:
    """What is in each file that is made as a whole."""
    return {path: drawn(scene) for path, scene in DRAWINGS.items()}
