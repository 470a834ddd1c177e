"""The audit log: what was changed, by whom, and when the server itself began and ended."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import Final

from takt.api.records.audit import audit_router
from takt.core.errors import RecordError
from takt.parts.composing.foundation import Foundation
from takt.parts.composing.part import Left, ServerPart
from takt.parts.outlets import STORED_WITHIN_S

_CHECK_AGAIN_S: Final = 5.0
"""Time until a database that did not answer is asked again for the whole chain."""


def audit_part(foundation: Foundation) -> ServerPart:
    """Notes what is changed from before the first job runs until after the last one has ended."""
    trail, lifetime = foundation.trail, foundation.lifetime
    access, watch = foundation.access, foundation.models.watch

    async def begin() -> None:
        trail.begin()

    async def check_chain() -> None:
        stopped = threading.Event()
        try:
            while True:
                try:
                    await foundation.records.run(lambda record: trail.check(stopped.is_set))
                    return
                except RecordError:
                    await asyncio.sleep(_CHECK_AGAIN_S)
        finally:
            stopped.set()

    async def close(left_s: Left) -> None:
        # The end is the last entry.
        await lifetime.end()
        await asyncio.to_thread(trail.close, max(STORED_WITHIN_S, left_s()))

    return ServerPart(
        name="audit",
        routers=(audit_router(foundation.records),),
        begin=begin,
        jobs=(partial(lifetime.run, lambda: access.ring.keys, watch.served),),
        once_leading=(check_chain,) if foundation.records.has_record else (),
        close=close,
    )
