"""A worker: the whole service, but for its connections, which the supervisor hands to it."""

from __future__ import annotations

import contextlib
import os
import socket
import sys

from service.app import create_app
from service.core.errors import TaktError
from service.observing.line_writer import LineWriter
from service.observing.logging_setup import configure_logging
from service.parts.composing.assembly import foundation_of
from service.recording.record import open_record
from service.server.listening import Listening
from service.server.run import run
from service.server.tls import open_tls
from service.server.workers.nursing import WorkerOrder
from service.server.workers.peers import WorkerPeers
from service.server.workers.serving import WorkerServing
from service.server.workers.ways.counts import CountTable
from service.settings import Settings


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
