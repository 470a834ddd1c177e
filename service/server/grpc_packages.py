"""The packages of gRPC, an extra: whether they are there, before anything else is loaded."""

from __future__ import annotations

import importlib
import os

from service.core.distribution import install_hint
from service.core.errors import ConfigurationError

_NEEDED = ("grpc.aio", "grpc_health.v1.health_pb2", "tritonclient.grpc.service_pb2")


def check_grpc() -> None:
    """Import what `grpc_port` needs.

    Raises:
        ConfigurationError: it is not installed, or not of versions that fit one another.
    """
    # It would print past the log whatever a stranger sends that is no gRPC.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        for name in _NEEDED:
            importlib.import_module(name)
    except (ImportError, RuntimeError, TypeError) as error:
        raise ConfigurationError(
            f"grpc_port needs gRPC and the messages of the Open Inference Protocol, which cannot "
            f"be imported ({error}); {install_hint('grpc')}"
        ) from None
