"""The one place where fsspec is asked for what is at a URL, and its errors become ours.

Nothing that comes from there is trusted: whatever is read has a bound and a pace.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import importlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any, Final

from takt.core.distribution import install_hint
from takt.core.errors import BundleError, ConfigurationError, TaktError, UnavailableError
from takt.mirroring.location import Location
from takt.mirroring.redirects import only_within_host

_EXTRAS: Final = {"file": "https", "http": "https", "https": "https", "s3": "s3", "gs": "gs"}
"""By scheme: the extra that reads it."""

_MODULES: Final = {
    "file": ("fsspec",),
    "http": ("fsspec", "aiohttp"),
    "https": ("fsspec", "aiohttp"),
    "s3": ("s3fs",),
    "gs": ("gcsfs",),
}

_CONNECT_S = 5.0
_SILENT_S = 10.0
"""Longest wait for the next bytes of an answer."""

_CALL_S = 30.0
"""Longest time of a call that gives no bytes, such as a listing."""

_GRACE_S = 60.0
_LEAST_BYTES_PER_S = 32 << 10
"""A file that comes slower than this, after some grace, is given up."""

_CHUNK_BYTES = 1 << 20
_BLOCK_BYTES = 4 << 20
_REASON_CHARACTERS = 200


class Store:
    """What is at a URL: folders and files; used by one thread.

    Args:
        location: the URL.
        connect: makes the file system, of fsspec, when it is first used: some ask for credentials
            then, which may take a while.
        ending: once it is set, nothing more is read.
        clock: gives seconds that never go back.

    Attributes:
        location: the URL.
    """

    def __init__(
        self,
        location: Location,
        connect: Callable[[], Any],
        ending: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.location = location
        self._connect = connect
        self._ending = ending
        self._clock = clock

    @functools.cached_property
    def _files(self) -> Any:
        return self._connect()

    @property
    def is_web(self) -> bool:
        """Whether it is a web server, which has pages instead of folders."""
        return self.location.scheme in ("http", "https")

    def shown(self, *parts: str) -> str:
        """The URL of a file or folder, for people."""
        return "/".join((self.location.url, *parts))

    def folders(self, *parts: str) -> list[str]:
        """Names of the folders in a folder; those of links are left out. Not for web servers.

        Raises:
            FileNotFoundError, PermissionError: the folder is not there, or may not be read.
            UnavailableError: the store does not answer, or the server ends.
        """
        self._check_going_on()
        with self._edge():
            found = self._files.ls(self._path(parts), detail=True, **self._within())
        return [
            PurePosixPath(one["name"].rstrip("/")).name
            for one in found
            if one["type"] == "directory" and not one.get("islink")
        ]

    def read(self, *parts: str, most_bytes: int) -> bytes:
        """The content of a file; the errors are those of `chunks`."""
        if self.is_web:
            return b"".join(self.chunks(*parts, most_bytes=most_bytes))
        self._check_going_on()
        path = self._path(parts)
        with self._edge():
            size = self._size(path)
        if size > most_bytes:
            raise self._too_large(parts, most_bytes)
        if size == 0:
            return b""
        with self._edge():
            content: bytes = self._files.cat_file(path, start=0, end=size, **self._within())
        return content

    def chunks(self, *parts: str, most_bytes: int) -> Iterator[bytes]:
        """The content of a file, as it comes.

        Raises:
            FileNotFoundError, PermissionError: it is not there, or may not be read.
            BundleError: it is larger.
            UnavailableError: the store does not answer, or too slowly, or the server ends.
        """
        began_s, total = self._clock(), 0
        self._check_going_on()
        with self._edge():
            file = self._open(self._path(parts))
        try:
            while True:
                with self._edge():
                    chunk: bytes = file.read(_CHUNK_BYTES)
                if not chunk:
                    return
                total += len(chunk)
                if total > most_bytes:
                    raise self._too_large(parts, most_bytes)
                if self._clock() - began_s > _GRACE_S + total / _LEAST_BYTES_PER_S:
                    raise UnavailableError(
                        f"{self.location.url} sends fewer than {_LEAST_BYTES_PER_S >> 10} KiB/s"
                    )
                self._check_going_on()
                yield chunk
        finally:
            with contextlib.suppress(Exception):
                file.close()

    def _check_going_on(self) -> None:
        if self._ending.is_set():
            raise UnavailableError("the server is ending")

    def _path(self, parts: tuple[str, ...]) -> str:
        return "/".join((self.location.place.rstrip("/"), *parts))

    def _within(self) -> dict[str, float]:
        """The time-out of a call, for file systems that take one."""
        return {"timeout": _CALL_S} if getattr(self._files, "async_impl", False) else {}

    def _open(self, path: str) -> Any:
        if self.is_web:
            # A stream: one request, of which nothing is asked again. A size spares asking for it.
            return self._files.open(path, "rb", block_size=0, size=1)
        size = self._size(path)
        return self._files.open(path, "rb", block_size=_BLOCK_BYTES, size=size)

    def _size(self, path: str) -> int:
        info = self._files.info(path, **self._within())
        if info["type"] != "file":
            raise FileNotFoundError(path)
        return int(info["size"])

    def _too_large(self, parts: tuple[str, ...], most_bytes: int) -> BundleError:
        return BundleError(
            f"{self.shown(*parts)} has more than the {most_bytes} bytes that are read"
        )

    @contextlib.contextmanager
    def _edge(self) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, PermissionError, TaktError):
            raise
        except Exception as error:  # each file system of fsspec has errors of its own
            if getattr(error, "status", None) in (401, 403):
                raise PermissionError from None
            raise UnavailableError(
                f"{self.location.url} does not answer: {_reason(error)}"
            ) from None


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())[:_REASON_CHARACTERS]
    if isinstance(error, TimeoutError) and not text:
        return "no answer in time"
    return f"{text} ({type(error).__name__})" if text else type(error).__name__


def open_store(location: Location, ending: threading.Event) -> Store:
    """The store at a URL; nothing is asked of it yet.

    Raises:
        ConfigurationError: the packages that read it are not installed.
    """
    for module in _MODULES[location.scheme]:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ConfigurationError(
                f"bundles from {location.scheme}:// need {error.name or module}: "
                f"{install_hint(_EXTRAS[location.scheme])}"
            ) from None
    # They would log each of their own attempts; what came of them is told here.
    for name in ("aiobotocore", "botocore", "fsspec", "gcsfs", "s3fs"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return Store(location, functools.partial(_connect, location), ending)


def _connect(location: Location) -> Any:
    import fsspec

    files = fsspec.filesystem(
        location.scheme, skip_instance_cache=True, use_listings_cache=False, **_options(location)
    )
    if location.scheme == "s3":
        files.retries = 1
    return files


def _options(location: Location) -> dict[str, Any]:
    """What a file system is made with: time-outs, and the credentials of the URL."""
    match location.scheme:
        case "http" | "https":
            import aiohttp

            client: dict[str, Any] = {
                "timeout": aiohttp.ClientTimeout(
                    total=None, sock_connect=_CONNECT_S, sock_read=_SILENT_S
                ),
                # Proxies and .netrc, which the library does not take beside a user of the URL.
                "trust_env": location.user is None,
                "trace_configs": [only_within_host()],
            }
            if location.user is not None:
                credentials = f"{location.user}:{location.password or ''}".encode()
                basic = base64.b64encode(credentials).decode()
                client["headers"] = {"Authorization": f"Basic {basic}"}
            return {"simple_links": False, "client_kwargs": client}
        case "s3":
            return {
                "config_kwargs": {
                    "connect_timeout": _CONNECT_S,
                    "read_timeout": _SILENT_S,
                    "retries": {"total_max_attempts": 2},
                }
            }
        case "gs":
            return {"requests_timeout": _SILENT_S, "timeout": _CALL_S}
        case _:
            return {}
