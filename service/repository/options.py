"""How models are loaded and run, from the settings."""

from __future__ import annotations

from dataclasses import dataclass

from service.batching.batcher import BatcherOptions
from service.inspection.pipeline import Limits
from service.settings import Settings


@dataclass(frozen=True)
class RepositoryOptions:
    """How models are loaded and run, beside what the plan of each says.

    Attributes:
        batching: all but `max_batch_size`, which is the plan's.
        limits: of pictures and answers.
    """

    batching: BatcherOptions
    limits: Limits


def repository_options(settings: Settings) -> RepositoryOptions:
    """The settings that concern loading and running models."""
    return RepositoryOptions(
        batching=BatcherOptions(
            max_batch_size=1,
            max_queue_delay_s=settings.max_queue_delay_ms / 1000,
            max_queue_size=settings.max_queue_size,
            preferred_batch_sizes=settings.preferred_batch_sizes,
        ),
        limits=Limits(settings.max_image_pixels, settings.max_regions),
    )
