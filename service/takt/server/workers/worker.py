"""A worker: the whole service, but for its connections, which the supervisor hands to it."""

from __future__ import annotations

import contextlib
import os
import socket
import sys

from takt.app import create_app
from takt.core.errors import TaktError
from takt.observing.line_writer import LineWriter
from takt.observing.logging_setup import configure_logging
from takt.parts.composing.assembly import foundation_of
from takt.recording.record import open_record
from takt.server.listening import Listening
from takt.server.run import run
from takt.server.tls import open_tls
from takt.server.workers.nursing import WorkerOrder
from takt.server.workers.peers import WorkerPeers
from takt.server.workers.serving import WorkerServing
from takt.server.workers.ways.counts import CountTable
from takt.settings import Settings


def main(order: WorkerOrder, messages: int, connections: int, counts: int) -> int:
    """Serve what is handed over until the supervisor says to end; gives the exit status.

    Args:
        order: which worker it is.
        messages: descriptor of its end of the messages' channel.
        connections: descriptor of its end of the connections' way.
        counts: descriptor of the memory of counts, which stays open as long as the process lives.
    """
    settings = Settings.model_validate_json(order.settings)
    if order.cores:
        os.sched_setaffinity(0, order.cores)
    table = CountTable.over(counts, order.rows)
    with contextlib.closing(LineWriter(sys.stderr, shared=True)) as writer:
        configure_logging(settings.log_level, settings.log_format, writer)
        peers = WorkerPeers(
            order.number,
            settings.workers,
            table.row(order.number),
            socket.socket(fileno=messages),
        )
        try:
            record = open_record(settings.data_folder, settings.record)
            app = create_app(settings, write=writer.put, record=record, peers=peers)
            foundation = foundation_of(app)
            tls = open_tls(settings, foundation.metrics.access)
        except TaktError as error:
            print(f"Error: {error}", file=sys.stderr)
            return 1
        serving = WorkerServing(
            socket.socket(fileno=connections),
            peers,
            foundation.host_metrics,
            foundation.models.repository,
        )
        run(
            app,
            settings,
            Listening((), rpc=tuple(order.rpc)),
            tls,
            ended=writer.close,
            serving=serving,
        )
    return 0
