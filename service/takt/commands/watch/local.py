"""Inspects with a bundle in this process, in the same way as a server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from takt.commands.watch.streams import OpenStream, WatchOptions
from takt.core.domain import InspectOptions
from takt.core.engines.opener import EngineFactory
from takt.core.errors import ConfigurationError
from takt.core.inspection.inference import Pools
from takt.observing.instruments.metrics import Metrics
from takt.repository.context import version_context
from takt.repository.model_version import ModelVersion
from takt.settings import Settings
from takt.sources.pacing import Shot
from takt.streaming.frames import Frame
from takt.streaming.outcomes import Outcome, failed_of
from takt.streaming.session import Rules, Session
from takt.streaming.statistics import StreamStatistics


class LocalStream:
    """A stream to a session in this process.

    Args:
        session: session that inspects the shots.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._link = session.attach()

    async def send(self, shot: Shot) -> None:
        """Sends a shot as soon as there is room for it."""
        await self._session.room()
        number = self._session.next_sequence
        self._session.accept(Frame(number, shot.captured_us, shot.picture))

    async def finish(self) -> None:
        """Says that no shot follows."""
        self._session.finish()

    async def outcomes(self) -> AsyncIterator[Outcome]:
        """Outcomes of the shots, in their order."""
        while (outgoing := await self._link.next()) is not None:
            if not isinstance(outgoing, StreamStatistics):
                yield outgoing
            self._session.sent(self._link)


@asynccontextmanager
async def local_streams(
    bundle: Path, settings: Settings, open_engine: EngineFactory | None = None
) -> AsyncIterator[OpenStream]:
    """Streams to a bundle that runs as on a server with these settings; it is loaded once.

    Args:
        bundle: folder of the bundle, <name>/<version>.
        settings: settings of the server that the streams stand for.
        open_engine: makes engines in place of those in the settings.

    Raises:
        ConfigurationError: the bundle cannot be run; the message says why.
    """
    threads = settings.threads_for_decoding
    model = ModelVersion(bundle.resolve())
    with (
        ThreadPoolExecutor(threads, thread_name_prefix="preparing") as preparing,
        ThreadPoolExecutor(threads, thread_name_prefix="finishing") as finishing,
    ):
        try:
            pools = Pools(preparing, finishing, threads)
            await model.load(version_context(settings, pools, Metrics(), open_engine))
            if model.state != "ready":
                raise ConfigurationError(f"{bundle} cannot be run: {model.reason}")

            @asynccontextmanager
            async def open_stream(options: WatchOptions) -> AsyncIterator[LocalStream]:
                session = _session(model, settings, options)
                try:
                    yield LocalStream(session)
                finally:
                    session.cancel()

            yield open_stream
        finally:
            await model.close(settings.drain_timeout_s)


def _session(model: ModelVersion, settings: Settings, options: WatchOptions) -> Session:
    plan = model.check_ready().plan
    timeout_s = settings.timeout_ms / 1000
    inspecting = InspectOptions(
        heatmap="overlay" if options.overlays else "none", timeout_s=timeout_s
    )
    rules = Rules(
        policy=options.policy,
        # One more than the engines hold, to be made ready meanwhile; others would only wait.
        credits=plan.instances * plan.max_batch_size + 1,
        in_flight=plan.instances,
        patience_s=timeout_s,
        vote=options.vote,
        smoothing=options.smoothing,
    )
    return Session(
        model.name,
        wishes=None,
        inspect=lambda read: model.pipeline.inspect(read, inspecting),
        explain=lambda sequence, error: failed_of(sequence, error, f"frame {sequence}"),
        rules=rules,
        observe=lambda outcome, frame: None,
    )
