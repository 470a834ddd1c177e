"""A recipe of two views, and pictures of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from takt.app import create_app
from takt.settings import Settings

ROOT = Path(__file__).parents[3]

RECIPE: dict[str, Any] = {
    "number": 7,
    "deadline_ms": 60_000,
    "alpha": 0.1,
    "views": [
        {"name": "top", "model": "parts", "camera": {"exposure_us": 900.0}},
        {"name": "side", "model": "parts"},
    ],
}
"""Two views of which the model of tests, with its 40 good pictures, carries each at 5 %."""


async def save(client: httpx.AsyncClient, name: str = "bracket", **changed: Any) -> dict[str, Any]:
    """Save a recipe; gives it as it was answered."""
    answer = await client.put(f"/v1/recipes/{name}", json={**RECIPE, **changed})
    assert answer.status_code == 200, answer.text
    return answer.json()["recipe"]


async def send(
    client: httpx.AsyncClient, part: str, view: str, picture: bytes, **query: Any
) -> httpx.Response:
    """Send a view of a part."""
    return await client.post(
        f"/v1/parts/{part}/views/{view}",
        content=picture,
        params={"recipe": "bracket", **query},
    )


@pytest.fixture(scope="session")
def openapi() -> dict[str, Any]:
    """The OpenAPI document of a server with its own settings."""
    return create_app(Settings(repository=ROOT / "examples/bank")).openapi()


@pytest.fixture
def good(picture_bytes: Callable[..., bytes]) -> bytes:
    """A picture that scores 0.2."""
    return picture_bytes(50)
