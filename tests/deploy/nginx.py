"""nginx with the rules of an Ingress, as a controller of a cluster sets it up; Debian's package."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.live_prometheus import eventually
from tests.ports import kept_port

_REQUIRED = "TAKT_REQUIRE_NGINX"
_OF_NGINX = "nginx.ingress.kubernetes.io/"

# What ingress-nginx puts into each location, with its defaults.
_LOCATION = """
        location {match} {{
            proxy_pass {backend};
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Host $host;
            proxy_set_header X-Forwarded-Proto $scheme;
            client_max_body_size {body};
            proxy_read_timeout {read}s;
            proxy_send_timeout {send}s;
            proxy_request_buffering {buffering};
        }}"""

_NO_POD = """
        location {match} {{ return 503; }}"""

_CONFIG = """
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    {temporary}
    map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
    server {{
        listen 127.0.0.1:{port} ssl default_server;
        ssl_certificate {folder}/tls.crt;
        ssl_certificate_key {folder}/tls.key;
        return 404;
    }}
    server {{
        listen 127.0.0.1:{port} ssl;
        server_name {host};
        {locations}
        location / {{ return 404; }}
    }}
}}
"""


def nginx() -> str:
    """Path of the program; the test is skipped, or fails, where it is missing."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")
    if found is None:
        tell = pytest.fail if os.environ.get(_REQUIRED) else pytest.skip
        tell(
            "nginx is not installed: apt-get install --no-install-recommends nginx-light "
            f"(with {_REQUIRED}=1 this fails instead)"
        )
    return found


@contextmanager
def routed(
    ingress: Mapping[str, Any],
    backends: Mapping[str, str | None],
    pair: tuple[bytes, bytes],
    folder: Path,
) -> Iterator[int]:
    """The port where nginx answers by the rules of an Ingress.

    Args:
        ingress: of one rule, with TLS.
        backends: by the name of a service, URL of what it stands for; None where it has no pod.
        pair: the certificate of its Secret, and its key.
        folder: an empty one.
    """
    with kept_port() as port:
        yield from _listening(ingress, backends, pair, folder, port)


def _listening(
    ingress: Mapping[str, Any],
    backends: Mapping[str, str | None],
    pair: tuple[bytes, bytes],
    folder: Path,
    port: int,
) -> Iterator[int]:
    for name, content in zip(("tls.crt", "tls.key"), pair, strict=True):
        (folder / name).write_bytes(content)
    (folder / "nginx.conf").write_text(_configured(ingress, backends, port, folder))
    process = subprocess.Popen([nginx(), "-p", str(folder), "-c", str(folder / "nginx.conf")])

    def listens() -> bool:
        assert process.poll() is None, "nginx has ended"
        with socket.socket() as asked:
            return asked.connect_ex(("127.0.0.1", port)) == 0

    try:
        eventually(listens)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


def _configured(
    ingress: Mapping[str, Any], backends: Mapping[str, str | None], port: int, folder: Path
) -> str:
    given = ingress["metadata"].get("annotations", {})

    def told(name: str, default: str) -> str:
        return str(given.get(f"{_OF_NGINX}{name}", default))

    (rule,) = ingress["spec"]["rules"]
    assert ingress["spec"]["tls"][0]["hosts"] == [rule["host"]]
    # Of a prefix and an exact rule for one path the exact one holds.
    paths = sorted(rule["http"]["paths"], key=lambda entry: entry["pathType"] == "Prefix")
    led: dict[str, str] = {}
    for entry in paths:
        for match in _matches(entry["path"], entry["pathType"]):
            led.setdefault(match, entry["backend"]["service"]["name"])
    locations = [
        _NO_POD.format(match=match)
        if (backend := backends[service]) is None
        else _LOCATION.format(
            match=match,
            backend=backend,
            body=told("proxy-body-size", "1m"),
            read=told("proxy-read-timeout", "60"),
            send=told("proxy-send-timeout", "60"),
            buffering=told("proxy-request-buffering", "on"),
        )
        for match, service in led.items()
    ]
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n    ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    return _CONFIG.format(
        folder=folder,
        port=port,
        host=rule["host"],
        temporary=temporary,
        locations="".join(locations),
    )


def _matches(path: str, kind: str) -> tuple[str, ...]:
    """Locations of a path: a prefix is one of whole parts."""
    return (f"= {path}",) if kind == "Exact" else (f"= {path}", f"{path}/")
