from typing import Any

import pytest

from takt.ray.mounted import Mounted


async def seen(scope: dict[str, Any]) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        found.append(scope)

    await Mounted(app)(scope, None, None)  # type: ignore[arg-type]
    return found[0]


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_the_path_that_leads_there_is_taken_away(kind: str) -> None:
    scope = await seen({"type": kind, "path": "/press/v1/models", "root_path": "/press"})
    assert (scope["path"], scope["root_path"]) == ("/v1/models", "")


async def test_its_own_first_page_is_the_root() -> None:
    assert (await seen({"type": "http", "path": "/press", "root_path": "/press"}))["path"] == "/"


async def test_without_such_a_path_nothing_changes() -> None:
    scope = {"type": "http", "path": "/v1/models", "root_path": ""}
    assert await seen(scope) is scope


async def test_the_lifespan_passes() -> None:
    assert await seen({"type": "lifespan"}) == {"type": "lifespan"}
