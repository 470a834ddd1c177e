"""Takt as an application of Ray's configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.deploy.ray.two_nodes import ROOT, TwoNodes, answers, until

SHIPPED = ROOT / "deploy" / "ray" / "serve.yaml"


def application(repository: Path, replicas: int = 1, **args: Any) -> dict[str, Any]:
    """The shipped configuration's, with one core for each of so many replicas, and without keys."""
    (found,) = yaml.safe_load(SHIPPED.read_text())["applications"]
    (deployment,) = found["deployments"]
    del deployment["autoscaling_config"]
    deployment["num_replicas"] = replicas
    deployment["ray_actor_options"] = {"num_cpus": 1}
    found["args"] = {"repository": str(repository), "insecure": True, **args}
    return found


def serve(nodes: TwoNodes, repository: Path, replicas: int = 1, **args: Any) -> None:
    """Deploy that in place of what there is, and wait until its replicas know of each other."""
    nodes.deploy()
    until(lambda: not nodes.replicas())
    nodes.deploy(application(repository, replicas, **args))
    until(lambda: len(nodes.replicas()) == replicas)
    until(lambda: answers(nodes.head.url))
    # Ray tells each of the others in its own time, and a few questions come to most of them.
    until(lambda: all(len(known(nodes.head.url)) == replicas for _ in range(5)))


def known(url: str) -> set[str]:
    """The replicas of whose metrics whichever is asked knows."""
    families = text_string_to_metric_families(httpx.get(f"{url}/metrics").text)
    samples = [sample for family in families for sample in family.samples]
    return {sample.labels["replica"] for sample in samples if "replica" in sample.labels}
