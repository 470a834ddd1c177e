"""What there is at a URL: models, and folders of their versions.

A web server tells it by `index.json`, or else by the pages that it makes of folders.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote, urljoin, urlsplit

from pydantic import Field

from takt.core.bundles.manifest import READABLE_VERSION
from takt.core.bundles.reading import RECORD_BYTES
from takt.core.bundles.strict_model import StrictModel
from takt.core.errors import BundleError, UnavailableError
from takt.core.naming import NAME_PATTERN, is_model_name
from takt.mirroring.store import Store

INDEX = "index.json"

Listing = Mapping[str, tuple[str, ...] | None]
"""By model: names of its versions; None where its folder may not be read."""

_MOST_VERSIONS = 1000
"""In all models; each costs a request at every look."""

_Names = Callable[..., list[str]]

_LINK = re.compile(r"""href=["']([^"'<>]{1,500})["']""", re.IGNORECASE)
"""The target of a link; simple, so that no page takes long."""

_VERSION = re.compile(READABLE_VERSION)
"""What a bundle's folder may be called; whether it is a version is told once it is read."""

_Name = Annotated[str, Field(pattern=NAME_PATTERN)]
_Version = Annotated[str, Field(pattern=READABLE_VERSION)]


class Index(StrictModel):
    """`index.json`: what a web server has that does not list its folders."""

    format_version: Literal[1] = 1
    models: dict[_Name, tuple[_Version, ...]]


def list_store(store: Store) -> Listing:
    """All models and versions.

    Raises:
        UnavailableError: the store does not answer, or has nothing.
        BundleError: there are too many, or the index cannot be understood.
    """
    found = _index(store) if store.is_web else None
    if found is None:
        names = _page if store.is_web else Store.folders
        found = {model: _versions(store, model, names) for model in _models(store, names)}
    if sum(len(versions or ()) for versions in found.values()) > _MOST_VERSIONS:
        raise BundleError(f"{store.shown()} has more than {_MOST_VERSIONS} versions of models")
    if not found:
        raise UnavailableError(f"{store.shown()} has no folder of a model")
    return found


def _index(store: Store) -> Listing | None:
    try:
        content = store.read(INDEX, most_bytes=RECORD_BYTES)
    except (FileNotFoundError, PermissionError):
        return None
    return dict(Index.checked(content, Path(INDEX), BundleError).models)


def _models(store: Store, names: _Names) -> list[str]:
    try:
        return sorted(filter(is_model_name, {*names(store)}))
    except FileNotFoundError:
        raise UnavailableError(f"there is no {store.shown()}") from None
    except PermissionError:
        raise UnavailableError(
            f"{store.shown()} may not be read: are the credentials there, and right?"
        ) from None


def _versions(store: Store, model: str, names: _Names) -> tuple[str, ...] | None:
    try:
        return tuple(sorted(filter(_VERSION.fullmatch, {*names(store, model)})))
    except FileNotFoundError:
        return ()
    except PermissionError:
        return None


def _page(store: Store, *parts: str) -> list[str]:
    """Names of the folders that the page of a folder links to."""
    page = store.read(*parts, "", most_bytes=RECORD_BYTES).decode("utf-8", "replace")
    here = store.shown(*parts) + "/"
    folder = urlsplit(here)
    names = []
    for link in _LINK.findall(page):
        with contextlib.suppress(ValueError):  # it is no URL
            target = urlsplit(urljoin(here, link))
            inside = target.path.removeprefix(folder.path)
            if target.netloc == folder.netloc and inside.endswith("/"):
                names.append(unquote(inside[:-1]))
    return names
