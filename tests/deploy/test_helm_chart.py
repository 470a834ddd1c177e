"""What a release of the chart does: settings, probes, volumes, GPUs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml

from takt.configuration import load_settings
from takt.security.hosts import AllowedHosts
from takt.settings import Settings
from tests.deploy.chart import ALL_METRICS, CHART, FULL_NAME, Rendered, Values, render
from tests.deploy.dockerfile import assignments, stages
from tests.tree import declared

ROOT = CHART.parents[2]


def settings_of(rendered: Rendered) -> Settings:
    """What the server in the pod makes of its environment."""
    with mock.patch.dict(os.environ, rendered.environment, clear=True):
        return load_settings()


def test_the_chart_is_of_the_projects_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["appVersion"] == declared("takt-inspection")["version"]


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("max_image_bytes", 67108864, 67108864),
        ("max_image_pixels", 123456789, 123456789),
        ("max_queue_delay_ms", 2.5, 2.5),
        ("timeout_ms", 200, 200.0),
        ("provider_fallback", True, True),
        ("threshold_changes", False, False),
        ("preferred_batch_sizes", [1, 2, 8], (1, 2, 8)),
        ("allowed_origins", "https://a.example,https://b.example", None),
        ("engine", "openvino-int8", None),
        ("log_format", "text", None),
    ],
)
def test_a_setting_reaches_the_server_as_it_was_meant(name: str, value: Any, meant: Any) -> None:
    settings = settings_of(render({"settings": {name: value}}))
    assert getattr(settings, name) == (value if meant is None else meant)


def test_a_setting_that_is_null_is_the_servers_default() -> None:
    values = {"settings": {"max_queue_size": None}}
    assert settings_of(render(values)).max_queue_size == Settings().max_queue_size


@pytest.mark.parametrize("given", [None, "takt.plant.example", ["takt.plant.example", "*.b"]])
def test_the_server_answers_to_the_services_names_and_those_that_are_given(given: Any) -> None:
    rendered = render({"settings": {"allowed_hosts": given}})
    name, namespace = rendered.one("Service")["metadata"]["name"], "plant"
    hosts = AllowedHosts(settings_of(rendered).allowed_hosts)
    for asked in (name, f"{name}.{namespace}", f"{name}.{namespace}.svc"):
        hosts.check(f"{asked}:8000")
    hosts.check(f"{name}.{namespace}.svc.cluster.local")
    if given is not None:
        hosts.check("takt.plant.example")


def test_changed_settings_start_new_pods_and_other_values_do_not() -> None:
    def pod(values: Values) -> dict[str, str]:
        found: dict[str, str] = render(values).one("Deployment")["spec"]["template"]["metadata"]
        return found

    assert pod({}) == pod({"replicas": 3})
    assert pod({}) != pod({"settings": {"max_queue_size": 65}})


def test_a_server_without_keys_is_one_by_will() -> None:
    rendered = render({"insecure": True}, keys=False)
    assert settings_of(rendered).insecure
    assert "whoever reaches the service" in rendered.notes
    assert "whoever reaches the service" not in render().notes


def test_an_issuer_of_tokens_stands_for_keys() -> None:
    issuer = {"oidc_issuer": "https://login.example", "oidc_audience": "takt"}
    settings = settings_of(render({"settings": issuer}, keys=False))
    assert settings.knows_callers and settings.keys_file is None


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({}, {"keys_file": "line-3-keys"}),
        (
            {"tls": {"secret": "line-3-tls", "clientAuthorities": "plant-ca"}},
            {
                "keys_file": "line-3-keys",
                "tls_certificate": "line-3-tls",
                "tls_key": "line-3-tls",
                "tls_client_ca": "plant-ca",
            },
        ),
    ],
)
def test_what_is_secret_comes_from_secrets_whose_exchange_reaches_the_server(
    values: Values, names: dict[str, str]
) -> None:
    rendered = render(values)
    settings, mounted = settings_of(rendered), rendered.mounts
    for name in ("keys_file", "tls_certificate", "tls_key", "tls_client_ca"):
        path = getattr(settings, name)
        assert (path is not None) == (name in names)
        if path is not None:
            folder = mounted[str(path.parent)]
            assert folder["secret"]["secretName"] == names[name]
            # A file that is mounted by itself stays what it was.
            assert "subPath" not in folder and folder["readOnly"] is True
            assert folder["secret"]["defaultMode"] == 0o440


@pytest.mark.parametrize("kind", ["ClusterIP", "LoadBalancer"])
def test_metrics_are_never_on_the_service_that_others_may_reach(kind: str) -> None:
    rendered = render(ALL_METRICS | {"service": {"type": kind}})
    services = {one["metadata"]["name"]: one["spec"] for one in rendered.kind("Service")}
    assert services[FULL_NAME]["type"] == kind
    assert [port["targetPort"] for port in services[FULL_NAME]["ports"]] == ["http"]
    own = services[f"{FULL_NAME}-metrics"]
    assert (own["type"], [port["targetPort"] for port in own["ports"]]) == (
        "ClusterIP",
        ["metrics"],
    )


def test_a_pod_is_not_killed_while_its_models_load_or_are_missing() -> None:
    container = render().container
    for kind in ("startup", "liveness"):
        assert container[f"{kind}Probe"]["httpGet"]["path"] == "/health/live"
    assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"


@pytest.mark.parametrize("drain", [0, 2.5, 30, 120, None])
@pytest.mark.parametrize("pre_stop", [0, 5])
def test_a_pod_has_time_to_answer_what_it_accepted(drain: float | None, pre_stop: int) -> None:
    values = {"settings": {"drain_timeout_s": drain}, "shutdown": {"preStopSeconds": pre_stop}}
    rendered = render(values)
    timeout = settings_of(rendered).drain_timeout_s
    assert rendered.pod["terminationGracePeriodSeconds"] == ceil(timeout) + pre_stop + 10
    if pre_stop:
        hook = rendered.container["lifecycle"]["preStop"]["exec"]["command"]
        assert hook == ["sleep", str(pre_stop)]
    else:
        assert "lifecycle" not in rendered.container


@pytest.mark.parametrize("gpu", [False, True])
def test_the_pod_fits_its_image(gpu: bool) -> None:
    kind = "gpu" if gpu else "cpu"
    stage = stages((ROOT / f"docker/{kind}.Dockerfile").read_text(encoding="utf-8"))[-1]
    image = dict(
        pair for step in stage.steps if step.name == "ENV" for pair in assignments(step.text)
    )
    rendered = render({"gpu": {"enabled": gpu}, "engineCache": {"enabled": True}})
    pod, container = rendered.pod, rendered.container
    user, _, group = stage.only("USER").text.partition(":")
    assert pod["securityContext"]["runAsUser"] == int(user)
    assert pod["securityContext"]["runAsGroup"] == pod["securityContext"]["fsGroup"] == int(group)
    assert rendered.environment["TAKT_REPOSITORY"] == image["TAKT_REPOSITORY"]
    keys = str(Path(rendered.environment["TAKT_KEYS_FILE"]).parent)
    folders = {image["TAKT_REPOSITORY"], image["TAKT_DATA_FOLDER"], image["HOME"], "/cache", keys}
    assert folders == set(rendered.mounts)
    assert str(container["ports"][0]["containerPort"]) == stage.only("EXPOSE").text
    assert container["image"].endswith(f"-{kind}")


def test_a_pod_can_do_nothing_beyond_serving() -> None:
    rendered = render()
    pod, own = rendered.pod, rendered.container["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own["readOnlyRootFilesystem"] is True
    assert own["allowPrivilegeEscalation"] is False
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert pod["automountServiceAccountToken"] is False
    assert not pod.get("hostNetwork") and not pod.get("hostPID")


def test_another_service_of_the_namespace_changes_no_setting() -> None:
    assert render().pod["enableServiceLinks"] is False


def test_a_gpu_is_asked_for_with_all_that_its_nodes_need() -> None:
    gpu = {"enabled": True, "count": 1, "runtimeClass": "nvidia", "nodeSelector": {"gpu": "l4"}}
    rendered = render(
        {"gpu": gpu, "nodeSelector": {"arch": "amd64"}, "tolerations": [{"key": "line"}]}
    )
    assert rendered.container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert rendered.pod["runtimeClassName"] == "nvidia"
    assert rendered.pod["nodeSelector"] == {"arch": "amd64", "gpu": "l4"}
    assert {toleration["key"] for toleration in rendered.pod["tolerations"]} == {
        "line",
        "nvidia.com/gpu",
    }


def test_without_a_gpu_none_of_it_is_there() -> None:
    rendered = render({"gpu": {"runtimeClass": "nvidia", "nodeSelector": {"gpu": "l4"}}})
    assert "nvidia.com/gpu" not in rendered.container["resources"]["limits"]
    assert not {"runtimeClassName", "nodeSelector", "tolerations"} & set(rendered.pod)


def test_everything_that_selects_pods_selects_the_deployments() -> None:
    rendered = render(ALL_METRICS | {"networkPolicy": {"enabled": True}})
    labels = rendered.one("Deployment")["spec"]["template"]["metadata"]["labels"]
    scraped, service = sorted(
        rendered.kind("Service"), key=lambda one: one["metadata"]["name"], reverse=True
    )
    selectors = [
        rendered.one("Deployment")["spec"]["selector"]["matchLabels"],
        scraped["spec"]["selector"],
        service["spec"]["selector"],
        rendered.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        rendered.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        rendered.pod["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ]
    assert all(selector and selector.items() <= labels.items() for selector in selectors)
    monitored = rendered.one("ServiceMonitor")["spec"]
    selected = monitored["selector"]["matchLabels"].items()
    assert selected <= scraped["metadata"]["labels"].items()
    assert not selected <= service["metadata"]["labels"].items()
    assert monitored["endpoints"][0]["port"] == scraped["spec"]["ports"][0]["name"]
    targets = [one["spec"]["ports"][0]["targetPort"] for one in (service, scraped)]
    assert targets == [port["name"] for port in rendered.container["ports"]]


def test_what_every_value_means_stands_in_the_readme_and_nothing_else() -> None:
    def leaves(values: Any, place: str = "") -> Iterator[str]:
        if isinstance(values, dict) and values and place not in whole:
            for name, inner in values.items():
                yield from leaves(inner, f"{place}.{name}" if place else name)
        else:
            yield place

    text = (CHART / "README.md").read_text(encoding="utf-8")
    described = set(re.findall(r"^\| `([\w.]+)` \|", text, re.MULTILINE))
    whole = {"settings", "podSecurityContext", "securityContext", "metrics.dashboards.labels",
             "resources", "probes.startup", "probes.liveness", "probes.readiness"}  # fmt: skip
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert described == set(leaves(values))
