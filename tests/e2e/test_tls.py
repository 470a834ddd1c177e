"""A real server with a certificate, authorities of clients and keys, asked by our own client."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import trustme

from takt.security.keys.key import new_key
from takt.security.keys.key_file import format_keys
from takt_client import FrameAnswer, TaktClient
from takt_client.errors import UnreachableError
from tests.tls import pair_of


def test_a_client_with_certificate_and_key_inspects_and_streams_and_none_else_gets_in(
    fork_server, bundle, repository, tmp_path: Path, picture_bytes: Callable[..., bytes]
) -> None:
    authority = trustme.CA()
    files = {
        "server": b"".join(pair_of(authority)),
        "ca": authority.cert_pem.bytes(),
        "client": b"".join(pair_of(authority, "line3")),
    }
    paths = {name: tmp_path / f"{name}.pem" for name in files}
    for name, content in files.items():
        paths[name].write_bytes(content)
    key, secret = new_key("line3", frozenset({"inspect"}))
    (keys := tmp_path / "keys.toml").write_bytes(format_keys([key]))
    options = [
        *("--tls-certificate", str(paths["server"]), "--tls-client-ca", str(paths["ca"])),
        *("--keys-file", str(keys), "--metrics-port", "0"),
    ]

    with fork_server(repository, *options) as server:
        assert server.url.startswith("https://")
        shown = {"key": secret, "cafile": paths["ca"]}
        with TaktClient(server.url, **shown, certfile=paths["client"]) as client:
            assert not client.inspect("parts", picture_bytes(50)).anomalous
            with client.stream("parts") as stream:
                (answer,) = stream.inspect([picture_bytes(50)])
            assert isinstance(answer, FrameAnswer)
        with TaktClient(server.url, **shown) as stranger, pytest.raises(UnreachableError):
            stranger.inspect("parts", picture_bytes(50))
        (metrics,) = re.findall(r"metrics are on (\S+)", "".join(server.log))
        assert httpx.get(f"{metrics}/health/ready").status_code == 200
        text = httpx.get(f"{metrics}/metrics").text
        assert re.search(r'reason="handshake"\} [1-9]', text)
        server.stop()
        assert "Traceback" not in "".join(server.log)
