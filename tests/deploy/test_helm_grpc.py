"""The Open Inference Protocol over gRPC, as a release of the chart serves it."""

from __future__ import annotations

from tests.deploy.chart import Rendered, render


def ports_of(rendered: Rendered) -> dict[str, object]:
    """The ports of the service that others reach, by name: what they lead to."""
    (service,) = [
        one for one in rendered.kind("Service") if "http" in str(one["spec"]["ports"][0]["name"])
    ]
    return {one["name"]: one["targetPort"] for one in service["spec"]["ports"]}


def test_without_being_asked_for_there_is_none() -> None:
    rendered = render()
    assert ports_of(rendered) == {"http": "http"}
    assert "TAKT_GRPC_PORT" not in rendered.environment
    assert "grpc" not in {one["name"] for one in rendered.container["ports"]}


def test_a_port_of_the_service_leads_to_that_of_the_server() -> None:
    networked = {"networkPolicy": {"enabled": True}, "service": {"grpcPort": 8001}}
    rendered = render(networked)
    assert ports_of(rendered) == {"http": "http", "grpc": "grpc"}
    (port,) = [one for one in rendered.container["ports"] if one["name"] == "grpc"]
    assert rendered.environment["TAKT_GRPC_PORT"] == str(port["containerPort"])
    rule = rendered.one("NetworkPolicy")["spec"]["ingress"][0]
    assert [one["port"] for one in rule["ports"]] == ["http", "grpc"]
