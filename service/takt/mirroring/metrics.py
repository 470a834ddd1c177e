"""The instruments of a repository at a URL."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge


class MirrorMetrics:
    """What a mirror tells of itself; any thread may feed them.

    Args:
        registry: what `/metrics` shows.

    Attributes:
        up: 1 while the URL is read.
        refused: versions there that are not taken.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.up = Gauge(
            "takt_repository_up",
            "1 while the URL that bundles come from can be read; only where they come from one.",
            registry=registry,
        )
        self.refused = Gauge(
            "takt_repository_refused",
            "What is at that URL and not taken, such as versions that are not as their manifests "
            "say.",
            registry=registry,
        )
