"""The parts of plugins, which stand beside those of the server."""

from __future__ import annotations

from collections.abc import Iterable

from service.core.plugins import PARTS, load, make, select
from service.parts.composing.foundation import Foundation
from service.parts.composing.part import ServerPart


def plugged_parts(plugins: Iterable[str], foundation: Foundation) -> list[ServerPart]:
    """Make the parts among the plugins, in the order in which they are named.

    Args:
        plugins: names of plugins of any kind.
        foundation: what the parts stand on.

    Raises:
        ConfigurationError: a plugin is not installed, or cannot be loaded or made.
    """
    wanted = list(plugins)
    makers = load(PARTS, wanted)
    return [make(one, makers[one.name], foundation, ServerPart) for one in select(PARTS, wanted)]
