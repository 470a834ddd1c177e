"""A store at the end of a wire: its errors, its bounds and its pace."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from takt.core.distribution import install_hint
from takt.core.errors import BundleError, ConfigurationError, UnavailableError
from takt.mirroring import store as module
from takt.mirroring.location import Location, parse_location
from takt.mirroring.store import Store, open_store
from tests.shelves import WebShelf, web_shelf
from tests.tree import declared


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[WebShelf]:
    with web_shelf(tmp_path / "there") as shelf:
        yield shelf


@pytest.fixture
def ending() -> threading.Event:
    return threading.Event()


@pytest.fixture
def store(shelf: WebShelf, ending: threading.Event) -> Store:
    return open_store(parse_location(shelf.url), ending)


def test_a_file_comes_whole_in_one_request(store: Store, shelf: WebShelf) -> None:
    content = bytes(range(256)) * 20_000
    shelf.put("parts/1/model.onnx", content)

    assert store.read("parts", "1", "model.onnx", most_bytes=len(content)) == content
    assert shelf.asked == ["/parts/1/model.onnx"]


def test_more_bytes_than_may_be_read_end_the_reading(store: Store, shelf: WebShelf) -> None:
    shelf.put("a", bytes(11))
    with pytest.raises(BundleError, match="more than the 10 bytes"):
        store.read("a", most_bytes=10)


def test_a_file_that_is_not_there_is_told_apart_from_a_store_that_is_away(
    store: Store, shelf: WebShelf
) -> None:
    with pytest.raises(FileNotFoundError):
        store.read("a", most_bytes=10)
    shelf.status = 403
    with pytest.raises(PermissionError):
        store.read("a", most_bytes=10)
    shelf.status = 503
    with pytest.raises(UnavailableError, match="does not answer: 503"):
        store.read("a", most_bytes=10)
    shelf.vanish()
    with pytest.raises(UnavailableError, match="does not answer"):
        store.read("a", most_bytes=10)
    shelf.back()


def test_a_password_is_sent_and_in_no_message(shelf: WebShelf, ending: threading.Event) -> None:
    url = shelf.url.replace("://", "://me:secretword@")
    shelf.put("a", b"a")
    store = open_store(parse_location(url), ending)
    assert store.read("a", most_bytes=10) == b"a"
    assert shelf.credentials == ["Basic bWU6c2VjcmV0d29yZA=="]

    shelf.status = 500
    with pytest.raises(UnavailableError) as raised:
        store.read("a", most_bytes=10)
    assert "secretword" not in str(raised.value) and "me:" not in str(raised.value)


def test_a_password_may_stand_in_a_file_of_its_own(
    shelf: WebShelf,
    ending: threading.Event,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secretword\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    shelf.put("a", b"a")

    open_store(parse_location(shelf.url), ending).read("a", most_bytes=10)
    assert shelf.credentials == ["Basic bWU6c2VjcmV0d29yZA=="]


def test_a_store_that_falls_silent_is_given_up(
    shelf: WebShelf, ending: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SILENT_S", 0.1)
    shelf.put("a", b"")
    shelf.stalls = {"a"}
    with pytest.raises(UnavailableError, match="does not answer"):
        open_store(parse_location(shelf.url), ending).read("a", most_bytes=1 << 20)


class _Drops:
    """A file that comes by single bytes."""

    async_impl = False

    def info(self, path: str) -> dict[str, Any]:
        return {"type": "file", "size": 1 << 20}

    def open(self, path: str, *_: object, **__: object) -> "_Drops":
        return self

    def read(self, count: int) -> bytes:
        return b"a"

    def close(self) -> None:
        raise OSError("nobody minds")


def test_a_store_that_sends_single_bytes_is_given_up() -> None:
    times = iter(range(1000))
    drops = Store(
        Location("s3", "s3://b", "b"), _Drops, threading.Event(), lambda: float(next(times))
    )
    with pytest.raises(UnavailableError, match="fewer than 32 KiB/s"):
        list(drops.chunks("a", most_bytes=1 << 20))


def test_at_the_end_of_the_server_nothing_more_is_read(
    store: Store, shelf: WebShelf, ending: threading.Event
) -> None:
    shelf.put("a", bytes(3 << 20))
    chunks = store.chunks("a", most_bytes=4 << 20)
    next(chunks)
    ending.set()
    with pytest.raises(UnavailableError, match="ending"):
        next(chunks)
    with pytest.raises(UnavailableError, match="ending"):
        store.read("a", most_bytes=4 << 20)


def test_an_empty_file_is_empty_and_a_large_one_is_not_read(
    tmp_path: Path, ending: threading.Event
) -> None:
    files = open_store(parse_location(tmp_path.as_uri()), ending)
    (tmp_path / "empty").touch()
    (tmp_path / "large").write_bytes(bytes(11))
    assert files.read("empty", most_bytes=10) == b""
    with pytest.raises(BundleError, match="more than the 10 bytes"):
        files.read("large", most_bytes=10)


@pytest.mark.parametrize("scheme, package", [("s3", "s3fs"), ("gs", "gcsfs"), ("https", "fsspec")])
def test_a_package_that_is_missing_is_told_with_its_command(
    scheme: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(module.importlib, "import_module", fail)
    extras = declared("takt-inspection")["optional-dependencies"]
    assert any(one.startswith(package) for one in extras[scheme])
    with pytest.raises(ConfigurationError) as raised:
        open_store(parse_location(f"{scheme}://bundles"), threading.Event())
    told = f"bundles from {scheme}:// need {package}: {install_hint(scheme)}"
    assert str(raised.value) == told


def test_a_pipe_is_no_file(tmp_path: Path, ending: threading.Event) -> None:
    os.mkfifo(tmp_path / "a")
    with pytest.raises(FileNotFoundError):
        open_store(parse_location(tmp_path.as_uri()), ending).read("a", most_bytes=10)
