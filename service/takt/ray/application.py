"""The application that Ray Serve deploys: `import_path: takt.ray.application:build`."""

from __future__ import annotations

from typing import Any

from ray import serve
from ray.serve import Application

from takt.ray.given import settings_of
from takt.ray.replica import Replica

DEPLOYMENT = "Inspection"
"""Name of the deployment, by which Ray's configuration has its replicas and their resources."""

_SURGE_PERCENT = 25
"""New replicas that an upgrade starts before it ends old ones, one at least."""

_LOOKS = 20
"""How often a replica that ends looks within its time whether all requests are answered."""

_KILLED_AFTER_S = 10.0
"""Time beyond `drain_timeout_s` until Ray kills a replica that was told to end."""


def build(args: dict[str, Any]) -> Application:
    """Make the application; the replicas open engines, not this.

    Args:
        args: settings by their names, over `TAKT_…` in the environment and the file that
            `TAKT_CONFIG` names; each replica reads these two on its own node.

    Raises:
        ConfigurationError: a setting is wrong, or means nothing here.
    """
    settings = settings_of(args)
    ends_within_s = settings.drain_timeout_s + _KILLED_AFTER_S
    deployment = serve.deployment(
        serve.ingress()(Replica),
        name=DEPLOYMENT,
        # A replica refuses by itself whoever would wait too long, and says when to come again.
        max_ongoing_requests=settings.max_connections,
        # It has a log of requests of its own, with verdict and timings.
        logging_config={"enable_access_log": False},
        max_surge_percent=_SURGE_PERCENT,
        graceful_shutdown_wait_loop_s=min(1.0, ends_within_s / _LOOKS),
        graceful_shutdown_timeout_s=ends_within_s,
    )
    application: Application = deployment.bind(args)
    return application
