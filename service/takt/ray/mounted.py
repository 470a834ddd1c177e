"""The application below a path, as one of several on a cluster."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class Mounted:
    """Takes away the path that leads to the application, which knows its own paths only.

    Args:
        app: the application inside.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or have a conversation."""
        prefix = scope.get("root_path", "")
        if prefix and scope["path"].startswith(prefix):
            path = scope["path"].removeprefix(prefix) or "/"
            scope = {**scope, "path": path, "raw_path": path.encode(), "root_path": ""}
        await self._app(scope, receive, send)
