"""What Helm prints after an installation: the next steps, in order, with the right names."""

from __future__ import annotations

import re
import shlex

import pytest

from takt.security.routes import RouteNeeds
from tests.deploy.chart import FULL_NAME, Values, render

WEB: Values = {"models": {"url": "https://models.plant.example/line-3"}}
INGRESS: Values = {"ingress": {"enabled": True, "host": "takt.plant.example"}}
TLS_INGRESS: Values = {
    "ingress": {"enabled": True, "host": "takt.plant.example", "tls": {"secret": "takt-tls"}}
}

each_release = pytest.mark.parametrize(
    "values",
    [
        {},
        WEB,
        INGRESS,
        TLS_INGRESS,
        {"tls": {"secret": "line-3-tls"}},
        {"insecure": True},
        {"record": {"store": "sqlite"}, "service": {"port": 80}, "metrics": {"port": 9200}},
    ],
)


def commands(notes: str) -> list[list[str]]:
    """The commands in it; they are the lines that are set in."""
    return [shlex.split(line) for line in notes.splitlines() if line.startswith("    ")]


@each_release
def test_every_command_is_of_this_release_and_its_namespace(values: Values) -> None:
    rendered = render(values)
    names = {f"{one['kind'].lower()}/{one['metadata']['name']}" for one in rendered.resources}
    found = commands(rendered.notes)
    assert len(found) >= 7
    for command in found:
        if command[0] == "kubectl":
            assert command[1:3] == ["-n", "plant"]
            assert {word for word in command if re.match(r"(deployment|service)/", word)} <= names
        else:
            assert command[0] == "curl"


@each_release
def test_the_ports_are_those_of_the_release(values: Values) -> None:
    rendered = render(values)
    forwards = {
        command[4]: command[5] for command in commands(rendered.notes) if "port-forward" in command
    }
    metrics = {port["name"]: port["containerPort"] for port in rendered.container["ports"]}
    assert forwards[f"deployment/{FULL_NAME}"] == str(metrics["metrics"])
    if "ingress" not in values:
        (port,) = rendered.one("Service")["spec"]["ports"]
        assert forwards[f"service/{FULL_NAME}"] == f"8000:{port['port']}"


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"tls": {"secret": "line-3-tls"}}, "https://127.0.0.1:8000"),
        (INGRESS, "http://takt.plant.example"),
        (TLS_INGRESS, "https://takt.plant.example"),
    ],
)
def test_the_server_is_asked_where_it_answers(values: Values, url: str) -> None:
    rendered = render(values)
    assert f"{url}/console/" in rendered.notes
    asked = [command for command in commands(rendered.notes) if command[0] == "curl"]
    assert [word for command in asked for word in command if word.startswith(("http", "@"))] == [
        "http://127.0.0.1:9100/health/ready",
        f"{url}/v1/models",
        "@part.jpg",
        f"{url}/v1/models/NAME/inspect",
    ]
    assert RouteNeeds().of("POST", "/v1/models/NAME/inspect") == "inspect"
    assert RouteNeeds().of("GET", "/v1/models") == "read"


@pytest.mark.parametrize("insecure", [False, True])
def test_a_key_is_shown_where_one_is_needed(insecure: bool) -> None:
    notes = render({"insecure": insecure}, keys=not insecure).notes
    assert ("Bearer $KEY" in notes) is not insecure
    assert ("a key of the scope" in notes) is not insecure


def test_a_certificate_is_shown_where_one_is_demanded() -> None:
    demanded = render({"tls": {"secret": "line-3-tls", "clientAuthorities": "plant-ca"}}).notes
    assert "curl --insecure --cert client.pem -H" in demanded
    assert "--cert" not in render({"tls": {"secret": "line-3-tls"}}).notes


@each_release
def test_no_state_that_is_wrong_is_described_as_usual(values: Values) -> None:
    notes = render(values).notes
    assert not re.search(r"again and again|empty at first|CrashLoop|restarts", notes)
    assert notes.index("rollout status") < notes.index("/console/") < notes.index("/inspect")
    assert "\n\n\n" not in notes
    # Text fits a terminal of 80 columns; commands are copied.
    lines = [line for line in notes.splitlines() if not line.startswith("    ")]
    assert max(map(len, lines)) <= 80


def test_keys_that_cross_a_network_in_the_open_are_told() -> None:
    assert "unencrypted" in render().notes
    assert "to the Ingress unencrypted" in render(INGRESS).notes
    assert "unencrypted" not in render(TLS_INGRESS).notes
    assert "unencrypted" not in render({"tls": {"secret": "line-3-tls"}}).notes


def test_a_policy_that_only_pods_of_the_namespace_get_metrics_by_is_told() -> None:
    watched: Values = {"metrics": {"serviceMonitor": {"enabled": True}}}
    assert "metricsFrom" not in render(watched).notes
    closed = watched | {"networkPolicy": {"enabled": True}}
    assert "Pods of plant alone reach the metrics" in render(closed).notes
    prometheus = [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]
    named = watched | {"networkPolicy": {"enabled": True, "metricsFrom": prometheus}}
    assert "metricsFrom" not in render(named).notes


def test_pods_that_are_scaled_by_series_that_nobody_gets_are_told() -> None:
    scaled: Values = {"autoscaling": {"enabled": True}}
    assert "no pod is ever added" in render(scaled).notes
    assert "autoscaling.series" not in render().notes
    assert (
        "autoscaling.series"
        not in render(scaled | {"metrics": {"serviceMonitor": {"enabled": True}}}).notes
    )
    named = {"autoscaling": {"enabled": True, "series": 'job="press"'}}
    assert "autoscaling.series" not in render(named).notes
