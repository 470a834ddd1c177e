"""Places that bundles come from: a web server and an object store, which vanish and come back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "key-of-tests",
    "AWS_SECRET_ACCESS_KEY": "secret-of-tests",
    "AWS_DEFAULT_REGION": "us-east-1",
    # No instance of a cloud is asked for credentials.
    "AWS_EC2_METADATA_DISABLED": "true",
}


class _Quiet(SimpleHTTPRequestHandler):
    def __init__(self, *args: object, shelf: WebShelf, **kwargs: object) -> None:
        self.shelf = shelf
        super().__init__(*args, directory=str(shelf.folder), **kwargs)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.shelf.asked.append(self.path)
        self.shelf.credentials += self.headers.get_all("Authorization", [])
        if self.shelf.status:
            self.send_error(self.shelf.status)
        elif self.path.endswith("/") and not self.shelf.lists:
            self.send_error(403)
        elif not any(self.path.endswith(one) for one in self.shelf.stalls):
            super().do_GET()
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"the first bytes")
            self.shelf.stalled.set()
            self.shelf.ended.wait(60)

    def log_message(self, format: str, *args: object) -> None:
        pass


class WebShelf:
    """A folder behind a plain web server.

    Attributes:
        status: what every request gets, if it is set.
        lists: whether pages of folders are made.
        stalls: ends of paths whose files never come whole.
        stalled: set once such a file was asked for.
        asked: the paths that were.
        credentials: that came with them.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.status = 0
        self.lists = True
        self.stalls: set[str] = set()
        self.stalled = threading.Event()
        self.ended = threading.Event()
        self.asked: list[str] = []
        self.credentials: list[str] = []
        self._port = 0
        self.back()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def back(self) -> None:
        handler = partial(_Quiet, shelf=self)
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), handler)
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def vanish(self) -> None:
        self._server.shutdown()
        self.ended.set()
        self._server.server_close()
        self._thread.join()

    def put(self, name: str, content: bytes) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def delete(self, name: str) -> None:
        (self.folder / name).unlink()


class S3Shelf:
    """A bucket of moto's server, which speaks S3 over HTTP."""

    def __init__(self) -> None:
        from moto.moto_server import werkzeug_app as moto  # imports half of AWS
        from werkzeug.serving import make_server

        app = moto.DomainDispatcherApplication(moto.create_backend_app)
        handler = moto.MotoRequestHandler
        self._make = partial(make_server, app=app, threaded=True, request_handler=handler)
        self._port = 0
        self.back()
        # The server's memory is the process's.
        self._client.post(f"{self.endpoint}/moto-api/reset").raise_for_status()
        self._ask("PUT", "")

    @property
    def url(self) -> str:
        return "s3://bundles/line-3"

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def back(self) -> None:
        self._client = httpx.Client()
        self._server = self._make("127.0.0.1", self._port)
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def vanish(self) -> None:
        self._client.close()
        self._server.shutdown()
        self._thread.join()

    def put(self, name: str, content: bytes) -> None:
        self._ask("PUT", f"/line-3/{name}", content)

    def delete(self, name: str) -> None:
        self._ask("DELETE", f"/line-3/{name}")

    def _ask(self, method: str, name: str, content: bytes = b"") -> None:
        # moto checks no signature, but what a stranger may do.
        scope = "Credential=tests/20260101/us-east-1/s3/aws4_request"
        signed = {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"}
        url = f"{self.endpoint}/bundles{name}"
        self._client.request(method, url, content=content, headers=signed).raise_for_status()


Shelf = WebShelf | S3Shelf


def upload(shelf: Shelf, version: Path, *, spoil: str = "") -> None:
    """Upload `<model>/<version>`, its manifest last; one file with another content."""
    files = sorted(version.iterdir(), key=lambda file: file.name == "manifest.json")
    for file in files:
        content = file.read_bytes()
        if file.name == spoil:
            content = bytes([content[0] ^ 1]) + content[1:]
        shelf.put(f"{version.parent.name}/{version.name}/{file.name}", content)


@contextmanager
def web_shelf(folder: Path) -> Iterator[WebShelf]:
    shelf = WebShelf(folder)
    try:
        yield shelf
    finally:
        shelf.vanish()


@contextmanager
def s3_shelf() -> Iterator[S3Shelf]:
    shelf = S3Shelf()
    try:
        yield shelf
    finally:
        shelf.vanish()
