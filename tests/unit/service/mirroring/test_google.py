"""gs:// by gcsfs, against a stand-in for the few routes of Google's JSON API that it asks."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from takt.mirroring.listing import list_store
from takt.mirroring.location import parse_location
from takt.mirroring.store import Store, open_store

OBJECTS = "/storage/v1/b/bundles/o"


class _Api(BaseHTTPRequestHandler):
    def __init__(self, objects: dict[str, bytes], *args: Any) -> None:
        self.objects = objects
        super().__init__(*args)

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        _, _, name = asked.path.partition(f"{OBJECTS}/")
        if asked.path.rstrip("/") == OBJECTS:
            query = parse_qs(asked.query)
            self._tell(self._page(query.get("prefix", [""])[0]))
        elif unquote(name) not in self.objects:
            self._tell({"error": {"code": 404, "message": "No such object"}}, 404)
        elif asked.path.startswith("/download"):
            content = self.objects[unquote(name)]
            first, last = map(int, re.findall(r"\d+", self.headers["Range"]))
            self._answer(content[first : last + 1], 206)
        else:
            self._tell(self._of(unquote(name)))

    def _page(self, prefix: str) -> dict[str, Any]:
        below = [name for name in self.objects if name.startswith(prefix)]
        folders = {
            f"{prefix}{rest.partition('/')[0]}/"
            for name in below
            if "/" in (rest := name.removeprefix(prefix))
        }
        items = [self._of(name) for name in below if "/" not in name.removeprefix(prefix)]
        return {"prefixes": sorted(folders), "items": items}

    def _of(self, name: str) -> dict[str, str]:
        at = "2026-01-01T00:00:00Z"
        size = str(len(self.objects[name]))
        return {"name": name, "bucket": "bundles", "size": size, "updated": at, "timeCreated": at}

    def _tell(self, body: dict[str, Any], status: int = 200) -> None:
        self._answer(json.dumps(body).encode(), status)

    def _answer(self, body: bytes, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def objects() -> dict[str, bytes]:
    return {
        "line-3/parts/1/manifest.json": b"{}",
        "line-3/parts/1/model.onnx": bytes(range(256)) * 20_000,
        "line-3/parts/active.json": b"",
        "line-30/others/1/manifest.json": b"{}",
    }


@pytest.fixture
def store(objects: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Api, objects))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server.server_address[1]}")
    try:
        yield open_store(parse_location("gs://bundles/line-3"), threading.Event())
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_models_versions_and_files_come_from_google(
    store: Store, objects: dict[str, bytes]
) -> None:
    assert list_store(store) == {"parts": ("1",)}
    assert store.read("parts/1/manifest.json", most_bytes=2) == b"{}"
    assert store.read("parts/active.json", most_bytes=2) == b""
    graph = objects["line-3/parts/1/model.onnx"]
    chunks = list(store.chunks("parts/1/model.onnx", most_bytes=len(graph)))
    assert b"".join(chunks) == graph and len(chunks) > 1


def test_what_is_not_there_is_told_apart(store: Store) -> None:
    with pytest.raises(FileNotFoundError):
        store.read("parts/2/manifest.json", most_bytes=2)
