"""Takt as an application of Ray's configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

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
    """Deploy that in place of what there is, and wait until all of its replicas answer."""
    nodes.deploy()
    until(lambda: not nodes.replicas())
    nodes.deploy(application(repository, replicas, **args))
    until(lambda: len(nodes.replicas()) == replicas)
    until(lambda: answers(nodes.head.url))
