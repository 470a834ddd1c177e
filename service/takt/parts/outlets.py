"""Where answers go beside the caller: the record, and the outlets of plugins."""

from __future__ import annotations

import asyncio

from takt.outlets.opening import close_outlets
from takt.parts.composing.foundation import Foundation
from takt.parts.composing.part import Left, ServerPart

STORED_WITHIN_S = 2.0
"""Least time that each outlet has at the end for what waits to be stored or sent."""


def outlets_part(foundation: Foundation) -> ServerPart:
    """Starts the outlets, and closes them late: the record, the first one, is used until there."""
    outlets = foundation.outlets

    async def begin() -> None:
        for outlet in outlets:
            outlet.start()

    async def release(left_s: Left) -> None:
        await asyncio.to_thread(close_outlets, outlets, max(STORED_WITHIN_S, left_s()))

    return ServerPart(name="outlets", begin=begin, release=release)
