"""Teaching by what people judged: whether a model can be taught, and what there is to do so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from takt.api.learning.schemas import TeachableOut
from takt.core.bundles.bundle import CHECKPOINT
from takt.core.errors import ConflictError, InvalidParameterError, ModelNotFoundError
from takt.core.families.every import known, learnable, names_of
from takt.learning.desk import LearningDesk
from takt.learning.judged import NOTHING_JUDGED, GatheredJudged
from takt.recording.search.filters import Filters
from takt.recording.search.times import us_of_time
from takt.repository.model_version import ModelVersion
from takt.repository.repository import ModelRepository

_ALL: Final = "{}: a teaching takes all that was judged of its model; leave the filters out"


def check_teachable(model: str, repository: ModelRepository) -> None:
    """Refuse a model that cannot be taught.

    Raises:
        ModelNotFoundError: there is none.
        ConflictError: its active version is of a family that cannot be taught.
    """
    repository.model(model)
    if (why := _obstacle(_active(model, repository))) is not None:
        raise ConflictError(why)


async def teachable_out(
    model: str, request_id: str, desk: LearningDesk, repository: ModelRepository
) -> TeachableOut:
    """How many judged pictures of a model there are, as the API tells it.

    Args:
        model: its name.
        request_id: of the request.
        desk: counts them.
        repository: has the active version.

    Raises:
        ModelNotFoundError: there is no such model.
        NoRecordError, RecordError: there is no record, or it cannot be read.
    """
    repository.model(model)
    active = _active(model, repository)
    made_at = _made_at(active)
    found = await desk.teachable(model, None if made_at is None else us_of_time(made_at))
    nothing = None if found.defects else NOTHING_JUDGED.format(model)
    return TeachableOut(
        request_id=request_id,
        model=model,
        version=None if active is None else active.version,
        made_at=None if made_at is None else made_at.isoformat(timespec="seconds"),
        defects=found.defects,
        good=found.good,
        missing=found.missing,
        new=found.new,
        obstacle=_obstacle(active) or nothing,
    )


def refuse_filters(filters: Filters) -> None:
    """Refuse to choose among judged pictures: what is left out would be forgotten.

    Raises:
        InvalidParameterError: names the first filter.
    """
    if filters.given:
        raise InvalidParameterError(_ALL.format(filters.given[0].removesuffix("_us")))


def left_out(gathered: GatheredJudged) -> str | None:
    """Why not all judged pictures were gathered; None if they were."""
    if not gathered.older:
        return None
    return (
        f"{gathered.older} pictures that were judged before all others are left out, as there is "
        "no room for them"
    )


def _active(model: str, repository: ModelRepository) -> ModelVersion | None:
    try:
        found = repository.model(model)
        return None if found.active is None else found.get(found.active)
    except ModelNotFoundError:
        return None


def _made_at(version: ModelVersion | None) -> datetime | None:
    """When a version was made, if its bundle is read and says so."""
    if version is None or version.bundle is None:
        return None
    try:
        at = datetime.fromisoformat(version.bundle.manifest.created_at)
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _obstacle(active: ModelVersion | None) -> str | None:
    """Why an active version cannot be taught; None if it can, or nothing is known against it."""
    if active is None or active.bundle is None:
        return None
    manifest = active.bundle.manifest
    family = known(manifest.family)
    if family is not None and family.takes_more:
        if CHECKPOINT in manifest.files:
            return None
        return (
            f"version {manifest.version} of {manifest.name} keeps no bank that a head can be put "
            "beside; learn it anew from its good pictures"
        )
    those = names_of(one for one in learnable() if one.takes_more)
    title = manifest.family if family is None else family.a_title
    return (
        f"version {manifest.version} of {manifest.name} is {title}, and only a {those} can be "
        f"taught; learn a {those} first"
    )
