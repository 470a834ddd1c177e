"""How the console's files are served."""

from __future__ import annotations

import pytest

from takt.console.pages import STYLES
from takt.core.families.every import learnable
from tests.api.keys import KEYS, bearer
from tests.tree import ROOT

MAIN = "/console/static/main.js"
STATIC = ROOT / "service/takt/console/static"


async def test_every_page_is_the_same_document_and_the_root_leads_there(serve) -> None:
    async with serve() as client:
        for path in ("/", "/console"):
            assert (await client.get(path)).headers["location"] == "/console/"
        first = await client.get("/console/")
        for path in (
            "/console/live",
            "/console/models/any%20name",
            "/console/review?verdict=reject",
        ):
            page = await client.get(path)
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            assert page.content == first.content


async def test_a_policy_without_exceptions_binds_the_pages_to_this_server(serve) -> None:
    async with serve() as client:
        for path in ("/console/", MAIN):
            policy = (await client.get(path)).headers["content-security-policy"]
            rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
            assert rules["default-src"] == "'none'"
            assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
            assert rules["frame-ancestors"] == rules["base-uri"] == "'none'"
            assert "unsafe" not in policy and "http" not in policy and "*" not in policy


async def test_a_file_is_sent_small_and_once(serve) -> None:
    async with serve() as client:
        script = await client.get(MAIN, headers={"accept-encoding": "gzip"})
        assert script.headers["content-encoding"] == "gzip"
        assert script.headers["cache-control"] == "no-cache"
        known = {"if-none-match": script.headers["etag"]}
        assert (await client.get(MAIN, headers=known)).status_code == 304


@pytest.mark.parametrize("path", ["../pages.py", "%2e%2e/pages.py", "none.js", ""])
async def test_nothing_but_the_files_is_served(serve, path: str) -> None:
    async with serve() as client:
        answer = await client.get(f"/console/static/{path}")
        assert "add_console" not in answer.text
        assert answer.status_code in (200, 404)
        assert answer.status_code == 404 or answer.text.startswith("<!doctype html>")


async def test_the_page_learn_is_told_of_every_family_that_can_be_learned(serve) -> None:
    async with serve() as client:
        answer = await client.get("/console/families.json")
        told = answer.json()
    assert answer.headers["cache-control"] == "no-cache"
    assert [one["name"] for one in told] == [one.name for one in learnable()]
    assert {one["name"] for one in told if not one["is_trained"]} == {"patchcore"}
    assert all(one["about"].endswith(".") for one in told)


async def test_strangers_get_the_pages_and_nothing_of_the_server(serve) -> None:
    async with serve(keys=KEYS) as client:
        assert (await client.get("/console/models")).status_code == 200
        assert (await client.get(MAIN)).status_code == 200
        assert (await client.get("/v1/session")).status_code == 401


async def test_a_caller_is_told_who_he_is_and_what_he_may_do(serve) -> None:
    async with serve(keys=KEYS) as client:
        told = (await client.get("/v1/session", headers=bearer("leader"))).json()
        assert told == {"caller": "leader", "scopes": ["operate", "read"], "known": True}
    async with serve() as client:
        told = (await client.get("/v1/session")).json()
        assert told["known"] is False
        assert told["scopes"] == ["inspect", "operate", "read", "review"]


async def test_every_style_sheet_comes_at_once_and_is_not_sent_again(serve) -> None:
    async with serve() as client:
        plain = await client.get("/console/styles.css", headers={"accept-encoding": "identity"})
        packed = await client.get("/console/styles.css", headers={"accept-encoding": "gzip"})
        known = {"if-none-match": packed.headers["etag"]}
        again = await client.get("/console/styles.css", headers=known)
    sheets = {path.relative_to(STATIC).as_posix(): path for path in STATIC.rglob("*.css")}
    assert set(STYLES) == set(sheets)
    assert all(path.read_text("utf-8") in plain.text for path in sheets.values())
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == plain.text
    assert (again.status_code, again.content) == (304, b"")
