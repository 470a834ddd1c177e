"""Everything that the versions of a server share, made from the settings."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from takt.core.batching.memory import MemoryBudget
from takt.core.batching.options import BatcherOptions
from takt.core.bundles.signing.signature import TrustedKeys
from takt.core.engines.opener import EngineFactory, EngineOpener, engine_opener
from takt.core.inspection.inference import Pools
from takt.core.inspection.pipeline import Limits
from takt.observing.instruments.metrics import Metrics
from takt.peers import Alone, Peers
from takt.recording.audit.entry import Change
from takt.repository.supervision.lost_threads import LostThreads
from takt.repository.supervision.rules import Supervision
from takt.settings import Settings

Noticed = Callable[[Change], object]
"""Hears what was changed beside the server, for the audit log."""

_SUPERVISION = Supervision()

logger = logging.getLogger("takt.repository")


@dataclass(frozen=True, slots=True)
class VersionContext:
    """What a version is loaded with.

    Attributes:
        open_engine: opens an engine instance for a bundle.
        batching: options of the batcher; `max_batch_size` is that of the engine's plan.
        limits: of pictures and answers.
        pools: threads for pictures.
        metrics: where versions report.
        supervision: bounds of engines.
        lost: threads that hang in engines, of the whole process.
        memory: of pictures in flight in all models.
        keys: one of them must have signed a bundle; none need to be signed if None.
        unsigned_thresholds: whether `thresholds.json`, which no signature covers, is taken.
        device_id: the GPU, where engines run on one.
        noticed: hears of versions, decisions and thresholds that were changed beside the server.
        peers: the other workers; the one that leads counts and tells what was changed.
        recorded: whether answers are recorded.
        keeps_facts: whether anybody keeps the facts of pictures.
    """

    open_engine: EngineOpener
    batching: BatcherOptions
    limits: Limits
    pools: Pools
    metrics: Metrics
    supervision: Supervision
    lost: LostThreads
    memory: MemoryBudget
    keys: TrustedKeys | None
    unsigned_thresholds: bool
    noticed: Noticed
    peers: Peers
    device_id: int = 0
    recorded: bool = False
    keeps_facts: bool = True


def version_context(
    settings: Settings,
    pools: Pools,
    metrics: Metrics,
    factory: EngineFactory | None = None,
    supervision: Supervision = _SUPERVISION,
    noticed: Noticed = lambda change: None,
    peers: Peers | None = None,
) -> VersionContext:
    """Makes the context that the settings ask for.

    Args:
        settings: of the server.
        pools: threads for pictures.
        metrics: where versions report.
        factory: makes the engines instead of the settings.
        supervision: bounds of engines.
        noticed: hears what was changed beside the server.
        peers: the other workers; None for a server of one process.

    Raises:
        ConfigurationError: the trusted keys cannot be read.
    """
    keys = None
    if settings.trusted_keys is not None:
        keys = TrustedKeys(settings.trusted_keys)
        logger.info("only bundles by these keys are served: %s", ", ".join(keys.names()))
    lost = LostThreads(supervision.most_lost)
    metrics.engines.threads_lost.set_function(lost.__len__)
    return VersionContext(
        open_engine=engine_opener(settings.engine_options, factory),
        batching=batcher_options(settings),
        limits=Limits(settings.max_image_pixels, settings.max_regions),
        pools=pools,
        metrics=metrics,
        supervision=supervision,
        lost=lost,
        memory=MemoryBudget(settings.max_memory_bytes),
        keys=keys,
        unsigned_thresholds=keys is None or settings.threshold_changes,
        noticed=noticed,
        peers=peers or Alone(),
        device_id=settings.device_id,
    )


def batcher_options(settings: Settings) -> BatcherOptions:
    """How batches are formed; `max_batch_size` is left to the engine's plan."""
    return BatcherOptions(
        max_batch_size=1,
        max_queue_delay_s=settings.max_queue_delay_ms / 1000,
        max_queue_size=settings.max_queue_size,
        preferred_batch_sizes=settings.preferred_batch_sizes,
    )
