"""The real-time path under load: overload, streams, bursts, idle.

    python benchmarks/peers/bench.py --prepare        # makes the tiny and the null model
    python -m benchmarks.realtime.run --light TINY_REPOSITORY --null NULL_REPOSITORY \
        --heavy examples/models --images PICTURE.jpg [--only overload] [--json FILE]

Each scenario starts a server of its own, asks it with `takt bench` or with the generator in C, and
prints what was asked of it beside what came out. Both share the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.realtime.generator import Generator
from benchmarks.realtime.server import TaktServer
from takt.core.bundles.bundle import load_bundle
from takt.core.domain import Batch
from takt.core.engines.onnxruntime import OnnxRuntimeEngine

SMOKE = 1 / 50
EACH_CORE = ("--engine-instances", str(os.cpu_count() or 1), "--engine-threads", "1")


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure, what was asked of it, and whether that is met."""

    scenario: str
    figure: str
    value: float
    asked: str
    met: bool | None = None


@dataclass(frozen=True)
class Given:
    """What the command line gives.

    Attributes:
        light: repository of a model of some milliseconds.
        null: of one that costs nothing.
        heavy: of one of some hundred milliseconds.
        images: pictures to send to the first two.
        heavy_images: to the third.
        seconds: of each closed loop.
        share: of each fixed time and number.
    """

    light: Path
    null: Path
    heavy: Path
    images: Path
    heavy_images: Path
    seconds: float
    share: float

    def long(self, count: float) -> float:
        """Of seconds or requests: as many as there are to be."""
        return count * self.share

    @property
    def warmup(self) -> tuple[str, str]:
        """Of `takt bench`."""
        return "--warmup", str(self.long(2))


def overload(given: Given) -> Iterator[Row]:
    """Twice the capacity for a minute, between two runs of a closed loop that tell the capacity.

    Its clients set no deadline, as those that are refused at once would ask again at once.
    """
    for name, repository, images, deadline_ms in (
        ("light", given.light, given.images, 250.0),
        ("heavy", given.heavy, given.heavy_images, 4000.0),
    ):
        query = f"timeout_ms={deadline_ms:g}"
        with (
            TaktServer(repository, *EACH_CORE) as server,
            _generator(server, repository, images) as closed,
            _generator(server, repository, images, query) as generator,
        ):
            closed.run(given.long(5.0), "closed", 16)
            before = closed.run(max(given.long(20.0), given.seconds), "closed", 16).answered_per_s
            outcomes = generator.run(given.long(60.0), "poisson", rate=2 * before)
            after = closed.run(max(given.long(20.0), given.seconds), "closed", 16).answered_per_s
        capacity = (before + after) / 2
        scenario = f"overload, {name} model"
        yield Row(scenario, "capacity, closed loop of 16, 1/s", capacity, "")
        yield Row(scenario, "offered, 1/s", len(outcomes) / outcomes.seconds, "twice that")
        share = outcomes.goodput_per_s(deadline_ms) / capacity
        yield Row(scenario, "goodput over capacity", share, ">= 0.95", share >= 0.95)
        p99 = outcomes.percentile_ms(99)
        yield Row(scenario, "p99 of the 200s, ms", p99, f"<= {deadline_ms:g}", p99 <= deadline_ms)
        p99 = outcomes.percentile_ms(99, status=429)
        yield Row(scenario, "p99 of the refusals, ms", p99, "<= 10", p99 <= 10)
        lost = outcomes.count(0)
        yield Row(scenario, "unanswered", lost, "0", lost == 0)
        yield Row(scenario, "accepted and then too late (504)", outcomes.count(504), "")


def streams(given: Given) -> Iterator[Row]:
    """Frames over a WebSocket against pictures over REST, in turns that swap."""
    for name, repository in (("null", given.null), ("light", given.light)):
        with (
            TaktServer(repository, *EACH_CORE) as server,
            _generator(server, repository, given.images) as rest,
            _generator(server, repository, given.images, stream=True) as stream,
        ):
            for clients in (1, 8, 32):
                rates: dict[Generator, list[float]] = {rest: [], stream: []}
                costs: dict[Generator, list[float]] = {rest: [], stream: []}
                for turn in range(max(2, round(given.long(8)))):
                    for generator in (rest, stream) if turn % 2 else (stream, rest):
                        before_s = server.cpu_s
                        outcomes = generator.run(given.seconds, "closed", clients)
                        used_s = server.cpu_s - before_s
                        if turn:
                            rates[generator].append(outcomes.answered_per_s)
                            costs[generator].append(used_s / outcomes.count(200))
                scenario = f"stream against REST, {name} model"
                ratio = float(np.median(np.divide(rates[stream], rates[rest])))
                figure = f"frames/s over requests/s at {clients}"
                yield Row(scenario, figure, ratio, ">= 1", ratio >= 1)
                ratio = float(np.median(np.divide(costs[stream], costs[rest])))
                figure = f"processor time of a frame over a request's at {clients}"
                yield Row(scenario, figure, ratio, "<= 1", ratio <= 1)


def latest(given: Given) -> Iterator[Row]:
    """Three times as many frames as the engine can take, of which the newest count."""
    for name, repository, images in (
        ("heavy", given.heavy, given.heavy_images),
        ("light", given.light, given.images),
    ):
        with TaktServer(repository) as server:
            seen = ("--images", str(images), "--protocol", "stream", *given.warmup)
            alone = server.bench(*seen, "--concurrency", "1", "--duration", str(given.seconds))
            before = server.engine_seconds()
            rate = 3 * alone["answered_per_s"]
            figures = server.bench(
                *seen, "--policy", "latest", "--rate", str(rate), "--arrivals", "fixed",
                "--duration", str(max(given.long(20.0), given.seconds)),
            )  # fmt: skip
            after = server.engine_seconds()
        engine_ms = 1000 * (after[0] - before[0]) / (after[1] - before[1])
        scenario = f"latest at three times the rate, {name} model"
        stream = figures["stream"]
        yield Row(scenario, "engine time, mean, ms", engine_ms, "")
        for rank in ("p50", "p99"):
            age = stream["age_ms"][rank] / engine_ms
            yield Row(scenario, f"{rank} of the age, engine times", age, "< 2", age < 2)
        yield Row(scenario, "dropped over sent", stream["dropped"] / figures["requests"], "")
        lost = stream["lost_frames"]
        yield Row(scenario, "frames without a word", lost, "0", lost == 0)


def every_frame(given: Given) -> Iterator[Row]:
    """Ten thousand frames of which none may be lost."""
    count = round(given.long(10_000))
    with TaktServer(given.null, *EACH_CORE) as server:
        figures = server.bench(
            "--images", str(given.images), "--protocol", "stream", "--policy", "all",
            "--requests", str(count), "--warmup", "0", "--duration", "600",
        )  # fmt: skip
    stream, answered = figures["stream"], figures["answered"]
    yield Row("all", f"answered of {count:,}", answered, f"{count}", answered == count)
    for figure in ("lost_frames", "order_violations", "dropped"):
        yield Row("all", figure, stream[figure], "0", stream[figure] == 0)
    yield Row("all", "frames/s", figures["answered_per_s"], "")


def bursts(given: Given) -> Iterator[Row]:
    """Sixteen pictures at once, every 200 ms, against one batch of sixteen in one call."""
    batch_ms = _batch_of_16_ms(given.light)
    with (
        TaktServer(given.light, *EACH_CORE) as server,
        _generator(server, given.light, given.images) as generator,
    ):
        generator.run(given.long(2.0), "burst", 16, rate=5.0)
        p99 = generator.run(
            max(given.long(30.0), given.seconds), "burst", 16, rate=5.0
        ).percentile_ms(99)
    yield Row("bursts of 16", "one batch of 16, engine alone on all cores, ms", batch_ms, "")
    yield Row("bursts of 16", "p99, ms", p99, "")
    ratio = p99 / batch_ms
    yield Row("bursts of 16", "p99 over the batch", ratio, "<= 1.3", ratio <= 1.3)


def idle(given: Given) -> Iterator[Row]:
    """The heavy model, ready and unasked for half a minute."""
    with TaktServer(given.heavy) as server:
        time.sleep(given.long(3))
        before_s, started_s = server.cpu_s, time.monotonic()
        time.sleep(given.long(30))
        share = (server.cpu_s - before_s) / (time.monotonic() - started_s)
        resident = server.memory_mib()
        yield Row("idle", "share of a core", share, "< 0.01", share < 0.01)
        yield Row("idle", "resident memory, MiB", resident, "< 250", resident < 250)
        server.bench(
            "--images", str(given.heavy_images), "--duration", str(given.long(5)), *given.warmup
        )
        yield Row("idle", "resident memory after pictures, MiB", server.memory_mib(), "")
        yield Row("idle", "peak while loading, MiB", server.memory_mib("VmHWM"), "")


SCENARIOS: dict[str, Callable[[Given], Iterator[Row]]] = {
    "streams": streams,
    "latest": latest,
    "all": every_frame,
    "bursts": bursts,
    "idle": idle,
    "overload": overload,
}


def main() -> None:
    """Run the scenarios and print the table; exit with 1 where something asked is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("light", "null", "heavy", "images", "heavy-images"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--smoke", action="store_true", help="each time and number a fiftieth")
    arguments = vars(parser.parse_args())
    only, out = arguments.pop("only"), arguments.pop("json")
    share = SMOKE if arguments.pop("smoke") else 1.0
    given = Given(**arguments, share=share)
    rows = []
    for name in only:
        for row in SCENARIOS[name](given):
            rows.append(row)
            verdict = {None: "", True: "met", False: "MISSED"}[row.met]
            print(
                f"{row.scenario:<46} {row.figure:<48} {row.value:>10.3f}  {row.asked:<12} "
                f"{verdict}",
                flush=True,
            )
    if out is not None:
        out.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    sys.exit(any(row.met is False for row in rows))


def _generator(
    server: TaktServer, repository: Path, images: Path, query: str = "", *, stream: bool = False
) -> Generator:
    pictures = sorted(images.iterdir()) if images.is_dir() else [images]
    (model,) = (found.parents[1].name for found in repository.glob("*/*/manifest.json"))
    return Generator(server.url, pictures, query, stream=stream, model=model)


def _batch_of_16_ms(repository: Path) -> float:
    (path,) = (found.parent for found in repository.glob("*/*/manifest.json"))
    bundle = load_bundle(path)
    engine = OnnxRuntimeEngine.open(bundle.model_path, threads=os.cpu_count() or 1)
    images: Batch = bundle.golden.images[[0] * 16]
    times = []
    for _ in range(20):
        started_s = time.perf_counter()
        engine.infer(images)
        times.append((time.perf_counter() - started_s) * 1000)
    engine.close()
    return float(np.median(times))


if __name__ == "__main__":
    main()
