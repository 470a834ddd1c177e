"""gRPC's own health check, by which Kubernetes and proxies probe a server."""

from __future__ import annotations

from collections.abc import Callable

from grpc_health.v1 import health_pb2

from takt.api.rpc.call import Answer, Call
from takt.api.rpc.messages import parsed
from takt.core.errors import ModelNotFoundError

LIVE = "live"
"""Name of a service that serves for as long as the process answers, for probes of that."""


def health_answer(ready: Callable[[], bool], *services: str) -> Answer:
    """Answers checks.

    Args:
        ready: whether the models are.
        services: names of what is ready then; so is the whole server, which has no name.
    """
    known = ("", LIVE, *services)
    asked = ", ".join(f"'{one}'" for one in known)

    async def check(call: Call) -> bytes:
        service = parsed(health_pb2.HealthCheckRequest, await call.read_small()).service
        if service not in known:
            raise ModelNotFoundError(f"there is no service {service!r}; ask for {asked}")
        serving = service == LIVE or ready()
        kinds = health_pb2.HealthCheckResponse
        answer = kinds(status=kinds.SERVING if serving else kinds.NOT_SERVING)
        written: bytes = answer.SerializeToString()
        return written

    return check
