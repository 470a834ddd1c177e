"""`POST /v2/models/{name}/infer`: pictures as tensors in, what the model says of them out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from fastapi import Request, Response
from starlette.requests import ClientDisconnect

from service.api.failures import request_id_of
from service.api.hangup import HangUp
from service.api.oip.answer import OipAnswer, answer_of
from service.api.oip.request import OipLimits, OipRequest, read_request
from service.domain import Inspection
from service.errors import (
    ClientGoneError,
    DeadlineExceededError,
    QueueFullError,
    RequestError,
)
from service.inspection.pipeline import Pipeline
from service.observing.journal import UNKNOWN, Journal
from service.pictures.prepare import Picture
from service.repository.repository import ModelRepository

HEADER_LENGTH = "inference-header-content-length"

_AT_ONCE_BYTES = 1 << 16
"""Most JSON that the event loop reads by itself, in about a millisecond."""

_MAX_DIGITS = 12

Infer = Callable[[Request, str, str | None], Awaitable[Response]]
"""Inspects the pictures of a request with a model, and one version of it if that is named."""


def infer_answer(repository: ModelRepository, journal: Journal, limits: OipLimits) -> Infer:
    """What answers a request for an inference, over these models.

    Args:
        repository: the models.
        journal: told of each picture and refusal.
        limits: of a request.
    """
    bodies = _Bodies(limits.max_queue_size)

    async def answer(request: Request, name: str, version: str | None) -> Response:
        known, request_id = UNKNOWN, request_id_of(request.scope)
        try:
            model = repository.get(name, version)
            known = model.name
            model.check_ready()
            async with HangUp(request) as hang_up:
                started_s = time.monotonic()
                with bodies.one():
                    asked = await _read(request, hang_up, limits)
                taken_s = time.monotonic() - started_s
                # Asked for anew, as another version may have stepped in while the body came.
                pipeline = repository.get(name, version).pipeline
                inspections = await _inspect(pipeline, asked, taken_s)
                answered = await _written(asked, inspections)
        except Exception as error:
            journal.refused(known, "oip", error, request_id)
            raise
        for inspection in inspections:
            journal.answered(inspection, "oip", request_id)
        if answered.json_bytes is None:
            return Response(answered.body, media_type="application/json")
        headers = {HEADER_LENGTH: str(answered.json_bytes)}
        return Response(answered.body, headers=headers, media_type="application/octet-stream")

    return answer


class _Bodies:
    """Counts the bodies that are being read, since their pictures are in no queue yet."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """While a body is read.

        Raises:
            QueueFullError: as many are being read as may.
        """
        if self._count >= self._most:
            raise QueueFullError(
                f"{self._count} requests are being read, as many as max_queue_size allows; come "
                "back later or add servers",
                retry_after_s=1,
            )
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1


async def _read(request: Request, hang_up: HangUp, limits: OipLimits) -> OipRequest:
    json_bytes = _json_bytes(request)
    try:
        async with asyncio.timeout(limits.timeout_ms / 1000):
            body = await _body_of(request)
    except TimeoutError:
        raise DeadlineExceededError(
            f"the request was not there within {limits.timeout_ms:.0f} ms; send less at once"
        ) from None
    hang_up.watch()
    if (len(body) if json_bytes is None else json_bytes) <= _AT_ONCE_BYTES:
        return read_request(body, json_bytes, limits)
    return await asyncio.to_thread(read_request, body, json_bytes, limits)


def _json_bytes(request: Request) -> int | None:
    """How long the JSON is, where the caller says so."""
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


async def _body_of(request: Request) -> bytes:
    try:
        return b"".join([chunk async for chunk in request.stream()])
    except ClientDisconnect:
        raise ClientGoneError("the caller hung up before the request was there") from None


async def _inspect(pipeline: Pipeline, request: OipRequest, taken_s: float) -> Sequence[Inspection]:
    """Inspect all pictures at the same time; what goes wrong with one ends the others.

    Args:
        pipeline: of the model.
        request: what is asked.
        taken_s: of the request's time, by reading it.

    Raises:
        TaktError: the first one; see `Pipeline.inspect`.
    """
    left_s = request.options.timeout_s - taken_s
    if left_s <= 0:
        raise DeadlineExceededError(
            f"sending the request took longer than its {request.options.timeout_s * 1000:.0f} ms; "
            "allow more time with timeout_ms"
        )
    options = replace(request.options, timeout_s=left_s)

    async def one(index: int, picture: Picture) -> Inspection:
        async def read() -> Picture:
            return picture

        try:
            return await pipeline.inspect(read, options)
        except RequestError as error:
            if len(request.pictures) == 1:
                raise
            raise type(error)(f"picture {index}, counted from 0: {error}") from None

    if len(request.pictures) == 1:
        return [await one(0, request.pictures[0])]
    tasks = [asyncio.create_task(one(*numbered)) for numbered in enumerate(request.pictures)]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _written(request: OipRequest, inspections: Sequence[Inspection]) -> OipAnswer:
    """The answer; maps and heatmaps are long as text, and are written in a thread."""
    if request.options.with_map or request.options.heatmap != "none":
        return await asyncio.to_thread(answer_of, request, inspections)
    return answer_of(request, inspections)
