"""The pod of a release behind a real nginx, set up as its Ingress says in the guide."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
import trustme
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from takt_client.pictures import pack_frame
from tests.deploy.chart import Values, render
from tests.deploy.container import Running
from tests.deploy.nginx import nginx, routed
from tests.deploy.pod import Cluster, Key, pod
from tests.deploy.test_helm_guide import blocks
from tests.tls import client_of

pytestmark = pytest.mark.services

INSPECT = "/v1/models/parts/inspect"


@dataclass(frozen=True)
class Outside:
    """Where callers of other machines ask.

    Attributes:
        client: of a host of its own; asks by the name of the Ingress.
        host: that name.
        port: of nginx.
        authority: has issued the certificate of the Ingress.
        server: what is asked in the end.
    """

    client: httpx.Client
    host: str
    port: int
    authority: trustme.CA
    server: Running

    def stream(self, **headers: str) -> ClientConnection:
        """A stream, with these headers."""
        return connect(
            f"wss://{self.host}/v1/models/parts/stream",
            sock=socket.create_connection(("127.0.0.1", self.port), timeout=30),
            ssl=client_of(self.authority),
            additional_headers=headers,
            proxy=None,
        )


def in_the_guide() -> Values:
    (values,) = [block for block in blocks() if "ingress" in block]
    return {
        **values,
        # The controller's address is none that the server believes; nginx has 127.0.0.1 here.
        "env": [{"name": "FORWARDED_ALLOW_IPS", "value": "192.0.2.1"}],
    }


@pytest.fixture
def outside(cluster: Cluster, tmp_path: Path) -> Iterator[Outside]:
    nginx()
    rendered = render(in_the_guide())
    ingress = rendered.one("Ingress")
    (rule,) = ingress["spec"]["rules"]
    authority = trustme.CA()
    issued = authority.issue_cert(rule["host"])
    pair = issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()
    (folder := tmp_path / "nginx").mkdir()
    with (
        pod(rendered, cluster) as server,
        routed(ingress, server.urls["http"], pair, folder) as port,
        httpx.Client(
            base_url=f"https://127.0.0.1:{port}",
            headers={"host": rule["host"]},
            verify=client_of(authority),
            timeout=30,
        ) as client,
    ):
        # It asks an address by a name, as a browser does after it has resolved that.
        client.event_hooks["request"] = [_with_server_name(rule["host"])]
        yield Outside(client, rule["host"], port, authority, server)


def _with_server_name(host: str) -> Callable[[httpx.Request], None]:
    def add(request: httpx.Request) -> None:
        request.extensions["sni_hostname"] = host

    return add


def test_pictures_streams_and_the_console_pass_and_metrics_and_probes_do_not(
    outside: Outside, key: Key, picture_bytes: Callable[..., bytes]
) -> None:
    client, known = outside.client, key.header
    assert client.post(INSPECT, content=picture_bytes()).status_code == 401
    noise = np.random.default_rng(7).integers(0, 256, (1200, 1600, 3), np.uint8)
    large = cv2.imencode(".png", noise)[1].tobytes()
    assert 5 << 20 < len(large) < 16 << 20
    for picture in (picture_bytes(), large):
        assert client.post(INSPECT, content=picture, headers=known).status_code == 200
    for path in ("/metrics", "/health/live", "/health/ready", "/v2/health/ready"):
        assert client.get(path, headers=known).status_code == 404, path
    assert httpx.get(f"{outside.server.urls['http']}/health/live").status_code == 200
    assert "<html" in client.get("/console/live").text
    assert client.get("/", follow_redirects=False).headers["location"] == "/console/"
    assert client.head("/console/static/icon.svg").status_code == 200
    assert client.get("/console/", headers={"host": "other.example"}).status_code in (404, 421)
    with outside.stream(**known) as frames:
        frames.send(json.dumps({"type": "hello"}))
        assert json.loads(frames.recv(30))["type"] == "welcome"
        frames.send(pack_frame(0, 0, picture_bytes()))
        assert json.loads(frames.recv(30))["type"] == "answer"


def test_a_browser_signs_in_and_streams_by_its_cookie_and_a_page_of_others_does_not(
    outside: Outside, key: Key
) -> None:
    page = {"origin": f"https://{outside.host}", "sec-fetch-site": "same-origin"}
    begun = outside.client.post("/v1/session", headers=page | key.header)
    assert begun.status_code == 201
    cookie = begun.headers["set-cookie"]
    assert "Secure" in cookie and "HttpOnly" in cookie
    outside.client.cookies.clear()
    by_cookie = {"cookie": cookie.partition(";")[0]}
    assert outside.client.get("/v1/models", headers=by_cookie).status_code == 200
    with outside.stream(**by_cookie, origin=page["origin"]) as frames:
        frames.send(json.dumps({"type": "hello"}))
        assert json.loads(frames.recv(30))["type"] == "welcome"
    foreign = "https://evil.example"
    with pytest.raises(InvalidStatus, match="403"), outside.stream(**by_cookie, origin=foreign):
        pass
    refused = outside.client.delete("/v1/session", headers=by_cookie | {"origin": foreign})
    assert refused.status_code == 403
