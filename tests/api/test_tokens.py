"""Callers who show a token of an OpenID Connect issuer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest

from takt.core.errors import ConfigurationError
from takt.security import guard
from takt.security.oidc import issuer as issuer_module
from tests.api.apps import until
from tests.api.conftest import Serve
from tests.api.keys import KEYS, bearer
from tests.api.stream.socket import connect
from tests.issuer import AUDIENCE, FakeIssuer

INSPECT = "/v1/models/parts/inspect"


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    with FakeIssuer() as found:
        yield found


@asynccontextmanager
async def served(
    serve: Serve, issuer: FakeIssuer, **settings: object
) -> AsyncIterator[httpx.AsyncClient]:
    """An app that takes the issuer's tokens and has its keys."""
    async with serve(oidc_issuer=issuer.url, oidc_audience=AUDIENCE, **settings) as client:
        await until(lambda: len(issuer.asked) >= 2)
        yield client


def shown(token: bytes) -> dict[str, str]:
    return {"authorization": f"Bearer {token.decode()}"}


async def test_a_token_opens_what_its_scopes_say(serve, issuer, picture_bytes) -> None:
    async with served(serve, issuer) as client:
        camera = shown(issuer.token(scope="inspect"))
        answer = await client.post(INSPECT, content=picture_bytes(), headers=camera)
        assert answer.status_code == 200
        answer = await client.get("/metrics", headers=camera)
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
        assert (await client.get("/metrics")).status_code == 401
        answer = await client.get("/metrics", headers=shown(issuer.token(aud="another")))
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert "audience" in answer.json()["detail"].lower()


async def test_keys_are_taken_beside_tokens(serve, issuer) -> None:
    async with served(serve, issuer, keys=KEYS) as client:
        assert (await client.get("/metrics", headers=bearer("scraper"))).status_code == 200
        token = issuer.token(scope="read")
        assert (await client.get("/metrics", headers=shown(token))).status_code == 200


async def test_who_changed_a_threshold_is_in_the_log(serve, issuer, caplog) -> None:
    caplog.set_level(logging.INFO, "takt.audit")
    async with served(serve, issuer) as client:
        token = issuer.token(scope="operate", preferred_username="anna")
        answer = await client.put(
            "/v1/models/parts/threshold", json={"image": 0.4}, headers=shown(token)
        )
        assert answer.status_code == 200
        assert "oidc:anna" in caplog.text


@pytest.mark.parametrize("name", ["server", "file", "engineer"])
async def test_a_token_stands_in_the_audit_log_for_nobody_else(
    serve, issuer, sqlite_record, name: str
) -> None:
    async with served(serve, issuer, record=sqlite_record) as client:
        token = issuer.token(scope="operate", preferred_username=name)
        answer = await client.put(
            "/v1/models/parts/threshold", json={"image": 0.4}, headers=shown(token)
        )
        assert answer.status_code == 200
        found = (await client.get("/v1/audit", headers=shown(token))).json()["entries"]
    (who,) = [one["who"] for one in found if one["action"] == "threshold_changed"]
    assert who == f"oidc:{name}"


async def test_the_first_tokens_of_a_new_key_wait_for_it_and_are_taken(
    serve, issuer, monkeypatch
) -> None:
    monkeypatch.setattr(issuer_module, "ASK_AGAIN_AFTER_S", 0.0)
    async with served(serve, issuer) as client:
        old = shown(issuer.token(scope="read"))
        assert (await client.get("/metrics", headers=old)).status_code == 200
        issuer.open.clear()
        issuer.rotate("second")
        new = shown(issuer.token("second", scope="read"))
        waiting = [asyncio.create_task(client.get("/metrics", headers=new)) for _ in range(20)]
        await until(lambda: len(issuer.asked) == 3)
        # Others are answered while the issuer takes its time.
        assert (await client.get("/metrics", headers=old)).status_code == 200
        issuer.open.set()
        assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {200}
        assert len(issuer.asked) == 4
        # The former key is withdrawn, and what was remembered of it is forgotten.
        assert (await client.get("/metrics", headers=old)).status_code == 401


async def test_an_issuer_that_is_down_refuses_nobody_who_is_known(
    serve, issuer, monkeypatch
) -> None:
    monkeypatch.setattr(issuer_module, "ASK_AGAIN_AFTER_S", 0.0)
    async with served(serve, issuer) as client:
        reader = shown(issuer.token(scope="read"))
        assert (await client.get("/metrics", headers=reader)).status_code == 200
        issuer.documents[issuer.discovery] = 503
        issuer.rotate("second")
        unknown = await client.get("/metrics", headers=shown(issuer.token("second")))
        assert unknown.status_code == 401
        answer = await client.get("/metrics", headers=shown(issuer.token(scope="read")))
        assert answer.status_code == 200
        assert 'takt_file_reloads_total{files="oidc",outcome="refused"} 1.0' in answer.text


async def test_a_stream_ends_once_the_key_of_its_token_is_withdrawn(
    serve, issuer, monkeypatch
) -> None:
    monkeypatch.setattr(guard, "LOOK_EVERY_S", 0.001)
    monkeypatch.setattr(issuer_module, "REFRESH_EVERY_S", 0.001)
    monkeypatch.setattr(issuer_module, "ASK_AGAIN_AFTER_S", 0.001)
    async with (
        served(serve, issuer) as client,
        connect(client, **shown(issuer.token())) as socket,
    ):
        await socket.hello()
        issuer.rotate("second")
        (error,), code = await socket.until_closed()
        assert (error["code"], code) == ("unauthenticated", 1008)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"oidc_issuer": "http://login.example", "oidc_audience": "takt"}, "must be https"),
        ({"oidc_issuer": "https://login.example"}, "need oidc_audience"),
        ({"oidc_audience": "takt"}, "need oidc_issuer"),
        (
            {
                "oidc_issuer": "https://login.example",
                "oidc_audience": "takt",
                "oidc_scopes": "admins",
            },
            "oidc_scopes",
        ),
    ],
)
async def test_half_a_set_of_rules_ends_the_start(serve, settings, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        async with serve(**settings):
            pass
