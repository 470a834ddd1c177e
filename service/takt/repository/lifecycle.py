"""Loads and proves versions, and closes those that no request can find any more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from takt.core.bundles.bundle import load_bundle
from takt.core.domain import ThresholdKind
from takt.core.errors import NotReadyError
from takt.core.host import return_freed_memory
from takt.recording.audit.entry import Change
from takt.repository.context import VersionContext
from takt.repository.model_version import ModelVersion

_PROVED_WITHIN_S = 120.0
"""Longest wait for golden answers among the pictures that wait."""

_NOTHING_WAITS_S = 10.0
"""Time for the engines' threads to end, when nobody waits for an answer of theirs."""

logger = logging.getLogger("takt.repository")


class Lifecycle:
    """Loads and closes the versions of all models; used on one event loop.

    Args:
        context: what versions are loaded with.
    """

    def __init__(self, context: VersionContext) -> None:
        self.metrics = context.metrics
        self._context = context
        self._loading = asyncio.Lock()
        self._retiring: dict[asyncio.Task[None], ModelVersion] = {}

    @property
    def leads(self) -> bool:
        """Whether this process tells of what every worker sees, so that it is told once."""
        return self._context.peers.leading.is_set()

    def noticed(self, change: Change) -> None:
        """Tells the audit log what was changed beside the server."""
        if self.leads:
            self._context.noticed(change)

    def count_activation(self, model: str) -> None:
        """Counts that another version became the active one."""
        if self.leads:
            self.metrics.versions.activations.labels(model).inc()

    def count_thresholds(self, model: str, kinds: Iterable[ThresholdKind]) -> None:
        """Counts thresholds that were changed."""
        for kind in kinds if self.leads else ():
            self.metrics.versions.threshold_changes.labels(model, kind).inc()

    async def load(self, version: ModelVersion) -> None:
        """Loads a version after those that load already, as each needs much memory for a while."""
        async with self._loading:
            await version.load(self._context)

    async def prove(self, version: ModelVersion) -> None:
        """Has a version answer its golden inputs once more, within a time; see its `prove`."""
        try:
            async with asyncio.timeout(_PROVED_WITHIN_S):
                await version.prove()
        except TimeoutError:
            raise NotReadyError(
                f"model {version.name}, version {version.version}, did not answer its golden "
                f"inputs within {_PROVED_WITHIN_S:.0f} s; is its engine alive, and its queue not "
                "full of others?"
            ) from None

    async def check_files(self, version: ModelVersion) -> None:
        """Has a version's files be what was exported, as they lie on the disk now.

        What is loaded may be right while a later start would find the files spoilt. The signature
        is not asked for again: what was loaded by an old key answers until the next load.

        Raises:
            BundleError: they are not.
        """
        await asyncio.to_thread(load_bundle, version.path, version.path.parent.parent)

    def retire(self, version: ModelVersion, closed: Callable[[], None] = lambda: None) -> None:
        """Closes a version in the background, once its last request is answered.

        Args:
            version: must not be found by new requests.
            closed: called after closing, even if closing fails.
        """

        async def retire() -> None:
            try:
                await version.quiet()
                await version.close(_NOTHING_WAITS_S)
                await asyncio.to_thread(return_freed_memory)
            except Exception:
                logger.exception("%s %s could not be closed", version.name, version.version)
            finally:
                closed()

        task = asyncio.create_task(retire())
        self._retiring[task] = version
        task.add_done_callback(self._retiring.pop)

    async def close(self, drain_timeout_s: float) -> None:
        """Closes the retired versions within a time, even if requests still wait."""
        left = dict(self._retiring)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
        await asyncio.gather(*(version.close(drain_timeout_s) for version in left.values()))
