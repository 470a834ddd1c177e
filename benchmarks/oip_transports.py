"""The Open Inference Protocol over HTTP and over gRPC: the same server, asked by both in turns.

    python benchmarks/oip_transports.py examples/models examples/pictures/good/*.jpg

Several clients ask at a time, one picture to a request, with bodies that are made beforehand. The
server's processor time is of its process alone, so that it tells the transports apart on a busy
machine too, and whatever the clients cost. It takes two minutes at most.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import itertools
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import tritonclient.grpc
import tritonclient.http
from tritonclient.grpc import service_pb2

TAKT = Path(sys.executable).with_name("takt")
INFER = "/inference.GRPCInferenceService/ModelInfer"
HEADER_LENGTH = "Inference-Header-Content-Length"

Ask = Callable[[int], None]
"""Sends the picture of a number, and reads the whole answer."""


@dataclass(frozen=True)
class Server:
    """A server that is ready.

    Attributes:
        http: host and port of HTTP.
        grpc: of gRPC.
        process: id of its process.
    """

    http: str
    grpc: str
    process: int

    def cpu_s(self) -> float:
        """Processor time of all its threads so far."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("repository", type=Path)
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--model", help="Name; else the first of the repository.")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="Of each round and transport.")
    given = parser.parse_args()
    model = given.model or min(path.name for path in given.repository.iterdir() if path.is_dir())
    pictures = [path.read_bytes() for path in given.pictures]
    with serving(given.repository) as server:
        transports = {
            "HTTP": lambda: over_http(server, model, pictures),
            "gRPC": lambda: over_grpc(server, model, pictures),
        }
        for clients in given.clients:
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in transports}
            for _ in range(given.rounds):
                for name, connect in transports.items():
                    found[name].append(measure(server, connect, clients, given.seconds))
            report(clients, found)


def report(clients: int, found: dict[str, list[tuple[float, float]]]) -> None:
    """Print medians, and the ratios of gRPC to HTTP of the rounds."""
    for name, rounds in found.items():
        rate, cpu_ms = (statistics.median(one) for one in zip(*rounds, strict=True))
        print(
            f"{clients} clients, {name}: {rate:7.0f} images/s, "
            f"{cpu_ms:.3f} ms of the server's processor time an image"
        )
    pairs = list(zip(found["gRPC"], found["HTTP"], strict=True))
    rates, times = ([one[of] / other[of] for one, other in pairs] for of in (0, 1))
    print(
        f"{clients} clients, gRPC to HTTP: images/s {statistics.median(rates):.2f}, "
        f"processor time {statistics.median(times):.2f} (medians of {len(pairs)} pairs)"
    )


def measure(
    server: Server, connect: Callable[[], contextlib.AbstractContextManager[Ask]], clients: int,
    seconds: float,
) -> tuple[float, float]:  # fmt: skip
    """Images a second, and milliseconds of processor time an image."""
    counts, errors = [0] * clients, []
    begin, end = threading.Barrier(clients + 1), threading.Event()

    def run(index: int) -> None:
        try:
            with connect() as ask:
                for number in range(5):
                    ask(number)
                begin.wait()
                for number in itertools.count():
                    if end.is_set():
                        return
                    ask(number)
                    counts[index] += 1
        except BaseException as error:
            errors.append(error)
            begin.abort()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(clients)]
    for thread in threads:
        thread.start()
    with contextlib.suppress(threading.BrokenBarrierError):
        begin.wait()
    cpu_s, started_s = server.cpu_s(), time.monotonic()
    end.wait(0 if errors else seconds)
    done, took_s, used_s = sum(counts), time.monotonic() - started_s, server.cpu_s() - cpu_s
    end.set()
    for thread in threads:
        thread.join()
    if errors:
        raise SystemExit(f"a client failed: {errors[0]!r}")
    return done / took_s, used_s / done * 1000


@contextlib.contextmanager
def over_http(server: Server, model: str, pictures: Sequence[bytes]) -> Iterator[Ask]:
    """A connection of HTTP that is kept."""
    bodies = []
    for picture in pictures:
        tensor = tritonclient.http.InferInput("image", [1], "BYTES")
        tensor.set_data_from_numpy(np.array([picture], np.object_))
        wanted = [
            tritonclient.http.InferRequestedOutput(name, binary_data=True)
            for name in ("score", "threshold", "anomalous", "regions")
        ]
        bodies.append(
            tritonclient.http.InferenceServerClient.generate_request_body([tensor], outputs=wanted)
        )
    connection = http.client.HTTPConnection(server.http)

    def ask(number: int) -> None:
        body, length = bodies[number % len(bodies)]
        headers = {HEADER_LENGTH: str(length)}
        connection.request("POST", f"/v2/models/{model}/infer", body, headers)
        response = connection.getresponse()
        if not response.read() or response.status != 200:
            raise RuntimeError(f"status {response.status}")

    with contextlib.closing(connection):
        yield ask


@contextlib.contextmanager
def over_grpc(server: Server, model: str, pictures: Sequence[bytes]) -> Iterator[Ask]:
    """A connection of gRPC of its own."""
    messages = []
    for picture in pictures:
        tensor = tritonclient.grpc.InferInput("image", [1], "BYTES")
        tensor.set_data_from_numpy(np.array([picture], np.object_))
        request = service_pb2.ModelInferRequest(model_name=model, inputs=[tensor._get_tensor()])
        request.raw_input_contents.append(tensor._get_content())
        messages.append(request.SerializeToString())
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(server.grpc, options) as channel:
        infer = channel.unary_unary(INFER)

        def ask(number: int) -> None:
            infer(messages[number % len(messages)])

        yield ask


@contextlib.contextmanager
def serving(repository: Path) -> Iterator[Server]:
    """`takt serve` with both, until the block ends."""
    ports = ("--port", "0", "--grpc-port", "0")
    process = subprocess.Popen(
        [TAKT, "serve", "--repository", repository, "--record", "none", "--no-request-log", *ports],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    places: dict[str, str] = {}
    try:
        for line in process.stderr:
            for scheme, place in re.findall(r" (http|grpc)://(\S+)", line):
                places[scheme] = place
            if " is ready on " in line:
                break
        else:
            raise SystemExit("the server has ended")
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield Server(places["http"], places["grpc"], process.pid)
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
