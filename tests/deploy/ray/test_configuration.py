"""The files of deploy/ray are what Ray and Kubernetes take."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
import yaml

from takt.ray.given import settings_of
from tests.deploy.ray.two_nodes import ENVIRONMENT, ROOT

FILES = ROOT / "deploy" / "ray"
CHECK = "import sys, yaml; from ray.serve.schema import ServeDeploySchema as schema; \
schema.model_validate(yaml.safe_load(sys.stdin.read()))"


@pytest.fixture(scope="module")
def served() -> dict[str, Any]:
    return yaml.safe_load((FILES / "serve.yaml").read_text())


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    return yaml.safe_load((FILES / "rayservice.yaml").read_text())


def test_settings_are_those_of_the_server(served: dict[str, Any]) -> None:
    (application,) = served["applications"]
    assert settings_of(application["args"]).knows_callers


def test_the_manifest_serves_the_same_application(
    served: dict[str, Any], manifest: dict[str, Any]
) -> None:
    found = yaml.safe_load(manifest["spec"]["serveConfigV2"])["applications"]
    expected = served["applications"]
    # A Secret is mounted elsewhere.
    expected[0]["args"]["keys_file"] = found[0]["args"]["keys_file"]
    assert found == expected


def test_its_pods_are_valid(manifest: dict[str, Any]) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    cluster = manifest["spec"]["rayClusterConfig"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ray"}, **group["template"]}
        kubernetes_validate.validate(pod, "1.33", strict=True)


def test_a_worker_has_room_for_a_replica_and_ends_after_it(manifest: dict[str, Any]) -> None:
    (workers,) = manifest["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    pod = workers["template"]["spec"]
    (application,) = yaml.safe_load(manifest["spec"]["serveConfigV2"])["applications"]
    (deployment,) = application["deployments"]
    cpus = deployment["ray_actor_options"]["num_cpus"]
    assert int(pod["containers"][0]["resources"]["limits"]["cpu"]) >= cpus
    drain_s = settings_of(application["args"]).drain_timeout_s
    assert pod["terminationGracePeriodSeconds"] > drain_s + 10


@pytest.mark.services
@pytest.mark.parametrize("file", ["serve.yaml", "rayservice.yaml"])
def test_ray_takes_the_configuration(file: str) -> None:
    if not (ENVIRONMENT / "bin" / "serve").exists():
        pytest.skip("Ray is not installed; `make test-ray` installs it into out/ray")
    found = yaml.safe_load((FILES / file).read_text())
    text = found["spec"]["serveConfigV2"] if "spec" in found else yaml.safe_dump(found)
    command = [ENVIRONMENT / "bin" / "python", "-c", CHECK]
    subprocess.run(command, input=text, text=True, check=True, capture_output=True)
