"""A replica and a node die while clients ask."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import httpx
import pytest

from tests.deploy.ray.applications import serve
from tests.deploy.ray.load import load
from tests.deploy.ray.two_nodes import TwoNodes, until

pytestmark = [pytest.mark.services, pytest.mark.slow]

CLIENTS = 6


@pytest.fixture
def url(nodes: TwoNodes, bundle, repository: Path) -> str:
    serve(nodes, repository, replicas=2)
    assert nodes.head.replicas() and nodes.worker.replicas(), "one on each node"
    return f"{nodes.head.url}/v1/models/parts/inspect"


def test_a_replica_that_is_killed_loses_at_most_what_it_had_and_is_replaced(
    nodes: TwoNodes, url: str, picture_bytes
) -> None:
    with load(url, picture_bytes(200), CLIENTS) as seen:
        seen.wait_for(100)
        lost = nodes.replicas()[-1]
        os.kill(lost, signal.SIGKILL)
        seen.wait_for(100)
        failed = len(seen.failed)
        assert failed <= CLIENTS, seen.failed
        until(lambda: len(nodes.replicas()) == 2)
        assert lost not in nodes.replicas()
        seen.wait_for(100)
    assert len(seen.failed) == failed, "nothing more is lost"


def test_when_a_node_is_killed_the_service_goes_on_with_the_others(
    nodes: TwoNodes, url: str, picture_bytes
) -> None:
    try:
        with load(url, picture_bytes(200), CLIENTS) as seen:
            seen.wait_for(100)
            nodes.worker.kill()
            seen.wait_for(200, within_s=120)
            until(lambda: len(nodes.head.replicas()) == 2)
            failed = len(seen.failed)
            seen.wait_for(100)
        assert failed <= CLIENTS, seen.failed
        assert len(seen.failed) == failed, "nothing more is lost"
        answer = httpx.post(url, content=picture_bytes(200)).json()
        assert answer["score"] == pytest.approx(200 / 255, abs=0.01)
    finally:
        nodes.add_worker()
