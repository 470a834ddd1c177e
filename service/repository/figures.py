"""What Prometheus sees of a version, read whenever it asks."""

from __future__ import annotations

from collections.abc import Callable

from service.observing.instruments.metrics import Metrics
from service.observing.instruments.version_metrics import VersionGauges
from service.repository.model_version import ModelVersion


def show_figures(
    metrics: Metrics,
    place: tuple[str, str],
    find: Callable[[], ModelVersion | None],
    is_active: Callable[[], bool],
) -> None:
    """Show the figures of whichever object has a version's place when they are read.

    Args:
        metrics: the instruments.
        place: names of the model and of the version.
        find: the object that has the place; None if there is none any more.
        is_active: whether the version answers where a request names none.
    """
    metrics.watch(
        *place,
        VersionGauges(
            depth=lambda: one.depth if (one := find()) else 0,
            ready=lambda: one.ready if (one := find()) else 0,
            working=lambda: one.working if (one := find()) else 0,
            active=is_active,
        ),
    )
