"""The versions of one model side by side: put there, loaded, replaced and taken away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from takt.core.naming import version_order
from takt.observing.instruments.version_metrics import VersionGauges
from takt.recording.audit.served import version_change
from takt.repository.lifecycle import Lifecycle
from takt.repository.model_version import ModelVersion
from takt.repository.served import served_of

logger = logging.getLogger("takt.repository")


class Shelf:
    """The versions of one model by their names, whichever of them is active.

    Args:
        name: of the model.
        lifecycle: loads and closes versions.
        is_active: whether a version answers where a request names none, for the metrics.
    """

    def __init__(self, name: str, lifecycle: Lifecycle, is_active: Callable[[str], bool]) -> None:
        self._name = name
        self._lifecycle = lifecycle
        self._is_active = is_active
        self._versions: dict[str, ModelVersion] = {}

    def __iter__(self) -> Iterator[ModelVersion]:
        """The versions, the lowest first."""
        return iter(list(self._versions.values()))

    def __len__(self) -> int:
        """Number of versions."""
        return len(self._versions)

    def __contains__(self, version: object) -> bool:
        """Whether there is a version of a name."""
        return version in self._versions

    def get(self, version: str) -> ModelVersion | None:
        """Returns a version; None if there is none of this name."""
        return self._versions.get(version)

    def put(self, version: ModelVersion) -> None:
        """Adds a version, or puts it in the place of the one of its name."""
        versions = self._versions | {version.version: version}
        self._versions = dict(sorted(versions.items(), key=lambda item: version_order(item[0])))

    def remove(self, version: str) -> None:
        """Takes a version away, if it is there, and closes it once its last request is answered."""
        found = self._versions.pop(version, None)
        if found is not None:
            change = version_change(self._name, version, served_of(found), None)
            self._lifecycle.noticed(change)
            self._lifecycle.retire(found, closed=partial(self._forget_figures, version))

    async def load(self, path: Path) -> None:
        """Loads a version from its folder, and puts it in the place of the one of its name.

        If it cannot be served and the former one can, that one stays.
        """
        version, old = ModelVersion(path), self._versions.get(path.name)
        if old is None:
            self.put(version)
            self.show_figures(version.version)
            await self._lifecycle.load(version)
            version.report_to(self._lifecycle.metrics)
            change = version_change(self._name, version.version, None, served_of(version))
            self._lifecycle.noticed(change)
            return
        try:
            await self._lifecycle.load(version)
            await self._replace(old, version)
        except BaseException:
            self._lifecycle.retire(version)
            raise

    async def _replace(self, old: ModelVersion, version: ModelVersion) -> None:
        if old.ready and not version.ready:
            old.failed_s, old.refused = version.failed_s, version.reason
            logger.error("%s %s goes on as it was", version.name, version.version)
            return
        if old.thresholds is not None and version.thresholds is not None:
            await asyncio.to_thread(version.thresholds.take_over, old.thresholds)
        if self._versions.get(version.version) is not old:
            # Another task has replaced or removed it meanwhile.
            self._lifecycle.retire(version)
            return
        self.put(version)
        version.report_to(self._lifecycle.metrics)
        if (was := served_of(old)) != (now := served_of(version)):
            self._lifecycle.noticed(version_change(self._name, version.version, was, now))
        self._lifecycle.retire(old)

    def show_figures(self, version: str) -> None:
        """Has Prometheus see the figures of whichever object has a version's place by then."""
        find = partial(self.get, version)
        self._lifecycle.metrics.versions.watch(
            self._name,
            version,
            VersionGauges(
                depth=lambda: one.depth if (one := find()) else 0,
                ready=lambda: one.ready if (one := find()) else 0,
                working=lambda: one.working if (one := find()) else 0,
                spoilt=lambda: one.spoilt if (one := find()) else 0,
                active=partial(self._is_active, version),
            ),
        )

    def _forget_figures(self, version: str) -> None:
        if version not in self._versions:
            self._lifecycle.metrics.forget(self._name, version)
