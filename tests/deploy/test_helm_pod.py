"""The pod of a release as it would run: the real server with all that the chart gives it."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import trustme

from tests.deploy.chart import ALL_METRICS, FULL_NAME, Values, render
from tests.deploy.container import Running
from tests.deploy.pod import Cluster, Key, pod, probe_url
from tests.tls import client_of, pair_of

INSPECT = "/v1/models/parts/inspect"
Pictures = Callable[..., bytes]


def check_that_it_serves(
    running: Running,
    key: dict[str, str],
    picture: bytes,
    trusted: ssl.SSLContext | bool = True,
) -> None:
    """It inspects for who has a key, refuses strangers, and has its metrics apart."""
    url = running.urls["http"]
    with httpx.Client(base_url=url, verify=trusted, timeout=30) as client:
        assert client.post(INSPECT, content=picture).status_code == 401
        answer = client.post(INSPECT, content=picture, headers=key)
        assert (answer.status_code, answer.json()["anomalous"]) == (200, False)
        assert client.get("/metrics", headers=key).status_code == 404
        service = {"host": f"{FULL_NAME}.plant.svc:8000"}
        assert client.get("/v1/models", headers=key | service).status_code == 200
        assert client.get("/v1/models", headers=key | {"host": "other"}).status_code == 421
    assert "takt_requests_total" in httpx.get(f"{running.urls['metrics']}/metrics").text


@pytest.mark.parametrize(
    "values", [{}, {"record": {"store": "sqlite"}}], ids=["no record", "a record"]
)
def test_a_pod_is_ready_by_its_probes_and_serves(
    values: Values, cluster: Cluster, key: Key, picture_bytes: Pictures
) -> None:
    rendered = render(ALL_METRICS | values)
    (scraped,) = rendered.one("ServiceMonitor")["spec"]["endpoints"]
    with pod(rendered, cluster) as running:
        check_that_it_serves(running, key.header, picture_bytes())
        assert httpx.get(probe_url(rendered, running, "liveness")).status_code == 200
        metrics = f"{running.urls[scraped['port']]}{scraped['path']}"
        assert httpx.get(metrics).status_code == 200
    kept = cluster.claims["line-3-takt-record"] / "record.sqlite"
    assert kept.exists() is ("record" in values)


def test_a_pod_with_a_certificate_speaks_tls_and_its_probes_need_none(
    cluster: Cluster, key: Key, picture_bytes: Pictures
) -> None:
    authority = trustme.CA()
    certificate, private = pair_of(authority)
    secrets = {**cluster.secrets, "line-3-tls": {"tls.crt": certificate, "tls.key": private}}
    rendered = render({"tls": {"secret": "line-3-tls"}})
    with pod(rendered, Cluster(cluster.folder, secrets, {}, cluster.claims)) as running:
        assert running.urls["http"].startswith("https://")
        trusted = client_of(authority)
        check_that_it_serves(running, key.header, picture_bytes(), trusted)


def test_a_pod_that_is_to_end_answers_what_it_has_accepted_in_the_time_it_has(
    cluster: Cluster, key: Key, picture_bytes: Pictures
) -> None:
    rendered = render()
    picture = picture_bytes()
    head = (
        f"POST {INSPECT} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Authorization: {key.header['authorization']}\r\nContent-Length: {len(picture)}\r\n\r\n"
    )
    with pod(rendered, cluster) as running:
        port = urlsplit(running.urls["http"]).port
        with socket.create_connection(("127.0.0.1", port), timeout=30) as caller:
            caller.sendall(head.encode() + picture[:1])
            accepted = httpx.get(f"{running.urls['metrics']}/metrics")
            assert accepted.status_code == 200
            began = time.monotonic()
            running.process.terminate()
            caller.sendall(picture[1:])
            answer = b"".join(iter(lambda: caller.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200 ")
        left_s = rendered.pod["terminationGracePeriodSeconds"] - int(
            rendered.container["lifecycle"]["preStop"]["exec"]["command"][1]
        )
        # It has drained, and then ends by the signal as a process does that had no plans for it.
        assert running.process.wait(timeout=left_s) == -signal.SIGTERM
        assert time.monotonic() - began < left_s


def test_without_its_keys_the_server_of_a_pod_listens_to_nobody() -> None:
    rendered = render()
    without = {
        name: value for name, value in rendered.environment.items() if name != "TAKT_KEYS_FILE"
    }
    takt = Path(sys.executable).with_name("takt")
    ended = subprocess.run([takt, "serve"], env=without, capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0 and "takt keys add" in ended.stderr
