"""What is told of the server and its models: the same as over HTTP, as messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.json_format import ParseDict
from tritonclient.grpc import service_pb2

from takt.api.oip.metadata import index, model_config, model_metadata, server_metadata
from takt.api.rpc.call import Answer, Call
from takt.api.rpc.messages import parsed
from takt.core.domain import Json
from takt.core.errors import InvalidParameterError, ModelNotFoundError, NotReadyError
from takt.repository.repository import ModelRepository

Told = Callable[[Any], Json]
"""Gives the answer to a message, as JSON has it."""


def models_answers(repository: ModelRepository) -> Iterator[tuple[str, Answer]]:
    """Each procedure that tells something, by its name.

    Args:
        repository: the models.
    """

    def model_ready(asked: Any) -> Json:
        try:
            return {"ready": repository.get(asked.name, asked.version or None).ready}
        except (ModelNotFoundError, NotReadyError):
            return {"ready": False}  # as Triton answers

    def metadata(asked: Any) -> Json:
        return model_metadata(repository, asked.name, asked.version or None)

    def config(asked: Any) -> Json:
        return {"config": model_config(repository, asked.name, asked.version or None)}

    def indexed(asked: Any) -> Json:
        if asked.repository_name:
            raise InvalidParameterError("repository_name: there is one repository; send none")
        return {"models": index(repository, ready_only=asked.ready)}

    told: dict[str, Told] = {
        "ServerLive": lambda _: {"live": True},
        "ServerReady": lambda _: {"ready": repository.ready},
        "ServerMetadata": lambda _: server_metadata(),
        "ModelReady": model_ready,
        "ModelMetadata": metadata,
        "ModelConfig": config,
        "RepositoryIndex": indexed,
    }
    for name, tell in told.items():
        asked, answered = (getattr(service_pb2, f"{name}{end}") for end in ("Request", "Response"))
        yield name, _answer(asked, answered, tell)


def _answer(asked: Any, answered: Any, tell: Told) -> Answer:
    async def answer(call: Call) -> bytes:
        told = tell(parsed(asked, await call.read_small()))
        written: bytes = ParseDict(told, answered()).SerializeToString()
        return written

    return answer
