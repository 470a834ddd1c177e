"""`POST /v2/models/{name}/infer`: pictures as tensors in, scores and maps as tensors out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from fastapi import Request, Response

from takt.api.bodies import Bodies
from takt.api.disconnect import CancelOnDisconnect
from takt.api.labels import labels_of_headers
from takt.api.oip.inspecting import in_turn, inspect_together, written
from takt.api.oip.request import InferenceRequest, OipLimits, read_request
from takt.api.oip.response import response_of
from takt.api.problems import asked_of, request_id_of, share_of
from takt.core.batching.memory import EncodedBytes
from takt.core.errors import DeadlineExceededError, RequestError
from takt.observing.journal import UNKNOWN, Journal
from takt.repository.repository import ModelRepository

HEADER_LENGTH = "inference-header-content-length"

_MAX_DIGITS = 12
MOST_LENGTH = 10**_MAX_DIGITS - 1
"""Largest number that the header may have."""

InferHandler = Callable[[Request, str, str | None], Awaitable[Response]]
"""Answers an inference request to a model; the version is None for the active one."""


def infer_handler(
    repository: ModelRepository, journal: Journal, bodies: Bodies, limits: OipLimits
) -> InferHandler:
    """The handler of inference requests.

    Args:
        repository: the models.
        journal: counts and logs each picture and each refusal.
        bodies: reads the requests.
        limits: bounds of a request.
    """

    async def infer(request: Request, name: str, version: str | None) -> Response:
        known, request_id = UNKNOWN, request_id_of(request.scope)
        try:
            model = repository.get(name, version)
            known = model.name
            model.check_ready()
            # What cannot be recorded is refused before anything is inspected.
            labels = labels_of_headers(request.scope["headers"])
            model.pipeline.check_room()
            with bodies.memory.encoded() as held:
                async with CancelOnDisconnect(request) as disconnect:
                    started_s = time.monotonic()
                    inference = await _read(request, disconnect, bodies, held, limits)
                    taken_s = time.monotonic() - started_s
                    # Looked up again: another version may have become the active one meanwhile.
                    pipeline = repository.get(name, version).pipeline
                    inspections = await inspect_together(
                        pipeline, inference, taken_s, share_of(request.scope)
                    )
                    response = await written(response_of, inference, inspections)
            asked = [asked_of(request.scope, picture, labels) for picture in inference.pictures]
            answers = list(zip(inspections, asked, strict=True))
            timeout_s = inference.options.timeout_s - taken_s
            await journal.commit(answers, "oip", request_id, timeout_s)
        except Exception as error:
            journal.refused(known, "oip", error, request_id)
            raise
        for answer in answers:
            journal.answered(answer[0], "oip", request_id, answer[1])
        if response.json_bytes is None:
            return Response(response.body, media_type="application/json")
        headers = {HEADER_LENGTH: str(response.json_bytes)}
        return Response(response.body, headers=headers, media_type="application/octet-stream")

    return infer


async def _read(
    request: Request,
    disconnect: CancelOnDisconnect,
    bodies: Bodies,
    held: EncodedBytes,
    limits: OipLimits,
) -> InferenceRequest:
    json_bytes = _json_bytes(request)
    try:
        async with asyncio.timeout(limits.timeout_ms / 1000):
            body = await bodies.read(request, held, share_of(request.scope))
    except TimeoutError:
        raise DeadlineExceededError(
            f"the request was not there within {limits.timeout_ms:.0f} ms; send less at once"
        ) from None
    disconnect.watch()
    length = len(body) if json_bytes is None else json_bytes
    read = await in_turn(length, read_request, body, json_bytes, limits)
    # Encoded pictures are copies of parts of the body.
    held.add(sum(len(picture) for picture in read.pictures if isinstance(picture, bytes)))
    return read


def _json_bytes(request: Request) -> int | None:
    """Length of the JSON from the request's header; None without that header."""
    if (coding := request.headers.get("content-encoding", "identity").lower()) != "identity":
        raise RequestError(f"the body is compressed ({coding[:32]}); send it as it is")
    given = request.headers.get(HEADER_LENGTH)
    if given is None:
        return None
    if not (given.isascii() and given.isdecimal() and len(given) <= _MAX_DIGITS):
        raise RequestError(
            "Inference-Header-Content-Length is no whole number; it is the bytes of JSON at the "
            "start of the body"
        )
    return int(given)
