"""The documents of the API, as a server gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from takt.app import create_app
from takt.settings import Settings

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def openapi() -> dict[str, Any]:
    """The OpenAPI document of a server with its own settings."""
    return create_app(Settings(repository=ROOT / "examples/bank")).openapi()
