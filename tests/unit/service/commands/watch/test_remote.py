from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from websockets.sync.server import ServerConnection

from takt.commands.watch.remote import RETRY, RemoteStream, ServerError, remote_stream
from takt.commands.watch.streams import WatchOptions
from takt.core.errors import InvalidParameterError
from takt.sources.pacing import Shot
from takt.streaming.evidence import VoteCount
from takt.streaming.outcomes import AnsweredFrame, DroppedFrame, FailedFrame
from takt_client import AsyncTaktClient, FrameAnswer, FrameDropped, FrameRefused, Inspected, Vote
from takt_client.errors import InvalidImageError
from takt_client.values import Box, Timings

SEEN = Inspected(
    request_id="",
    model="parts",
    version="2",
    score=0.75,
    threshold=0.5,
    anomalous=True,
    percentile=99.0,
    width=4,
    height=3,
    inspected=Box(0, 0, 4, 3),
    regions=(),
    heatmap=None,
    timings=Timings(1, 2, 3, 4, 5, 6, 21),
)


class FakeStream:
    def __init__(self, *items: object) -> None:
        self._items = items
        self.sent: list[tuple[object, int]] = []
        self.finished = False

    async def send(self, picture: object, *, captured_us: int, labels: object = None) -> None:
        assert labels is None  # nothing is known of these
        self.sent.append((picture, captured_us))

    async def finish(self) -> None:
        self.finished = True

    async def __aiter__(self) -> AsyncIterator[object]:
        for item in self._items:
            yield item


async def test_what_a_server_says_reads_like_what_a_bundle_says() -> None:
    fake = FakeStream(
        FrameDropped(1, 1),
        FrameAnswer(0, 1_700, 25.0, 1, SEEN, 0.6, Vote(True, 2, 3)),
        FrameRefused(2, InvalidImageError("cut short")),
    )
    stream = RemoteStream(fake)  # type: ignore[arg-type]
    await stream.send(Shot("a", 1_700, b"picture"))
    await stream.finish()
    assert fake.sent == [(b"picture", 1_700)]
    assert fake.finished
    dropped, answer, failed = [outcome async for outcome in stream.outcomes()]
    assert dropped == DroppedFrame(1, 1)
    assert isinstance(answer, AnsweredFrame)
    assert (answer.sequence, answer.captured_us, answer.age_ms) == (0, 1_700, 25.0)
    assert answer.vote == VoteCount(True, 2, 3)
    assert answer.inspection.version == "2"
    assert answer.inspection.verdict.score == 0.75
    assert answer.inspection.verdict.anomalous
    assert answer.inspection.timings.total_ms == 21
    assert failed == FailedFrame(2, 400, "invalid_image", "Invalid image", "cut short")


async def test_several_models_and_none_named_is_told_with_their_names() -> None:
    def models(_: httpx.Request) -> httpx.Response:
        listed = [{"name": name, "active": "1", "versions": []} for name in ("lids", "rims")]
        return httpx.Response(200, content=json.dumps({"models": listed}))

    options = WatchOptions("all")
    transport = httpx.MockTransport(models)
    async with AsyncTaktClient("http://takt", transport=transport) as client:
        with pytest.raises(InvalidParameterError, match="lids, rims; name one with --model"):
            async with remote_stream(client, None, None, options):
                raise AssertionError("there is no model to stream to")


async def test_a_server_without_a_model_is_told_as_one() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"models": []}))
    async with AsyncTaktClient("http://takt", transport=transport) as client:
        with pytest.raises(InvalidParameterError, match="has no model yet; learn the first one"):
            async with remote_stream(client, None, None, WatchOptions("all")):
                raise AssertionError("there is no model to stream to")


async def test_a_key_that_may_not_list_models_is_told_to_name_one() -> None:
    problem = {"code": "insufficient_scope", "title": "Insufficient scope", "status": 403}
    transport = httpx.MockTransport(
        lambda _: httpx.Response(403, json={**problem, "detail": "it lacks the scope read"})
    )
    async with AsyncTaktClient("http://takt", transport=transport) as client:
        with pytest.raises(InvalidParameterError, match="scope read; or name the model with --mod"):
            async with remote_stream(client, None, None, WatchOptions("all")):
                raise AssertionError("there is no model to stream to")


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("unauthenticated", 401, "give it with --key-file FILE or in TAKT_KEY"),
        ("insufficient_scope", 403, "another key goes with --key-file FILE or in TAKT_KEY"),
        ("model_not_found", 404, "the detail of model_not_found"),
    ],
)
async def test_a_refusal_ends_it_at_the_first_and_says_what_to_do(
    scripted, wire, code: str, status: int, said: str
) -> None:
    def refuses(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(wire.refusal(code, status))

    with scripted(refuses) as url:
        async with AsyncTaktClient(url, retry=RETRY) as client:
            with pytest.raises(ServerError, match=said):
                async with remote_stream(client, "parts", None, WatchOptions("all")):
                    raise AssertionError("there is no stream")


async def test_the_name_of_a_source_is_the_station_of_its_stream(scripted, wire) -> None:
    def script(connection: ServerConnection) -> None:
        assert json.loads(connection.recv())["station"] == "press 3"
        connection.send(wire.welcome())

    options = WatchOptions("all", station="press 3")
    with scripted(script) as url:
        async with (
            AsyncTaktClient(url) as client,
            remote_stream(client, "parts", None, options),
        ):
            pass
