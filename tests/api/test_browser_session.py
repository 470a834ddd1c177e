"""A browser's session: a cookie in place of a key."""

from __future__ import annotations

from http.cookies import SimpleCookie

import httpx
import pytest

from tests.api.keys import KEYS, bearer
from tests.api.stream.socket import PATH, Socket

SESSION = "/v1/session"


def cookie_of(answer: httpx.Response) -> str:
    """The cookie as a browser sends it back."""
    (morsel,) = SimpleCookie(answer.headers["set-cookie"]).values()
    return f"{morsel.key}={morsel.value}"


async def begin(client: httpx.AsyncClient, name: str = "camera") -> dict[str, str]:
    answer = await client.post(SESSION, headers=bearer(name))
    client.cookies.clear()
    assert answer.status_code == 201
    return {"cookie": cookie_of(answer)}


async def test_a_key_is_exchanged_for_a_cookie_that_no_script_reads_and_no_other_site_sends(
    serve,
) -> None:
    async with serve(keys=KEYS) as client:
        answer = await client.post(SESSION, headers=bearer("leader"))
        attributes = {part.strip() for part in answer.headers["set-cookie"].split(";")[1:]}
        assert attributes == {"HttpOnly", "SameSite=strict", "Path=/", "Max-Age=28800"}
        said = answer.json()
        assert (said["caller"], said["scopes"]) == ("leader", ["operate", "read"])
        assert cookie_of(answer).partition("=")[2] not in answer.text


async def test_over_tls_the_cookie_goes_over_tls_alone(serve) -> None:
    async with serve(keys=KEYS) as client:
        answer = await client.post(f"https://takt{SESSION}", headers=bearer("leader"))
        assert "Secure" in answer.headers["set-cookie"]


async def test_behind_a_proxy_that_speaks_tls_the_cookie_goes_over_tls_alone(serve) -> None:
    async with serve(keys=KEYS) as client:
        page = bearer("leader") | {"origin": "https://takt", "x-forwarded-host": "takt"}
        answer = await client.post(f"http://takt{SESSION}", headers=page)
        assert "Secure" in answer.headers["set-cookie"]
        plain = await client.post(f"http://takt{SESSION}", headers=page | {"origin": "http://takt"})
        assert "Secure" not in plain.headers["set-cookie"]


async def test_the_cookie_has_the_scopes_of_the_key(serve, picture_bytes) -> None:
    async with serve(keys=KEYS) as client:
        cookie = await begin(client)
        picture = await client.post(
            "/v1/models/parts/inspect",
            content=picture_bytes(),
            headers={**cookie, "accept": "image/*"},
        )
        assert picture.headers["content-type"] == "image/jpeg"
        assert (await client.get("/metrics", headers=cookie)).status_code == 403


async def test_a_browser_opens_a_stream_by_its_cookie_and_a_foreign_page_none(serve) -> None:
    async with serve(keys=KEYS) as client:
        headers = {"host": "takt", **await begin(client)}
        app = client._transport.app
        socket = Socket(app, PATH, {**headers, "origin": "http://takt"})
        assert (await socket.raw())["type"] == "websocket.accept"
        socket.close()
        await socket.task
        foreign = Socket(app, PATH, {**headers, "origin": "https://evil.example"})
        assert (await foreign.raw())["status"] == 403
        await foreign.task


async def test_a_foreign_page_changes_nothing_even_if_a_browser_sends_the_cookie(serve) -> None:
    async with serve(keys=KEYS) as client:
        headers = {**await begin(client, "leader"), "sec-fetch-site": "cross-site"}
        for method, path in (("DELETE", SESSION), ("POST", "/v1/models/parts/rollback")):
            refused = await client.request(method, path, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


async def test_a_session_that_is_ended_is_refused(serve) -> None:
    async with serve(keys=KEYS) as client:
        cookie = await begin(client, "scraper")
        assert (await client.get("/metrics", headers=cookie)).status_code == 200
        ended = await client.delete(SESSION, headers=cookie)
        assert ended.status_code == 204
        assert 'takt_session=""' in ended.headers["set-cookie"]
        assert (await client.get("/metrics", headers=cookie)).status_code == 401


async def test_a_session_begins_with_a_key_alone(serve) -> None:
    async with serve(keys=KEYS) as client:
        refused = await client.post(SESSION, headers=await begin(client))
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")


async def test_a_server_without_keys_has_no_sessions(serve) -> None:
    async with serve() as client:
        refused = await client.post(SESSION)
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        assert (await client.delete(SESSION)).status_code == 204


async def test_who_begins_and_ends_a_session_is_logged_without_its_token(
    serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(keys=KEYS) as client:
        with caplog.at_level("INFO", "takt.audit"):
            cookie = await begin(client)
            await client.delete(SESSION, headers=cookie)
    events = [
        (record.takt_event, record.takt_facts["caller"])
        for record in caplog.records
        if record.name == "takt.audit"
    ]
    assert events == [("session_began", "camera"), ("session_ended", "camera")]
    assert cookie["cookie"].partition("=")[2] not in caplog.text
