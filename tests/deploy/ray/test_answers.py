"""The same service behind Ray's proxies as `takt serve` is."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from takt_client import FrameAnswer, TaktClient
from tests.deploy.ray.applications import serve
from tests.deploy.ray.two_nodes import ROOT, TwoNodes, until

pytestmark = [pytest.mark.services, pytest.mark.slow]

BANK = ROOT / "examples" / "bank"
MODEL = "pitting"
PICTURES = sorted((ROOT / "examples" / "pictures").glob("*/*.jpg"))
SAME = 1e-5


@pytest.fixture(scope="module")
def url(nodes: TwoNodes) -> str:
    serve(nodes, BANK, replicas=2)
    return nodes.head.url


@pytest.fixture(scope="module")
def plain(start_server) -> Iterator[str]:
    with start_server(BANK) as server:
        yield server.url


def test_rest_answers_with_the_scores_verdicts_and_regions_of_takt_serve(
    url: str, plain: str
) -> None:
    with TaktClient(url) as ray, TaktClient(plain) as alone:
        for picture in PICTURES:
            found, expected = (client.inspect(MODEL, picture) for client in (ray, alone))
            assert found.score == pytest.approx(expected.score, rel=SAME)
            assert found.anomalous == expected.anomalous
            assert len(found.regions) == len(expected.regions)


def test_a_stream_answers_every_frame_with_the_scores_of_takt_serve(url: str, plain: str) -> None:
    scores: list[list[float]] = []
    for address in (url, plain):
        with TaktClient(address) as client, client.stream(MODEL) as stream:
            items = list(stream.inspect(PICTURES))
        answers = [item for item in items if isinstance(item, FrameAnswer)]
        assert [item.sequence for item in answers] == list(range(len(PICTURES)))
        scores.append([item.inspected.score for item in answers])
    assert scores[0] == pytest.approx(scores[1], rel=SAME)


def test_every_route_of_the_server_is_there(url: str, plain: str) -> None:
    for document in ("/openapi.json", "/asyncapi.json"):
        assert httpx.get(url + document).json() == httpx.get(plain + document).json()
    assert httpx.get(f"{url}/v2/models/{MODEL}").json()["name"] == MODEL
    assert httpx.get(f"{url}/console/").status_code == 200


def answered_by_replica(url: str) -> dict[str, float]:
    """Pictures that each replica has answered, by the metrics."""
    counts: dict[str, float] = {}
    for family in text_string_to_metric_families(httpx.get(f"{url}/metrics").text):
        for sample in family.samples:
            if sample.name == "takt_requests_total" and sample.labels["outcome"] == "ok":
                replica = sample.labels["replica"]
                counts[replica] = counts.get(replica, 0) + sample.value
    return counts


def test_metrics_and_status_are_those_of_all_replicas_whichever_is_asked(
    nodes: TwoNodes, url: str
) -> None:
    before = answered_by_replica(url)
    for _ in range(20):
        httpx.post(
            f"{url}/v1/models/{MODEL}/inspect", content=PICTURES[0].read_bytes(), timeout=60
        ).raise_for_status()
    after = answered_by_replica(url)
    assert len(after) == 2
    assert sum(after.values()) - sum(before.values()) == 20

    def both_tell_of_all() -> bool:
        # A node's proxy prefers the replica of its node.
        answers = [
            httpx.get(f"{node.url}/v1/status", timeout=60) for node in (nodes.head, nodes.worker)
        ]
        told = [answer.json()["since_start"]["answered"] for answer in answers]
        return told == 2 * [sum(after.values())]

    until(both_tell_of_all)
