"""The models: loaded, kept as their folder has them, shown, and changed by whoever may."""

from __future__ import annotations

from functools import partial

from takt.api.records.scores import scores_router
from takt.api.rest.card import card_router
from takt.api.rest.releases import releases_router
from takt.api.rest.status import models_router
from takt.api.rest.thresholds import thresholds_router
from takt.parts.composing.foundation import Foundation
from takt.parts.composing.part import Left, ServerPart


def models_part(foundation: Foundation) -> ServerPart:
    """Loads the models, and answers at the end what was accepted."""
    models, pools = foundation.models, foundation.pools

    async def close(left_s: Left) -> None:
        models.orders.close()
        await models.repository.close(left_s())
        # Nothing is answered any more, and the record is there yet.
        foundation.journal.settle()

    async def release(left_s: Left) -> None:
        for pool in (pools.preparing, pools.large, pools.finishing):
            if pool is not None:
                pool.shutdown()

    return ServerPart(
        name="models",
        routers=(models_router(models.repository, models.mirror),),
        # What the other workers change while versions load is taken then.
        jobs=(partial(models.repository.load, models.orders.others.catch_up), models.watch.run),
        close=close,
        release=release,
    )


def versions_part(foundation: Foundation) -> ServerPart:
    """Tells of the versions of models, and changes which one answers, and by which thresholds."""
    models, settings = foundation.models, foundation.settings
    repository, orders = models.repository, models.orders
    return ServerPart(
        name="versions",
        routers=(
            card_router(repository),
            scores_router(repository, foundation.records),
            releases_router(repository, orders, settings.version_changes),
            thresholds_router(repository, orders, settings.threshold_changes),
        ),
    )
