"""How long after the HTTP answer a verdict reaches a subscriber of the broker.

    python -m benchmarks.outlets.latency REPOSITORY MODEL PICTURE.jpg

Parts are inspected one after another at a pace; the time from the last byte of each answer to the
message with the same part is taken in one process, by one clock. It needs Debian's `mosquitto`.
"""

from __future__ import annotations

import http.client
import json
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from benchmarks.outlets.other_ends import broker
from benchmarks.realtime.server import TaktServer

MOST_P50_MS, MOST_P99_MS = 3.0, 20.0


@click.command()
@click.argument("repository", type=click.Path(exists=True, path_type=Path))
@click.argument("model")
@click.argument("picture", type=click.Path(exists=True, path_type=Path))
@click.option("--parts", default=1000, show_default=True)
@click.option("--every-ms", default=50.0, show_default=True, help="Between two parts.")
@click.option("--options", default="--engine-instances 1 --engine-threads 1", show_default=True)
def main(
    repository: Path, model: str, picture: Path, parts: int, every_ms: float, options: str
) -> None:
    """Print the median, the 99th percentile and the worst of the times."""
    with tempfile.TemporaryDirectory() as folder, broker(Path(folder)) as port:
        own = ("--mqtt-url", f"mqtt://127.0.0.1:{port}", "--data-folder", folder)
        with TaktServer(repository, *options.split(), "--no-request-log", *own) as server:
            url = f"{server.url}/v1/models/{model}/inspect"
            found_ms = measured(url, picture.read_bytes(), port, parts, every_ms / 1000)
    found_ms.sort()
    p50, p99 = statistics.median(found_ms), found_ms[int(0.99 * len(found_ms))]
    met = "met" if p50 <= MOST_P50_MS and p99 <= MOST_P99_MS else "MISSED"
    print(
        f"{len(found_ms)} verdicts after their answers: p50 {p50:.2f} ms (at most {MOST_P50_MS}), "
        f"p99 {p99:.2f} ms (at most {MOST_P99_MS}), worst {found_ms[-1]:.2f} ms: {met}"
    )


def measured(url: str, picture: bytes, port: int, parts: int, every_s: float) -> list[float]:
    """Milliseconds from each answer to its message; 0 where the message was first.

    Raises:
        SystemExit: a verdict did not come.
    """
    heard_s: dict[str, float] = {}
    subscribed = threading.Event()

    def hear(_: Client, __: object, message: Any) -> None:
        now_s = time.perf_counter()
        heard_s[json.loads(message.payload)["part"]] = now_s

    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_message = hear
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.subscribe("takt/+/+/+/verdict", 1)
    if not subscribed.wait(30):
        raise SystemExit("it could not subscribe")
    parted = urlsplit(url)
    connection = http.client.HTTPConnection(str(parted.hostname), parted.port)
    answered_s: dict[str, float] = {}
    next_s = time.perf_counter()
    for number in range(parts):
        part = f"A-{number}"
        connection.request("POST", parted.path, picture, {"X-Takt-Part": part})
        answer = connection.getresponse()
        answer.read()
        answered_s[part] = time.perf_counter()
        if answer.status != 200:
            raise SystemExit(f"an inspection is answered with {answer.status}")
        next_s = max(next_s + every_s, time.perf_counter())
        time.sleep(max(0.0, next_s - time.perf_counter()))
    give_up_s = time.monotonic() + 30
    while len(heard_s) < parts and time.monotonic() < give_up_s:
        time.sleep(0.05)
    client.loop_stop()
    client.disconnect()
    if missing := answered_s.keys() - heard_s.keys():
        raise SystemExit(f"{len(missing)} verdicts did not come")
    return [max(0.0, heard_s[part] - at_s) * 1000 for part, at_s in answered_s.items()]


if __name__ == "__main__":
    main()
