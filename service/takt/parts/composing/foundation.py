"""What every part of a server stands on: made of the settings, in the order of what needs what."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2

from takt.api.bodies import Bodies
from takt.api.multiview.viewing import Views
from takt.api.records.threads import RecordThreads
from takt.configuration import without_secrets
from takt.core.batching.memory import MemoryBudget
from takt.core.batching.uploads import PLACES, Uploads
from takt.core.distribution import version
from takt.core.engines.opener import EngineFactory
from takt.core.errors import ConfigurationError
from takt.core.host import let_others_go_first, own_names
from takt.core.inspection.inference import Pools
from takt.observing.instruments.gpu_metrics import GpuCollector, find_gpus
from takt.observing.instruments.host_metrics import HostMetrics
from takt.observing.instruments.metrics import Metrics
from takt.observing.journal import Journal
from takt.observing.logging_setup import Write
from takt.observing.records import Outlet
from takt.observing.request_log import RequestLog
from takt.observing.tracing.base import Tracing
from takt.observing.tracing.factory import open_tracing
from takt.outlets.opening import Surroundings, open_outlets
from takt.parts.composing.drain import Drain
from takt.parts.composing.multiview import Multiview, open_multiview
from takt.peers import Alone, Peers
from takt.recording.audit.lifetime import Lifetime
from takt.recording.audit.metrics import AuditMetrics
from takt.recording.audit.trail import AuditTrail
from takt.recording.keeping import KeepingRule
from takt.recording.metrics import RecordMetrics
from takt.recording.record import Record
from takt.recording.retention import RetentionRule
from takt.recording.writer import Recorder
from takt.repository.context import version_context
from takt.repository.models import Models, open_models
from takt.repository.supervision.rules import Supervision
from takt.security.access import Access, open_access
from takt.security.gate import Gate
from takt.security.hosts import AllowedHosts
from takt.security.origins import AllowedOrigins
from takt.settings import Settings
from takt.streaming.listeners import Listeners
from takt.streaming.sessions import SessionLimits, Sessions


@dataclass(frozen=True, slots=True)
class Foundation:
    """What the parts of a server are made of, and what serves with them.

    Attributes:
        settings: of this process.
        peers: the other processes of the server.
        drain: the time in which everything ends.
        tracing: records traces; None for no traces.
        metrics: the instruments of this process.
        host_metrics: those of the whole server.
        gpus: reads the GPUs, if there are any.
        journal: is told what became of each picture.
        trail: the audit log.
        lifetime: notes the server's start and end there.
        access: who may ask.
        gate: refuses requests for foreign names and of foreign pages.
        records: work on the record, for those who ask for it.
        outlets: take answers, the record first, and those of plugins last.
        pools: threads for pictures.
        models: the models, and whatever changes them.
        bodies: reads what requests bring.
        sessions: the streams.
        listeners: those who hear what is recorded.
        multiview: recipes, and parts that wait for views.
    """

    settings: Settings
    peers: Peers
    drain: Drain
    tracing: Tracing | None
    metrics: Metrics
    host_metrics: HostMetrics
    gpus: GpuCollector | None
    journal: Journal
    trail: AuditTrail
    lifetime: Lifetime
    access: Access
    gate: Gate
    records: RecordThreads
    outlets: Sequence[Outlet]
    pools: Pools
    models: Models
    bodies: Bodies
    sessions: Sessions
    listeners: Listeners
    multiview: Multiview

    @property
    def views(self) -> Views:
        """Takes views of parts on, by whichever protocol they come."""
        return Views(self.multiview.desk, self.models.repository)

    @property
    def memory(self) -> MemoryBudget:
        """Of pictures in flight, in all models."""
        return self.models.context.memory

    async def close_streams(self, within_s: float) -> None:
        """End what lasts: streams answer what they accepted, and who hears events goes elsewhere.

        Args:
            within_s: longest wait for streams whose clients do not take their answers.
        """
        self.listeners.close()
        await self.sessions.close(within_s)

    async def catch_up(self) -> None:
        """Take what other processes have changed while this one was not heard by them."""
        await self.access.sessions.catch_up()
        await self.models.orders.others.catch_up()


def lay_foundation(
    stated: Settings,
    open_engine: EngineFactory | None,
    tracing: Tracing | None,
    write: Write | None,
    supervision: Supervision,
    record: Record | None,
    peers: Peers | None,
) -> Foundation:
    """Make what the parts stand on; the arguments are those of `create_app`.

    Raises:
        ConfigurationError: see `create_app`.
    """
    peers = Alone() if peers is None else peers
    settings = stated.of_each_worker
    tracing = tracing or open_tracing(settings.tracing)
    metrics = Metrics(settings.max_queue_size, peers.counts.admits)
    metrics.access.counts_reloads = peers.leading.is_set
    sessions = _open_sessions(settings, metrics, peers)
    server = f"{own_names()[0]}:{settings.port}"
    audit_metrics = AuditMetrics(metrics.registry)
    if record is not None:
        record.database.writer = server
        record.database.audit_metrics = audit_metrics
    trail = AuditTrail(record.database if record else None, audit_metrics, server)
    lifetime = Lifetime(trail, peers, version(), without_secrets(stated), lambda: sessions.closing)
    access = open_access(settings, metrics.access, lifetime.note_keys, peers)
    records = RecordThreads(record)
    recorder = _open_recorder(settings, record, metrics, peers)
    outlets = _open_outlets(settings, recorder, metrics, peers)
    requests = RequestLog(write, settings.log_format) if write and settings.request_log else None
    ledger = recorder if settings.commit_before_answer else None
    # It has every answer before the others, and so is not told of it with them.
    told = outlets if ledger is None else outlets[1:]
    journal = Journal(metrics, requests, told, ledger)
    host_metrics = HostMetrics(metrics, journal, peers)
    pools = _open_pools(settings.threads_for_decoding)
    context = version_context(settings, pools, metrics, open_engine, supervision, trail.tell, peers)
    # Outlets, the record among them, are given the facts with each answer.
    context = replace(context, recorded=record is not None, keeps_facts=bool(outlets))
    models = open_models(settings, context, metrics, trail)
    memory = context.memory
    metrics.watch_memory(lambda: memory.in_use_bytes, memory.limit_bytes)
    places = max(PLACES, settings.max_queue_size)
    return Foundation(
        settings=settings,
        peers=peers,
        drain=Drain(settings.drain_timeout_s),
        tracing=tracing,
        metrics=metrics,
        host_metrics=host_metrics,
        gpus=find_gpus(),
        journal=journal,
        trail=trail,
        lifetime=lifetime,
        access=access,
        gate=_open_gate(settings),
        records=records,
        outlets=outlets,
        pools=pools,
        models=models,
        bodies=Bodies(Uploads(places, settings.upload_timeout_s), memory),
        sessions=sessions,
        listeners=Listeners(peers),
        multiview=open_multiview(
            records, peers, outlets, sessions, None if ledger is None else ledger.part_stored
        ),
    )


def _open_sessions(settings: Settings, metrics: Metrics, peers: Peers) -> Sessions:
    limits = SessionLimits(
        settings.stream_sessions, settings.stream_kept_sessions, settings.stream_resume_s
    )
    return Sessions(limits, metrics.streams.set, peers)


def _open_recorder(
    settings: Settings, record: Record | None, metrics: Metrics, peers: Peers
) -> Recorder | None:
    if record is None:
        if settings.commit_before_answer:
            raise ConfigurationError(
                "commit_before_answer has every answer wait for the record, and record=none keeps "
                "none; set record, or leave commit_before_answer out"
            )
        return None
    keep, retain = KeepingRule.read(settings.keep), RetentionRule.read(settings.retain)
    told, durable = RecordMetrics(metrics.registry), settings.commit_before_answer
    return Recorder(record, keep, retain, told, peers=peers, durable=durable)


def _open_outlets(
    settings: Settings, recorder: Recorder | None, metrics: Metrics, peers: Peers
) -> list[Outlet]:
    surroundings = Surroundings(
        settings.data_folder, metrics.registry, peers.worker, recorder is not None
    )
    outlets = open_outlets(settings.plugins, settings, surroundings)
    return outlets if recorder is None else [recorder, *outlets]


def _open_pools(threads: int) -> Pools:
    # Each picture has a thread of the pools; OpenCV's own would wake for a map of a few kilobytes.
    cv2.setNumThreads(1)
    # OpenCV would tell of each damaged picture past the log; the caller's error says the same.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    preparing, finishing = (
        ThreadPoolExecutor(threads, thread_name_prefix=name) for name in ("preparing", "finishing")
    )
    large = ThreadPoolExecutor(threads, thread_name_prefix="large", initializer=let_others_go_first)
    return Pools(preparing, finishing, threads, large)


def _open_gate(settings: Settings) -> Gate:
    return Gate(
        AllowedHosts(settings.allowed_hosts, own=(settings.host, *own_names())),
        AllowedOrigins(settings.allowed_origins),
    )
