"""What a replica may use of its node, and the settings that follow from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from takt.core.engines.options import AUTO
from takt.settings import Settings


@dataclass(frozen=True, slots=True)
class Share:
    """What Ray has set aside for a replica.

    >>> Share(cpus=2.5, gpus=0.0).cores
    2

    Attributes:
        cpus: cores, or a part of one (`num_cpus`).
        gpus: GPUs, or a part of one (`num_gpus`).
    """

    cpus: float
    gpus: float

    @property
    def cores(self) -> int:
        """Whole cores, at least one."""
        return max(1, math.floor(self.cpus))


def fitted(settings: Settings, share: Share) -> Settings:
    """The settings of a replica: what is left open is sized to its share, and not to the node.

    On the CPU each core gets an engine instance of one thread. On a GPU, of which several replicas
    may have a part, there is one instance.

    >>> fitted(Settings(), Share(cpus=4, gpus=0)).engine_instances
    4
    >>> fitted(Settings(), Share(cpus=4, gpus=0.5)).engine
    'cuda'

    Args:
        settings: as they were given.
        share: of the replica.
    """
    cores = share.cores
    values: dict[str, Any] = {}
    if share.gpus:
        instances = settings.engine_instances or 1
        if settings.engine == AUTO:
            values["engine"] = "cuda"
    else:
        instances = settings.engine_instances or cores
    values["engine_instances"] = instances
    values["engine_threads"] = settings.engine_threads or max(1, cores // instances)
    values["decode_threads"] = settings.decode_threads or cores
    if not settings.max_memory_mb:
        part = min(1.0, cores / settings.cores)
        values["max_memory_mb"] = max(1, int(settings.max_memory_bytes * part) >> 20)
    return settings.model_copy(update=values)
