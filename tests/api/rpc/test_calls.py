"""What gRPC alone has: deadlines of calls, metadata, typed contents, its health check."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import cv2
import grpc
import httpx
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tritonclient.grpc import service_pb2, service_pb2_grpc

from takt.api.rpc.procedures import Procedures
from takt.observing.tracing.otlp import OtelTracing
from takt.parts.composing.assembly import foundation_of
from takt.parts.oip import rpc_backend
from takt.security.routes import PROCEDURES
from tests.api.apps import until
from tests.api.keys import KEYS, bearer
from tests.api.rpc.transports import GRPC, Served, depth_of, refusal_of

INFER = "/inference.GRPCInferenceService/ModelInfer"
CHECK = "/grpc.health.v1.Health/Check"


@asynccontextmanager
async def channel_to(server: Served) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(server.address) as channel:
        yield channel


def request(*pictures: bytes, **fields: Any) -> Any:
    """A request with typed contents."""
    image = {
        "name": "image",
        "datatype": "BYTES",
        "shape": [len(pictures)],
        "contents": {"bytes_contents": pictures},
    }
    return service_pb2.ModelInferRequest(**{"model_name": "parts", "inputs": [image], **fields})


async def metrics_of(server: Served) -> str:
    app: Any = server.server.config.app
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return (await client.get("/metrics")).text


async def counted(server: Served, code: str) -> None:
    """Wait until a call is counted by its code."""
    async with asyncio.timeout(60):
        while f'outcome="{code}",protocol="oip"' not in await metrics_of(server):
            await asyncio.sleep(0)


async def refused(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value


async def server_hears_of_a_deadline(server: Served, calls: Callable[[], list[Any]]) -> None:
    """Make calls that pass their deadline, until one is counted.

    On a busy machine a call may end before the server has heard of it.
    """
    async with asyncio.timeout(60):
        while 'outcome="deadline_exceeded",protocol="oip"' not in await metrics_of(server):
            for call in calls():
                error = await refused(call)
                assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED


async def test_the_calls_deadline_is_the_requests_timeout(serve, engine, bad_part) -> None:
    async with serve(GRPC) as server, channel_to(server) as channel:
        infer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
        engine.gate.clear()
        # Its own timeout is longer than the call's.
        longer = request(bad_part)
        longer.parameters["timeout_ms"].int64_param = 60_000
        await server_hears_of_a_deadline(
            server,
            lambda: [infer(request(*[bad_part] * 3), timeout=0.3), infer(longer, timeout=0.3)],
        )
        await until(lambda: depth_of(server) == 0)
        engine.gate.set()


async def test_a_deadline_that_outlasts_the_servers_timeout_counts(serve, engine, bad_part) -> None:
    async with serve(GRPC, timeout_ms=50.0) as server, channel_to(server) as channel:
        infer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
        engine.gate.clear()
        said = ""
        # On a busy machine the message itself may come too late.
        async with asyncio.timeout(60):
            while not engine.batch_sizes:
                long = infer(request(bad_part), timeout=60)
                while not (long.done() or engine.batch_sizes):
                    await asyncio.sleep(0)
            while "allow more time with timeout_ms" not in said:
                error = await refused(infer(request(bad_part)))
                assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
                said = error.details()
        engine.gate.set()
        assert (await long).model_name == "parts"


async def test_a_call_that_ends_before_its_message_is_there_is_counted_as_what_it_is(
    serve,
) -> None:
    async with serve(GRPC) as server, channel_to(server) as channel:
        app: Any = server.server.config.app
        infer = channel.stream_unary(INFER)
        await channel.channel_ready()
        await server_hears_of_a_deadline(server, lambda: [infer(timeout=0.1)])
        # The last of several calls may still be on its way out.
        await until(lambda: foundation_of(app).metrics.in_flight == 0)
        call = infer()
        await until(lambda: foundation_of(app).metrics.in_flight == 1)
        call.cancel()
        await counted(server, "client_gone")
        assert "image_too_large" not in await metrics_of(server)


async def test_a_message_far_too_large_is_refused_by_grpc_itself_before_it_comes(serve) -> None:
    async with serve(GRPC, max_image_bytes=100_000) as server:
        status, text = await refusal_of(server.client.infer("parts", GRPC.images([bytes(200_000)])))
        assert status == "StatusCode.RESOURCE_EXHAUSTED" and "larger than max" in text


async def test_a_cancelled_call_is_counted_as_one_whose_caller_has_gone(
    serve, engine, bad_part
) -> None:
    async with serve(GRPC) as server, channel_to(server) as channel:
        engine.gate.clear()
        call = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request(bad_part))
        await until(lambda: engine.batch_sizes == [1])
        call.cancel()
        await counted(server, "client_gone")
        engine.gate.set()


async def test_a_call_has_an_id_and_errors_have_their_code(serve, bad_part) -> None:
    async with serve(GRPC, keys=KEYS) as server, channel_to(server) as channel:
        infer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
        key = tuple(bearer("camera").items())
        call = infer(request(bad_part), metadata=(("x-request-id", "belt-3"), *key))
        await call
        assert ("x-request-id", "belt-3") in [*await call.trailing_metadata()]
        call = infer(request(bad_part), metadata=key)
        await call
        assert len(dict([*await call.trailing_metadata()])["x-request-id"]) == 32
        told = dict((await refused(infer(request(b"GIF"), metadata=key))).trailing_metadata())
        assert told["takt-code"] == "invalid_image"
        told = dict((await refused(infer(request(bad_part)))).trailing_metadata())
        assert told["takt-code"] == "unauthenticated"
        assert told["www-authenticate"].startswith("Bearer")


async def test_a_refusal_says_when_to_come_back(serve, engine, bad_part) -> None:
    async with serve(GRPC, max_queue_size=1) as server, channel_to(server) as channel:
        infer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
        engine.gate.clear()
        running = infer(request(bad_part))
        await until(lambda: engine.batch_sizes == [1])
        waiting = infer(request(bad_part))
        await until(lambda: depth_of(server) == 1)
        error = await refused(infer(request(bad_part)))
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert int(dict(error.trailing_metadata())["retry-after"]) > 0
        engine.gate.set()
        await asyncio.gather(running, waiting)


async def test_a_message_that_does_not_come_holds_no_place_and_meets_the_timeout(
    serve, bad_part
) -> None:
    given = {"timeout_ms": 300.0, "max_queue_size": 1}
    async with serve(GRPC, **given) as server, channel_to(server) as channel:
        silent = channel.stream_unary(INFER)()
        await silent.wait_for_connection()
        # With time of its own, as a busy machine may need more than the server gives.
        assert await server.client.infer("parts", GRPC.images([bad_part]), client_timeout=60)
        error = await refused(silent)
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert "the message was not there within 300 ms" in error.details()


async def test_a_stranger_is_refused_before_the_message_is_there(serve) -> None:
    async with serve(GRPC, keys=KEYS) as server, channel_to(server) as channel:
        error = await refused(channel.stream_unary(INFER)())
        assert error.code() == grpc.StatusCode.UNAUTHENTICATED


async def test_contents_may_be_typed(serve, bad_part) -> None:
    picture = cv2.imdecode(np.frombuffer(bad_part, np.uint8), cv2.IMREAD_GRAYSCALE)
    pixels = {
        "name": "pixels",
        "datatype": "UINT8",
        "shape": [1, *picture.shape],
        "contents": {"uint_contents": picture.ravel().tolist()},
    }
    async with serve(GRPC) as server, channel_to(server) as channel:
        infer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
        for asked in (request(bad_part), request(inputs=[pixels])):
            answer = await infer(asked)
            score = dict(
                zip([one.name for one in answer.outputs], answer.raw_output_contents, strict=True)
            )["score"]
            assert np.frombuffer(score, "<f4") == pytest.approx(200 / 255, abs=1e-6)


async def test_what_is_not_served_is_said(serve) -> None:
    async with serve(GRPC) as server:
        for asked in (
            server.client.unload_model("parts"),
            server.client.get_inference_statistics("parts"),
            server.client.get_system_shared_memory_status(),
            server.client.get_log_settings(),
        ):
            status, text = await refusal_of(asked)
            assert status == "StatusCode.UNIMPLEMENTED"
            assert "is not served" in text
        status, text = await refusal_of(
            server.client.infer("parts", GRPC.images([b"a"]), compression_algorithm="gzip")
        )
        assert status == "StatusCode.UNIMPLEMENTED" and "gzip" in text


async def test_a_stranger_does_not_learn_what_is_served(serve) -> None:
    async with serve(GRPC, keys=KEYS) as server:
        status, _ = await refusal_of(server.client.unload_model("parts"))
        assert status == "StatusCode.UNAUTHENTICATED"


async def test_the_health_check_needs_no_key_and_tells_ready_from_live(serve) -> None:
    serving = health_pb2.HealthCheckResponse.SERVING
    async with serve(GRPC, keys=KEYS) as server, channel_to(server) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        for service in ("", "inference.GRPCInferenceService", "live"):
            answer = await check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == serving
        error = await refused(check(health_pb2.HealthCheckRequest(service="parts")))
        assert error.code() == grpc.StatusCode.NOT_FOUND
        repository = foundation_of(server.server.config.app).models.repository  # type: ignore[union-attr]
        await repository.close(0.0)
        answer = await check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert not await server.client.is_server_ready()
        answer = await check(health_pb2.HealthCheckRequest(service="live"))
        assert answer.status == serving


async def test_calls_that_say_nothing_are_in_no_probes_way(serve, bad_part, monkeypatch) -> None:
    # None of them is to be late before it is asked for its place, however busy the machine is.
    monkeypatch.setattr("takt.api.rpc.call.GRACE_S", 60.0)
    given = {"keys": KEYS, "max_connections": 300, "timeout_ms": 60_000.0}
    async with serve(GRPC, **given) as server, channel_to(server) as channel:
        silent = [channel.stream_unary(CHECK)() for _ in range(500)]
        # They may come in another order than they were made in.
        waiting = [asyncio.ensure_future(refused(call)) for call in silent]
        ended, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert {one.result().code() for one in ended} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        check = health_pb2_grpc.HealthStub(channel).Check
        for _ in range(10):
            answer = await check(health_pb2.HealthCheckRequest())
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        images = GRPC.images([bad_part])
        assert await server.client.infer("parts", images, headers=bearer("camera"))
        for call in silent:
            call.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_call_is_traced_below_its_caller(serve, bad_part, monkeypatch) -> None:
    for name in ("OTEL_TRACES_SAMPLER", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    exported, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exported))
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    parent = (("traceparent", f"00-{trace_id}-00f067aa0ba902b7-01"),)
    async with serve(GRPC, tracing=OtelTracing(provider)) as server, channel_to(server) as channel:
        infer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
        call = infer(request(bad_part), metadata=parent)
        await call
        assert trace_id in dict([*await call.trailing_metadata()])["traceresponse"]
        await refused(infer(request(b"GIF"), metadata=parent))
        await server.client.is_server_live()
    answered, failed = [one for one in exported.get_finished_spans() if one.parent.is_remote]
    assert answered.name == INFER.removeprefix("/")
    assert f"{answered.context.trace_id:032x}" == trace_id
    assert answered.attributes["rpc.system"] == "grpc"
    assert answered.attributes["takt.verdict"] == "anomalous"
    assert failed.attributes["error.type"] == "invalid_image"


async def test_every_procedure_is_in_the_table_and_no_other(serve) -> None:
    async with serve(GRPC) as server:
        backend = rpc_backend(foundation_of(server.server.config.app))  # type: ignore[union-attr]
        assert Procedures(backend, 1000).served == {row.path for row in PROCEDURES}
