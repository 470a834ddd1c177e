"""What there is, as folders, pages and an index tell it."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from takt.core.errors import BundleError, UnavailableError
from takt.mirroring import listing as module
from takt.mirroring.listing import list_store
from takt.mirroring.location import parse_location
from takt.mirroring.store import Store, open_store
from tests.shelves import WebShelf, web_shelf

DOCS = Path(__file__).parents[4] / "docs"


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[WebShelf]:
    with web_shelf(tmp_path / "there") as shelf:
        shelf.put("nuts/1/manifest.json", b"{}")
        shelf.put("parts/1/manifest.json", b"{}")
        shelf.put("parts/2.0-rc1/manifest.json", b"{}")
        shelf.put("parts/.hidden/manifest.json", b"{}")
        shelf.put("readme.txt", b"")
        yield shelf


@pytest.fixture
def store(shelf: WebShelf) -> Store:
    return open_store(parse_location(shelf.url), threading.Event())


ALL = {"nuts": ("1",), "parts": ("1", "2.0-rc1")}


def test_pages_of_folders_name_models_and_versions(store: Store) -> None:
    assert list_store(store) == ALL


def test_folders_do_and_links_to_them_are_passed_over(shelf: WebShelf) -> None:
    (shelf.folder / "parts" / "latest").symlink_to("1")
    store = open_store(parse_location(shelf.folder.as_uri()), threading.Event())
    assert list_store(store) == ALL


NGINX = b"""<html><head><title>Index of /</title></head><body><h1>Index of /</h1><hr><pre>
<a href="../">../</a>
<a href="parts/">parts/</a>   27-Nov-2026 06:00   -
</pre><hr></body></html>"""
APACHE = b"""<table><tr><th><a href="?C=N;O=D">Name</a></th></tr>
<tr><td><a href="/">Parent Directory</a></td></tr>
<tr><td><a href="parts/">parts/</a></td></tr></table>"""
HOSTILE = b"""<a href="//elsewhere/parts2/"></a><a href="http://elsewhere/x/"></a>
<a href="%2e%2e/"></a><a href="a%2fb/"></a><a href="http://[/"><a href=""></a><a href="x y/">
<a href="parts/"></a>"""


@pytest.mark.parametrize("page", [NGINX, APACHE, HOSTILE], ids=["nginx", "apache", "hostile"])
def test_only_folders_of_the_place_itself_are_taken_from_a_page(
    shelf: WebShelf, store: Store, page: bytes
) -> None:
    shelf.put("index.html", page)
    shelf.put("parts/index.html", b'<a href="1/"><a href="2.0-rc1/"><a href="../3/"><a href="/4/">')
    assert list_store(store) == {"parts": ALL["parts"]}


def test_an_index_stands_for_pages_that_there_are_not(shelf: WebShelf, store: Store) -> None:
    shelf.lists = False
    with pytest.raises(UnavailableError, match="may not be read"):
        list_store(store)
    shelf.put("index.json", json.dumps({"models": {"parts": ["1"]}}).encode())
    assert list_store(store) == {"parts": ("1",)}


def test_the_documented_command_writes_that_index(shelf: WebShelf, store: Store) -> None:
    text = (DOCS / "repositories.md").read_text("utf-8")
    found = re.search(r"python3 -c '([^']+)' > index.json", text)
    assert found is not None
    written = subprocess.run(
        [sys.executable, "-c", found[1]], cwd=shelf.folder, capture_output=True, check=True
    )
    shelf.lists = False
    shelf.put("index.json", written.stdout)
    assert list_store(store) == ALL


@pytest.mark.parametrize(
    "index", [b"<html>", b'{"models": {"../up": ["1"]}}', b'{"models": {"parts": ["a/b"]}}']
)
def test_an_index_that_is_none_is_refused(shelf: WebShelf, store: Store, index: bytes) -> None:
    shelf.put("index.json", index)
    with pytest.raises(BundleError, match=r"index\.json"):
        list_store(store)


def test_a_model_that_may_not_be_read_is_unknown_and_not_empty(
    shelf: WebShelf, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = module._page

    def page(store: Store, *parts: str) -> list[str]:
        if parts == ("parts",):
            raise PermissionError
        return read(store, *parts)

    monkeypatch.setattr(module, "_page", page)
    assert list_store(store) == {"nuts": ("1",), "parts": None}


def test_more_versions_than_anybody_has_are_refused(shelf: WebShelf, store: Store) -> None:
    shelf.put("index.json", json.dumps({"models": {"a": [str(n) for n in range(1001)]}}).encode())
    with pytest.raises(BundleError, match="more than 1000 versions"):
        list_store(store)
