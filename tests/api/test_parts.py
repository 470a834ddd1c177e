"""A part of somebody's own, in an app that has all the others."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter

from takt.app import PARTS, create_app
from takt.core.bundles.bundle import Bundle
from takt.core.engines.fake import FakeEngine
from takt.core.errors import ConfigurationError
from takt.parts.composing.foundation import Foundation
from takt.parts.composing.part import Left, ServerPart
from takt.security.routes import RouteNeed
from takt.settings import Settings
from tests.api.apps import until
from tests.api.keys import KEYS, bearer
from tests.conftest import InstallPlugins

READ = RouteNeed("GET", "/v1/greeting", "read")


@dataclass
class Greeting:
    """Makes a part that says hello, and has what became of it."""

    needs: tuple[RouteNeed, ...] = (READ,)
    told: list[str] = field(default_factory=list)

    def part(self, foundation: Foundation) -> ServerPart:
        router = APIRouter()
        path = "/v1/greeting"

        @router.get(path)
        async def greet_somebody() -> list[str]:
            return foundation.models.repository.names

        async def work() -> None:
            self.told.append("works")
            try:
                await asyncio.Event().wait()
            finally:
                self.told.append("is cancelled")

        async def close(left_s: Left) -> None:
            self.told.append("closes")

        return ServerPart(
            name="greeting", routers=(router,), needs=self.needs, jobs=(work,), close=close
        )


@pytest.fixture
def make(bundle: Bundle, repository: Path) -> Callable[[Greeting], httpx.ASGITransport]:
    def made(greeting: Greeting) -> httpx.ASGITransport:
        settings = Settings(repository=repository, allowed_hosts="takt", keys=KEYS)
        app = create_app(settings, lambda _: FakeEngine(), parts=(*PARTS, greeting.part))
        return httpx.ASGITransport(app)

    return made


PLUGGED = """
from fastapi import APIRouter
from takt.parts.composing.part import ServerPart
from takt.security.routes import RouteNeed

def part(foundation):
    router = APIRouter()

    @router.get("/v1/greeting")
    async def greet_somebody() -> str:
        return "hello from another distribution"

    needs = (RouteNeed("GET", "/v1/greeting", "read"),)
    return ServerPart(name="greeting", routers=(router,), needs=NEEDS)
"""


async def test_a_part_of_another_distribution_is_added_by_the_setting_plugins(
    bundle: Bundle, repository: Path, install_plugins: InstallPlugins
) -> None:
    text = PLUGGED.replace("NEEDS", "needs")
    install_plugins({"takt.parts": {"greeting": "made_up_part:part"}}, {"made_up_part": text})
    settings = Settings(repository=repository, allowed_hosts="takt", plugins=("greeting",))
    app = create_app(settings, lambda _: FakeEngine())

    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://takt") as client,
    ):
        answer = await client.get("/v1/greeting")

    assert answer.json() == "hello from another distribution"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PLUGGED.replace("NEEDS", "()"), "/v1/greeting"),
        ("part = 3", "made_up_part:part is no function"),
        ("def part(foundation):\n    return 3", "gives int, no ServerPart"),
        ("def part(foundation):\n    raise LookupError('no such camera')", "no such camera"),
    ],
)
def test_a_part_of_a_plugin_that_cannot_be_used_is_refused_with_the_reason(
    bundle: Bundle, repository: Path, install_plugins: InstallPlugins, text: str, said: str
) -> None:
    install_plugins({"takt.parts": {"greeting": "made_up_part:part"}}, {"made_up_part": text})
    settings = Settings(repository=repository, plugins=("greeting",))

    with pytest.raises(ConfigurationError, match=re.escape(said)):
        create_app(settings, lambda _: FakeEngine())


async def test_one_line_adds_a_route_a_job_and_an_end(make) -> None:
    greeting = Greeting()
    transport = make(greeting)
    async with (
        transport.app.router.lifespan_context(transport.app),
        httpx.AsyncClient(transport=transport, base_url="http://takt") as client,
    ):
        await until(lambda: greeting.told == ["works"])
        answer = await client.get("/v1/greeting", headers=bearer("scraper"))
        assert (answer.status_code, answer.json()) == (200, ["parts"])
        for headers, status in (({}, 401), (bearer("camera"), 403)):
            assert (await client.get("/v1/greeting", headers=headers)).status_code == status
        documented = (await client.get("/openapi.json")).json()["paths"]
        assert documented["/v1/greeting"]["get"]["security"][0] == {"key": ["read"]}
        assert list(documented)[-1] == "/v1/greeting"
    assert greeting.told == ["works", "is cancelled", "closes"]


def test_a_route_of_which_nothing_says_who_may_ask_is_refused(make) -> None:
    with pytest.raises(ConfigurationError, match=r"who may ask for GET /v1/greeting; name it in"):
        make(Greeting(needs=()))


def test_a_part_cannot_change_who_may_ask_for_the_routes_of_others(make) -> None:
    taken = RouteNeed("GET", "/v1/models/{name}", "nothing")
    with pytest.raises(ConfigurationError, match="would need read instead of nothing"):
        make(Greeting(needs=(READ, taken)))


def test_the_parts_begin_and_end_in_an_order_that_loses_nothing() -> None:
    names = [make.__name__ for make in PARTS]

    def before(*order: str) -> bool:
        return [name for name in names if name in order] == [*order]

    # What stands first begins first, and ends last.
    assert before("models_part", "streams_part"), "streams are answered by models that are there"
    assert before("models_part", "learning_part", "mirror_part"), "nothing comes at the end"
    assert before("record_part", "models_part"), "who asks the record is answered until then"
    assert before("audit_part", "record_part"), "the end is the audit log's last entry"
    assert before("streams_part", "tracing_part"), "spans are sent when nothing makes any"
    assert before("tracing_part", "outlets_part"), "the record takes what waits before all else"
