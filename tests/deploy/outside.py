"""Callers outside of a cluster: a pod behind nginx, which goes by the Ingress of the guide."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import trustme
import yaml
from websockets.sync.client import ClientConnection, connect

from tests.deploy.chart import render
from tests.deploy.container import ROOT, Running
from tests.deploy.nginx import nginx, routed
from tests.deploy.pod import Cluster, pod
from tests.tls import client_of


@dataclass(frozen=True)
class Outside:
    """Where callers of other machines ask.

    Attributes:
        host: the name of the Ingress.
        port: of nginx.
        authority: has issued the certificate of the Ingress.
        server: what is asked in the end.
    """

    host: str
    port: int
    authority: trustme.CA
    server: Running

    def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        """One request by that name; a further header may name another one."""
        headers = {"host": self.host, **given.pop("headers", {})}
        with httpx.Client(verify=client_of(self.authority), timeout=30) as client:
            return client.request(
                method,
                f"https://127.0.0.1:{self.port}{path}",
                headers=headers,
                # It asks an address for a name, as a browser does once it has resolved that.
                extensions={"sni_hostname": self.host},
                **given,
            )

    def stream(self, **headers: str) -> ClientConnection:
        """A stream, with these headers."""
        return connect(
            f"wss://{self.host}/v1/models/parts/stream",
            sock=socket.create_connection(("127.0.0.1", self.port), timeout=30),
            ssl=client_of(self.authority),
            additional_headers=headers,
            proxy=None,
        )


def guide_values() -> Iterator[Any]:
    """Each block of values in docs/kubernetes.md."""
    text = (ROOT / "docs/kubernetes.md").read_text(encoding="utf-8")
    for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
        yield yaml.safe_load(block)


@contextmanager
def reached_from_outside(
    cluster: Cluster, folder: Path, *, ready: bool = True
) -> Iterator[Outside]:
    """A pod with the guide's Ingress, from the moment both are ready.

    Args:
        cluster: where it runs.
        folder: an empty one, for nginx.
        ready: whether the pod is; otherwise it is only in services that publish such pods.
    """
    nginx()
    (values,) = [block for block in guide_values() if "ingress" in block]
    rendered = render(values)
    ingress = rendered.one("Ingress")
    host = ingress["spec"]["rules"][0]["host"]
    authority = trustme.CA()
    issued = authority.issue_cert(host)
    pair = issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()
    with ExitStack() as running:
        server = running.enter_context(pod(rendered, cluster, ready=ready))
        backends = {
            one["metadata"]["name"]: server.urls["http"]
            if ready or one["spec"].get("publishNotReadyAddresses")
            else None
            for one in rendered.kind("Service")
        }
        port = running.enter_context(routed(ingress, backends, pair, folder))
        yield Outside(host, port, authority, server)
