"""The Ingress of a release: which paths it opens, and that the server works behind it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from service.security.hosts import AllowedHosts
from service.security.routes import ROUTES, WEBSOCKET
from service.settings import Settings
from tests.deploy.chart import CHART, FULL_NAME, Resource, Values, render

HOST = "takt.plant.example"
STATIC = CHART.parents[2] / "service/console/static"


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
    (rule,) = rendered.one("Ingress")["spec"]["rules"]
    service = {"service": {"name": FULL_NAME, "port": {"name": "http"}}}
    assert all(entry["backend"] == service for entry in rule["http"]["paths"])
    (own,) = [one for one in rendered.kind("Service") if one["metadata"]["name"] == FULL_NAME]
    assert [port["name"] for port in own["spec"]["ports"]] == ["http"]
    # On a port of their own, the main one has no metrics.
    assert rendered.environment["TAKT_METRICS_PORT"]


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
