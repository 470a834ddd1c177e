"""The pod of a release whose models come by URL: from a web server, from S3, and from neither."""

from __future__ import annotations

import base64
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from takt.core.bundles.bundle import Bundle
from tests.deploy.chart import Rendered, render
from tests.deploy.container import started, wait_until_it_answers
from tests.deploy.live_prometheus import eventually
from tests.deploy.pod import Cluster, Key, pod, probe_url
from tests.shelves import CREDENTIALS, S3Shelf, Shelf, WebShelf, s3_shelf, upload, web_shelf

INSPECT = "/v1/models/parts/inspect"
NETRC = b"machine 127.0.0.1 login takt password secret\n"
Pictures = Callable[..., bytes]


@contextmanager
def stored(kind: str, bundle: Bundle, folder: Path) -> Iterator[tuple[Shelf, dict[str, bytes]]]:
    """A store with a bundle, and the Secret with which it is read."""
    with web_shelf(folder) if kind == "web" else s3_shelf() as shelf:
        upload(shelf, bundle.path)
        if isinstance(shelf, S3Shelf):
            keys = CREDENTIALS | {"AWS_ENDPOINT_URL": shelf.endpoint}
            yield shelf, {name: value.encode() for name, value in keys.items()}
        else:
            yield shelf, {"netrc": NETRC}


@contextmanager
def over_tls(folder: Path, authority: trustme.CA) -> Iterator[str]:
    """The URL of a web server with a certificate of this authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"https://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def release(url: str) -> Rendered:
    return render({"models": {"url": url, "credentials": {"secret": "store"}}})


def check_that_it_inspects(url: str, key: Key, picture: bytes) -> None:
    answer = httpx.post(f"{url}{INSPECT}", content=picture, headers=key.header, timeout=30)
    assert answer.status_code == 200
    assert httpx.post(f"{url}{INSPECT}", content=picture).status_code == 401


@pytest.mark.parametrize("kind", ["web", "s3"])
def test_a_pod_fetches_its_models_and_its_container_starts_again_without_the_store(
    kind: str,
    bundle: Bundle,
    cluster: Cluster,
    key: Key,
    picture_bytes: Pictures,
    tmp_path: Path,
) -> None:
    with stored(kind, bundle, tmp_path / "shelf") as (shelf, secret):
        cluster = replace(cluster, secrets={**cluster.secrets, "store": secret}, claims={})
        rendered = release(shelf.url)
        with pod(rendered, cluster) as running:
            check_that_it_inspects(running.urls["http"], key, picture_bytes())
        if isinstance(shelf, WebShelf):
            known = base64.b64encode(b"takt:secret").decode()
            assert set(shelf.credentials) == {f"Basic {known}"}
        shelf.vanish()
        # The volume outlives the container.
        with pod(rendered, cluster) as running:
            check_that_it_inspects(running.urls["http"], key, picture_bytes())
        shelf.back()


def test_a_pod_whose_store_is_away_is_live_says_why_it_is_not_ready_and_becomes_so(
    bundle: Bundle, cluster: Cluster, key: Key, tmp_path: Path
) -> None:
    with stored("web", bundle, tmp_path / "shelf") as (shelf, secret):
        shelf.vanish()
        cluster = replace(cluster, secrets={**cluster.secrets, "store": secret}, claims={})
        rendered = release(shelf.url)
        places = {path: cluster.place_of(one) for path, one in rendered.mounts.items()}
        with started(cluster.variables_of(rendered), places) as running:
            for probe in ("startup", "liveness"):
                wait_until_it_answers(probe_url(rendered, running, probe), running.process)

            def reason() -> Any:
                answer = httpx.get(probe_url(rendered, running, "readiness"))
                assert answer.status_code == 503
                said = answer.json()["reason"] or ""
                return said if "does not answer" in said else None

            assert shelf.url in eventually(reason)
            shelf.back()
            wait_until_it_answers(probe_url(rendered, running, "readiness"), running.process)


def test_a_pod_trusts_a_store_by_the_authority_of_its_config_map(
    bundle: Bundle, repository: Path, cluster: Cluster, key: Key, picture_bytes: Pictures
) -> None:
    authority = trustme.CA()
    maps = {"plant-ca": {"ca.crt": authority.cert_pem.bytes()}}
    with over_tls(repository, authority) as url:
        rendered = render({"models": {"url": url}, "caBundle": {"configMap": "plant-ca"}})
        with pod(rendered, replace(cluster, config_maps=maps, claims={})) as running:
            check_that_it_inspects(running.urls["http"], key, picture_bytes())
