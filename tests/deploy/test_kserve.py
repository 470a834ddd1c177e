"""deploy/kserve: valid by KServe's own schemas, and a server that answers as KServe would start it.

KServe itself does not run here: what it makes of the two resources is done by hand, as far as a
server notices.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import numpy as np
import pytest
import yaml
from tritonclient import grpc, http

from takt.core.bundles.bundle import Bundle
from takt.settings import ENV_PREFIX, Settings
from tests.deploy.container import ROOT, Running, image_of, started, wait_until_it_answers
from tests.deploy.pod import Cluster, Key

FOLDER = ROOT / "deploy" / "kserve"
SCHEMAS = Path(__file__).parent / "kserve"
MODELS = "/mnt/models"
"""Where KServe puts what `storageUri` names."""

FILES = sorted(path.name for path in FOLDER.glob("*.yaml"))
SERVICES = [name for name in FILES if name.startswith("inference")]


def resource(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def closed(schema: Any) -> Any:
    """The schema without room for fields that it does not name; the cluster would drop those."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {name: closed(value) for name, value in schema.items()}
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields", False)
    if isinstance(schema.get("properties"), dict) and not open_ended:
        changed.setdefault("additionalProperties", False)
    return changed


def complaints(given: Any) -> list[str]:
    """What KServe's schema of its kind has against a resource."""
    text = (SCHEMAS / f"{given['kind']}.json").read_text(encoding="utf-8")
    schema = closed(json.loads(text)["schema"])
    # Of every kind in Kubernetes.
    schema["properties"]["metadata"] = {"type": "object"}
    validator = jsonschema_rs.Draft4Validator(schema)
    return [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(given)]


@pytest.mark.parametrize("name", FILES)
def test_each_resource_is_valid_by_kserves_schema(name: str) -> None:
    assert complaints(resource(name)) == []


@pytest.mark.parametrize(
    ("name", "place", "wrong"),
    [
        ("serving-runtime.yaml", ("spec", "supportedModelFormats", 0, "priority"), 0),
        ("serving-runtime.yaml", ("spec", "containers", 0, "imagePullpolicy"), "Always"),
        ("inference-service.yaml", ("spec", "predictor", "model", "storageURI"), "s3://models"),
        ("inference-service.yaml", ("spec", "predictor", "minReplicas"), "one"),
    ],
)
def test_a_wrong_field_is_found(name: str, place: tuple[Any, ...], wrong: Any) -> None:
    given = resource(name)
    *way, last = place
    inner = given
    for step in way:
        inner = inner[step]
    inner[last] = wrong

    assert len(complaints(given)) == 1


def test_both_protocols_and_the_format_are_offered() -> None:
    spec = resource("serving-runtime.yaml")["spec"]
    offered = {one["name"] for one in spec["supportedModelFormats"] if one["autoSelect"]}
    for name in SERVICES:
        model = resource(name)["spec"]["predictor"]["model"]
        assert model["modelFormat"]["name"] in offered
        assert model["protocolVersion"] in spec["protocolVersions"]
        assert model["runtime"] == resource("serving-runtime.yaml")["metadata"]["name"]


def merged(name: str) -> dict[str, Any]:
    """The container of an InferenceService, as KServe merges it into that of the runtime."""
    container = copy.deepcopy(resource("serving-runtime.yaml")["spec"]["containers"][0])
    model = resource(name)["spec"]["predictor"]["model"]
    variables = {one["name"]: one["value"] for one in (*container["env"], *model.get("env", ()))}
    return container | {"variables": variables, "ports": model.get("ports", [])}


@pytest.mark.parametrize("name", SERVICES)
def test_variables_are_settings_and_ports_are_those_that_kserve_asks(name: str) -> None:
    container = merged(name)
    variables = container["variables"]
    assert {key.removeprefix(ENV_PREFIX).lower() for key in variables} <= set(Settings.model_fields)
    ports = [one["containerPort"] for one in container["ports"]]
    asked = {"inference-service.yaml": "TAKT_PORT", "inference-service-grpc.yaml": "TAKT_GRPC_PORT"}
    # KServe sends requests to the only port that is named, and to 8080 where none is.
    assert str(ports[0] if ports else 8080) == variables[asked[name]]
    probes = {
        container[f"{kind}Probe"]["httpGet"]["port"]
        for kind in ("startup", "liveness", "readiness")
    }
    assert probes == {int(variables["TAKT_METRICS_PORT"])}
    annotations = resource("serving-runtime.yaml")["spec"]["annotations"]
    assert annotations["prometheus.kserve.io/port"] == variables["TAKT_METRICS_PORT"]


def test_the_server_has_time_to_answer_what_it_accepted() -> None:
    for name in SERVICES:
        grace_s = resource(name)["spec"]["predictor"]["terminationGracePeriodSeconds"]
        pause_s = int(merged(name)["lifecycle"]["preStop"]["exec"]["command"][1])
        assert grace_s > pause_s + Settings.model_fields["drain_timeout_s"].default


def test_the_pod_is_as_closed_as_the_images_user_allows() -> None:
    security = merged("inference-service.yaml")["securityContext"]
    _, variables = image_of("cpu")
    assert security["runAsNonRoot"] and security["runAsUser"] == 10001
    assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"]
    mounts = {one["mountPath"] for one in merged("inference-service.yaml")["volumeMounts"]}
    assert {variables["TAKT_DATA_FOLDER"], variables["HOME"]} <= mounts


@pytest.fixture
def served(cluster: Cluster, repository: Path, key: Key, tmp_path: Path) -> Iterator[Running]:
    """The server of `inference-service.yaml`, whose bundles KServe has copied already."""
    container = merged("inference-service.yaml")
    spec = resource("serving-runtime.yaml")["spec"]
    known = Cluster(tmp_path / "kserve", secrets={"takt-keys": {"keys.toml": key.file}})
    known.folder.mkdir()
    volumes = {one["name"]: known.place_of(one) for one in spec["volumes"]}
    mounts = {one["mountPath"]: volumes[one["name"]] for one in container["volumeMounts"]}
    mounts[MODELS] = repository
    with started(container["variables"], mounts) as running:
        for kind in ("startup", "readiness"):
            path = container[f"{kind}Probe"]["httpGet"]["path"]
            wait_until_it_answers(running.urls["metrics"] + path, running.process)
        yield running


def test_a_client_of_either_protocol_is_answered(
    served: Running, bundle: Bundle, key: Key, picture_bytes: Any
) -> None:
    picture = np.array([picture_bytes(50, spot=200)], np.object_)
    for client, url in ((http, served.urls["http"]), (grpc, served.urls["grpc"])):
        image = client.InferInput("image", [1], "BYTES")
        image.set_data_from_numpy(picture)
        with client.InferenceServerClient(url.partition("://")[2]) as asked:
            answer = asked.infer(bundle.manifest.name, [image], headers=key.header)
        assert answer.as_numpy("score") == pytest.approx([200 / 255], abs=1e-6)


def test_the_names_that_kserve_gives_are_answered(served: Running, key: Key) -> None:
    within = ["plant", "plant.svc", "plant.svc.cluster.local"]
    for host in ("line-3.plant.example", *(f"line-3-predictor.{domain}" for domain in within)):
        answer = httpx.get(served.urls["http"] + "/v2", headers=key.header | {"host": host})
        assert answer.status_code == 200, host
