"""The camera of a made-up plant: a process that answers a GET with what is before it.

python -m service.station.plant.camera PORT PLANT.json
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from service.station.plant.conveyor import Conveyor, PartPictures
from service.station.plant.layout import PlantLayout, pictures_of

SEEN: Final = "X-Part"
"""Header of the answer: number of the part that the picture shows; 0 for the gap."""


class PlantCamera:
    """Serves snapshots of a conveyor, from `start` to `stop`.

    >>> import urllib.request
    >>> conveyor = Conveyor(0.0, 1.0, 0.5, parts=2, seed=1, defects=0.0)
    >>> pictures = PartPictures([b"good"], [b"bad"], b"gap")
    >>> camera = PlantCamera(lambda: conveyor, pictures, lambda: 1.2)
    >>> camera.start()
    >>> urllib.request.urlopen(camera.url).read()
    b'good'
    >>> camera.stop()

    Args:
        conveyor_of: gives what is before the camera.
        pictures: of its parts.
        now_s: the conveyor's clock.
        port: to listen on, on this machine alone; 0 takes a free one.
    """

    def __init__(
        self,
        conveyor_of: Callable[[], Conveyor],
        pictures: PartPictures,
        now_s: Callable[[], float] = time.monotonic,
        port: int = 0,
    ) -> None:
        class Snapshot(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                conveyor = conveyor_of()
                part = conveyor.at_camera(now_s())
                body = pictures.gap if part is None else conveyor.picture(part, pictures)
                self.send_response(200)
                self.send_header("Content-Type", "image/jpeg")
                self.send_header("Content-Length", str(len(body)))
                self.send_header(SEEN, str(part or 0))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Snapshot)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/snapshot.jpg"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def serve(self) -> None:
        """Answer until the process ends."""
        self._server.serve_forever()


def main(port: str, path: str) -> None:
    """Be the camera of a plant until the process is ended."""
    file = Path(path)
    pictures = pictures_of(PlantLayout.read(file))
    # The conveyor starts once all is ready.
    PlantCamera(lambda: PlantLayout.read(file).conveyor, pictures, port=int(port)).serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
