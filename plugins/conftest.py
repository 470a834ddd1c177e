"""What the project's tests have in common."""

from __future__ import annotations

from tests.conftest import anyio_backend, install_plugins

__all__ = ["anyio_backend", "install_plugins"]
