"""The parts of plugins, which stand beside those of the server."""

from __future__ import annotations

from collections.abc import Iterable

from service.core.errors import ConfigurationError
from service.core.plugins import PARTS, Plugin, load, select
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
    return [_made(one, makers[one.name], foundation) for one in select(PARTS, wanted)]


def _made(plugin: Plugin, make: object, foundation: Foundation) -> ServerPart:
    try:
        if not callable(make):
            raise ConfigurationError(f"{plugin.entry_point.value} is no function")
        part = make(foundation)
        if not isinstance(part, ServerPart):
            raise ConfigurationError(
                f"{plugin.entry_point.value} gives {type(part).__name__}, no ServerPart"
            )
    except (Exception, SystemExit) as error:
        raise plugin.refusal("made", error) from error
    return part
