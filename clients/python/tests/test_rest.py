import asyncio
import base64
import subprocess
import sys

import httpx
import pytest

from takt_client import AsyncTaktClient, Inspected, RetryPolicy, TaktClient, ThresholdPair
from takt_client.errors import (
    DeadlineExceededError,
    InvalidImageError,
    InvalidParameterError,
    ModelNotFoundError,
    NotReadyError,
    QueueFullError,
    UnreachableError,
    UnreadableAnswerError,
)
from takt_client.stream import HANDSHAKE_S
from takt_client.values import Box, Heatmap, Reason, Region, ThresholdOrigin, Timings


def respond(*responses: httpx.Response | Exception):
    """A server that answers so, one after another, and the requests that it got."""
    left, requests = list(responses), []

    def handle(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        response = left.pop(0)
        if isinstance(response, Exception):
            raise response
        return response

    handle.requests = requests
    return handle


@pytest.fixture
def ok(wire) -> httpx.Response:
    return httpx.Response(200, json=wire.inspection(request_id="r"))


def test_what_the_server_found_arrives_whole(call, wire) -> None:
    heatmap = {"kind": "map", "format": "png", "data": base64.b64encode(b"png").decode()}
    body = wire.inspection(request_id="r1", heatmap=heatmap)
    answer = call(respond(httpx.Response(200, json=body)), "inspect", "parts", b"jpeg")
    assert answer == Inspected(
        request_id="r1",
        model="parts",
        version="1",
        score=0.75,
        threshold=0.5,
        anomalous=True,
        percentile=100.0,
        width=64,
        height=48,
        inspected=Box(0, 0, 64, 48),
        regions=(Region(Box(16, 12, 8, 6), 40, 0.75),),
        heatmap=Heatmap("map", "png", b"png"),
        timings=Timings(*[1.0] * 7),
    )


def test_a_picture_that_cannot_be_judged_says_why(call, wire) -> None:
    reason = {"fact": "brightness", "value": 3.4, "low": 61.2, "high": None, "text": "too dark"}
    body = wire.inspection(request_id="r", verdict="undecided", undecided=reason)
    answer = call(respond(httpx.Response(200, json=body)), "inspect", "parts", b"jpeg")
    assert (answer.verdict, answer.anomalous) == ("undecided", True)
    assert answer.undecided == Reason("brightness", 3.4, 61.2, None, "too dark")


@pytest.mark.parametrize(("anomalous", "verdict"), [(True, "defect"), (False, "good")])
def test_a_server_of_two_verdicts_is_understood(call, wire, anomalous, verdict) -> None:
    body = wire.inspection(request_id="r", anomalous=anomalous)
    answer = call(respond(httpx.Response(200, json=body)), "inspect", "parts", b"jpeg")
    assert (answer.verdict, answer.undecided) == (verdict, None)


def test_picture_and_choices_are_sent(call, ok) -> None:
    server = respond(ok)
    call(server, "inspect", "a/b", b"jpeg", version="2", heatmap="map", threshold=0.25)
    (request,) = server.requests
    assert request.method == "POST"
    assert request.url.raw_path.startswith(b"/v1/models/a%2Fb/versions/2/inspect?")
    assert request.url.params["heatmap"] == "map"
    assert request.url.params["threshold"] == "0.25"
    assert request.content == b"jpeg"


def test_what_a_picture_shows_is_sent_for_the_record(call, ok) -> None:
    server = respond(ok)
    tags = {"shift": "2", "camera": "left"}
    call(server, "inspect", "parts", b"jpeg", station="press 3", part="A-17", lot="L1", tags=tags)
    sent = server.requests[0].url.params
    assert [sent[name] for name in ("station", "part", "lot")] == ["press 3", "A-17", "L1"]
    assert sent["tags"] == "shift=2,camera=left"


def test_a_choice_that_is_none_is_left_out(call, ok) -> None:
    server = respond(ok)
    choices = {"part": None, "tags": None, "threshold": None, "station": "press 3"}
    call(server, "inspect", "parts", b"jpeg", **choices)
    assert set(server.requests[0].url.params) == {"station", "timeout_ms"}


def test_no_tags_are_none_of_the_query(call, ok) -> None:
    server = respond(ok)
    call(server, "inspect", "parts", b"jpeg", tags={})
    assert "tags" not in server.requests[0].url.params


@pytest.mark.parametrize("tags", [{"note": "scratch, batch=7"}, {"a,b": "1"}, {"a=b": "1"}])
def test_a_tag_that_the_server_would_take_for_others_is_not_sent(call, ok, tags) -> None:
    server = respond(ok)
    with pytest.raises(InvalidParameterError, match="without a comma"):
        call(server, "inspect", "parts", b"jpeg", tags=tags)
    assert server.requests == []


def test_the_server_is_told_a_little_less_than_the_call_still_waits(call, ok, wire, time) -> None:
    busy = httpx.Response(429, json=wire.problem("queue_full", 429), headers={"Retry-After": "2"})
    server = respond(busy, ok)
    call(server, "inspect", "parts", b"", retry=RetryPolicy(deadline_s=10, first_delay_s=0.5))
    assert [request.url.params["timeout_ms"] for request in server.requests] == [
        "9900.0",
        "7400.0",
    ]
    assert time.waits_s == [2.5]


def test_a_line_s_short_deadline_leaves_the_server_most_of_it(call, ok) -> None:
    server = respond(ok)
    call(server, "inspect", "parts", b"", retry=RetryPolicy(deadline_s=0.2))
    assert server.requests[0].url.params["timeout_ms"] == "180.0"


def test_a_server_that_is_too_slow_is_not_called_away(call, time) -> None:
    server = respond(httpx.ReadTimeout("nothing came"))
    with pytest.raises(DeadlineExceededError, match="http://takt before the call's deadline"):
        call(server, "inspect", "parts", b"")
    assert time.waits_s == []


def test_an_answer_that_trickles_in_is_given_up_at_the_deadline(time) -> None:
    class Trickle(httpx.SyncByteStream):
        def __iter__(self):
            for _ in range(100):
                time.now_s += 1
                yield b" "

    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Trickle()))
    retry = RetryPolicy(deadline_s=5)
    with (
        TaktClient("http://takt", retry=retry, transport=transport, clock=time.clock) as client,
        pytest.raises(DeadlineExceededError),
    ):
        client.models()
    assert time.now_s == 5


def test_an_async_call_is_given_up_at_the_deadline_whatever_it_waits_for() -> None:
    async def silence(_: httpx.Request) -> httpx.Response:
        return await asyncio.get_running_loop().create_future()

    async def run() -> None:
        transport = httpx.MockTransport(silence)
        retry = RetryPolicy(deadline_s=0.05)
        async with (
            asyncio.timeout(60),
            AsyncTaktClient("http://takt", retry=retry, transport=transport) as client,
        ):
            with pytest.raises(DeadlineExceededError):
                await client.models()

    asyncio.run(run())


def test_a_timeout_that_was_asked_for_is_kept(call, ok) -> None:
    server = respond(ok)
    call(server, "inspect", "parts", b"", timeout_ms=250)
    assert server.requests[0].url.params["timeout_ms"] == "250"


def test_lost_connections_are_tried_again_with_longer_waits(call, ok, time) -> None:
    server = respond(httpx.ConnectError("refused"), httpx.ReadError("reset"), ok)
    assert call(server, "inspect", "parts", b"").score == 0.75
    assert time.waits_s == [0.1, 0.2]


def test_a_server_that_stays_away_is_named(call, time) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(UnreachableError, match="http://takt: refused"):
        call(refuse, "models", retry=RetryPolicy(deadline_s=7))
    assert time.now_s < 7


def test_a_queue_that_stays_full_is_the_server_s_own_error(call, wire) -> None:
    def busy(request: httpx.Request) -> httpx.Response:
        body = wire.problem("queue_full", 429)
        return httpx.Response(429, json=body, headers={"Retry-After": "4"})

    with pytest.raises(QueueFullError) as caught:
        call(busy, "inspect", "parts", b"", retry=RetryPolicy(deadline_s=10))
    assert caught.value.retry_after_s == 4


def test_a_loading_model_is_waited_for(call, ok, wire, time) -> None:
    loading = httpx.Response(503, json=wire.problem("not_ready", 503))
    assert call(respond(loading, loading, ok), "inspect", "parts", b"").anomalous
    assert len(time.waits_s) == 2


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("invalid_image", 400, InvalidImageError),
        ("model_not_found", 404, ModelNotFoundError),
        ("invalid_parameter", 422, InvalidParameterError),
    ],
)
def test_a_request_at_fault_is_not_sent_again(call, wire, time, code, status, error) -> None:
    server = respond(httpx.Response(status, json=wire.problem(code, status)))
    with pytest.raises(error, match=f"the detail of {code}"):
        call(server, "inspect", "parts", b"")
    assert time.waits_s == []


@pytest.mark.parametrize(
    "change", [{"anomalous": "false"}, {"score": None}, {"inspected": [1]}, {"undecided": True}]
)
def test_a_verdict_that_cannot_be_read_is_never_guessed(call, wire, change) -> None:
    body = wire.inspection(request_id="r") | change
    with pytest.raises(UnreadableAnswerError, match="same release"):
        call(respond(httpx.Response(200, json=body)), "inspect", "parts", b"")


def test_a_page_that_is_no_answer_is_shown(call) -> None:
    with pytest.raises(UnreadableAnswerError, match="Welcome to nginx"):
        call(respond(httpx.Response(200, text="Welcome to nginx")), "models")


def test_a_damaged_heatmap_is_an_unreadable_answer(call, wire) -> None:
    heatmap = {"kind": "map", "format": "png", "data": base64.b64encode(b"png").decode() + "!"}
    body = wire.inspection(request_id="r", heatmap=heatmap)
    with pytest.raises(UnreadableAnswerError):
        call(respond(httpx.Response(200, json=body)), "inspect", "parts", b"")


VERSION = {
    "version": "1",
    "state": "ready",
    "reason": None,
    "engine": "onnxruntime on the CPU",
    "family": "efficientad",
    "variant": "small",
    "thresholds": {
        "image": 0.5,
        "pixel": 0.25,
        "alpha": 0.01,
        "method": "conformal",
        "origin": {
            "image": {"source": "bundle", "since": "2026-01-01T00:00:00Z", "bundle": 0.5},
            "pixel": {"source": "override", "since": "2026-01-02T00:00:00Z", "bundle": 0.2},
        },
        "of a later release": {},
    },
}
MODEL = {"name": "parts", "active": "1", "versions": [VERSION]}


def test_models_are_listed(call) -> None:
    (model,) = call(respond(httpx.Response(200, json={"models": [MODEL]})), "models")
    (version,) = model.versions
    assert (model.name, model.active, version.state) == ("parts", "1", "ready")
    own = ThresholdOrigin("bundle", "2026-01-01T00:00:00Z")
    set_here = ThresholdOrigin("override", "2026-01-02T00:00:00Z")
    assert version.thresholds == ThresholdPair(0.5, 0.25, "conformal", own, set_here)


def test_a_model_that_is_still_loading_has_no_thresholds(call) -> None:
    loading = {**VERSION, "state": "loading", "thresholds": None, "family": None}
    model = call(respond(httpx.Response(200, json={**MODEL, "versions": [loading]})), "model", "p")
    assert model.versions[0].thresholds is None


def test_a_server_that_is_not_ready_is_an_answer_and_no_error(call, time) -> None:
    state = {"name": "p", "version": "1", "ready": False, "state": "failed", "reason": "drift"}
    body = {"ready": False, "models": [state]}
    readiness = call(respond(httpx.Response(503, json=body)), "ready")
    assert not readiness.ready
    assert readiness.versions[0].reason == "drift"
    assert time.waits_s == []


def test_not_ready_of_a_proxy_is_an_error(call, wire) -> None:
    server = respond(httpx.Response(503, json=wire.problem("not_ready", 503)))
    with pytest.raises(NotReadyError):
        call(server, "model", "parts", retry=RetryPolicy(deadline_s=0.01))


@pytest.mark.parametrize(
    "url",
    [
        *("localhost:8000", "ftp://takt", "http://", ""),
        *("http://HOST:PORT", "http://takt:80000", "http://:8000", "http://[::1"),
        *("http://takt:8000\n", "http://takt..plant", "http://takt?key=1", "http://takt/#a"),
    ],
)
def test_what_is_no_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(InvalidParameterError, match="http://HOST:PORT"):
        TaktClient(url)


def test_importing_the_client_brings_nothing_of_the_server_and_no_numpy() -> None:
    others = {"takt", "takt_export", "takt_models", "numpy", "orjson", "fastapi", "cv2", "pydantic"}
    script = f"import sys, takt_client; print(sorted({others} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_a_listener_hears_of_each_wait_for_a_call_and_of_its_success(call, heard, wire) -> None:
    left = [httpx.ConnectError("refused"), httpx.ConnectError("refused"), None]

    def server(request: httpx.Request) -> httpx.Response:
        if (error := left.pop(0)) is not None:
            raise error
        return httpx.Response(200, json={"models": []})

    call(server, "models", options={"listener": heard})
    assert heard.events == [("unreachable", 0.1), ("unreachable", 0.2), "succeeded"]


def test_a_call_that_is_given_up_has_no_success_to_hear_of(call, heard) -> None:
    def server(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(UnreachableError):
        call(server, "models", retry=RetryPolicy(deadline_s=0.2), options={"listener": heard})
    assert heard.events == [("unreachable", 0.1)]


def test_a_silent_attempt_uses_up_the_deadline_of_pictures_alone(call, heard, ok_server) -> None:
    allowed: list[dict[str, float]] = []

    def server(request: httpx.Request) -> httpx.Response:
        allowed.append(request.extensions["timeout"])
        if len(allowed) == 1:
            raise httpx.ReadTimeout("silent")
        if request.method == "POST":
            return ok_server(request)
        return httpx.Response(200, json={"models": []})

    retry = RetryPolicy(deadline_s=3600)
    call(server, "models", retry=retry, options={"listener": heard})
    assert heard.events == [("unreachable", 0.1), "succeeded"]
    assert [limits["connect"] for limits in allowed] == [HANDSHAKE_S] * 2
    assert [limits["read"] for limits in allowed] == [HANDSHAKE_S] * 2
    call(server, "inspect", "parts", b"a jpeg", retry=retry)
    assert (allowed[2]["connect"], allowed[2]["read"]) == (HANDSHAKE_S, 3600)
