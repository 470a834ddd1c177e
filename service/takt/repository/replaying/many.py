"""Many recorded inspections asked again, those of one bundle and engine together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import astuple, dataclass
from itertools import groupby

from takt.core.domain import Source
from takt.core.errors import TaktError
from takt.recording.pictures import PictureStore
from takt.recording.search.pictures import picture_key_of
from takt.recording.search.stored import StoredInspection
from takt.repository.model_version import ModelVersion
from takt.repository.replaying.opening import reopened
from takt.repository.replaying.replay import Replay, options_of, replay
from takt.repository.replaying.tolerance import source_of_stored
from takt.settings import Settings


@dataclass(frozen=True, slots=True)
class NotReplayed:
    """A recorded inspection that cannot be asked again.

    Attributes:
        stored: the recorded inspection.
        reason: why not.
    """

    stored: StoredInspection
    reason: str


async def replay_many(
    inspections: Iterable[StoredInspection],
    pictures: PictureStore,
    settings: Settings,
    engine: str | None = None,
) -> AsyncIterator[Replay | NotReplayed]:
    """Replay inspections one by one, ordered by bundle and engine: each is opened once.

    Args:
        inspections: of one record.
        pictures: of that record.
        settings: of a server with the repository of the bundles.
        engine: value of the setting `engine` to use instead of the recorded ones.
    """
    for _, group in groupby(sorted(inspections, key=_order), key=_opened_for):
        same = list(group)
        waiting = list(same)
        try:
            async with reopened(same[0], settings, engine) as version:
                while waiting:
                    yield await _one(waiting.pop(0), pictures, version, settings)
        except TaktError as error:
            for stored in waiting:
                yield NotReplayed(stored, str(error))


async def _one(
    stored: StoredInspection, pictures: PictureStore, version: ModelVersion, settings: Settings
) -> Replay | NotReplayed:
    try:
        picture = pictures.read(picture_key_of(stored))
        options = options_of(stored, settings.timeout_ms / 1000)
        return await replay(stored, picture, version, options, settings.max_regions)
    except TaktError as error:
        return NotReplayed(stored, str(error))


def _opened_for(stored: StoredInspection) -> tuple[str, str, Source]:
    return stored.model, stored.version, source_of_stored(stored)


def _order(stored: StoredInspection) -> tuple[object, ...]:
    return stored.model, stored.version, *astuple(source_of_stored(stored)), stored.id
