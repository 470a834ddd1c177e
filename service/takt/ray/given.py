"""The settings of an application, and what of them means nothing behind Ray's proxies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from takt.configuration import load_settings
from takt.core.errors import ConfigurationError
from takt.mirroring.location import is_url
from takt.security.exposure import check_exposure
from takt.settings import Settings

NO_RECORD = "none"
_ANYWHERE = "0.0.0.0"
"""Where Ray's proxies listen, as far as a replica knows."""

_OF_PROXIES = ("metrics_port", "grpc_port", "tls_certificate", "tls_key", "tls_client_ca")
"""Settings of connections, which are Ray's: a server would promise what nobody does."""

_PATHS = ("repository", "keys_file", "trusted_keys", "engine_cache")
"""Settings that name what every node has."""


def settings_of(args: Mapping[str, Any]) -> Settings:
    """Merge the application's arguments with the environment and the file of `TAKT_CONFIG`.

    Nothing is recorded unless a setting says where: a folder of a node is not the others'.

    >>> settings_of({"repository": "/bundles", "insecure": True}).record
    'none'

    Args:
        args: settings by their names, which go before all others.

    Raises:
        ConfigurationError: a setting is wrong, or means nothing here.
    """
    settings = load_settings(dict(args))
    for name in _OF_PROXIES:
        if getattr(settings, name) is not None:
            raise ConfigurationError(
                f"{name} is set, but Ray's proxies have the connections: their port and "
                "certificate are http_options of Ray's configuration, /metrics on that port is of "
                "all replicas, and gRPC is not served here"
            )
    if settings.workers > 1:
        raise ConfigurationError(
            f"workers is {settings.workers}, but here replicas take their place: leave it out, and "
            "set num_replicas or autoscaling_config in Ray's configuration"
        )
    for name in _PATHS:
        value = getattr(settings, name)
        if value is not None and not is_url(str(value)) and not Path(value).is_absolute():
            raise ConfigurationError(
                f"{name} is {value}, but replicas start in folders of Ray's; give a whole path "
                "that is the same on every node" + (", or a URL" if name == "repository" else "")
            )
    check_exposure(_ANYWHERE, knows_callers=settings.knows_callers, insecure=settings.insecure)
    if "record" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"record": NO_RECORD})
