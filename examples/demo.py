"""The demo: serve the shipped model, post real pictures to it, print what it says of each.

Needs nothing but Python's standard library and a `takt` command.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
START_TIMEOUT_S = 120
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Past any proxy, which would have no way to this very machine."""


def main() -> None:
    """Run the demo; exits 0 only if every picture was answered."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--takt", default="takt", help="the command that serves")
    parser.add_argument("--models", type=Path, default=HERE / "bank")
    parser.add_argument("--pictures", type=Path, default=HERE / "pictures")
    parser.add_argument("--model", default="pitting")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for overlays")
    given = parser.parse_args()

    pictures = sorted(given.pictures.glob("*/*.jpg"))
    if not pictures:
        sys.exit(f"there are no pictures <truth>/<name>.jpg below {given.pictures}")
    given.out.mkdir(parents=True, exist_ok=True)
    with server(given.takt, given.models, given.out / "data") as url:
        print(f"{'picture':<42} {'truth':<9} {'score':>8} {'verdict':<9} {'regions':>7} {'ms':>7}")
        seen = [inspect(url, given.model, picture, given.out) for picture in pictures]
    right = sum(one.right for one in seen)
    p50_ms = statistics.median(one.latency_ms for one in seen)
    print(
        f"\n{right} of {len(pictures)} verdicts agree with the truth; p50 {p50_ms:.1f} ms; "
        f"overlays: {given.out}/"
    )


@dataclass(frozen=True)
class Seen:
    """A picture that was answered: whether the verdict is the truth, and after how long."""

    right: bool
    latency_ms: float


def inspect(url: str, model: str, picture: Path, out: Path) -> Seen:
    """Post one picture, print its line, keep its overlay."""
    truth = picture.parent.name
    started_s = time.perf_counter()
    answer = post(f"{url}/v1/models/{model}/inspect?heatmap=overlay", picture.read_bytes())
    latency_ms = (time.perf_counter() - started_s) * 1000
    verdict = "anomalous" if answer["anomalous"] else "good"
    print(
        f"{picture.name:<42} {truth:<9} {answer['score']:8.4f} {verdict:<9} "
        f"{len(answer['regions']):7d} {latency_ms:7.1f}"
    )
    overlay = base64.b64decode(answer["heatmap"]["data"])
    (out / f"{truth}_{picture.stem}.jpg").write_bytes(overlay)
    return Seen(answer["anomalous"] is (truth != "good"), latency_ms)


def post(url: str, body: bytes) -> dict[str, Any]:
    """Post a picture; a refusal ends the demo with the service's own words."""
    request = urllib.request.Request(url, body, {"Content-Type": "image/jpeg"})
    try:
        with DIRECT.open(request, timeout=60) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        sys.exit(f"the service refused: {error.read().decode()}")
    except OSError as error:
        sys.exit(f"the service went away: {error}; see its log above")


@contextlib.contextmanager
def server(takt: str, models: Path, data: Path) -> Iterator[str]:
    """A server on a free port, ready; it is stopped at the end, and its record stays in `data`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # The table below says the same as the request log.
    serve = [takt, "serve", "--repository", str(models), "--port", str(port)]
    serve += ["--data-folder", str(data)]
    if shutil.which(takt) is None:
        sys.exit(f"there is no command {takt}; `make demo` installs it")
    with subprocess.Popen([*serve, "--no-request-log"]) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_ready(url, process)
            yield url
        finally:
            process.terminate()
            process.wait(timeout=60)


def wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until the model answered its golden inputs."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            sys.exit(f"the server ended with status {process.returncode}")
        with contextlib.suppress(OSError), DIRECT.open(f"{url}/health/ready", timeout=5):
            return
        time.sleep(0.2)
    sys.exit(f"the server was not ready within {START_TIMEOUT_S} s; see its log above")


if __name__ == "__main__":
    main()
