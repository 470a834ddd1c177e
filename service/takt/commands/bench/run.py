"""A run of the load generator, from its options to its figures."""

from __future__ import annotations

import asyncio
import contextlib
import math
import resource
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, TextIO
from urllib.parse import urlencode

import numpy as np
import orjson
import uvloop
from numpy.typing import NDArray

from takt.commands.bench.arrivals import Arrivals
from takt.commands.bench.clock import LoadClock, precise_clock
from takt.commands.bench.figures import Figures, Window, figures_of
from takt.commands.bench.lean_http import HttpPool, parse_address
from takt.commands.bench.load import Bounds, Generator, Transport
from takt.commands.bench.report import Setup
from takt.commands.bench.rest import RestTransport, first_model
from takt.commands.bench.samples import OK, Columns
from takt.commands.bench.stream import BenchStreamOptions, StreamTransport, open_streams
from takt_client import RawPicture, TaktError
from takt_client.calls import model_path
from takt_client.connection import Server, ServerAccess

Protocol = Literal["rest", "stream"]

_PROGRESS_EVERY_S = 0.5
_CLEAR = "\r\x1b[K"
_SPARE_FILES = 64
_MOST_FILES = 65536
_ANSWER_GRACE_S = 2.0
"""Wait of the client beyond the server's timeout, so that the refusal arrives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """Options of a run.

    Attributes:
        url: URL of the server.
        access: what the server is shown, and which certificates it may have.
        model: name of the model; None for the server's first.
        version: version of the model; None for the active one.
        protocol: REST or stream.
        pictures: pictures by name, sent in turn, again and again.
        query: parameters of REST, or fields of a stream's hello.
        concurrency: callers of the closed loop; frames under way on each stream.
        arrivals: arrivals of the open loop; None for the closed one.
        connections: number of streams.
        warmup_s: seconds that do not count.
        duration_s: seconds that count.
        requests: most requests, with those of the warm-up; if it takes them all, they count.
        timeout_ms: timeout of the server; None for its default.
        answer_timeout_s: longest wait for an answer if no `timeout_ms` is given.
        deadline_ms: deadline of the goodput; None for no goodput.
        verdicts: whether verdicts are counted.
    """

    url: str
    access: ServerAccess = field(default_factory=ServerAccess, repr=False)
    model: str | None
    version: str | None
    protocol: Protocol
    pictures: Mapping[str, bytes | RawPicture]
    query: Mapping[str, str]
    concurrency: int | None
    arrivals: Arrivals | None
    connections: int
    warmup_s: float
    duration_s: float
    requests: int | None
    timeout_ms: float | None
    answer_timeout_s: float
    deadline_ms: float | None
    verdicts: bool


@dataclass(frozen=True, slots=True)
class BenchResult:
    """Result of a run.

    Attributes:
        setup: what was run.
        figures: what came of it.
        latency_ms: times of the 200s that count, for a plot.
        refusal: what ended a run of which some was answered; None where nothing did.
    """

    setup: Setup
    figures: Figures
    latency_ms: NDArray[np.float64]
    refusal: TaktError | None = None


def run_bench(options: BenchOptions, terminal: TextIO | None) -> BenchResult:
    """Loads the server until the bounds are met, or Ctrl-C.

    Args:
        options: options of the run.
        terminal: terminal that shows the progress; None shows none.

    Raises:
        TaktError: the server cannot be reached or loaded as the options say, or refuses what it
            would refuse again.
    """
    with precise_clock() as clock, asyncio.Runner(loop_factory=uvloop.Loop) as runner:
        return runner.run(_run(options, clock, terminal))


async def _run(options: BenchOptions, clock: LoadClock, terminal: TextIO | None) -> BenchResult:
    address, server = parse_address(options.url), Server.of(options.url, options.access)
    pool = HttpPool(address, _connections_allowed(), clock.now_s, server.tls)
    try:
        refusal: TaktError | None = None
        model = options.model or await first_model(pool, server.headers)
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        async with _transport(options, pool, server, model, clock) as transport:
            streams = transport if isinstance(transport, StreamTransport) else None
            concurrency = streams.credits if streams else options.concurrency or 1
            generator = Generator(transport, clock, _bounds(options))
            try:
                await _drive(generator, options, concurrency, terminal)
            except TaktError as error:
                if not (generator.samples.columns().status == OK).any():
                    raise
                refusal = error
            counts = streams.counts(interrupted=generator.interrupted) if streams else None
    finally:
        pool.close()
    columns = generator.samples.columns()
    window = _window(options, generator, columns)
    figures = figures_of(
        columns,
        window,
        deadline_ms=options.deadline_ms,
        verdicts=options.verdicts,
        stream=counts,
        interrupted=generator.interrupted,
    )
    setup = Setup(
        url=options.url,
        model=model,
        protocol=options.protocol,
        loop=_loop_in_words(options, concurrency),
        pictures=len(options.pictures),
        started_at=started_at,
    )
    counted = (columns.status == OK) & (columns.intended_s >= window.begins_s)
    return BenchResult(setup, figures, columns.latency_s[counted] * 1000, refusal)


@contextlib.asynccontextmanager
async def _transport(
    options: BenchOptions, pool: HttpPool, server: Server, model: str, clock: LoadClock
) -> AsyncIterator[Transport]:
    path = model_path(model, options.version)
    timeout = {} if options.timeout_ms is None else {"timeout_ms": options.timeout_ms}
    if options.protocol == "stream":
        plan = BenchStreamOptions(
            server=server,
            path=f"{path}/stream",
            hello={**{name: _value(text) for name, text in options.query.items()}, **timeout},
            pictures=options.pictures,
            connections=options.connections,
            window=options.concurrency,
            verdicts=options.verdicts,
        )
        async with open_streams(plan, clock) as streams:
            yield streams
        return
    query = {**options.query, **{name: f"{value:g}" for name, value in timeout.items()}}
    encoded = {
        name: picture for name, picture in options.pictures.items() if isinstance(picture, bytes)
    }
    path += f"/inspect?{urlencode(query)}" if query else "/inspect"
    yield RestTransport(
        pool, path, encoded, clock, headers=server.headers, verdicts=options.verdicts
    )


def _value(text: str) -> object:
    """A hello is JSON: 0.5 is a number there, and {"k": 3, "n": 5} an object."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


async def _drive(
    generator: Generator, options: BenchOptions, concurrency: int, terminal: TextIO | None
) -> None:
    loop = asyncio.get_running_loop()
    # The second Ctrl-C ends the program as ever.
    loop.add_signal_handler(signal.SIGINT, lambda: _stop(loop, generator))
    progress = None
    if terminal is not None:
        total_s = options.warmup_s + options.duration_s
        progress = asyncio.create_task(_show_progress(generator, total_s, terminal))
    try:
        if options.arrivals is None:
            await generator.closed(concurrency)
        else:
            await generator.open(options.arrivals.offsets_s())
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        if progress is not None:
            progress.cancel()
            await asyncio.wait({progress})


async def _show_progress(generator: Generator, total_s: float, terminal: TextIO) -> None:
    """Writes a line about the run again and again until cancelled; it is gone at the end."""
    seen = 0
    try:
        while True:
            await asyncio.sleep(_PROGRESS_EVERY_S)
            line, seen = _progress_line(generator, total_s, seen)
            terminal.write(_CLEAR + line)
            terminal.flush()
    finally:
        terminal.write(_CLEAR)
        terminal.flush()


def _progress_line(generator: Generator, total_s: float, seen: int) -> tuple[str, int]:
    """Line of progress, and the number of samples that were read so far."""
    columns = generator.samples.columns(seen)
    ok = columns.status == OK
    line = (
        f"{generator.elapsed_s:6.1f} of {total_s:.0f} s   {generator.sent} sent, "
        f"{generator.in_flight} under way   {ok.sum() / _PROGRESS_EVERY_S:.0f} answers/s"
    )
    if ok.any():
        p50, p99 = np.percentile(columns.latency_s[ok] * 1000, [50, 99])
        line += f"   p50 {p50:.1f} ms, p99 {p99:.1f} ms"
    if not ok.all():
        line += f"   {(~ok).sum() / _PROGRESS_EVERY_S:.0f} others/s"
    return line, seen + len(columns.kind)


def _stop(loop: asyncio.AbstractEventLoop, generator: Generator) -> None:
    loop.remove_signal_handler(signal.SIGINT)
    generator.stop()


def _bounds(options: BenchOptions) -> Bounds:
    answer_s = options.answer_timeout_s
    if options.timeout_ms is not None:
        answer_s = options.timeout_ms / 1000 + _ANSWER_GRACE_S
    return Bounds(options.warmup_s, options.duration_s, options.requests, answer_s)


def _window(options: BenchOptions, generator: Generator, columns: Columns) -> Window:
    """Window up to the end of the duration, or to the last answer of a run that ended before."""
    begins_s, ends_s = options.warmup_s, options.warmup_s + options.duration_s
    last_s = float((columns.intended_s + columns.latency_s).max(initial=0.0))
    enough = options.requests is not None and generator.sent >= options.requests
    if enough and not (columns.intended_s >= begins_s).any():
        begins_s = 0.0  # so few requests were asked for that the warm-up had them all
    if generator.interrupted or enough:
        ends_s = min(ends_s, math.nextafter(last_s, math.inf))
    return Window(begins_s, max(ends_s, begins_s))


def _loop_in_words(options: BenchOptions, concurrency: int) -> str:
    where = f" on {options.connections} streams" if options.protocol == "stream" else ""
    if options.arrivals is None:
        return f"closed loop, {concurrency} under way{where}"
    kind = type(options.arrivals).__name__.lower()
    return f"open loop, {options.arrivals.rate_per_s:g}/s {kind}{where}"


def _connections_allowed() -> int:
    """Number of connections that the limit of open files allows, once it is raised to its most."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(most - _SPARE_FILES, 1)
