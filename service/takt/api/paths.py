"""Paths of models: one handler serves a model's active version and each version by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Path
from starlette.requests import HTTPConnection

Name = Annotated[str, Path(description="The model's name.")]

Handler = TypeVar("Handler", bound=Callable[..., Any])


def versioned(
    route: Callable[..., Callable[[Handler], Handler]],
    path: str,
    version_name: str,
    **options: Any,
) -> Callable[[Handler], Handler]:
    """Decorates the handler of two routes: the model's active version, and one that is named.

    The handler reads the version with `version_of`.

    >>> from fastapi import APIRouter
    >>> router = APIRouter()
    >>> @versioned(router.get, "/models/{name}/ready", "version_ready")
    ... async def ready(request: HTTPConnection, name: Name) -> None: ...
    >>> [route.path for route in router.routes]
    ['/models/{name}/ready', '/models/{name}/versions/{version}/ready']

    Args:
        route: such as `router.get`.
        path: of the active version, with `{name}`.
        version_name: name of the other route, of which its operation id is made.
        options: further arguments of both routes.
    """

    def register(handler: Handler) -> Handler:
        route(path, **options)(handler)
        return route(
            version_path(path), name=version_name, dependencies=[Depends(_version)], **options
        )(handler)

    return register


def version_path(path: str) -> str:
    """The path of one version, by that of the active one."""
    return path.replace("{name}", "{name}/versions/{version}")


def version_of(connection: HTTPConnection) -> str | None:
    """The version that the path names; None where it names none."""
    version: str | None = connection.path_params.get("version")
    return version


async def _version(
    version: Annotated[str, Path(description="One version of it; without, the active one.")],
) -> None:
    """Describes the version in the API's documentation."""
