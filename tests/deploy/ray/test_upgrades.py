"""Versions and settings that change while clients ask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from takt_client import FrameAnswer, TaktClient
from tests.deploy.ray.applications import application, serve
from tests.deploy.ray.load import load
from tests.deploy.ray.two_nodes import TwoNodes, until

pytestmark = [pytest.mark.services, pytest.mark.slow]

CLIENTS = 4


@pytest.fixture
def url(nodes: TwoNodes, bundle, repository: Path) -> str:
    serve(nodes, repository, replicas=2, repository_poll_s=5)
    return nodes.head.url


def test_a_version_steps_in_on_every_replica_without_a_failed_request(
    nodes: TwoNodes, url: str, make_bundle, repository: Path, picture_bytes: Callable[..., bytes]
) -> None:
    inspect = f"{url}/v1/models/parts/inspect"

    with load(inspect, picture_bytes(200), CLIENTS) as seen:
        seen.wait_for(20)
        make_bundle(version="2", scale=0.5, trained=0.5)
        activate = f"{url}/v1/models/parts/versions/2/activate"
        until(lambda: httpx.post(activate, timeout=60).status_code == 200)
        answered = [httpx.post(inspect, content=picture_bytes(200)).json() for _ in range(20)]
        assert {answer["version"] for answer in answered} == {"2"}
        seen.wait_for(50)
    assert seen.failed == []


def test_a_threshold_is_in_force_on_every_replica_once_it_is_answered(
    url: str, picture_bytes: Callable[..., bytes]
) -> None:
    threshold, inspect = f"{url}/v1/models/parts/threshold", f"{url}/v1/models/parts/inspect"
    # Its map stays under the pixel threshold, so that the score alone decides.
    part = picture_bytes(120)
    for value in (0.9, 0.1, 0.8):
        httpx.put(threshold, json={"image": value}, timeout=60).raise_for_status()
        answered = [httpx.post(inspect, content=part).json() for _ in range(20)]
        assert {answer["anomalous"] for answer in answered} == {value < 0.5}


def test_a_stream_is_listed_whichever_replica_is_asked(
    url: str, picture_bytes: Callable[..., bytes]
) -> None:
    with TaktClient(url) as client, client.stream("parts") as stream:
        stream.send(picture_bytes(200))
        next(iter(stream))
        listed = [httpx.get(f"{url}/v1/streams").json()["streams"] for _ in range(10)]
    assert [len(streams) for streams in listed] == [1] * 10


def test_a_redeploy_replaces_the_replicas_without_a_failed_request(
    nodes: TwoNodes, url: str, repository: Path, picture_bytes: Callable[..., bytes]
) -> None:
    before = set(nodes.replicas())
    with load(f"{url}/v1/models/parts/inspect", picture_bytes(200), CLIENTS) as seen:
        seen.wait_for(50)
        nodes.deploy(application(repository, 2, max_regions=3))
        until(lambda: len(nodes.replicas()) == 2 and not before & set(nodes.replicas()))
        seen.wait_for(50)
    assert seen.failed == []


def test_a_stream_goes_on_through_a_redeploy_with_an_answer_for_every_frame(
    nodes: TwoNodes, url: str, repository: Path, picture_bytes: Callable[..., bytes]
) -> None:
    before = set(nodes.replicas())
    replaced = False
    with TaktClient(url) as client, client.stream("parts") as stream:

        def frames():
            nonlocal replaced
            yield from [picture_bytes(200)] * 50
            nodes.deploy(application(repository, 2, max_regions=3))
            while not replaced:
                yield picture_bytes(200)
                replaced = not before & set(nodes.replicas())
            yield from [picture_bytes(200)] * 50

        items = list(stream.inspect(frames()))
    assert replaced
    assert all(isinstance(item, FrameAnswer) for item in items)
    assert [item.sequence for item in items] == list(range(len(items)))


def test_a_redeploy_that_cannot_serve_leaves_what_there_was(
    nodes: TwoNodes, url: str, tmp_path: Path, picture_bytes: Callable[..., bytes]
) -> None:
    before, started = set(nodes.replicas()), nodes.started()
    empty = tmp_path / "empty"
    (empty / "parts" / "1").mkdir(parents=True)
    with load(f"{url}/v1/models/parts/inspect", picture_bytes(200), CLIENTS) as seen:
        nodes.deploy(application(empty, 2))
        until(lambda: len(nodes.started() - started) > 1)  # One has failed, and another is tried.
        seen.wait_for(100)
    assert seen.failed == []
    assert before <= set(nodes.replicas())
