"""The place that bundles come from, where that is a URL; imports nothing that could open it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from takt.core.errors import ConfigurationError

SCHEMES: Final = ("file", "http", "https", "s3", "gs")

_WEB: Final = ("http", "https")

MIRRORS: Final = "mirror"
"""Folder of all mirrors, in the folder for what the server keeps."""

_SLUG_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Location:
    """A URL that bundles come from.

    Attributes:
        scheme: one of `SCHEMES`.
        url: without user, password and a slash at its end; may be shown.
        place: what follows the scheme, as a file system takes it.
        user: of the URL, if it names one.
        password: of that user.
    """

    scheme: str
    url: str
    place: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)


def is_url(repository: str) -> bool:
    """Whether a repository is named by a URL, and not by a folder.

    >>> is_url("s3://bundles/line-3"), is_url("bundles"), is_url("/srv/bundles")
    (True, False, False)
    """
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", repository) is not None


def shown(repository: str) -> str:
    """A repository as it may be shown: a URL without user, password, token and end slash.

    >>> shown("https://me:word@host/bundles/?token=1")
    'https://host/bundles'
    >>> shown("/srv/user@host/bundles")
    '/srv/user@host/bundles'
    """
    if not is_url(repository):
        return repository
    scheme, _, rest = re.sub(r"[?#].*", "", repository, flags=re.DOTALL).partition("://")
    # To the last one, as passwords may hold whatever is no slash in others.
    return f"{scheme.lower()}://{rest.rpartition('@')[2].rstrip('/')}"


def mirror_folder(data_folder: Path, repository: str) -> Path:
    """The folder that is kept equal to a URL.

    >>> mirror_folder(Path("takt-data"), "s3://bundles/line-3/").as_posix()
    'takt-data/mirror/bundles-line-3-2b5975e7'
    """
    url = shown(repository)
    slug = re.sub(r"[^A-Za-z0-9._]+", "-", url.partition("://")[2]).strip(".-")
    digest = hashlib.sha256(url.encode()).hexdigest()[:8]
    return data_folder / MIRRORS / f"{slug[:_SLUG_CHARACTERS]}-{digest}"


def parse_location(repository: str) -> Location:
    """The parts of a URL.

    Raises:
        ConfigurationError: bundles cannot come from there; the message does not show secrets.
    """
    url = shown(repository)
    scheme = repository.partition("://")[0].lower()
    if scheme in SCHEMES and scheme not in _WEB and "@" in repository:
        raise ConfigurationError(
            f"the repository {url} may name no user; docs/repositories.md says where credentials "
            "come from"
        )
    try:
        parts = urlsplit(repository)
        host, user, password, _ = parts.hostname, parts.username, parts.password, parts.port
    except ValueError as error:
        # urllib's message may hold the password.
        what = type(error).__name__
        raise ConfigurationError(f"the repository {url} is no URL ({what})") from None
    if parts.scheme not in SCHEMES:
        raise ConfigurationError(
            f"bundles cannot come from {url}: a repository is a folder, or a URL that begins with "
            f"{', '.join(f'{one}://' for one in SCHEMES)}"
        )
    if parts.query or parts.fragment:
        raise ConfigurationError(
            f"the repository {url} may have no query and no fragment; docs/repositories.md says "
            "where credentials come from"
        )
    if "@" in parts.path:
        raise ConfigurationError(f"the repository {url}: write @ in a URL as %40")
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise ConfigurationError(
                f"the repository {url} is no folder of this host; write file:///srv/bundles"
            )
        return Location(parts.scheme, url, unquote(parts.path).rstrip("/") or "/")
    if not host:
        raise ConfigurationError(f"the repository {url} names no host or bucket")
    place = url if parts.scheme in _WEB else f"{parts.netloc}{unquote(parts.path).rstrip('/')}"
    return Location(
        parts.scheme, url, place, unquote(user) if user else None, unquote(password or "") or None
    )
