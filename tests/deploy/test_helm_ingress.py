"""The Ingress of a release: which paths it opens, and that the server works behind it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from takt.security.hosts import AllowedHosts
from takt.security.routes import ROUTES, WEBSOCKET
from takt.settings import Settings
from tests.deploy.chart import CHART, FULL_NAME, Rendered, Resource, Values, render

HOST = "takt.plant.example"
STATIC = CHART.parents[2] / "service/takt/console/static"


def exposed(**ingress: Any) -> Values:
    return {"ingress": {"enabled": True, "host": HOST, **ingress}}


def opens(ingress: Resource, path: str) -> bool:
    """Whether a path leads to the server, by the rules of Kubernetes."""
    (rule,) = ingress["spec"]["rules"]
    return any(
        path == entry["path"]
        or (entry["pathType"] == "Prefix" and path.startswith(f"{entry['path']}/"))
        for entry in rule["http"]["paths"]
    )


def leads(ingress: Resource, path: str) -> str:
    """To which service: of the rules that fit, the longest, and an exact one before others."""
    (rule,) = ingress["spec"]["rules"]
    fitting = [
        (path == entry["path"] and entry["pathType"] == "Exact", len(entry["path"]), entry)
        for entry in rule["http"]["paths"]
        if path == entry["path"]
        or (entry["pathType"] == "Prefix" and path.startswith(f"{entry['path']}/"))
    ]
    name: str = max(fitting, key=lambda one: one[:2])[2]["backend"]["service"]["name"]
    return name


def test_without_being_asked_for_there_is_none() -> None:
    assert not render().kind("Ingress")


def test_every_route_is_open_but_those_of_metrics_and_probes() -> None:
    ingress = render(exposed()).one("Ingress")
    paths = {re.sub(r"{[^}]*}", "x", route.path) for route in ROUTES}
    closed = {path for path in paths if not opens(ingress, path)}
    assert closed == {
        "/metrics",
        *("/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready"),
    }
    assert [route for route in ROUTES if route.method == WEBSOCKET]


def test_it_opens_nothing_that_the_server_does_not_have() -> None:
    (rule,) = render(exposed()).one("Ingress")["spec"]["rules"]
    paths = {route.path for route in ROUTES}
    for entry in rule["http"]["paths"]:
        if entry["pathType"] == "Exact":
            assert entry["path"] in paths
        else:
            assert [path for path in paths if path.startswith(f"{entry['path']}/")]


def test_whatever_the_console_asks_is_open() -> None:
    ingress = render(exposed()).one("Ingress")
    scripts = [*STATIC.glob("core/*.js"), *STATIC.glob("pa*/**/*.js"), STATIC / "main.js"]
    asked = {
        path
        for script in scripts
        if script.name != "operations.js"
        for path in re.findall(r'"(/[a-z][\w./-]*)"', script.read_text(encoding="utf-8"))
    }
    assert "/console/static/icon.svg" in asked
    assert {path for path in asked if not opens(ingress, path)} == set()


def test_it_leads_to_the_port_for_callers_and_never_to_that_of_metrics() -> None:
    rendered = render(exposed() | {"metrics": {"serviceMonitor": {"enabled": True}}})
    services = services_of(rendered)
    (rule,) = rendered.one("Ingress")["spec"]["rules"]
    led = {entry["backend"]["service"]["name"] for entry in rule["http"]["paths"]}
    assert led == {FULL_NAME, f"{FULL_NAME}-console"}
    assert {entry["backend"]["service"]["port"]["name"] for entry in rule["http"]["paths"]} == {
        "http"
    }
    for name in led:
        assert [port["targetPort"] for port in services[name]["ports"]] == ["http"]
    # On a port of their own, the main one has no metrics.
    assert rendered.environment["TAKT_METRICS_PORT"]


ROLLING: Values = {}
ALONE: Values = {"record": {"store": "sqlite"}}
SEVERAL: Values = {"replicas": 2}


def services_of(rendered: Rendered) -> dict[str, Resource]:
    """What each service is, by its name."""
    return {one["metadata"]["name"]: one["spec"] for one in rendered.kind("Service")}


@pytest.mark.parametrize("values", [ROLLING, ALONE])
def test_the_console_and_what_it_asks_reach_a_pod_that_is_not_ready(values: Values) -> None:
    """Such as one that has no model yet, whose first one is learned there."""
    rendered = render(exposed() | values)
    needed = ["/", "/console/learn", "/console/static/main.js", "/v1/session", "/v1/models"]
    needed += ["/v1/learning", "/v1/learning/7/pictures", "/v1/status", "/v1/inspections/7"]
    for path in needed:
        service = services_of(rendered)[leads(rendered.one("Ingress"), path)]
        assert service["publishNotReadyAddresses"] is True, path


def test_no_picture_is_sent_to_a_pod_that_loads_while_another_one_answers() -> None:
    for values in (ROLLING, SEVERAL):
        rendered = render(exposed() | values)
        paths = [f"/v1/models/nut/{what}" for what in ("inspect", "stream")]
        for path in (*paths, "/v1/parts/A-17/views/top", "/v2/models/nut/infer"):
            service = services_of(rendered)[leads(rendered.one("Ingress"), path)]
            assert not service.get("publishNotReadyAddresses"), path
        assert not services_of(rendered)[FULL_NAME].get("publishNotReadyAddresses")


def test_several_pods_keep_one_way_so_that_a_session_finds_its_pod() -> None:
    rendered = render(exposed() | SEVERAL)
    assert set(services_of(rendered)) == {FULL_NAME}
    scaled = {"autoscaling": {"enabled": True}}
    assert set(services_of(render(exposed() | scaled))) == {FULL_NAME}


def test_a_pod_that_is_alone_is_reached_for_everything_whether_or_not_it_is_ready() -> None:
    """Nobody else could answer instead, and a first version that waits is activated this way."""
    for values in (ALONE, exposed() | ALONE, {"strategy": {"type": "Recreate"}}):
        (service,) = services_of(render(values)).values()
        assert service["publishNotReadyAddresses"] is True
    recreated_several = {"replicas": 2, "strategy": {"type": "Recreate"}}
    (service,) = services_of(render(recreated_several)).values()
    assert "publishNotReadyAddresses" not in service


def test_class_annotations_and_certificate_are_those_of_the_values() -> None:
    given = {"cert-manager.io/cluster-issuer": "plant"}
    values = exposed(className="nginx", annotations=given, tls={"secret": "takt-tls"})
    ingress = render(values).one("Ingress")
    assert ingress["metadata"]["annotations"] == given
    assert ingress["spec"]["ingressClassName"] == "nginx"
    assert ingress["spec"]["tls"] == [{"hosts": [HOST], "secretName": "takt-tls"}]
    bare = render(exposed()).one("Ingress")
    assert "annotations" not in bare["metadata"]
    assert not {"ingressClassName", "tls"} & set(bare["spec"])


@pytest.mark.parametrize(
    ("host", "asked"), [(HOST, HOST), ("*.plant.example", "line-3.plant.example")]
)
def test_the_server_answers_to_the_name_of_the_ingress(host: str, asked: str) -> None:
    values = exposed(host=host) | {"settings": {"allowed_hosts": "other.example"}}
    hosts = AllowedHosts(render(values).environment["TAKT_ALLOWED_HOSTS"])
    for name in (asked, "other.example", f"{FULL_NAME}.plant.svc"):
        hosts.check(name)
    assert HOST not in render().environment["TAKT_ALLOWED_HOSTS"]


@pytest.mark.parametrize(
    ("settings", "allowed"),
    [
        ({}, Settings().max_connections),
        ({"max_connections": 4096}, 4096),
        ({"max_connections_per_client": 7}, 7),
    ],
)
def test_all_callers_may_come_by_the_one_address_of_the_controller(
    settings: dict[str, Any], allowed: int
) -> None:
    variable = "TAKT_MAX_CONNECTIONS_PER_CLIENT"
    assert render(exposed() | {"settings": settings}).environment[variable] == str(allowed)
    assert variable not in render().environment


def test_a_new_host_reaches_pods_that_run() -> None:
    def annotations(values: Values) -> dict[str, str]:
        pod: dict[str, Any] = render(values).one("Deployment")["spec"]["template"]["metadata"]
        found: dict[str, str] = pod["annotations"]
        return found

    assert annotations(exposed()) != annotations(exposed(host="other.example"))
