"""Every procedure that is served, and what answers those that are not."""

from __future__ import annotations

from typing import Any

import grpc

from takt.api.rpc.backend import RpcBackend
from takt.api.rpc.call import Answer, Edge
from takt.api.rpc.health import health_answer
from takt.api.rpc.infer import infer_answer
from takt.api.rpc.models import models_answers

OIP = "inference.GRPCInferenceService"
"""The service of the Open Inference Protocol, as its definition names it."""


class Procedures:
    """Finds the handler of a call, as gRPC asks for it.

    Args:
        backend: what answers.
        max_bytes: largest message.
    """

    def __init__(self, backend: RpcBackend, max_bytes: int) -> None:
        answers: dict[str, Answer] = {
            f"/{OIP}/ModelInfer": infer_answer(backend),
            **{f"/{OIP}/{name}": answer for name, answer in models_answers(backend.repository)},
            "/grpc.health.v1.Health/Check": health_answer(lambda: backend.repository.ready, OIP),
        }
        self._edge = Edge(backend, max_bytes)
        self._handlers = {
            procedure: self._edge.handler(procedure, answer)
            for procedure, answer in answers.items()
        }

    @property
    def served(self) -> frozenset[str]:
        """Paths of all procedures that are answered."""
        return frozenset(self._handlers)

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        """The handler of a call; of an unknown procedure, one that refuses."""
        found = self._handlers.get(details.method)
        return found or self._edge.handler(details.method, None)
