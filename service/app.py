"""The application: settings in, an ASGI app out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import cv2
from fastapi import FastAPI

from service.api.bodies import Bodies
from service.api.document.application import Application
from service.api.document.asyncapi import add_asyncapi
from service.api.document.openapi import API_VERSION, LICENCE, SERVERS, TAGS
from service.api.examples import FOREIGN_NAME
from service.api.learning.routes import learning_router
from service.api.metrics_app import metrics_app
from service.api.oip.request import OipLimits
from service.api.oip.routes import oip_router
from service.api.pages import add_documentation, redirect_within
from service.api.problems import add_handlers, problem_responses
from service.api.records.audit import audit_router
from service.api.records.routes import record_router
from service.api.records.scores import scores_router
from service.api.records.threads import RecordThreads
from service.api.request_context import RequestContext
from service.api.request_span import RequestSpan
from service.api.rest.card import card_router
from service.api.rest.fast_path import FastPath
from service.api.rest.inspect import InspectHandler, inspect_router
from service.api.rest.releases import releases_router
from service.api.rest.server_status import server_status_router
from service.api.rest.session import session_router
from service.api.rest.status import health_router, metrics_router, models_router
from service.api.rest.thresholds import thresholds_router
from service.api.rpc.backend import RpcBackend
from service.api.stream.routes import StreamOptions, Streams, stream_router
from service.api.stream.shown_picture import PictureEncoder
from service.api.stream.watching import Watching, watching_router
from service.configuration import without_secrets
from service.console.pages import CONSOLE, add_console
from service.core.batching.uploads import PLACES, Uploads
from service.core.distribution import version
from service.core.engines.opener import EngineFactory
from service.core.host import let_others_go_first, own_names
from service.core.inspection.inference import Pools
from service.learning.desk import open_desk
from service.observing.gpu_metrics import find_gpus
from service.observing.journal import Journal
from service.observing.logging_setup import Write
from service.observing.metrics import Metrics
from service.observing.request_log import RequestLog
from service.observing.status.reading import read_all, read_own
from service.observing.status.watch import watch_status
from service.observing.summing.host_metrics import HostMetrics
from service.observing.tracing.base import Tracing
from service.observing.tracing.factory import open_tracing
from service.outlets.opening import close_outlets, open_outlets
from service.peers import Alone, Peers, once_leading
from service.recording.audit.lifetime import Lifetime
from service.recording.audit.metrics import AuditMetrics
from service.recording.audit.trail import AuditTrail
from service.recording.keeping import KeepingRule
from service.recording.metrics import RecordMetrics
from service.recording.record import Record
from service.recording.retention import RetentionRule
from service.recording.writer import Recorder
from service.repository.context import version_context
from service.repository.folder_watch import FolderWatch
from service.repository.mirrored import open_mirror
from service.repository.repository import ModelRepository
from service.repository.supervision.rules import Supervision
from service.repository.together.orders import Orders
from service.security.access import open_access
from service.security.credentials import Credentials
from service.security.gate import Gate
from service.security.guard import Guard
from service.security.headers import page_headers
from service.security.hosts import AllowedHosts
from service.security.oidc.setup import TokenRules
from service.security.origins import AllowedOrigins
from service.settings import Settings
from service.streaming.sessions import SessionLimits, Sessions

_SUPERVISION = Supervision()
_STORED_WITHIN_S = 2.0
"""Least time that each outlet has at the end for what waits to be stored or sent."""

logger = logging.getLogger("takt.app")

DESCRIPTION = """Finds defects on production lines in real time: a picture in, an anomaly score,
a verdict, a heatmap and the defect's regions out."""


class Drain:
    """The time that is left at shutdown for everything that closes, one after another.

    >>> drain = Drain(30.0, clock=lambda: 5.0)
    >>> drain.left_s()
    30.0

    Args:
        timeout_s: length of the whole time.
        clock: gives seconds that never go back.
    """

    def __init__(self, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout_s = timeout_s
        self._clock = clock
        self._deadline_s: float | None = None

    def left_s(self) -> float:
        """Seconds that are left, at least 0; the time begins with the first call."""
        now_s = self._clock()
        if self._deadline_s is None:
            self._deadline_s = now_s + self._timeout_s
        return max(0.0, self._deadline_s - now_s)


def create_app(
    settings: Settings,
    open_engine: EngineFactory | None = None,
    tracing: Tracing | None = None,
    write: Write | None = None,
    supervision: Supervision = _SUPERVISION,
    record: Record | None = None,
    peers: Peers | None = None,
) -> FastAPI:
    """Build the app; its models load when it starts, and `/health/ready` says when they have.

    Args:
        settings: settings of the server.
        open_engine: makes engines, instead of those that the settings name.
        tracing: records traces, instead of the setting `tracing`.
        write: takes the lines of the request log; None writes none.
        supervision: bounds of engines that hang or fail.
        record: keeps the inspections; None keeps none. The app closes it.
        peers: the other workers of the server; None for a server of one process.

    Raises:
        ConfigurationError: there is no model to serve, the keys cannot be read, OpenTelemetry
            cannot be set up, what the record is to keep is not understood, or a plugin cannot be
            used.
    """
    peers = Alone() if peers is None else peers
    stated, settings = settings, settings.of_each_worker
    tracing = tracing or open_tracing(settings.tracing)
    metrics = Metrics(settings.max_queue_size)
    metrics.access.counts_reloads = peers.leading.is_set
    tokens = TokenRules(settings.oidc_issuer, settings.oidc_audience, settings.oidc_scopes)
    trail = AuditTrail(
        record.database if record else None,
        AuditMetrics(metrics.registry),
        f"{own_names()[0]}:{settings.port}",
    )
    lifetime = Lifetime(trail, peers, version(), without_secrets(stated), lambda: sessions.closing)
    access = open_access(
        settings.keys, settings.keys_file, metrics.access, tokens, lifetime.note_keys, peers
    )
    guard = access.guard
    lines = None
    if write is not None and settings.request_log:
        lines = RequestLog(write, settings.log_format)
    record_threads = RecordThreads(record)
    data_folder, registry = settings.data_folder, metrics.registry
    outlets = open_outlets(settings.plugins, data_folder, registry, peers.worker)
    if record is not None:
        keep, retain = KeepingRule.read(settings.keep), RetentionRule.read(settings.retain)
        outlets.insert(0, Recorder(record, keep, retain, RecordMetrics(registry), peers=peers))
    journal = Journal(metrics, lines, outlets)
    host_metrics = HostMetrics(metrics, journal, peers)
    threads = settings.threads_for_decoding
    # Each picture has a thread of the pools; OpenCV's own would wake for a map of a few kilobytes.
    cv2.setNumThreads(1)
    # OpenCV would tell of each damaged picture past the log; the caller's error says the same.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    preparing, finishing = (
        ThreadPoolExecutor(threads, thread_name_prefix=name) for name in ("preparing", "finishing")
    )
    large = ThreadPoolExecutor(threads, thread_name_prefix="large", initializer=let_others_go_first)
    pools = Pools(preparing, finishing, threads, large)
    context = version_context(settings, pools, metrics, open_engine, supervision, trail.tell, peers)
    mirror = open_mirror(settings, lambda *of: repository.is_active(*of), metrics.registry, peers)
    folder, next_look = settings.repository_folder, mirror.next_look if mirror else None
    repository = ModelRepository(folder, context, next_look, lambda: orders.others.catch_up())
    memory = context.memory
    metrics.watch_memory(lambda: memory.in_use_bytes, memory.limit_bytes)
    places = max(PLACES, settings.max_queue_size)
    bodies = Bodies(Uploads(places, settings.upload_timeout_s), memory)

    sessions = Sessions(
        SessionLimits(
            settings.stream_sessions, settings.stream_kept_sessions, settings.stream_resume_s
        ),
        metrics.streams.set,
        peers,
    )

    encoder = PictureEncoder()
    drain = Drain(settings.drain_timeout_s)
    watch = FolderWatch(folder, repository, settings.repository_poll_s, peers)
    orders = Orders(repository, watch, metrics, trail, peers)

    gpus, kept_in = find_gpus(), settings.data_folder if record is not None else None
    own, all_of_them = partial(read_own, metrics, journal), partial(read_all, host_metrics)
    read = own if peers.workers == 1 else all_of_them
    status = watch_status(read, gpus, folder, kept_in, lambda: lifetime.began_s)
    desk = open_desk(settings, trail.note, watch.ask)

    async def note_lifetime() -> None:
        await lifetime.run(lambda: access.keys, watch.served)

    async def catch_up() -> None:
        await access.sessions.catch_up()
        await orders.others.catch_up()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        trail.begin()
        await access.sessions.catch_up()
        jobs = (note_lifetime, repository.load, watch.run, *access.jobs)
        tasks = {asyncio.create_task(job()) for job in jobs}
        of_one = (desk.begin, *status.jobs)
        tasks |= {asyncio.create_task(once_leading(peers, job)) for job in of_one}
        if mirror is not None:
            tasks.add(asyncio.create_task(mirror.begin(repository.settled, watch.ask)))
        for outlet in outlets:
            outlet.start()
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            if mirror is not None:
                await mirror.close()
            await desk.close()
            await sessions.close(drain.left_s())
            await repository.close(drain.left_s())
            journal.settle()
            await asyncio.to_thread(record_threads.close)
            await lifetime.end()
            await asyncio.to_thread(trail.close, max(_STORED_WITHIN_S, drain.left_s()))
            left_s = max(_STORED_WITHIN_S, drain.left_s())
            await asyncio.to_thread(close_outlets, outlets, left_s)
            if tracing is not None:
                await tracing.close(drain.left_s())
            encoder.close()
            for pool in (preparing, large, finishing):
                pool.shutdown()

    app = Application(
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if settings.docs else None,
        title="Takt",
        description=DESCRIPTION,
        version=API_VERSION,
        openapi_tags=TAGS,
        servers=SERVERS,
        license_info=LICENCE,
        generate_unique_id_function=lambda route: route.name,
        lifespan=lifespan,
        responses=problem_responses(FOREIGN_NAME),
    )
    add_handlers(app, journal)
    inspect = InspectHandler(repository, journal, bodies, settings.timeout_ms)
    inspect_routes = inspect_router(inspect)
    gate = Gate(
        AllowedHosts(settings.allowed_hosts, own=(settings.host, *own_names())),
        AllowedOrigins(settings.allowed_origins),
    )
    app.layers = [
        partial(
            RequestContext,
            metrics=metrics,
            max_body_bytes=settings.max_image_bytes,
            gate=gate,
            guard=guard,
            page_headers={**add_documentation(app), CONSOLE: page_headers()},
            shortcut=FastPath(inspect_routes.routes, inspect, journal),
        ),
    ]
    if tracing is not None:
        app.layers.append(partial(RequestSpan, tracing=tracing))
    app.include_router(inspect_routes)
    limits, options = OipLimits.of(settings), StreamOptions.of(settings)
    app.include_router(oip_router(repository, journal, bodies, limits))
    app.state.rpc = RpcBackend(repository, journal, bodies, limits, guard, metrics, tracing)
    streams = Streams(
        repository, metrics, journal, sessions, memory, options, guard, peers, tracing
    )
    app.include_router(stream_router(streams))
    app.include_router(watching_router(Watching(sessions, guard, encoder, peers)))
    app.state.record = record
    app.include_router(record_router(record_threads, repository, memory, settings))
    app.include_router(learning_router(desk, bodies, record_threads, repository, settings, peers))
    app.state.learning = desk
    app.state.audit_trail = trail
    app.state.sessions = sessions
    app.state.memory = memory
    app.state.drain = drain
    app.state.repository = repository
    app.state.lost_threads = context.lost
    app.state.folder_watch = watch
    app.state.mirror = mirror
    app.state.metrics = metrics
    app.state.host_metrics = host_metrics
    app.state.peers = peers
    app.state.catch_up = catch_up
    probed, scraped = health_router(repository, mirror), metrics_router(host_metrics, gpus)
    app.include_router(probed)
    if settings.metrics_port is None:
        app.include_router(scraped)
    app.include_router(models_router(repository, mirror))
    app.include_router(server_status_router(status))
    app.include_router(card_router(repository))
    app.include_router(scores_router(repository, record_threads))
    app.state.metrics_app = metrics_app(
        (probed, scraped),
        journal,
        partial(
            RequestContext,
            metrics=metrics,
            max_body_bytes=0,
            gate=gate,
            guard=Guard(Credentials(())),
            page_headers={},
        ),
    )
    app.include_router(releases_router(repository, orders, settings.version_changes))
    app.include_router(thresholds_router(repository, orders, settings.threshold_changes))
    app.include_router(audit_router(record_threads))
    app.include_router(session_router(guard, access.sessions))
    add_asyncapi(app)
    add_console(app)
    redirect_within(app)
    return app
