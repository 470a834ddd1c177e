"""Whom a proxy names as the client, as the audit log has it."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from takt.core.bundles.bundle import Bundle
from tests.conftest import StartServer
from tests.workers import eventually, said

NAMED = "203.0.113.9"


@pytest.mark.parametrize(
    ("trusted", "client"),
    [(None, "127.0.0.1"), ("192.0.2.1", "127.0.0.1"), ("192.0.2.1,127.0.0.0/8", NAMED)],
    ids=["no proxy is named", "another is", "this one is"],
)
def test_a_program_of_this_machine_names_no_client_unless_it_is_a_proxy_that_is_trusted(
    fork_server: StartServer,
    bundle: Bundle,
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    trusted: str | None,
    client: str,
) -> None:
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    if trusted is not None:
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", trusted)
    with fork_server(repository) as server:
        url = f"{server.url}/v1/models/parts/threshold"
        headers = {"X-Forwarded-For": NAMED}
        assert httpx.put(url, json={"image": 0.9}, headers=headers).status_code == 200
        eventually(lambda: said(server, f'"client": "{client}"'))
