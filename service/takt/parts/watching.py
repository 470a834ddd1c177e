"""The watch: whether camera, light and model are as they were at the calibration."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from takt.api.records.alarms import alarms_router, marks_router
from takt.api.records.watch import watch_router
from takt.core.bundles.bundle import Bundle
from takt.core.errors import ModelNotFoundError, NotReadyError, RecordError
from takt.core.pictures.good_facts import GoodFacts
from takt.observing.instruments.watch_metrics import WatchMetrics
from takt.parts.composing.foundation import Foundation
from takt.parts.composing.part import ServerPart
from takt.recording.record import Record
from takt.recording.watch.activations import Activations
from takt.recording.watch.alarms import MOST_AT_ONCE, alarms_of
from takt.recording.watch.known import KnownBundle
from takt.recording.watch.store import watched_keys
from takt.recording.watch.streams import CAUSES_OF
from takt.recording.watch.watcher import RecordWatcher, WatchTurn
from takt.repository.repository import ModelRepository

EVERY_S: Final = 2.0
"""Time between two turns; so long after a picture an alarm is raised at the latest."""

_MOST_KNOWN: Final = 64
"""Most bundles that are remembered, of a few hundred kilobytes each."""

logger = logging.getLogger("takt.watch")


class _Bundles:
    """What the bundles of a repository say, remembered by their digests.

    Args:
        repository: the models.
    """

    def __init__(self, repository: ModelRepository) -> None:
        self._repository = repository
        self._known: dict[str, KnownBundle] = {}

    def known(self, model: str, version: str, digest: str) -> KnownBundle | None:
        """What a bundle says; None where it is not here, or another one is."""
        bundle = self._bundle(model, version)
        return self._of(bundle) if bundle is not None and bundle.digest == digest else None

    def facts(self, model: str, version: str | None) -> GoodFacts | None:
        """The facts of the good pictures of a model's version, or of its active one."""
        bundle = self._bundle(model, version)
        return None if bundle is None else self._of(bundle).facts

    def _bundle(self, model: str, version: str | None) -> Bundle | None:
        try:
            return self._repository.get(model, version).bundle
        except (ModelNotFoundError, NotReadyError):
            return None

    def _of(self, bundle: Bundle) -> KnownBundle:
        found = self._known.get(bundle.digest)
        if found is None:
            while len(self._known) >= _MOST_KNOWN:
                self._known.pop(next(iter(self._known)))
            found = self._known[bundle.digest] = KnownBundle.of(bundle)
        return found


def watching_part(foundation: Foundation) -> ServerPart:
    """Watches the record of the whole server, in the process that leads."""
    records = foundation.records
    metrics = WatchMetrics(foundation.metrics.registry, foundation.peers.counts.admits)
    bundles = _Bundles(foundation.models.repository)
    watcher: RecordWatcher | None = None

    known: Activations | None = None

    def turn(record: Record) -> WatchTurn:
        nonlocal watcher, known

        def was_active(model: str, version: str, at_us: int) -> bool:
            nonlocal known
            if known is None:
                with record.database.reading() as connection:
                    known = Activations(connection)
            # An activation may have come between a picture and this turn.
            active = known.active(model, at_us)
            if active is None:
                return foundation.models.repository.is_active(model, version)
            return active == version

        if watcher is None:
            watcher = RecordWatcher(record.database, bundles.known, was_active=was_active)
        known = None
        done = watcher.turn()
        with record.database.reading() as connection:
            for key in watched_keys(connection):
                metrics.watch(key.model, key.station, CAUSES_OF[key.kind])
            standing = alarms_of(connection, standing=True, limit=MOST_AT_ONCE)
        now_us = time.time_ns() // 1000
        calling = [one for one in standing if one.calls(now_us)]
        metrics.show((one.model, one.station, one.cause) for one in calling)
        return done

    async def watch() -> None:
        # What was recorded before is held against versions that are read by then.
        await foundation.models.repository.loaded.wait()
        away = False
        while True:
            more = False
            try:
                more = (await records.run(turn)).more
                away = False
            except RecordError as error:
                if not away:
                    logger.warning("nothing is watched while %s", error)
                away = True
            except Exception:
                logger.exception("the watch has met something unforeseen, and goes on")
            await asyncio.sleep(0 if more else EVERY_S)

    return ServerPart(
        name="watching",
        routers=(
            watch_router(
                records, bundles.known, bundles.facts, foundation.models.repository.is_active
            ),
            alarms_router(records),
            marks_router(records),
        ),
        once_leading=(watch,) if records.has_record else (),
    )
