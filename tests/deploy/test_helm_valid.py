"""What the chart renders is valid Kubernetes, whatever is switched on."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from takt.settings import Settings
from tests.deploy.chart import CHART, Resource, Values, complete, render
from tests.deploy.deploy_tools import package

GPU: Values = {
    "gpu": {"enabled": True, "runtimeClass": "nvidia", "nodeSelector": {"gpu": "l4"}},
    "engineCache": {"enabled": True},
}
KEDA: Values = {
    "autoscaling": {"enabled": True, "prometheus": {"authentication": "prometheus-token"}},
    "models": {"existingClaim": "models", "subPath": "line-3"},
}
MONITORED: Values = {
    "metrics": {
        "line": "press",
        "serviceMonitor": {"enabled": True, "labels": {"release": "kube-prometheus-stack"}},
        "rules": {"enabled": True, "labels": {"release": "kube-prometheus-stack"}},
        "limits": {"enabled": True, "cycleBudgetSeconds": 0.12},
        "dashboards": {"enabled": True, "annotations": {"grafana_folder": "Takt"}},
    },
}
EVERYTHING: Values = {
    **GPU,
    **MONITORED,
    "autoscaling": {"enabled": True},
    "models": {"image": {"reference": "registry.example/models:7"}},
    "caBundle": {"configMap": "plant-ca"},
    "engineCache": {"enabled": True, "existingClaim": "engines"},
    "image": {"repository": "registry.example/takt", "tag": "7", "digest": f"sha256:{'0' * 64}"},
    "imagePullSecrets": [{"name": "registry"}],
    "settings": {"preferred_batch_sizes": [1, 2, 4], "provider_fallback": True},
    "keys": {"secret": "keys"},
    "tls": {"secret": "tls", "clientAuthorities": "plant-ca"},
    "env": [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector:4318"}],
    "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
    "podAnnotations": {"a": "b"},
    "podLabels": {"plant": "north"},
    "priorityClassName": "line",
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [{"key": "line", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    ],
    "initContainers": [{"name": "copy", "image": "models:7", "command": ["cp"]}],
    "extraVolumes": [{"name": "certificates", "secret": {"secretName": "ca"}}],
    "extraVolumeMounts": [{"name": "certificates", "mountPath": "/ca", "readOnly": True}],
    "ingress": {
        "enabled": True,
        "host": "takt.plant.example",
        "className": "nginx",
        "annotations": {"nginx.ingress.kubernetes.io/proxy-body-size": "16m"},
        "tls": {"secret": "takt-tls"},
    },
    "service": {"type": "LoadBalancer", "sessionAffinity": "ClientIP", "annotations": {"a": "b"}},
    "serviceAccount": {"name": "takt", "annotations": {"a": "b"}},
    "networkPolicy": {
        "enabled": True,
        "from": [{"namespaceSelector": {"matchLabels": {"name": "cells"}}}],
        "egress": [{"ports": [{"port": 4318, "protocol": "TCP"}]}],
    },
}
IN_POSTGRESQL: Values = {
    "replicas": 3,
    "record": {
        "store": "postgresql",
        "postgresql": {"secret": "record"},
        "claim": {"accessModes": ["ReadWriteMany"], "storageClass": "shared"},
    },
}
FROM_A_STORE: Values = {
    "models": {"url": "s3://models/line-3", "credentials": {"secret": "store"}},
    "caBundle": {"configMap": "plant-ca"},
}
CASES: dict[str, Values] = {
    "least": {},
    "ingress": {"ingress": {"enabled": True, "host": "takt.plant.example"}},
    "ingress with TLS": {
        "ingress": {"enabled": True, "host": "*.plant.example", "tls": {"secret": "takt-tls"}}
    },
    "models from S3": FROM_A_STORE,
    "models from S3, record in SQLite": FROM_A_STORE | {"record": {"store": "sqlite"}},
    "models from Google": {
        "models": {"url": "gs://models/line-3", "credentials": {"secret": "store"}}
    },
    "models from the web": {
        "models": {"url": "https://models.plant.example/a", "credentials": {"secret": "store"}}
    },
    "record in SQLite": {"record": {"store": "sqlite"}},
    "record in PostgreSQL": IN_POSTGRESQL,
    "gpu": GPU,
    "keda": KEDA,
    "monitored": MONITORED,
    "host path": {"models": {"hostPath": "/srv/models", "readOnly": True}},
    "everything": EVERYTHING,
    "nothing": {
        "settings": {"drain_timeout_s": None, "max_queue_size": None, "max_image_bytes": None},
        "podDisruptionBudget": {"enabled": False},
        "serviceAccount": {"create": False},
        "shutdown": {"preStopSeconds": 0},
        "resources": {"limits": None, "requests": None},
    },
}
each_case = pytest.mark.parametrize("values", CASES.values(), ids=CASES)

OF_OTHERS = {"ScaledObject", "ServiceMonitor", "PrometheusRule"}


@each_case
def test_helm_has_nothing_to_object_to(values: Values) -> None:
    report = package("helm_python").lint(CHART, complete(values), strict=True)
    assert not report["errors"]
    messages = {message["error"] for message in report["messages"]}
    assert messages <= {"icon is recommended"}


# Volumes of images came with 1.31.
VERSIONS = ("1.27", "1.31", "1.34", "1.37")
VALIDATED = [
    pytest.param(values, version, id=f"{name}-{version}")
    for name, values in CASES.items()
    for version in VERSIONS
    if version != "1.27" or "image" not in values.get("models", {})
]


@pytest.mark.parametrize(("values", "version"), VALIDATED)
def test_it_is_valid_by_the_schemas_of_kubernetes(values: Values, version: str) -> None:
    validate = package("kubernetes_validate").validate
    rendered = render(values)
    own = [resource for resource in rendered.resources if resource["kind"] not in OF_OTHERS]
    assert len(own) >= 3
    for resource in own:
        validate(resource, version, strict=True)


def model_of(resource: Resource) -> Any:
    if resource["kind"] == "ScaledObject":
        return package("cloudcoil.models.keda.v1alpha1").ScaledObject
    return getattr(package("cloudcoil.models.prometheus_operator.v1"), resource["kind"])


def unknown(given: object, known: object, place: str = "") -> list[str]:
    """Where `given` has what `known`, made from it, does not."""
    if isinstance(given, dict) and isinstance(known, dict):
        gone = [f"{place}.{key}" for key in given if key not in known]
        both = [key for key in given if key in known]
        return gone + [
            one for key in both for one in unknown(given[key], known[key], f"{place}.{key}")
        ]
    if isinstance(given, list) and isinstance(known, list):
        pairs = enumerate(zip(given, known, strict=True))
        return [one for i, (a, b) in pairs for one in unknown(a, b, f"{place}[{i}]")]
    return [] if given == known else [f"{place}: {given!r} is {known!r}"]


def check_against_its_definition(resource: Resource) -> None:
    read = model_of(resource).model_validate(resource)
    known = json.loads(read.model_dump_json(by_alias=True, exclude_unset=True))
    assert unknown(resource, known) == []


@each_case
def test_what_operators_of_others_take_is_valid_by_their_definitions(values: Values) -> None:
    for resource in render(values).resources:
        if resource["kind"] in OF_OTHERS:
            check_against_its_definition(resource)


def test_a_field_that_an_operator_does_not_know_is_found() -> None:
    scaled = render(KEDA).one("ScaledObject")
    scaled["spec"]["triggers"][0]["metricKind"] = "Value"
    with pytest.raises(AssertionError, match=r"triggers\[0\]\.metricKind"):
        check_against_its_definition(scaled)


@each_case
def test_every_resource_has_a_name_of_its_own_that_kubernetes_takes(values: Values) -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in render(values).resources]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 63 for _, name in names)


def test_a_long_release_name_is_cut() -> None:
    with package("helm_python").Chart.load(CHART) as chart:
        files = chart.render(complete(EVERYTHING), name="a" * 53, namespace="plant")
    found = [
        one
        for name, text in files.items()
        if name.endswith("yaml")
        for one in yaml.safe_load_all(text)
    ]
    assert all(len(one["metadata"]["name"]) <= 63 for one in found if one)


def test_the_schema_knows_every_setting_of_the_server_and_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    known = set(schema["properties"]["settings"]["propertyNames"]["enum"])
    of_the_chart = {"host", "port", "metrics_port", "repository", "engine_cache", "data_folder"}
    of_the_chart |= {"grpc_port", "record"}
    of_secrets = {"insecure", "keys", "keys_file", "tls_certificate", "tls_key", "tls_client_ca"}
    assert known == set(Settings.model_fields) - of_the_chart - of_secrets


def test_a_packaged_chart_holds_the_rules_and_dashboards_themselves(tmp_path: Path) -> None:
    with package("helm_python").Chart.load(CHART) as chart:
        archive = chart.save(tmp_path)
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    deploy = CHART.parents[1]
    for inside, origin in (("rules", "prometheus/rules"), ("dashboards", "grafana/dashboards")):
        files = sorted((deploy / origin).iterdir())
        assert files
        for file in files:
            assert (tmp_path / f"takt/files/{inside}/{file.name}").read_bytes() == file.read_bytes()
