"""The mirror: bundles are brought from a URL."""

from __future__ import annotations

from functools import partial

from takt.parts.composing.foundation import Foundation
from takt.parts.composing.part import ServerPart


def mirror_part(foundation: Foundation) -> ServerPart:
    """Brings bundles where the repository is at a URL, once what is there already has loaded."""
    models = foundation.models
    mirror = models.mirror
    if mirror is None:
        return ServerPart(name="mirror")

    begin = partial(mirror.begin, models.repository.settled, models.watch.ask)
    return ServerPart(name="mirror", jobs=(begin,), close=lambda left_s: mirror.close())
