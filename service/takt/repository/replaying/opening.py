"""Opens what had answered a recorded inspection: its bundle in a repository, on its engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from takt.core.bundles.bundle import read_digest
from takt.core.errors import BundleError, ModelNotFoundError
from takt.core.inspection.described import settings_of
from takt.core.inspection.inference import Pools
from takt.observing.instruments.metrics import Metrics
from takt.recording.search.stored import StoredInspection
from takt.repository.context import version_context
from takt.repository.model_version import ModelVersion
from takt.repository.replaying.replay import check_digest
from takt.repository.replaying.tolerance import source_of_stored
from takt.repository.versions import look
from takt.settings import Settings


def find_recorded(repository: Path, stored: StoredInspection) -> Path:
    """The folder of the bundle that answered.

    Raises:
        ConfigurationError: the repository has no bundle at all.
        ModelNotFoundError: it has none of this name and version.
        ConflictError: the one that it has is another one.
        BundleError: its manifest was changed, or cannot be read.
    """
    for path in look(repository).versions:
        if (path.parent.name, path.name) == (stored.model, stored.version):
            check_digest(read_digest(path, repository), stored)
            return path
    raise ModelNotFoundError(
        f"inspection {stored.id} was answered by {stored.model}, version {stored.version}, which "
        f"{repository} does not have; put it back, or name another folder with --repository"
    )


@asynccontextmanager
async def reopened(
    stored: StoredInspection, settings: Settings, engine: str | None = None
) -> AsyncIterator[ModelVersion]:
    """The version that answered, loaded as a server does: files, engine and golden answers checked.

    Args:
        stored: an inspection that it answered.
        settings: of a server; the engine and its layout are the recorded ones.
        engine: value of the setting `engine` to use instead, in the layout of the settings.

    Raises:
        ConflictError, ModelNotFoundError: see `find_recorded`.
        ConfigurationError: this release has no such engine.
        BundleError: the bundle is damaged, or cannot be run here; the message says why.
    """
    path = find_recorded(settings.repository_folder, stored)
    # What answers instead of the recorded engine would be a surprise; whoever wants it names it.
    exactly = {"provider_fallback": False, "variant_fallback": "fail"}
    chosen = settings_of(source_of_stored(stored)) if engine is None else {"engine": engine}
    asked = settings.model_copy(update=exactly | chosen)
    threads = asked.threads_for_decoding
    version = ModelVersion(path)
    with (
        ThreadPoolExecutor(threads, thread_name_prefix="preparing") as preparing,
        ThreadPoolExecutor(threads, thread_name_prefix="finishing") as finishing,
    ):
        try:
            pools = Pools(preparing, finishing, threads)
            await version.load(version_context(asked, pools, Metrics()))
            if version.state != "ready":
                raise BundleError(f"{path} cannot be run on {asked.engine}: {version.reason}")
            yield version
        finally:
            await version.close(asked.drain_timeout_s)
