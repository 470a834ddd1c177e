"""The application: settings in, an ASGI app out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastapi import FastAPI

from takt.core import plugins
from takt.core.engines.opener import EngineFactory
from takt.observing.logging_setup import Write
from takt.observing.tracing.base import Tracing
from takt.parts.access import access_part
from takt.parts.audit import audit_part
from takt.parts.composing.assembly import assemble
from takt.parts.composing.foundation import Foundation, lay_foundation
from takt.parts.composing.part import ServerPart
from takt.parts.console import console_part
from takt.parts.health import health_part
from takt.parts.learning import learning_part
from takt.parts.mirror import mirror_part
from takt.parts.models import models_part, versions_part
from takt.parts.multiview import multiview_part
from takt.parts.oip import oip_part
from takt.parts.outlets import outlets_part
from takt.parts.record import record_part
from takt.parts.stations import stations_part
from takt.parts.status import status_part
from takt.parts.streams import streams_part
from takt.parts.tracing import tracing_part
from takt.parts.watching import watching_part
from takt.peers import Peers
from takt.recording.record import Record
from takt.repository.supervision.rules import Supervision
from takt.settings import Settings

_SUPERVISION = Supervision()

MakePart = Callable[[Foundation], ServerPart]
"""Makes a part of what it stands on."""

PARTS: tuple[MakePart, ...] = (
    audit_part,
    record_part,
    multiview_part,
    models_part,
    access_part,
    streams_part,
    learning_part,
    watching_part,
    status_part,
    tracing_part,
    mirror_part,
    outlets_part,
    # These have routes alone, so that their places tell nothing.
    oip_part,
    health_part,
    stations_part,
    versions_part,
    console_part,
)
"""What a server has besides the inspection, in the order in which it begins. It ends the other way
round: first nothing is brought and learned any more, then streams end, then the models have
answered, then the audit log has its last entry; and only then the outlets and the record are
closed, the traces are sent and the threads end, as each of these may be used until there."""


def create_app(
    settings: Settings,
    open_engine: EngineFactory | None = None,
    tracing: Tracing | None = None,
    write: Write | None = None,
    supervision: Supervision = _SUPERVISION,
    record: Record | None = None,
    peers: Peers | None = None,
    parts: Sequence[MakePart] = PARTS,
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
        parts: what it has besides the inspection.

    Raises:
        ConfigurationError: there is no model to serve, the keys cannot be read, OpenTelemetry
            cannot be set up, what the record is to keep is not understood, or a plugin cannot be
            used.
    """
    foundation = lay_foundation(settings, open_engine, tracing, write, supervision, record, peers)
    own = [make(foundation) for make in parts]
    makers = plugins.load(plugins.PARTS, settings.plugins)
    plugged = [
        plugins.make(one, makers[one.name], foundation, ServerPart)
        for one in plugins.select(plugins.PARTS, settings.plugins)
    ]
    return assemble(foundation, [*own, *plugged])
