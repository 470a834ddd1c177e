"""The camera of a made-up plant: a process that answers a GET with what is before it.

python -m takt_station.plant.camera PORT PLANT.json
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from takt_station.plant.conveyor import Conveyor, PartPictures
from takt_station.plant.layout import PlantLayout, pictures_of


def plant_camera(
    conveyor_of: Callable[[], Conveyor],
    pictures: PartPictures,
    now_s: Callable[[], float] = time.monotonic,
    port: int = 0,
) -> ThreadingHTTPServer:
    """A server of snapshots of a conveyor, on this machine alone.

    >>> import threading, urllib.request
    >>> conveyor = Conveyor(0.0, 1.0, 0.5, parts=2, seed=1, defects=0.0)
    >>> pictures = PartPictures([b"good"], [b"bad"], b"gap")
    >>> with plant_camera(lambda: conveyor, pictures, lambda: 1.2) as server:
    ...     threading.Thread(target=server.serve_forever, args=(0.05,)).start()
    ...     urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/now.jpg").read()
    ...     server.shutdown()
    b'good'

    Args:
        conveyor_of: gives what is before the camera.
        pictures: of its parts.
        now_s: the conveyor's clock.
        port: to listen on; 0 takes a free one.
    """

    class Snapshot(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            conveyor = conveyor_of()
            part = conveyor.at_camera(now_s())
            body = pictures.gap if part is None else conveyor.picture(part, pictures)
            self.send_response(200)
            self.send_header("Content-Type", "image/jpeg")
            self.send_header("Content-Length", str(len(body)))
            # The part that the picture shows; 0 for the gap.
            self.send_header("X-Part", str(part or 0))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return ThreadingHTTPServer(("127.0.0.1", port), Snapshot)


def main(port: str, path: str) -> None:
    """Be the camera of a plant until the process is ended."""
    file = Path(path)
    pictures = pictures_of(PlantLayout.read(file))
    # The conveyor starts once all is ready.
    plant_camera(lambda: PlantLayout.read(file).conveyor, pictures, port=int(port)).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
