"""`ModelInfer`: pictures as tensors in, scores and maps as tensors out."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import replace

from tritonclient.grpc import service_pb2

from takt.api.labels import labels_of_headers
from takt.api.oip.inspecting import in_turn, inspect_together, written
from takt.api.oip.request import InferenceRequest, OipLimits
from takt.api.problems import asked_of, share_of
from takt.api.rpc.backend import RpcBackend
from takt.api.rpc.call import Answer, Call
from takt.api.rpc.messages import answer_of, parsed, request_of
from takt.api.rpc.wire import split
from takt.observing.journal import UNKNOWN

_LONGEST_S = 3600.0
"""Longest timeout of a request, whatever the call's deadline."""


def infer_answer(backend: RpcBackend) -> Answer:
    """Answers the calls that bring pictures.

    Args:
        backend: what answers.
    """
    repository, journal, bodies = backend.repository, backend.journal, backend.bodies

    async def infer(call: Call) -> bytes:
        known, share = UNKNOWN, share_of(call.scope)
        started_s, deadline_s = time.monotonic(), call.left_s
        try:
            labels = labels_of_headers(call.scope["headers"])
            with bodies.memory.encoded() as held:
                with bodies.uploads.begin(share, in_parts=False):
                    message = await call.read()
                held.add(len(message))
                found = split(message)
                length, kind = len(found.head), service_pb2.ModelInferRequest
                head = await in_turn(length, parsed, kind, found.head)
                name, version = head.model_name, head.model_version or None
                model = repository.get(name, version)
                known = model.name
                model.check_ready()
                # Before the pictures are looked at.
                model.pipeline.check_room()
                limits = _within(backend.limits, deadline_s)
                request = await in_turn(length, request_of, head, found.raw, limits)
                # Encoded pictures are copies of parts of the message.
                held.add(sum(len(one) for one in request.pictures if isinstance(one, bytes)))
                # Looked up again: another version may have become the active one meanwhile.
                pipeline = repository.get(name, version).pipeline
                request = _ending(request, deadline_s)
                taken_s = time.monotonic() - started_s
                inspections = await inspect_together(pipeline, request, taken_s, share)
                answer = await written(answer_of, request, inspections)
            asked = [asked_of(call.scope, picture, labels) for picture in request.pictures]
            answers = list(zip(inspections, asked, strict=True))
            timeout_s = request.options.timeout_s - taken_s
            await journal.commit(answers, "oip", call.request_id, timeout_s)
        except asyncio.CancelledError:
            journal.refused(known, "oip", call.ended(), call.request_id)
            raise
        except Exception as error:
            journal.refused(known, "oip", error, call.request_id)
            raise
        for answered in answers:
            journal.answered(answered[0], "oip", call.request_id, answered[1])
        return answer

    return infer


def _within(limits: OipLimits, deadline_s: float) -> OipLimits:
    """The limits of a call: its deadline is the timeout of a request that names none."""
    if math.isinf(deadline_s):
        return limits
    return replace(limits, timeout_ms=min(deadline_s, _LONGEST_S) * 1000)


def _ending(request: InferenceRequest, deadline_s: float) -> InferenceRequest:
    """The request, which names no longer timeout than the call has."""
    options = request.options
    if options.timeout_s <= deadline_s:
        return request
    return replace(request, options=replace(options, timeout_s=deadline_s))
