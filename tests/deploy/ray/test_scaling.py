"""Replicas that come and go by load, share a GPU, or stand beside another application."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.deploy.ray.applications import application, serve
from tests.deploy.ray.load import load
from tests.deploy.ray.test_answers import BANK, MODEL, PICTURES
from tests.deploy.ray.two_nodes import TwoNodes, answers, until

pytestmark = [pytest.mark.services, pytest.mark.slow]

CLIENTS = 6


def test_pictures_that_wait_bring_a_second_replica_and_it_goes_when_none_come(
    nodes: TwoNodes,
) -> None:
    nodes.deploy()
    takt = application(BANK)
    (deployment,) = takt["deployments"]
    del deployment["num_replicas"]
    deployment["autoscaling_config"] = {
        "min_replicas": 1,
        "max_replicas": 2,
        "upscale_delay_s": 2,
        "downscale_delay_s": 5,
        "look_back_period_s": 11,
        "policy": {
            "policy_function": "takt.ray.scaling:QueueWait",
            "policy_kwargs": {"target_ms": 50},
        },
    }
    nodes.deploy(takt)
    until(lambda: len(nodes.replicas()) == 1 and answers(nodes.head.url))
    url = f"{nodes.head.url}/v1/models/{MODEL}/inspect"
    with load(url, PICTURES[0].read_bytes(), CLIENTS) as seen:
        until(lambda: len(nodes.replicas()) == 2)
        seen.wait_for(20)
    until(lambda: len(nodes.replicas()) == 1)
    assert seen.failed == []
    assert httpx.post(url, content=PICTURES[0].read_bytes(), timeout=60).status_code == 200


def test_two_replicas_share_the_one_gpu_of_a_node(nodes: TwoNodes, bundle, repository) -> None:
    # Ray counts the GPU that it is told of; the engine stays on the CPU, as there is none.
    nodes.deploy()
    until(lambda: not nodes.replicas())
    takt = application(repository, 2, engine="onnxruntime")
    takt["deployments"][0]["ray_actor_options"] = {"num_cpus": 0.5, "num_gpus": 0.5}
    nodes.deploy(takt)
    until(lambda: len(nodes.worker.replicas()) == 2 and answers(nodes.head.url))
    assert nodes.head.replicas() == []


def test_applications_of_different_models_stand_side_by_side_below_their_own_paths(
    nodes: TwoNodes, make_bundle, repository: Path, tmp_path: Path, picture_bytes
) -> None:
    make_bundle(name="parts")
    first, second = repository, tmp_path / "others"
    second.mkdir()
    make_bundle(name="lids")
    (repository / "lids").rename(second / "lids")
    nodes.deploy()
    until(lambda: not nodes.replicas())
    nodes.deploy(
        application(first) | {"name": "parts", "route_prefix": "/press"},
        application(second) | {"name": "lids", "route_prefix": "/oven"},
    )
    until(lambda: answers(f"{nodes.head.url}/press") and answers(f"{nodes.head.url}/oven"))
    for path, model in (("press", "parts"), ("oven", "lids")):
        url = f"{nodes.head.url}/{path}/v1/models/{model}/inspect"
        answer = httpx.post(url, content=picture_bytes(200)).json()
        assert answer["model"] == model
        assert answer["score"] == pytest.approx(200 / 255, abs=0.01)


def test_many_models_are_served_by_each_replica_of_one_application(
    nodes: TwoNodes, make_bundle, repository: Path, picture_bytes
) -> None:
    make_bundle(name="parts")
    make_bundle(name="lids", scale=0.5, trained=0.5)
    serve(nodes, repository, replicas=2)
    for _ in range(10):
        for model, score in (("parts", 200 / 255), ("lids", 100 / 255)):
            url = f"{nodes.head.url}/v1/models/{model}/inspect"
            answer = httpx.post(url, content=picture_bytes(200)).json()
            assert answer["score"] == pytest.approx(score, abs=0.01)
